"""U-LiRA: one model asked, and one attacker for all images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import gaussian_kde, norm

from unlearn_core.attacks import Side, p_member, population_log_odds, summarise, u_lira, u_lira_kde
from unlearn_core.params import BadValue

FEW = settings(max_examples=40, deadline=None)
# Coarse values, so that ties and columns without any spread occur.
TABLES = arrays(np.float64, (9, 4), elements=st.integers(-3, 3).map(float))


def side(scores):
    return summarise(scores, np.ones(scores.shape, bool))


def test_the_ratio_is_that_of_two_normal_densities_with_means_not_medians():
    rng = np.random.default_rng(0)
    o, r, phi = rng.normal(1, 1, (16, 7)), rng.normal(0, 2, (12, 7)), rng.normal(size=7)
    expected = norm.logpdf(phi, o.mean(0), o.std(0)) - norm.logpdf(phi, r.mean(0), r.std(0))
    np.testing.assert_allclose(u_lira(phi, side(o), side(r)), expected)
    spreads = [(x - x.mean(0)).std() for x in (o, r)]
    pooled = norm.logpdf(phi, o.mean(0), spreads[0]) - norm.logpdf(phi, r.mean(0), spreads[1])
    np.testing.assert_allclose(u_lira(phi, side(o), side(r), "pooled"), pooled)
    both = u_lira(np.stack([phi, -phi]), side(o), side(r))
    np.testing.assert_array_equal(both, [u_lira(x, side(o), side(r)) for x in (phi, -phi)])


@given(observed=TABLES, phi=arrays(np.float64, 4, elements=st.floats(-50, 50)))
@FEW
def test_equal_sides_say_exactly_one_half(observed, phi):
    for variance in ("each", "pooled"):
        assert (p_member(u_lira(phi, side(observed), side(observed), variance)) == 0.5).all()
    assert (p_member(u_lira_kde(phi, observed, observed)) == 0.5).all()


@given(observed=TABLES, others=TABLES, phi=arrays(np.float64, 4, elements=st.floats(-50, 50)))
@FEW
def test_swapped_sides_swap_the_sign_and_the_two_chances_make_one(observed, others, phi):
    for variance in ("each", "pooled"):
        there = u_lira(phi, side(observed), side(others), variance)
        back = u_lira(phi, side(others), side(observed), variance)
        assert (there == -back).all() and np.isfinite(there).all()
        np.testing.assert_allclose(p_member(there) + p_member(back), 1)


def test_an_unlearner_without_randomness_has_a_floor_not_an_infinity():
    rng = np.random.default_rng(1)
    r, o = rng.normal(size=(16, 3)), np.full((16, 3), 0.5)
    o[:, 1:] += rng.normal(size=(16, 2))
    found = u_lira(np.array([0.5, 0.5, 0.5]), side(o), side(r))
    pooled = np.sqrt(np.mean(np.concatenate([o - o.mean(0), r - r.mean(0)]) ** 2))
    assert found[0] == pytest.approx(norm.logpdf(0, 0, 1e-6 * pooled) - norm.logpdf(0.5, r[:, 0].mean(), r[:, 0].std()))
    assert u_lira(np.array([0.6, 0.5, 0.5]), side(o), side(r))[0] == -1000
    assert u_lira(np.ones(1), side(np.ones((4, 1))), side(np.zeros((4, 1)))).tolist() == [1000]


def test_an_example_without_models_on_a_side_has_no_ratio_and_spoils_no_other():
    full = side(np.random.default_rng(0).normal(size=(8, 3)))
    hole = Side(np.array([8, 0, 8]), *(np.where([1, 0, 1], x, np.nan) for x in (full.mean, full.std)))
    for variance in ("each", "pooled"):
        np.testing.assert_array_equal(np.isnan(u_lira(np.zeros(3), hole, full, variance)), [False, True, False])


def test_what_is_not_finite_is_refused():
    full = side(np.ones((3, 2)))
    for bad in (np.nan, np.inf):
        with pytest.raises(BadValue, match="not finite"):
            u_lira(np.array([0.0, bad]), full, full)
    with pytest.raises(BadValue, match="at least one model on each side"):
        u_lira_kde(np.zeros(2), np.zeros((0, 2)), np.zeros((3, 2)))
    with pytest.raises(BadValue, match="at least one observation on each side"):
        population_log_odds(np.zeros(2), np.zeros((0, 2)), np.zeros((3, 2)))


def test_kernel_densities_are_those_of_scipy():
    rng = np.random.default_rng(2)
    o, r, phi = rng.normal(1, 1, (16, 5)), rng.gamma(2, 2, (11, 5)), rng.normal(size=5)
    logs = [[gaussian_kde(c, "silverman").logpdf(x)[0] for c, x in zip(s.T, phi, strict=True)] for s in (o, r)]
    np.testing.assert_allclose(u_lira_kde(phi, o, r), np.subtract(*logs))
    kernels = [norm.pdf(phi - s).mean(0) for s in (o, r)]
    np.testing.assert_allclose(p_member(u_lira_kde(phi, o, r, 1.0)), kernels[0] / np.sum(kernels, axis=0))


def test_kernel_densities_find_what_two_normal_ones_do_not():
    rng = np.random.default_rng(3)
    split = np.where(rng.random((200, 1)) < 0.5, -2, 2) + 0.3 * rng.normal(size=(200, 1))
    whole = rng.normal(0, split.std(), (200, 1))
    assert abs(u_lira(np.array([2.0]), side(split), side(whole))[0]) < 0.3
    assert u_lira_kde(np.array([2.0]), split, whole)[0] > 0.5 > -0.5 > u_lira_kde(np.array([0.0]), split, whole)[0]
