"""Distances between outputs: known answers, bounds, and what must not change them."""

import math

import numpy as np
import pytest

from unlearn_core.evaluation import outputs_apart as apart
from unlearn_core.params import BadValue

SURE = np.array([[1.0, 0.0], [1.0, 0.0]])
OTHER = SURE[:, ::-1]
EVEN = np.full((2, 2), 0.5)
DISTANCES = [apart.js_divergence, apart.activation_distance, apart.total_variation]


def rows(seed, n=30, k=5):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n)


@pytest.mark.parametrize("distance, largest", list(zip(DISTANCES, [math.log(2), math.sqrt(2), 1], strict=True)))
def test_opposite_certainties_are_as_far_apart_as_can_be(distance, largest):
    assert distance(SURE, OTHER) == pytest.approx(largest, abs=1e-15)
    assert 0 < distance(rows(0), rows(1)) < largest


def test_a_sure_model_against_an_even_one():
    # m = (3/4, 1/4): (ln(4/3) + (ln(2/3) + ln 2) / 2) / 2.
    expected = (math.log(4 / 3) + (math.log(2 / 3) + math.log(2)) / 2) / 2
    assert apart.js_divergences(SURE, EVEN) == pytest.approx([expected, expected])
    assert apart.activation_distance(SURE, EVEN) == pytest.approx(math.sqrt(0.5))
    assert apart.total_variation(SURE, EVEN) == 0.5


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_are_symmetric_zero_at_home_and_blind_to_names(distance):
    rng, p, q = np.random.default_rng(2), rows(0), rows(1)
    images, classes = rng.permutation(30), rng.permutation(5)
    assert distance(p, p) == 0
    assert distance(p, q) == pytest.approx(distance(q, p), rel=1e-14)
    assert distance(p[images][:, classes], q[images][:, classes]) == pytest.approx(distance(p, q), rel=1e-14)
    assert distance(p[images], q) != pytest.approx(distance(p, q))
    assert distance(p.astype(np.float32), q.astype(np.float32)) == pytest.approx(distance(p, q), abs=1e-6)
    assert distance(p[:0], q[:0]) is None


@pytest.mark.parametrize("distance", [*DISTANCES, apart.zrf])
def test_what_is_no_probability_is_refused(distance):
    for wrong in (rows(0) * 2, rows(0) - 0.2, rows(0) * np.nan, rows(0)[:, :4], rows(0)[0]):
        with pytest.raises(BadValue):
            distance(rows(0), wrong)


def test_zrf_reads_one_for_a_random_model_and_averages_over_several():
    p, a, b = rows(0), rows(1), rows(2)
    assert apart.zrf(a, a) == 1
    assert apart.zrf(SURE, OTHER) == pytest.approx(1 - math.log(2))
    both = apart.zrf(p, np.stack([a, b]))
    assert both == pytest.approx((apart.zrf(p, a) + apart.zrf(p, b)) / 2)
    assert apart.zrf(p, a) != pytest.approx(apart.zrf(p, b))
    assert apart.zrf(p[:0], a[:0]) is None
    with pytest.raises(BadValue):
        apart.zrf(p, np.zeros((0, 30, 5)))


# -- KLoM --------------------------------------------------------------------------------------------------------------

FARTHEST = math.log((1 + 1e-5) / 1e-5)


def test_two_different_constants_are_as_far_apart_as_can_be():
    low, high = np.zeros((4, 1)), np.ones((4, 1))
    assert apart.klom_each(low, high) == pytest.approx([FARTHEST])
    assert apart.klom_each(high, low) == pytest.approx([FARTHEST])
    assert apart.klom_each(high, high) == [0]


def test_klom_counts_by_hand():
    # Two bins: retrained 1/2 and 1/2, unlearned 1/4 and 3/4; the largest margin, 1, belongs to the upper bin.
    retrained, unlearned = np.array([[0.0], [1.0]]), np.array([[0.2], [0.5], [0.9], [1.0]])
    expected = (math.log(0.5 / 0.25) + math.log(0.5 / 0.75)) / 2
    assert apart.klom_each(retrained, unlearned, bins=2) == pytest.approx([expected])


def test_klom_is_zero_at_home_not_symmetric_and_blind_to_order_shift_and_scale():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 6)), rng.normal(size=(70, 6)) + np.arange(6) / 2
    each = apart.klom_each(a, b)
    assert (apart.klom_each(a, a) >= 0).all() and (apart.klom_each(a, a) < 1e-14).all()
    assert each.shape == (6,) and (each > 0).all() and (each <= FARTHEST).all()
    assert not np.allclose(apart.klom_each(b, a), each)
    shuffled = apart.klom_each(rng.permutation(a), rng.permutation(b))
    assert np.allclose(shuffled, each)
    assert np.allclose(apart.klom_each(4 * a + 8, 4 * b + 8), each)
    assert [apart.klom_each(a[:, [i]], b[:, [i]])[0] for i in range(6)] == pytest.approx(each)
    assert apart.klom(a, b) == pytest.approx(np.percentile(each, 95))
    assert apart.klom(a, b, percentile=50) == pytest.approx(np.median(each))


def test_the_floor_of_klom_falls_with_the_number_of_models():
    rng = np.random.default_rng(0)
    for models, floor in ((10, 5.7), (32, 1.67), (100, 0.33)):
        a, b = rng.normal(size=(2, models, 1000))
        assert apart.klom_each(a, b).mean() == pytest.approx(floor, rel=0.15)


def test_extreme_margins_are_cut():
    wide, cut = np.array([[-np.inf], [0.0], [500.0]]), np.array([[-100.0], [0.0], [100.0]])
    near = np.array([[1.0], [2.0], [3.0]])
    assert apart.klom_each(wide, near) == apart.klom_each(cut, near)


def test_what_is_no_table_of_margins_is_refused():
    good = np.ones((3, 2))
    for wrong in (np.ones((3, 1)), np.ones(2), np.ones((0, 2)), np.full((3, 2), np.nan)):
        with pytest.raises(BadValue):
            apart.klom_each(good, wrong)
        with pytest.raises(BadValue):
            apart.klom_each(wrong, good)
    with pytest.raises(BadValue):
        apart.klom_each(good, good, bins=0)
    assert apart.klom(good[:, :0], good[:, :0]) is None
