"""Neighbours by hand and by brute force, and damage that was planted near what was forgotten."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from unlearn_core.evaluation import collateral as module
from unlearn_core.evaluation.collateral import collateral, nearest, worst_hit
from unlearn_core.params import BadValue


def brute(x, queries, among, k, distance):
    among = np.unique(among)
    table = cdist(x[queries], x[among], distance)
    order = np.array([np.lexsort((among, line))[:k] for line in table])
    return among[order], np.take_along_axis(table, order, 1)


# -- neighbours --------------------------------------------------------------------------------------------------------


def test_neighbours_on_a_line():
    x = np.array([0.0, 1.0, 3.0, -2.0, 10.0])[:, None]
    rows, apart = nearest(x, np.array([0, 4]), np.array([1, 2, 3]), 2)
    assert rows.tolist() == [[1, 3], [2, 1]] and apart.tolist() == [[1, 2], [7, 9]]


@pytest.mark.parametrize("distance", module.DISTANCES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_neighbours_are_those_of_the_whole_table(distance, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 6)) + rng.normal(scale=100, size=6)  # far from the origin
    queries, among = rng.choice(80, 15, replace=False), rng.choice(80, 40, replace=False)
    rows, apart = nearest(x, queries, among, 5, distance)
    expected = brute(x, queries, among, 5, distance)
    assert np.array_equal(rows, expected[0]) and apart == pytest.approx(expected[1], abs=1e-9)


def test_pieces_change_nothing_and_no_whole_table_is_made(monkeypatch):
    x = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    queries, among = np.arange(100), np.arange(100, 400)
    whole = nearest(x, queries, among, 7)
    sizes, real = [], np.partition
    monkeypatch.setattr(module, "TABLE", 900)
    monkeypatch.setattr(module.np, "partition", lambda t, *a, **k: (sizes.append(t.size), real(t, *a, **k))[1])
    pieces = nearest(x, queries, among, 7)
    assert all(np.array_equal(a, b) for a, b in zip(whole, pieces, strict=True))
    assert max(sizes) <= 900 and len(sizes) == 34


def test_equal_distances_go_by_row_even_where_products_round():
    rng = np.random.default_rng(1)
    x = np.repeat(rng.normal(size=(4, 64)) * 1e3, 30, axis=0)  # 30 copies each
    among = rng.permutation(120)
    rows, apart = nearest(x, np.array([0, 45]), among, 10)
    assert rows.tolist() == [list(range(10)), list(range(30, 40))] and (apart == 0).all()


def test_neighbours_are_exact_where_products_round():
    """Two far groups: squares of 1e12 leave no digits for distances of a thousandth."""
    rng = np.random.default_rng(3)
    x = rng.normal(scale=1e-3, size=(60, 4)) + np.where(np.arange(60) < 30, 1e6, -1e6)[:, None]
    queries, among = np.arange(5), np.arange(5, 60)
    rows, apart = nearest(x, queries, among, 5)
    expected = brute(x, queries, among, 5, "euclidean")
    assert np.array_equal(rows, expected[0]) and apart == pytest.approx(expected[1], abs=1e-8)


def test_cosine_sees_direction_only():
    x = np.array([[1.0, 0], [5, 0.1], [0, 1], [-3, 0]])
    rows, apart = nearest(x, np.array([0]), np.array([1, 2, 3]), 3, "cosine")
    assert rows.tolist() == [[1, 2, 3]] and apart[0, 1:] == pytest.approx([1, 2])


def test_what_has_no_neighbours_is_refused():
    x = np.ones((5, 2))
    bad = [
        (x, [0], [1, 2], 3),
        (x, [0], [], 1),
        (x, [0], [1, 2], 0),
        (x, [0], [1], 1, "manhattan"),
        (x * np.nan, [0], [1], 1),
        (x * 0, [0], [1], 1, "cosine"),
    ]
    for case in bad:
        with pytest.raises(BadValue):
            nearest(*case)


# -- damage ------------------------------------------------------------------------------------------------------------

N = 100
LABELS = np.arange(N) % 4
FORGET, RETAIN, NEAR = np.arange(10), np.arange(10, N), np.arange(10, 30)


def sure(rng, seeds=4):
    """Models that are right and fairly sure everywhere."""
    return np.eye(4)[LABELS] * 3 + rng.normal(scale=0.05, size=(seeds, N, 4))


@pytest.fixture
def pair():
    """Unlearned models that lost the label of 10 of the 20 neighbours, and retrained ones that lost nothing."""
    rng = np.random.default_rng(0)
    unlearned = sure(rng)
    rows = NEAR[:10]
    unlearned[:, rows, LABELS[rows]] -= 6
    return unlearned, sure(rng)


def test_planted_damage_is_found_where_it_is(pair):
    found = collateral(*pair, LABELS, NEAR, RETAIN).set_index(["measure", "images"])
    gaps = found["gap"]
    assert gaps["accuracy", "neighbours"] == -0.5 and gaps["accuracy", "others"] == 0
    assert gaps["accuracy", "difference"] == -0.5 and found.loc[("accuracy", "difference"), "half_width"] == 0
    assert gaps["confidence", "neighbours"] == pytest.approx(-0.43, abs=0.02)
    difference = found.loc[("confidence", "difference")]
    assert difference["gap"] + difference["half_width"] < -0.4
    assert found["count"].tolist() == [20, 70, None] * 2


def test_damage_everywhere_is_no_damage_of_nearness():
    rng = np.random.default_rng(1)
    unlearned, retrained = sure(rng), sure(rng)
    unlearned[:, RETAIN, LABELS[RETAIN]] -= 1
    found = collateral(unlearned, retrained, LABELS, NEAR, RETAIN).set_index(["measure", "images"])
    assert found.loc[("confidence", "neighbours"), "gap"] < -0.1
    assert abs(found.loc[("confidence", "difference"), "gap"]) < 0.01


def test_a_model_beside_itself_and_neighbours_named_twice(pair):
    same = collateral(pair[0], pair[0], LABELS, NEAR, RETAIN)
    assert (same["gap"] == 0).all()
    twice = collateral(*pair, LABELS, np.tile(NEAR, (3, 1)), RETAIN)
    assert twice.equals(collateral(*pair, LABELS, NEAR, RETAIN))


def test_without_others_nothing_can_be_compared_with_them(pair):
    found = collateral(pair[0][0], pair[1][0], LABELS, RETAIN, RETAIN).set_index(["measure", "images"])
    for name in ("others", "difference"):
        assert found.loc[("accuracy", name), ["gap", "half_width", "seeds"]].tolist() == [None] * 3
    assert found.loc[("accuracy", "neighbours"), "gap"] == pytest.approx(-1 / 9)
    assert found.loc[("accuracy", "neighbours"), "half_width"] is None


def test_the_worst_hit_are_named_with_what_they_lie_beside(pair):
    x = np.zeros((N, 2))
    x[:, 0] = np.arange(N)
    x[15] = [3, 1]
    worst = worst_hit(*pair, LABELS, x, FORGET, RETAIN, count=10)
    assert sorted(worst["row"]) == list(range(10, 20))
    assert worst["change"].is_monotonic_increasing and (worst["half_width"].astype(float) < 0.1).all()
    assert (worst["right_unlearned"] == 0).all() and (worst["right_retrained"] == 1).all()
    near = worst.set_index("row")[["nearest", "distance"]]
    assert near.loc[15].tolist() == [3, 1] and near.loc[12].tolist() == [9, 3]
    assert worst["change"].to_numpy() == pytest.approx(worst["unlearned"] - worst["retrained"])


def test_nobody_who_gained_is_among_the_worst_hit():
    rng = np.random.default_rng(2)
    retrained = sure(rng)
    better = retrained + np.eye(4)[LABELS]
    assert worst_hit(better, retrained, LABELS, rng.normal(size=(N, 3)), FORGET, RETAIN).empty
    assert len(worst_hit(retrained, better, LABELS, rng.normal(size=(N, 3)), FORGET, RETAIN, count=5)) == 5


def test_probabilities_of_exactly_zero_and_one_are_ordinary():
    hard = np.where(np.eye(4)[LABELS] > 0, 0.0, -np.inf)[None]
    wrong = np.roll(hard, 1, axis=2)
    found = collateral(wrong, hard, LABELS, NEAR, RETAIN).set_index(["measure", "images"])
    assert found.loc[("confidence", "neighbours"), "gap"] == found.loc[("accuracy", "others"), "gap"] == -1


def test_what_is_no_neighbour_is_refused(pair):
    bad = [
        (*pair, LABELS, FORGET, RETAIN),
        (pair[0], pair[1][:2], LABELS, NEAR, RETAIN),
        (pair[0] * np.nan, pair[1], LABELS, NEAR, RETAIN),
        (pair[0], pair[1], LABELS[:9], NEAR, RETAIN),
    ]
    for case in bad:
        with pytest.raises(BadValue):
            collateral(*case)
