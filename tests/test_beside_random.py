"""Where a set stands among random sets of its size, and of its size and class mix."""

from types import SimpleNamespace

import numpy as np
import pytest

from unlearn_core.attacks import signals
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment import OpenStudy, beside_random, studies
from unlearn_core.experiment.beside_random import among_any, among_same_classes, margin_agrees
from unlearn_core.experiment.set_numbers import describe
from unlearn_core.store import Store

NAMES = ("memorization", "margin", "entanglement")


@pytest.fixture(scope="module")
def study(filled_store) -> OpenStudy:
    """The finished small study, read-only."""
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


class MadeUp(SimpleNamespace):
    """What is asked of a study here, of images that were made up."""

    __hash__ = object.__hash__


def made_up(labels, classes=None, seed=0) -> MadeUp:
    rng, n = np.random.default_rng(seed), len(labels)
    apart = 3 * rng.normal(size=(max(labels) + 1, 6))
    return MadeUp(
        labels=np.asarray(labels),
        classes=tuple(map(str, range(classes or max(labels) + 1))),
        sums=EmbeddingSums(rng.normal(size=(n, 6)) + apart[labels]),
        memorization=SimpleNamespace(scores=rng.random(n) + labels),
        original_margins=rng.normal(4, 2, n) - labels,
    )


def among(study, rows, same: bool):
    return among_same_classes(study, rows) if same else among_any(study, rows, study.sums.describe(rows).percentile)


def test_the_margin_is_the_mean_over_the_original_models(study):
    said = [study.logits("original", seed)["train"] for seed in range(study.spec.seeds)]
    expected = np.mean([signals.margin(logits, study.labels) for logits in said], axis=0)
    np.testing.assert_allclose(study.original_margins, expected)
    rows = np.arange(5, 50)
    assert describe(study, rows).margin == pytest.approx(expected[rows].mean())


@pytest.mark.parametrize("same", [False, True])
def test_a_random_set_stands_anywhere(study, same):
    n = len(study.labels)
    places = [among(study, np.random.default_rng(s).choice(n, 40, replace=False), same) for s in range(60)]
    for name in NAMES:
        found = [getattr(place, name) for place in places]
        assert 0.38 < np.mean(found) < 0.62 and min(found) < 0.2 and max(found) > 0.8, name


@pytest.mark.parametrize("same", [False, True])
def test_the_most_memorized_and_the_least_sure_stand_at_the_top(study, same):
    by = {"memorization": study.memorization.scores, "margin": -study.original_margins}
    for name, values in by.items():
        order = np.argsort(values, kind="stable")
        assert getattr(among(study, order[-30:], same), name) > 0.97
        assert getattr(among(study, order[:30], same), name) < 0.03


def test_what_is_usual_for_a_class_is_told_from_what_its_class_is_like():
    """Class 2 is memorized more than the others. Of its images a random dozen are usual, and no set of any images."""
    study = made_up(np.repeat([0, 1, 2], 40))
    places = [np.random.default_rng(s).choice(np.arange(80, 120), 12, replace=False) for s in range(40)]
    assert min(among(study, rows, False).memorization for rows in places) > 0.99
    assert 0.3 < np.mean([among(study, rows, True).memorization for rows in places]) < 0.7
    assert max(among(study, rows, False).entanglement for rows in places) < 0.05
    assert 0.3 < np.mean([among(study, rows, True).entanglement for rows in places]) < 0.7


def test_more_memorized_is_never_lower():
    study, raised = made_up(np.arange(90) % 3), made_up(np.arange(90) % 3)
    rows = np.arange(20)
    raised.memorization.scores[rows] += 0.2
    raised.original_margins[rows] -= 1
    for same in (False, True):
        before, after = among(study, rows, same), among(raised, rows, same)
        assert after.memorization > before.memorization and after.margin > before.margin
        assert after.entanglement == before.entanglement


def test_places_depend_on_nothing_but_the_set():
    labels = np.random.default_rng(5).integers(0, 4, 200)
    rows = np.arange(0, 60, 2)
    for same in (False, True):
        said = among(made_up(labels), rows, same)
        assert said == among(made_up(labels), rows[::-1], same)  # drawn anew, by the same seed
        study = made_up(labels)
        among(study, rows[3:], same)
        assert said == among(study, rows, same) == among(study, rows, same)
        study = made_up(labels)
        study.memorization.scores *= 7
        study.original_margins += 100
        assert said == among(study, rows, same)


