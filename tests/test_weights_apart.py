"""Distances between weights and likeness of features: known answers and what must not change them."""

import numpy as np
import pytest

from unlearn_core.evaluation import weights_apart as apart
from unlearn_core.params import BadValue

A, B = [np.array([[3.0, 0.0]]), np.array([1.0])], [np.array([[0.0, 4.0]]), np.array([13.0])]


def test_weight_distance_by_hand():
    assert apart.weight_distances(A, B).tolist() == [5, 12]
    assert apart.weight_distance(A, B) == apart.weight_distance(B, A) == 13
    assert apart.weight_distance(A, A) == 0
    assert apart.relative_weight_distance(A, B) == pytest.approx(13 / np.sqrt(185))
    assert apart.relative_weight_distance(B, A) == pytest.approx(13 / np.sqrt(10))
    assert apart.relative_weight_distance(A, [np.zeros((1, 2)), np.zeros(1)]) is None


def test_scaling_all_weights_scales_the_distance_but_not_the_share():
    twice = [[2 * x for x in model] for model in (A, B)]
    assert apart.weight_distance(*twice) == 26
    assert apart.relative_weight_distance(*twice) == pytest.approx(apart.relative_weight_distance(A, B))


def test_other_architectures_are_refused():
    for other in (A[:1], [A[0].T, A[1]], []):
        with pytest.raises(BadValue):
            apart.weight_distance(A, other)


# -- CKA ---------------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5)), RNG.normal(size=(40, 7))
Y[:, :3] += X[:, :3]
both = pytest.mark.parametrize("debiased", [False, True])


def gram_cka(x, y, debiased):
    """The definition on tables of images by images."""
    n = len(x)
    grams = [z @ z.T for z in (x, y)]
    if debiased:
        k, g = (m - np.diag(np.diag(m)) for m in grams)
        one = np.ones(n)

        def hsic(k, g):
            middle = (one @ k @ one) * (one @ g @ one) / ((n - 1) * (n - 2))
            return np.trace(k @ g) + middle - 2 * one @ k @ g @ one / (n - 2)
    else:
        center = np.eye(n) - 1 / n
        k, g = (center @ m @ center for m in grams)

        def hsic(k, g):
            return np.trace(k @ g)

    return hsic(k, g) / np.sqrt(hsic(k, k) * hsic(g, g))


@both
def test_cka_is_what_its_definition_says(debiased):
    assert apart.linear_cka(X, Y, debiased) == pytest.approx(gram_cka(X, Y, debiased), rel=1e-10)
    assert 0.1 < apart.linear_cka(X, Y, debiased) < 0.9


@both
def test_cka_sees_neither_rotation_nor_scale_shift_order_or_side(debiased):
    turn, rows = np.linalg.qr(RNG.normal(size=(5, 5)))[0], RNG.permutation(40)
    value = apart.linear_cka(X, Y, debiased)
    assert apart.linear_cka(X, X, debiased) == pytest.approx(1)
    assert apart.linear_cka(-3 * X @ turn + 5, X, debiased) == pytest.approx(1)
    assert apart.linear_cka(1e-200 * X @ turn, 1e200 * Y + 1e200, debiased) == pytest.approx(value)
    assert apart.linear_cka(Y, X, debiased) == pytest.approx(value)
    assert apart.linear_cka(X[rows], Y[rows], debiased) == pytest.approx(value)
    assert abs(apart.linear_cka(X[rows], Y, debiased) - value) > 0.05
    assert apart.linear_cka(X * [9, 1, 1, 1, 1], Y, debiased) != pytest.approx(value, rel=1e-3)


def test_only_the_debiased_form_knows_wide_unrelated_features():
    wide = [(rng.normal(size=(30, 600)), rng.normal(size=(30, 600))) for rng in map(np.random.default_rng, range(5))]
    assert np.mean([apart.linear_cka(x, y) for x, y in wide]) > 0.8
    assert abs(np.mean([apart.linear_cka(x, y, debiased=True) for x, y in wide])) < 0.05


@both
def test_features_that_do_not_vary_have_no_likeness(debiased):
    assert apart.linear_cka(np.full((40, 3), 0.1), Y, debiased) is None
    assert apart.linear_cka(Y, np.zeros((40, 3)), debiased) is None


def test_features_that_are_all_alike_apart_leave_the_debiased_form_without_an_answer():
    assert apart.linear_cka(np.eye(40), np.eye(40), debiased=True) is None
    assert apart.linear_cka(np.eye(40), np.eye(40)) == pytest.approx(1)


@both
def test_what_is_no_pair_of_features_is_refused(debiased):
    for wrong in (Y[:39], Y[0], np.full_like(Y, np.nan), np.full_like(Y, np.inf)):
        with pytest.raises(BadValue):
            apart.linear_cka(X, wrong, debiased)
    few = 3 if debiased else 1
    with pytest.raises(BadValue):
        apart.linear_cka(X[:few], Y[:few], debiased)
    assert apart.linear_cka(X[: few + 1], X[: few + 1], debiased) == pytest.approx(1)
