"""What is said of a set while it is chosen: its place among random sets, and the bars that a brush goes over."""

from dataclasses import replace

import numpy as np
import pytest

from unlearn_core import entanglement
from unlearn_core.entanglement import CENTERS, EmbeddingSums
from unlearn_core.experiment import OpenStudy, studies
from unlearn_core.experiment.set_numbers import BIN, brushed, describe, histogram, neighbours, ordered
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store) -> OpenStudy:
    """The finished small study, read-only."""
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


@pytest.mark.parametrize("center", CENTERS)
def test_it_says_what_the_study_says(study, center):
    rows = np.arange(0, 90, 3)
    said, known = describe(study, rows, center), study.about(rows, center)
    for name, value in vars(known).items():
        np.testing.assert_equal(vars(said.facts)[name], value)
    assert said.places.entanglement == known.entanglement.percentile
    assert said.places.measured_on("entanglement") == said.places.measured_on("margin") == len(rows)


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("size", [150, 300, 700, 900])
def test_random_sets_of_another_size_stand_for_those_of_this_one(monkeypatch, center, size):
    x = np.random.default_rng(6).normal(size=(1000, 40)) * np.linspace(0.2, 2, 40)
    direct = EmbeddingSums(x).random_scores(size, center)
    monkeypatch.setattr(entanglement, "QUICK", 0)
    monkeypatch.setattr(entanglement, "LARGEST", 64)
    sums = EmbeddingSums(x)
    assert sums.quick_size(size) == 64
    quick = sums.quick_scores(size, center)
    assert quick.mean() == pytest.approx(direct.mean(), rel=0.06)  # the error of two means of 200 is 3 %
    assert quick.std() == pytest.approx(direct.std(), rel=0.25)
    assert sums.describe(np.arange(size), center, quick=True).share_of_random == pytest.approx(
        sums.describe(np.arange(size), center).share_of_random, rel=0.06
    )


def test_small_sets_are_compared_with_their_own_size(study):
    sums = study.sums
    assert sums.quick_size(30) == 30
    np.testing.assert_array_equal(sums.quick_scores(30), sums.random_scores(30))


# -- the histogram -----------------------------------------------------------------------------------------------------


def test_every_image_is_in_one_bar(study):
    counts = histogram(study, study.forget)
    assert counts.everyone.sum() == len(study.labels) and counts.chosen.sum() == len(study.forget)
    assert (counts.chosen <= counts.everyone).all() and counts.everyone[[0, -1]].min() > 0
    at_zero = np.flatnonzero(np.abs(counts.middles) < 1e-9)
    scores = study.memorization.scores
    assert counts.means == pytest.approx((np.mean([scores[row] for row in study.forget]), np.mean(scores)))
    assert counts.everyone[at_zero] == (np.abs(study.memorization.scores) < BIN / 2 - 1e-9).sum()


def test_a_brush_over_bars_names_their_images(study):
    counts, scores = histogram(study, study.forget), study.memorization.scores
    for first, last in ((0, 3), (5, 5), (2, len(counts.middles) - 1)):
        ends = counts.middles[first] - 0.01, counts.middles[last] + 0.01
        if expected := counts.everyone[first : last + 1].sum():
            rows = brushed(study, *ends)
            assert len(rows) == expected and np.array_equal(rows, brushed(study, *ends[::-1]))
            assert scores[rows].min() >= ends[0] - BIN and scores[rows].max() <= ends[1] + BIN
    everything = brushed(study, -2, 2)
    assert len(everything) == len(study.labels)


def test_a_narrow_brush_names_the_bar_it_is_in(study):
    fullest = histogram(study, study.forget)
    middle = fullest.middles[fullest.everyone.argmax()]
    assert len(brushed(study, middle + 0.011, middle + 0.012)) == fullest.everyone.max()


def test_a_brush_beside_all_bars(study):
    with pytest.raises(BadValue, match=r"No image scores 1\.50 to 1\.90"):
        brushed(study, 1.9, 1.5)


# -- single images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["memorization", "loss"])
def test_images_stand_in_order(study, by):
    rows, values = ordered(study, study.forget, by)
    assert sorted(rows) == study.forget.tolist() and (np.diff(values) <= 1e-9).all()
    ties = np.abs(np.diff(values)) < 1e-9
    assert (np.diff(rows)[ties] > 0).all() and (by == "loss" or ties.any())
    if by == "loss":
        logits = study.logits("original", 0)["train"][rows].astype(np.float64)
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(values, -np.log(chances[np.arange(len(rows)), study.labels[rows]]), atol=1e-4)


def test_no_other_order(study):
    with pytest.raises(BadValue, match="ordered by"):
        ordered(study, study.forget, "beauty")


def test_neighbours_are_images_that_are_kept(study):
    row = int(study.forget[0])
    near = neighbours(study, row, study.forget)
    x = study.sums.x
    kept = np.setdiff1d(np.arange(len(x)), study.forget)
    apart = np.linalg.norm(x[kept] - x[row], axis=1)
    assert near.rows.tolist() == kept[np.argsort(apart, kind="stable")[:8]].tolist()
    assert near.usual == pytest.approx(np.median(apart)) and near.distances[0] == pytest.approx(apart.min())
    assert near.alike == (study.labels[near.rows] == study.labels[row]).mean()
    # What leaves the kept images makes room for the next one.
    without = neighbours(study, row, np.r_[study.forget, near.rows[0]])
    assert without.rows[:7].tolist() == near.rows[1:].tolist()


def test_a_kept_image_is_not_its_own_neighbour(study):
    row = int(np.setdiff1d(np.arange(100), study.forget)[0])
    assert row not in neighbours(study, row, study.forget).rows


@pytest.mark.parametrize("row", [-1, 10**6])
def test_neighbours_of_nothing(study, row):
    with pytest.raises(BadValue, match="does not exist"):
        neighbours(study, row, study.forget)
    everything_else = np.setdiff1d(np.arange(len(study.labels)), [3])
    with pytest.raises(BadValue, match="No other image is kept"):
        neighbours(study, 3, everything_else)


def test_a_set_stands_out_by_what_exceeds_nearly_all_random_sets(study):
    scores = study.memorization.scores
    highest, lowest = np.argsort(-scores, kind="stable")[:20], np.argsort(scores, kind="stable")[:20]
    assert "memorization" in describe(study, highest).stands_out
    assert "memorization" not in describe(study, lowest).stands_out
    said = describe(study, highest)
    both = replace(said, places=replace(said.places, memorization=0.95, entanglement=1.0))
    assert both.stands_out == ("memorization", "entanglement")
    assert replace(both, places=replace(both.places, memorization=0.94)).stands_out == ("entanglement",)
    little = replace(both, facts=replace(both.facts, memorization=0.09))  # more than random sets, and next to nothing
    assert little.stands_out == ("entanglement",)
