"""Who has which role in shadow models in thirds: counts that hold by construction, and stand-ins that resemble."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_core.experiment.tiers.thirds import Role, asked, deal_roles, left_out, to_forget, triples
from unlearn_core.params import BadValue
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import Part, Rum
from unlearn_core.unlearning import FineTune, Original, RandomLabel


@st.composite
def asked_for(draw):
    """Images of a few classes, how they are liked, and some to forget that leave two others of their class each."""
    n, classes = draw(st.integers(20, 60)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    labels = rng.integers(0, classes, n)
    # A few values only, so that many images are equally like.
    likeness = rng.integers(0, draw(st.integers(1, 30)), n) / 7
    allowed = np.concatenate([(own := np.flatnonzero(labels == c))[: len(own) // 3] for c in range(classes)])
    forget = np.sort(rng.choice(allowed, draw(st.integers(1, len(allowed))), replace=False))
    return forget, labels, likeness


@settings(max_examples=80, deadline=None)
@given(asked_for(), st.integers(0, 5))
def test_no_image_stands_in_two_triples_and_the_forget_images_come_first(images, seed):
    forget, labels, likeness = images
    rows = triples(forget, labels, likeness, seed)
    assert rows.shape == (3, len(forget)) and len(np.unique(rows)) == rows.size
    assert np.array_equal(rows[0], forget) and rows.min() >= 0 and rows.max() < len(labels)
    assert np.array_equal(rows, triples(forget, labels, likeness, seed))


@settings(max_examples=80, deadline=None)
@given(asked_for(), st.integers(0, 5))
def test_others_are_of_the_same_class(images, seed):
    forget, labels, likeness = images
    assert (labels[triples(forget, labels, likeness, seed)] == labels[forget]).all()


@settings(max_examples=60, deadline=None)
@given(asked_for(), st.integers(0, 5))
def test_no_other_match_within_the_classes_is_more_alike(images, seed):
    forget, labels, likeness = images
    rng = np.random.default_rng(seed)
    rows = triples(forget, labels, likeness, seed)
    left = np.setdiff1d(np.arange(len(labels)), forget)
    for mates in rows[1:]:
        same = labels[mates] == labels[forget]
        for label in np.unique(labels[forget[same]]):
            own, there = same & (labels[forget] == label), left[labels[left] == label]
            apart = np.abs(likeness[forget[own]] - likeness[mates[own]]).sum()
            for _ in range(5):
                another = rng.choice(there, own.sum(), replace=False)
                assert apart <= np.abs(likeness[forget[own]] - likeness[another]).sum() + 1e-9
        left = np.setdiff1d(left, mates)


def test_the_nearest_are_found_in_a_case_done_by_hand():
    labels, likeness = np.zeros(9, int), np.array([0.1, 0.5, 0.9, 0.11, 0.52, 0.93, 0.0, 0.45, 1.0])
    rows = triples(np.arange(3), labels, likeness, 0)
    assert rows.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_equally_like_images_are_taken_by_chance():
    labels, likeness = np.zeros(300, int), np.zeros(300)
    first, second = (triples(np.arange(20), labels, likeness, seed)[1:] for seed in (0, 1))
    assert not np.array_equal(np.sort(first, axis=None), np.sort(second, axis=None))
    assert abs(np.concatenate([first, second]).mean() - 159.5) < 40, "not the first rows of a class"


def test_a_whole_class_has_no_others_and_strangers_will_not_do():
    labels = np.arange(60) % 4
    with pytest.raises(BadValue, match="of class number 2 15 are to be forgotten and 0 are left.$"):
        triples(np.flatnonzero(labels == 2), labels, np.linspace(0, 1, 60), 3)


@pytest.mark.parametrize(("images", "forget"), [(5, 2), (3, 3), (89, 30)])
def test_too_few_images_are_refused_in_a_sentence(images, forget):
    refused = f"of class number 0 {forget} are to be forgotten and {images - forget} are left.$"
    with pytest.raises(BadValue, match=refused):
        triples(np.arange(forget), np.zeros(images, int), np.zeros(images), 0)
    rows = triples(np.arange(images // 3), np.zeros(images, int), np.zeros(images), 0)
    assert rows.size == 3 * (images // 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**31 - 1))
def test_every_shadow_and_every_block_deals_each_role_once(count, blocks, seed):
    roles = deal_roles(count, 3 * blocks, seed)
    assert roles.shape == (3 * blocks, 3, count) and roles.dtype == np.int8
    each = np.arange(3)[:, None]
    for shadow in roles:
        assert np.array_equal(np.sort(shadow, axis=0), np.broadcast_to(each, (3, count))), "each triple, each role"
    for block in roles.reshape(blocks, 3, 3 * count):
        assert np.array_equal(np.sort(block, axis=0), np.broadcast_to(each, (3, 3 * count))), "each image, each role"


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 8), st.integers(0, 1000))
def test_more_shadows_go_on_from_fewer(count, few, more, seed):
    assert np.array_equal(deal_roles(count, 3 * (few + more), seed)[: 3 * few], deal_roles(count, 3 * few, seed))


def test_another_seed_deals_other_roles():
    first, second = deal_roles(20, 12, 0), deal_roles(20, 12, 1)
    assert np.array_equal(first, deal_roles(20, 12, 0)) and not np.array_equal(first, second)


def test_roles_of_two_triples_tell_nothing_of_each_other():
    roles = deal_roles(2, 3 * 2000, 7)[:, 0]
    pairs = np.bincount(3 * roles[:, 0] + roles[:, 1], minlength=9) / len(roles)
    assert np.abs(pairs - 1 / 9).max() < 0.02
    turns = (roles[1::3] - roles[::3]) % 3 - 1  # within a block: which of two ways round
    pairs = np.bincount(2 * turns[:, 0] + turns[:, 1], minlength=4) / len(turns)
    assert np.abs(pairs - 1 / 4).max() < 0.04
    first = roles[::3]  # blocks are dealt by themselves
    pairs = np.bincount(3 * first[:-1, 0] + first[1:, 0], minlength=9) / (len(first) - 1)
    assert np.abs(pairs - 1 / 9).max() < 0.03


@pytest.mark.parametrize("shadows", [0, 1, 2, 4, 13, -3])
def test_shadows_that_do_not_come_in_threes_are_refused(shadows):
    with pytest.raises(BadValue, match=f"come in threes, not {shadows}.$"):
        deal_roles(5, shadows, 0)


def dealt():
    labels = np.arange(200) % 5
    rows = triples(np.arange(10, 30), labels, np.random.default_rng(0).random(200), 0)
    return rows, deal_roles(20, 12, 0)


def test_what_is_left_out_and_what_is_forgotten_are_the_rows_of_these_roles():
    rows, roles = dealt()
    for shadow in roles:
        out, forget = unpack(left_out(rows, shadow), 200), unpack(to_forget(rows, shadow), 200)
        assert len(out) == len(forget) == 20 and not np.intersect1d(out, forget).size
        assert sorted(out) == sorted(rows[shadow == Role.OUT]) and sorted(forget) == sorted(rows[shadow == 2])


def test_a_plan_keeps_the_sizes_of_its_parts_and_each_image_is_stood_in_for_by_one_of_its_triple():
    rows, roles = dealt()
    parts = {"low": np.arange(10, 13), "medium": np.array([13, 20, 29]), "high": np.r_[14:20, 21:29]}
    steps = {"low": Original(), "medium": FineTune(epochs=2), "high": RandomLabel(epochs=2)}
    plan = Rum(parts=tuple(Part(name=p, rows=pack(own), unlearner=steps[p]) for p, own in parts.items()))
    for shadow in roles:
        found = asked(plan, rows, shadow)
        assert [p.name for p in found.parts] == list(parts) and found.exclude_all == plan.exclude_all
        assert [p.unlearner for p in found.parts] == list(steps.values())
        for part, own in zip(found.parts, parts.values(), strict=True):
            stand_ins = [rows[np.flatnonzero(shadow[:, i] == Role.UNLEARN)[0], i] for i in own - 10]
            assert part.rows == pack(stand_ins) and len(unpack(part.rows, 200)) == len(own)
        assert pack(np.concatenate([unpack(p.rows, 200) for p in found.parts])) == to_forget(rows, shadow)


def test_where_the_forget_images_themselves_are_forgotten_the_plan_is_the_same():
    rows, roles = dealt()
    shadow = np.repeat(np.array([[Role.UNLEARN], [Role.OUT], [Role.IN]], np.int8), 20, axis=1)
    plan = Rum(parts=(Part(name="low", rows="10-19"), Part(name="high", rows="20-29", unlearner=RandomLabel())))
    assert asked(plan, rows, shadow) == plan
    single = RandomLabel()
    assert asked(single, rows, roles[0]) is single
