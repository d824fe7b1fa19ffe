"""Choosing what to forget: the rule that is stated, one answer for ties, and a sentence where a rule names nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.forget import (
    FORGET_SETS,
    AtRandom,
    ByEntanglement,
    ByMemorization,
    Known,
    MemorizationBand,
    Mislabelled,
    NearTo,
    OfClass,
    Picked,
    at_first,
    distance_groups,
)
from unlearn_core.params import BadValue


def unasked():
    raise AssertionError("this rule does not need it")


def known(scores=None, x=None, labels=None, mislabelled=None, n=60):
    """What is known of n images of three classes; what is not given may not be asked for."""
    n = len(scores) if scores is not None else len(x) if x is not None else n
    return Known(
        labels=np.arange(n) % 3 if labels is None else labels,
        classes=("cat", "dog", "owl"),
        memorization=unasked if scores is None else lambda: np.asarray(scores, float),
        sums=unasked if x is None else lambda: EmbeddingSums(x),
        mislabelled=mislabelled,
    )


SCORES = np.round(np.random.default_rng(0).random(60), 1)
SCORES[:25] = 0  # many ties, as with real scores


@pytest.mark.parametrize(("level", "order"), [("low", SCORES), ("high", -SCORES), ("medium", np.abs(SCORES - 0.5))])
@pytest.mark.parametrize("size", [1, 7, 59])
def test_levels_of_memorization(level, order, size):
    """By score, then by row: written as the sort of (score, row) pairs."""
    expected = sorted(range(60), key=lambda i: (round(order[i], 9), i))[:size]
    assert ByMemorization(level=level, size=size).choose(known(SCORES)).tolist() == sorted(expected)


def test_low_is_the_first_rows_among_ties():
    assert ByMemorization(level="low", size=10).choose(known(SCORES)).tolist() == [*range(10)]


def test_medium_is_on_the_scale_of_the_score():
    """Nearest to 0.5, not in the middle of the ranking; 0.4 and 0.6 are equally near however they are rounded."""
    scores = np.r_[np.zeros(50), 0.6, 0.5, 0.1 + 0.3, 1.0, 0.7 - 0.1]
    assert ByMemorization(level="medium", size=4).choose(known(scores)).tolist() == [50, 51, 52, 54]
    assert ByMemorization(level="medium", size=2).choose(known(scores)).tolist() == [50, 51]


@given(st.integers(3, 59), st.integers(0, 99))
def test_a_mix_is_a_third_of_each_level(size, seed):
    scores = np.round(np.random.default_rng(seed).random(60), 1)
    rows = ByMemorization(level="mix", size=size).choose(known(scores))
    assert len(set(rows)) == size
    third = size // 3
    assert set(ByMemorization(level="high", size=third).choose(known(scores))) <= set(rows)
    if size <= 30:  # with more, levels meet, and a later third takes what the earlier ones left
        assert set(ByMemorization(level="low", size=third).choose(known(scores))) <= set(rows)


def test_a_mix_of_the_paper():
    """3 x 10 of 60 distinct scores: the ten highest, the ten lowest, the ten nearest to 0.5."""
    scores = np.random.default_rng(1).permutation(np.linspace(0, 1, 61)[:60])
    by_score = np.argsort(scores)
    rows = set(ByMemorization(level="mix", size=30).choose(known(scores)))
    assert rows == {*by_score[:10], *by_score[-10:], *np.argsort(np.abs(scores - 0.5))[:10]}


def test_groups_by_entanglement_are_chosen_by_what_was_measured():
    """A far group of one kind is the least entangled, although it is the last by distance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 6))
    x[80:, 0] += 40  # far away and all together
    groups, scores = distance_groups(EmbeddingSums(x), 10)
    assert len(groups) == 9 and sorted(np.concatenate(groups)) == [*range(90)]
    low, medium, high = (ByEntanglement(level=level, size=10).choose(known(x=x)) for level in ("low", "medium", "high"))
    measured = [EmbeddingSums(x).score(rows) for rows in (low, medium, high)]
    assert measured == pytest.approx([min(scores), sorted(scores)[4], max(scores)])
    assert low.tolist() == [*range(80, 90)]