def test_from_either_centre_the_place_is_the_same():
    study, rows = made_up(np.arange(90) % 3), np.arange(0, 40)
    sets = study.sums
    mix = beside_random._of(study).classes.mix(rows)
    drawn = beside_random._of(study).classes.draw(mix, 1000)
    pools = beside_random._of(study).classes
    totals = drawn.sums(sets.x, pools.means(sets.x))
    squares = drawn.sums(sets.squares[:, None], pools.means(sets.squares[:, None]))[:, 0]
    shares = {c: (sets.scores(40, totals, squares, c) < sets.score(rows, c)).mean() for c in ("all", "midpoint")}
    assert set(shares.values()) == {among_same_classes(study, rows).entanglement}


# -- sets that leave little or nothing to draw -------------------------------------------------------------------------


def test_whole_classes_are_the_only_set_of_their_mix(study):
    for classes in ([3], [0, 7], [9, 1, 2]):
        assert among_same_classes(study, np.flatnonzero(np.isin(study.labels, classes))) is None
    nearly = np.flatnonzero(study.labels == 3)[1:]
    assert among_same_classes(study, nearly) is not None
    assert describe(study, nearly).places.means_of == len(nearly)


def test_a_set_of_one_image():
    study = made_up(np.array([0] * 30 + [1] * 30))
    most = int(np.argmax(np.where(study.labels == 0, study.memorization.scores, -9)))
    said = among_same_classes(study, np.array([most]))
    assert said.memorization == pytest.approx(29 / 30, abs=0.06) and said.means_of == 1
    assert among(study, np.array([most]), False).memorization < 0.7


def test_a_class_with_one_image():
    study = made_up(np.array([0] * 30 + [1] + [2] * 30), classes=4)  # and class 3 with none
    assert among_same_classes(study, np.array([30])) is None
    said = among_same_classes(study, np.array([3, 30, 40]))
    assert all(0 <= getattr(said, name) <= 1 for name in NAMES) and said.means_of == 3
    # The image that every set has says nothing: without it the place is much the same.
    without = among_same_classes(study, np.array([3, 40]))
    assert said.memorization == pytest.approx(without.memorization, abs=0.12)


def test_all_images_but_one():
    study = made_up(np.arange(60) % 3)
    for same in (False, True):
        said = among(study, np.arange(1, 60), same)
        assert all(0 <= getattr(said, name) <= 1 for name in NAMES) and said.measured_on("margin") == 59


def test_images_that_are_all_alike_are_never_above():
    study = made_up(np.arange(60) % 3)
    study.memorization.scores[:] = 0.1
    study.original_margins[:] = 1 / 3
    study.sums = EmbeddingSums(np.ones((60, 4)))
    for same in (False, True):
        said = among(study, np.arange(7), same)
        assert (said.memorization, said.margin, said.entanglement) == (0, 0, 0)
    assert margin_agrees(study) is None


def test_how_far_a_low_margin_is_a_memorized_image(study):
    study = made_up(np.zeros(50, int))
    study.original_margins = -(study.memorization.scores**3)
    assert margin_agrees(study) == pytest.approx(1)
    study = made_up(np.zeros(50, int))
    study.original_margins = study.memorization.scores.copy()
    assert margin_agrees(study) == pytest.approx(-1)


# -- large sets, whose random sets are smaller -------------------------------------------------------------------------


def test_large_sets_stand_where_whole_random_sets_would_put_them(monkeypatch):
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 5, 3000)
    lean = [np.argsort(rng.normal(size=3000) + strength * labels)[:900] for strength in (-0.3, 0.1, 0.5)]
    found = {}
    for most in (64, 10**6):
        monkeypatch.setattr(beside_random, "MOST", most)
        monkeypatch.setattr(beside_random, "NUMBERS", 10**9)
        study = made_up(labels)
        found[most] = [among_same_classes(study, rows) for rows in lean]
    for few, whole in zip(found[64], found[10**6], strict=True):
        assert few.means_of <= 64 and whole.means_of == 900
        for name in NAMES:
            assert getattr(few, name) == pytest.approx(getattr(whole, name), abs=0.15)
