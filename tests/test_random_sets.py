"""Random sets of a class mix: what they hold, that every image is as likely as another, and sums brought to a size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_core.entanglement import RANDOM_SETS, EmbeddingSums
from unlearn_core.random_sets import Pools

LABELS = np.array([2, 0, 1, 1, 0, 2, 2, 2, 0, 2, 4])  # no image of class 3, one of class 4
MIXES = [[2, 1, 3, 0, 1], [0, 0, 1, 0, 0], [3, 2, 5, 0, 0], [1, 1, 4, 0, 0], [0, 0, 0, 0, 1], [3, 2, 4, 0, 1]]


def pools(labels=LABELS) -> Pools:
    return Pools(labels, int(labels.max()) + 1)


def sums(of: Pools, mix, values, most=10**6):
    return of.draw(np.array(mix), most).sums(values, of.means(values))


def members(of: Pools, mix) -> np.ndarray:
    """(RANDOM_SETS, n) 1 for an image in the set, 0 for another: the sums of what is 1 for one image only."""
    return sums(of, mix, np.eye(len(of.labels)))


@pytest.mark.parametrize("mix", MIXES)
def test_every_set_has_the_class_mix(mix):
    of = pools()
    there = members(of, mix)
    assert there.shape == (RANDOM_SETS, len(LABELS))
    np.testing.assert_allclose(there, np.round(there), atol=1e-12)
    assert set(np.round(there).ravel()) <= {0, 1}
    for line in np.round(there).astype(bool):
        assert of.mix(np.flatnonzero(line)).tolist() == mix
    assert of.draw(np.array(mix), 10**6).images == sum(mix)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=3, max_size=60), st.integers(0, 10**6), st.integers(1, 40))
def test_any_mix_is_kept_however_few_are_drawn(labels, seed, most):
    of = pools(np.array(labels))
    mix = np.random.default_rng(seed).integers(0, of.counts + 1)
    classes = np.eye(len(of.counts))[of.labels]
    np.testing.assert_allclose(sums(of, mix, classes, most), np.tile(mix, (RANDOM_SETS, 1)), atol=1e-9)
    assert 0 <= of.draw(mix, most).images <= max(mix.sum(), most + len(mix))


def test_every_image_of_a_class_is_drawn_as_often():
    labels = np.repeat([0, 1], [6, 40])
    often = members(pools(labels), [2, 30]).mean(0)
    np.testing.assert_allclose(often[:6], 2 / 6, atol=4 * np.sqrt(2 / 6 * 4 / 6 / RANDOM_SETS))
    np.testing.assert_allclose(often[6:], 3 / 4, atol=4 * np.sqrt(3 / 4 * 1 / 4 / RANDOM_SETS))


def test_equal_seeds_draw_equal_sets_and_another_mix_others():
    np.testing.assert_array_equal(members(pools(), MIXES[0]), members(pools(), MIXES[0]))
    labels = np.zeros(30, int)
    assert len(np.unique(members(pools(labels), [7]), axis=0)) > 0.9 * RANDOM_SETS
    assert (members(pools(labels), [7]) != members(pools(labels), [8])).any()


@pytest.mark.parametrize(
    ("mix", "only"),
    [([3, 0, 0, 0, 0], True), ([3, 2, 0, 0, 1], True), ([0, 0, 0, 0, 1], True), ([2, 0, 0, 0, 0], False),
     ([3, 2, 4, 0, 1], False)],
)  # fmt: skip
def test_whole_classes_leave_no_choice(mix, only):
    of = pools()
    assert of.is_only_one(np.array(mix)) == only
    assert (len(np.unique(np.round(members(of, mix)), axis=0)) == 1) == only


def test_means_by_class():
    values = np.arange(22.0).reshape(11, 2)
    means = pools().means(values)
    for c in range(5):
        own = values[np.flatnonzero(c == LABELS)]
        np.testing.assert_allclose(means[c], own.mean(0) if len(own) else 0)


@pytest.mark.parametrize("mix", [[300, 900, 40], [10, 800, 1999]])
def test_fewer_images_stand_for_many(mix):
    """Mean, covariance and quantiles of what large sets sum to, from sets of 60 images."""
    rng = np.random.default_rng(3)
    labels, mix = np.repeat([0, 1, 2], [500, 1500, 2000]), np.array(mix)
    values = np.c_[rng.beta(0.3, 3, 4000), rng.normal(size=4000)] + labels[:, None]
    values[:, 1] += values[:, 0]
    of = pools(labels)
    assert of.draw(mix, 60).images <= 60 + len(mix)
    whole, few = (sums(of, mix, values, most) for most in (10**6, 60))
    error = whole.std(0) / np.sqrt(RANDOM_SETS)
    expected = mix @ of.means(values)
    assert (np.abs(whole.mean(0) - expected) < 4 * error).all() and (np.abs(few.mean(0) - expected) < 4 * error).all()
    np.testing.assert_allclose(few.std(0), whole.std(0), rtol=0.25)
    assert np.corrcoef(few.T)[0, 1] == pytest.approx(np.corrcoef(whole.T)[0, 1], abs=0.15)
    for q in (0.1, 0.9):
        assert np.abs((few < np.quantile(whole, q, axis=0)).mean(0) - q).max() < 0.1


@pytest.mark.parametrize("center", ["all", "midpoint"])
def test_sums_give_the_entanglement_of_each_set(center):
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 60)
    embedded, of = EmbeddingSums(rng.normal(size=(60, 5)) + labels[:, None]), pools(labels)
    mix = of.counts // 2
    totals, squares = sums(of, mix, embedded.x), sums(of, mix, embedded.squares[:, None])[:, 0]
    there = np.round(members(of, mix)).astype(bool)
    expected = [embedded.score(np.flatnonzero(line), center) for line in there]
    np.testing.assert_allclose(embedded.scores(int(mix.sum()), totals, squares, center), expected)
