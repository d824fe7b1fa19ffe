"""Accuracy by group: known answers, what must not change them, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core.evaluation.closeness import accuracy
from unlearn_core.evaluation.groups import fairness
from unlearn_core.params import BadValue

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])


def saying(classes, k=4):
    """Logits of a model that is sure of these classes."""
    return np.eye(k)[np.asarray(classes)] * 10


def models(seed, seeds=3, n=60, k=5):
    return np.random.default_rng(seed).normal(size=(seeds, n, k))


def test_gaps_by_hand():
    unlearned = [saying([0, 0, 1, 1, 1, 1, 2, 2]), saying([0, 1, 1, 1, 1, 1, 2, 2])]
    retrained = [saying([0, 0, 0, 1, 1, 0, 2, 2]), saying([0, 0, 0, 1, 1, 0, 2, 2])]
    found = fairness(unlearned, retrained, LABELS, count=4)
    table = found.table.set_index("group")
    assert table["images"].tolist() == [4, 2, 2, 0]
    assert table["unlearned"].tolist()[:3] == [0.375, 1, 1] and table["retrained"].tolist()[:3] == [0.75, 0.5, 1]
    assert table["gap"].tolist()[:3] == [-0.375, 0.5, 0]
    # Gaps of class 0 are -1/4 and -1/2: t(1) at 97.5 % is 12.706, the deviation of the mean 1/8.
    assert table.loc[0, "half_width"] == pytest.approx(12.706 / 8, abs=1e-3)
    assert table.loc[3].tolist() == [0, None, None, None, None, None]
    assert found.worst == 1
    assert found.largest_gap.mean == 0.5 and found.largest_gap.n == 2
    assert found.spread.mean == pytest.approx((0.75 + 1.0) / 2)


def test_a_model_beside_itself_has_no_gap_and_one_seed_no_interval():
    logits, labels = models(0), np.arange(60) % 5
    found = fairness(logits, logits, labels)
    assert (found.table["gap"] == 0).all() and found.largest_gap.mean == found.spread.mean == 0
    alone = fairness(logits[0], models(1)[0], labels)
    assert alone.table["half_width"].tolist() == [None] * 5
    assert alone.largest_gap.half_width is None and alone.largest_gap.mean > 0


def test_everyone_paying_alike_is_no_spread():
    labels = np.repeat([0, 1, 2], 4)
    wrong = np.tile([0, 1, 1, 1], 3)  # the first image of each class
    ours = saying(np.where(wrong, labels, (labels + 1) % 3))
    found = fairness(ours, saying(labels), labels)
    assert found.spread.mean == 0 and found.largest_gap.mean == 0.25


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_groups_together_are_the_whole(seed, count):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(size=(2, 2, 40, 4))
    labels, groups = rng.integers(0, 4, 40), rng.integers(0, count, 40)
    found = fairness(ours, theirs, labels, groups, count)
    table = found.table[found.table["images"] > 0]
    whole = np.mean([accuracy(one, labels) for one in ours])
    assert np.average(table["unlearned"].astype(float), weights=table["images"]) == pytest.approx(whole)
    # Images in another order, and groups under other numbers, change nothing but the order of lines.
    order, name = rng.permutation(40), rng.permutation(count)
    other = fairness(ours[:, order], theirs[:, order], labels[order], name[groups[order]], count)
    renamed = other.table.set_index("group").loc[name]
    assert renamed["gap"].tolist() == found.table["gap"].tolist()
    assert other.spread == found.spread and other.largest_gap == found.largest_gap
    # The two models changed about change the sign alone.
    swapped = fairness(theirs, ours, labels, groups, count)
    known = [-g for g in swapped.table["gap"] if g is not None]
    assert known == pytest.approx([g for g in found.table["gap"] if g is not None])


def test_no_images_are_no_answer():
    found = fairness(np.zeros((2, 0, 3)), np.zeros((2, 0, 3)), np.zeros(0, int), count=2)
    assert found.worst is None and found.spread.mean is None and found.table["gap"].tolist() == [None, None]


def test_what_cannot_be_compared_is_refused():
    logits, labels = models(0), np.arange(60) % 5
    bad = [
        (logits, models(1, seeds=2), labels),
        (logits[:, :59], logits, labels),
        (logits[:0], logits[:0], labels),
        (np.where(logits > 2, np.nan, logits), logits, labels),
        (logits, logits, labels, labels - 1),
        (logits, logits, labels, labels.astype(float)),
        (logits, logits, labels, labels[:5]),
        (logits, logits, labels, labels, 4),
    ]
    for case in bad:
        with pytest.raises(BadValue):
            fairness(*case)