def test_groups_by_entanglement_need_room():
    with pytest.raises(BadValue, match="at most a third of the 30 training images, not 11"):
        ByEntanglement(size=11).choose(known(x=np.random.default_rng(0).normal(size=(30, 2))))
    assert len(ByEntanglement(size=10).choose(known(x=np.random.default_rng(0).normal(size=(30, 2))))) == 10


def test_a_band_by_value_holds_both_its_ends():
    scores = np.array([-0.25, 0, 0.3, 0.1 + 0.2, 0.31, 1.0])
    assert MemorizationBand(low=0.3, high=0.31).choose(known(scores)).tolist() == [2, 3, 4]
    assert MemorizationBand(low=-0.25, high=-0.25).choose(known(scores)).tolist() == [0]
    with pytest.raises(BadValue, match="No image lies between 0.5 and 0.9"):
        MemorizationBand(low=0.5, high=0.9).choose(known(scores))
    with pytest.raises(BadValue, match="all training images"):
        MemorizationBand(low=-1, high=1).choose(known(scores))


@pytest.mark.parametrize("tenths", [1, 3, 7])
def test_a_band_by_rank_goes_by_score_then_row(tenths):
    lowest = MemorizationBand(scale="rank", low=0, high=tenths / 10).choose(known(SCORES))
    assert lowest.tolist() == ByMemorization(level="low", size=6 * tenths).choose(known(SCORES)).tolist()
    rest = MemorizationBand(scale="rank", low=tenths / 10, high=1).choose(known(SCORES))
    assert sorted([*lowest, *rest]) == [*range(60)]  # neighbouring bands share no image and leave none out
    assert SCORES[lowest].max() <= SCORES[rest].min()
    moved = known(7 + 3 * SCORES)  # the order alone counts
    assert MemorizationBand(scale="rank", low=0, high=tenths / 10).choose(moved).tolist() == lowest.tolist()


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"low": 0.5, "high": 0.4}, "backwards"), ({"scale": "rank", "low": -0.1}, "begins at 0")],
)
def test_a_band_that_cannot_be(settings, says):
    with pytest.raises(BadValue, match=says):
        MemorizationBand(**settings)


def test_near_an_image_by_distance_and_by_angle():
    x = np.array([[1.0, 0], [3, 0], [1, 1], [1, 0.1], [-6, -1.1]])  # their mean is the origin
    near = {m: NearTo(row=0, size=3, measure=m).choose(known(x=x + 50)).tolist() for m in ("euclidean", "cosine")}
    assert near == {"euclidean": [0, 2, 3], "cosine": [0, 1, 3]}
    assert NearTo(row=4, size=1).choose(known(x=x)).tolist() == [4]


def test_an_image_is_nearest_to_itself_and_ties_go_by_row():
    x = np.array([[0.0, 0], [1, 0], [1, 0], [2, 0], [0, 0], [-4, 0]])
    assert NearTo(row=2, size=1).choose(known(x=x)).tolist() == [2]
    assert NearTo(row=2, size=2).choose(known(x=x)).tolist() == [1, 2]
    assert NearTo(row=2, size=3).choose(known(x=x)).tolist() == [0, 1, 2]  # 0, 3 and 4 are equally far


@pytest.mark.parametrize(("row", "size", "says"), [(60, 2, "Row 60 does not exist"), (0, 61, "not 61"), (0, 60, "all")])
def test_near_an_image_that_is_not_there(row, size, says):
    with pytest.raises(BadValue, match=says):
        NearTo(row=row, size=size).choose(known(x=np.random.default_rng(0).normal(size=(60, 2))))


