"""Points inside a line: known answers, what moving and turning must not change, and hostile input."""

import base64
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core.lasso import FARTHEST, VERTICES, inside, read_polygon
from unlearn_core.params import BadValue

SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4]]
CORNERS = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=12)


def cloud(n: int, seed: int = 0) -> np.ndarray:
    """Points on no height or edge of a polygon with whole corners."""
    return np.random.default_rng(seed).uniform(-22, 22, (n, 2)) + 1e-7


def obviously(point, polygon) -> bool:
    """By the angle that the line goes round the point: for a line without crossings."""
    steps = np.asarray(polygon, float) - point
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.diff(np.r_[angles, angles[0]])
    return abs(((turns + np.pi) % (2 * np.pi) - np.pi).sum()) > 1


def test_known_answers():
    points = np.array([[2, 2], [-1, 2], [5, 2], [2, 5], [2, -1], [3.999, 0.001]])
    assert inside(points, SQUARE).tolist() == [True, False, False, False, False, True]
    notched = [[0, 0], [6, 0], [6, 6], [3, 1], [0, 6]]
    assert inside(np.array([[3, 0.5], [3, 2], [1, 2], [5, 2]]), notched).tolist() == [True, False, True, True]


def test_what_a_line_goes_round_twice_is_outside():
    star = [[np.cos(a), np.sin(a)] for a in np.pi / 2 + np.arange(5) * 4 * np.pi / 5]
    assert inside(np.array([[0.0, 0.0], [0.0, 0.8]]), star).tolist() == [False, True]
    assert not inside(cloud(500), SQUARE + SQUARE).any()


def test_a_round_line_holds_what_is_nearer_than_its_radius():
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    points = cloud(5000)
    found = inside(points, np.c_[10 * np.cos(angles), 10 * np.sin(angles)])
    r = np.hypot(*points.T)
    assert found[r < 9.98].all() and not found[r > 10].any() and found.sum() > 500


@given(CORNERS, st.integers(-50, 50), st.integers(0, 11))
def test_moving_turning_mirroring_and_where_it_begins_change_nothing(corners, shift, start):
    points, polygon = cloud(200), np.array(corners, float)
    found = inside(points, polygon)
    assert np.array_equal(found, inside(points + 0.0, np.roll(polygon, start, axis=0)))
    assert np.array_equal(found, inside(points, polygon[::-1]))
    assert np.array_equal(found, inside(points * [-1, 1], polygon * [-1, 1]))
    assert np.array_equal(found, inside(points[:, ::-1], polygon[:, ::-1]))
    assert np.array_equal(found, inside(points + [shift, 0], polygon + [shift, 0]))
    order = np.random.default_rng(0).permutation(200)
    assert np.array_equal(found[order], inside(points[order], polygon))


@given(st.lists(st.floats(0.5, 20), min_size=4, max_size=12))
def test_it_agrees_with_going_round_each_point(radii):
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii)
    polygon, points = np.c_[radii * np.cos(angles), radii * np.sin(angles)], cloud(100)
    assert inside(points, polygon).tolist() == [bool(obviously(p, polygon)) for p in points]


def test_neighbours_share_no_point_and_miss_none():
    # On a lattice many points lie on the edges themselves.
    lattice = np.stack(np.meshgrid(np.arange(9), np.arange(9)), -1).reshape(-1, 2)
    tiles = [[[x, y], [x + 2, y], [x + 2, y + 2], [x, y + 2]] for x in (0, 2, 4) for y in (0, 2, 4)]
    times = sum(inside(lattice, tile).astype(int) for tile in tiles)
    assert times.max() == 1 and times[((lattice > 0) & (lattice < 6)).all(1)].min() == 1


@pytest.mark.parametrize("corners", [[], [[1, 1]], [[0, 0], [4, 4]], [[0, 0], [2, 2], [4, 4]], [[3, 3]] * 40])
def test_a_line_without_area_holds_nothing(corners):
    assert not inside(cloud(200), corners).any()


def test_points_that_are_nowhere_are_in_no_polygon():
    points = np.array([[np.nan, 1], [1, np.nan], [np.inf, 1], [2, 2]])
    assert inside(points, SQUARE).tolist() == [False, False, False, True]
    assert inside(np.zeros((0, 2)), SQUARE).shape == (0,)


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "0,0 1,1 2,0", {"line": []}, b"\0\0", [1, 2, 3], [[0, 0], [1], [2, 2]], [["0", "0"]] * 3,
        [[0, 0], [1, None], [2, 2]], [[True, False]] * 3, [[float("nan"), 0]] * 3, [[float("inf"), 0]] * 3,
        "1:AAA", "1:AA==", "1:AAAA*AAA", "0:AAAAAAAAAAAAAAAA", "-1:AAAA", "99999999:AAAA", "x:AAAA", "AAAA",
        "1" * 5000 + ":AAAA", "1:" + "AAAA" * 2002, "1:" + "A" * 10**7, "é:AAAA", [[10**400, 0], [0, 0], [1, 1]],
        [[2 * FARTHEST, 0]] * 3, [[[0], [1]]] * 3, [[0, 0]] * (VERTICES + 1),
    ],
)  # fmt: skip
def test_what_is_no_line_is_refused(value):
    with pytest.raises(BadValue, match=r"^[A-Z].*\.$"):
        inside(cloud(5), value)


def test_a_line_is_read_from_few_characters():
    corners = np.array([[-32768, 0], [32767, -1], [300, 12_345]], "<i2")
    text = base64.b64encode(corners.tobytes()).decode()
    assert read_polygon(f"1:{text}").tolist() == corners.tolist()
    assert read_polygon(f"4:{text}").tolist() == (4.0 * corners).tolist()
    assert read_polygon("1:").shape == (0, 2)
    assert not inside(cloud(5), "1:").any()


def test_a_million_corners_are_refused_at_once():
    started = time.perf_counter()
    with pytest.raises(BadValue, match="at most 1,000 corners, not 1,000,000"):
        read_polygon([[0, 0]] * 10**6)
    assert time.perf_counter() - started < 0.5


def test_fifty_thousand_points_take_milliseconds():
    points = np.random.default_rng(0).integers(-32000, 32000, (50_000, 2)).astype(np.int16)
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    line, taken = np.c_[30_000 * np.cos(angles), 30_000 * np.sin(angles)].round().tolist(), []
    for _ in range(5):
        started = time.perf_counter()
        found = inside(points, line)
        taken.append(time.perf_counter() - started)
    assert found.mean() == pytest.approx(np.pi / 4 * (30 / 32) ** 2, abs=0.01)
    assert min(taken) < 0.06  # 4 ms alone on the machine; the obvious loop over points takes seconds
