"""Entanglement: closed forms, the definition by brute force, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_core.entanglement import CENTERS, DISTANCES, RANDOM_SETS, EmbeddingSums


def by_definition(x, rows, center):
    """The formula as it is written, one image at a time."""
    forget = np.zeros(len(x), bool)
    forget[rows] = True
    sets = [x[~forget], x[forget]]
    means = [s.mean(0) for s in sets]
    middle = x.mean(0) if center == "all" else (means[0] + means[1]) / 2
    within = sum(np.mean([np.sum((point - mean) ** 2) for point in s]) for s, mean in zip(sets, means, strict=True))
    between = sum(np.sum((mean - middle) ** 2) for mean in means) / 2
    return within / between


def two_clouds(n_retain, n_forget, delta, d, rng):
    """Unit-variance clouds whose means lie exactly delta apart and whose variances are exactly d."""

    def cloud(n):
        z = rng.normal(size=(n, d))
        z -= z.mean(0)
        return z / np.sqrt((z**2).mean(0))

    x = np.concatenate([cloud(n_retain), cloud(n_forget)])
    x[n_retain:, 0] += delta
    return x, np.arange(n_retain, n_retain + n_forget)


@pytest.mark.parametrize("center", CENTERS)
def test_what_one_image_moves_is_the_set_with_it_less_the_set_without_it(center):
    x = np.random.default_rng(1).normal(size=(40, 5)) + 3
    sums, rows = EmbeddingSums(x), np.arange(7)
    moved = sums.moved_by(rows, center)

    def beside_random(rows):
        """What random sets score grows with their size: with s (n - s), or that over s^2 + (n - s)^2."""
        s, rest = len(rows), len(x) - len(rows)
        return by_definition(x, rows, center) / (s * rest / (1 if center == "midpoint" else s**2 + rest**2))

    for i in range(len(x)):
        without, together = np.setdiff1d(rows, [i]), np.union1d(rows, [i])
        change = beside_random(together) - beside_random(without)
        assert moved[i] == pytest.approx(change / beside_random(rows))


def test_of_a_random_set_no_image_entangles_more_than_another_by_its_size():
    x = np.random.default_rng(3).normal(size=(4000, 20))
    sums = EmbeddingSums(x)
    for size in (40, 400):
        means = [sums.moved_by(np.random.default_rng(i).choice(4000, size, replace=False)).mean() for i in range(20)]
        assert abs(np.mean(means)) < 0.2 / size


def test_the_only_image_of_a_side_moves_nothing_that_can_be_said():
    x = np.random.default_rng(2).normal(size=(6, 3))
    one, all_but_one = EmbeddingSums(x).moved_by(np.array([2])), EmbeddingSums(x).moved_by(np.array([0, 1, 3, 4, 5]))
    assert np.flatnonzero(np.isnan(one)).tolist() == np.flatnonzero(np.isnan(all_but_one)).tolist() == [2]
    same = EmbeddingSums(np.ones((4, 2)))
    assert np.isnan(same.moved_by(np.array([0, 1]))).all()  # an infinite score
    for empty in ([], [0, 1, 2, 3]):
        with pytest.raises(ValueError, match="at least one image on each side"):
            same.moved_by(np.array(empty, int))


@pytest.mark.parametrize(("delta", "d"), [(1.0, 2), (3.0, 5), (0.25, 16), (10.0, 64)])
def test_two_gaussians_have_a_closed_form(delta, d):
    """Unit variances, distance delta: 8 d / delta^2 about the midpoint, for any sizes."""
    rng = np.random.default_rng(0)
    for sizes in ((200, 200), (300, 20)):
        x, rows = two_clouds(*sizes, delta, d, rng)
        assert EmbeddingSums(x).score(rows, "midpoint") == pytest.approx(8 * d / delta**2, rel=1e-9)


def test_the_weighted_form_has_a_closed_form_too():
    """About the mean of all images: between = delta^2 (a^2 + b^2) / 2 with a, b the shares of the two sets."""
    rng = np.random.default_rng(1)
    for n_retain, n_forget in ((200, 200), (280, 20), (42, 3)):
        x, rows = two_clouds(n_retain, n_forget, 2.0, 6, rng)
        a, b = n_retain / len(x), n_forget / len(x)
        assert EmbeddingSums(x).score(rows, "all") == pytest.approx(12 / (4 * (a**2 + b**2) / 2), rel=1e-9)


def test_the_centres_agree_on_halves_and_differ_by_a_factor_elsewhere():
    """At 42,000 to 3,000 images the paper's text gives 0.571 of the released code's value, for any embedding."""
    x = np.random.default_rng(2).normal(size=(450, 4))
    sums = EmbeddingSums(x)
    assert sums.score(np.arange(225), "all") == pytest.approx(sums.score(np.arange(225), "midpoint"))
    assert sums.score(np.arange(30), "all") / sums.score(np.arange(30), "midpoint") == pytest.approx(0.571, abs=5e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(1, 8), st.integers(0, 10**6), st.sampled_from(CENTERS), st.data())
def test_sums_are_the_definition(n, d, seed, center, data):
    x = np.random.default_rng(seed).normal(3, 2, size=(n, d)).astype(np.float32)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1))))
    assert EmbeddingSums(x).score(rows, center) == pytest.approx(by_definition(x.astype(float), rows, center), rel=1e-6)


@pytest.mark.parametrize("center", CENTERS)
def test_shift_rotation_and_scale_change_nothing(center):
    rng = np.random.default_rng(3)
    x, rows = rng.normal(size=(120, 5)) * [1, 2, 3, 4, 5], np.arange(7, 40)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    score = EmbeddingSums(x).score(rows, center)
    for other in (x + 1e4, x @ turn, 1e-3 * x, 1e3 * (x @ turn) - 5, np.c_[x, np.zeros((120, 3))]):
        assert EmbeddingSums(other).score(rows, center) == pytest.approx(score, rel=1e-6)
    order = rng.permutation(120)
    assert EmbeddingSums(x[order]).score(np.flatnonzero(np.isin(order, rows)), center) == pytest.approx(score)


def test_large_numbers_do_not_cancel():
    """Features far from the origin in float32: sums of squares that are not centred would lose all digits."""
    x = np.random.default_rng(4).normal(size=(100, 3)).astype(np.float32) * 0.01 + 1000
    rows = np.arange(20)
    assert EmbeddingSums(x).score(rows) == pytest.approx(by_definition(x.astype(float), rows, "all"), rel=1e-6)


def test_nearer_means_are_more_entangled():
    rng = np.random.default_rng(5)
    scores = []
    for delta in (4.0, 2.0, 1.0, 0.5):
        x, rows = two_clouds(150, 50, delta, 4, rng)
        scores.append(EmbeddingSums(x).score(rows))
    assert scores == sorted(scores)


def test_coinciding_means_are_infinitely_entangled():
    x = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    assert EmbeddingSums(x).score(np.array([0, 1])) == float("inf")


@pytest.mark.parametrize("rows", [[], [0, 1, 2, 3]])
def test_both_sides_need_an_image(rows):
    with pytest.raises(ValueError, match="at least one image on each side"):
        EmbeddingSums(np.eye(4)).score(np.array(rows, int))


# -- the random reference ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [20, 100, 400])
def test_a_random_set_reads_eight_times_its_size(size):
    """A random set's mean lies within noise of the global mean: about 8 s / (1 + s / r) about the midpoint."""
    n = 1000
    sums = EmbeddingSums(np.random.default_rng(6).normal(size=(n, 200)))
    expected = 8 * size / (1 + size / (n - size))
    assert np.mean(sums.random_scores(size, "midpoint")) == pytest.approx(expected, rel=0.05)