def test_random_sets_are_named_by_their_seed():
    a = AtRandom(size=20).choose(known())
    assert len(set(a)) == 20 and (np.diff(a) > 0).all()
    assert (a == AtRandom(size=20).choose(known())).all()
    assert (a != AtRandom(size=20, seed=1).choose(known())).any()


def test_a_class_or_a_share_of_it():
    owls = OfClass(label="owl").choose(known())
    assert owls.tolist() == [*range(2, 60, 3)]
    some = OfClass(label="owl", share=0.25).choose(known())
    assert len(some) == 5 and set(some) <= set(owls)
    assert len(OfClass(label="owl", share=0.001).choose(known())) == 1
    with pytest.raises(BadValue, match="no class 'fox'; the classes are cat, dog, owl"):
        OfClass(label="fox").choose(known())


def test_mislabelled_images():
    wrong = np.zeros(60, bool)
    wrong[[4, 8]] = True
    assert Mislabelled().choose(known(mislabelled=wrong)).tolist() == [4, 8]
    with pytest.raises(BadValue, match="no record"):
        Mislabelled().choose(known())
    with pytest.raises(BadValue, match="empty"):
        Mislabelled().choose(known(mislabelled=np.zeros(60, bool)))


def test_rows_by_name():
    assert Picked(named="7-9,3").choose(known()).tolist() == [3, 7, 8, 9]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Picked(named=""), "empty"),
        (Picked(named="0-59"), "all training images"),
        (Picked(named="60"), "Row 60 does not exist"),
        (AtRandom(size=61), "Only 60 training images"),
        (AtRandom(size=60), "all training images"),
        (ByMemorization(level="low", size=61), "Only 60 training images"),
        (ByMemorization(level="low", size=60), "all training images"),
        (ByMemorization(level="mix", size=61), "images can be chosen from"),
    ],
)
def test_too_few_or_too_many_is_one_sentence(rule, says):
    with pytest.raises(BadValue, match=says) as error:
        rule.choose(known(SCORES))
    assert str(error.value).endswith(".")


def test_one_class_may_be_forgotten_whole_but_not_the_only_one():
    assert len(OfClass(label="cat").choose(known())) == 20
    with pytest.raises(BadValue, match="all training images"):
        OfClass(label="cat").choose(known(labels=np.zeros(60, int)))


@pytest.mark.parametrize("name", FORGET_SETS)
def test_every_rule_gives_sorted_row_numbers_and_asks_only_for_what_it_needs(name):
    cls = FORGET_SETS[name]
    x = np.random.default_rng(0).normal(size=(60, 3))
    given = {"bank": {"scores": SCORES}, "embedding": {"x": x}, "": {}}[cls.needs]
    wrong = np.arange(60) < 5
    rule = {OfClass: OfClass(label="cat"), Picked: Picked(named="3,1")}.get(cls) or cls(
        **({"size": 6} if hasattr(cls, "size") else {})
    )
    rows = rule.choose(known(**given, mislabelled=wrong))
    assert rows.dtype == np.int64 and (np.diff(rows) > 0).all() and rows.min() >= 0 and rows.max() < 60
    assert cls.title and cls.__doc__


@pytest.mark.parametrize(
    ("images", "apart", "size"),
    [(50_000, 0, 3000), (45_000, 5000, 3000), (73_257, 0, 3000), (20_000, 0, 1200), (1260, 140, 120), (200, 0, 100),
     (72, 8, 36), (5, 0, 2)],
)  # fmt: skip
def test_a_rule_starts_at_a_size_that_suits_the_dataset(images, apart, size):
    for rule in (ByMemorization, AtRandom):
        assert at_first(rule, images, apart).size == size
    assert at_first(ByEntanglement, images, apart).size == max(2, min(size, images // 3))
    assert at_first(NearTo, images, apart).size == max(2, min(20, images // 2))
    assert at_first(MemorizationBand, images, apart) == MemorizationBand()
    assert AtRandom().size == 120  # a spec's own default is part of stored keys