def test_a_random_set_is_as_entangled_as_a_random_set():
    sums = EmbeddingSums(np.random.default_rng(7).normal(size=(600, 400)))
    found = [sums.describe(np.random.default_rng(s).choice(600, 60, replace=False)) for s in range(20)]
    assert np.mean([e.share_of_random for e in found]) == pytest.approx(1, abs=0.05)
    assert 0.3 < np.mean([e.percentile for e in found]) < 0.7


def test_a_set_apart_is_far_below_the_reference():
    x, rows = two_clouds(550, 50, 8.0, 10, np.random.default_rng(8))
    found = EmbeddingSums(x).describe(rows)
    assert found.share_of_random < 0.02 and found.percentile == 0 and found.center == "all"
    assert found.score == EmbeddingSums(x).score(rows)


def test_the_reference_can_be_repeated():
    x = np.random.default_rng(9).normal(size=(100, 3))
    a, b = EmbeddingSums(x), EmbeddingSums(x)
    np.testing.assert_array_equal(a.random_scores(10), b.random_scores(10))
    assert len(a.random_scores(10)) == RANDOM_SETS and a.random_scores(10) is a.random_scores(10)
    assert a.random_scores(10).mean() < a.random_scores(30).mean()  # grows with the size


def test_rows_by_distance_from_the_middle():
    x = np.array([[5.0, 0], [0, 1], [0, -1], [-5, 0], [0, 0]])
    assert EmbeddingSums(x + 7).by_distance().tolist() == [4, 1, 2, 0, 3]  # equal distances in row order


# -- neighbours --------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 40), st.integers(1, 6), st.integers(0, 10**6), st.sampled_from(DISTANCES))
def test_neighbours_by_definition(n, d, seed, measure):
    x = np.random.default_rng(seed).normal(3, 2, size=(n, d))
    centred = x - x.mean(0)
    norms = np.linalg.norm(centred, axis=1)
    apart = {
        "euclidean": np.linalg.norm(x - x[1], axis=1),
        "cosine": 1 - centred @ centred[1] / (norms * norms[1]),
    }[measure]
    among = np.arange(0, n, 2)  # the image itself is not among them
    rows, found = EmbeddingSums(x).nearest(1, among, 4, measure)
    np.testing.assert_allclose(found, apart[rows], atol=1e-6)
    assert len(rows) == min(4, len(among)) and (np.diff(found) >= -1e-9).all()
    left_out = np.setdiff1d(among, rows)
    assert not len(left_out) or apart[left_out].min() >= found.max() - 1e-6


def test_an_image_on_the_mean_has_no_angle():
    x = np.array([[0.0, 0], [1, 0], [-1, 0]])
    assert EmbeddingSums(x).distances(0, np.arange(3), "cosine").tolist() == [0, 1, 1]
    assert EmbeddingSums(x).distances(1, np.arange(3), "cosine").tolist() == [1, 0, 2]
