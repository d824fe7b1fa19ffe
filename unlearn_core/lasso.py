"""Which points lie inside a line drawn by hand."""

from __future__ import annotations

import base64
import math

import numpy as np

from unlearn_core.params import BadValue

VERTICES = 1000  # what draws a line sends at most 64; this is where reading one is refused
FARTHEST = 1e9  # no map is larger, and products of such coordinates are still exact enough


def read_polygon(value: object) -> np.ndarray:
    """A line that came from a browser as vertices (k, 2) float64: a list of pairs of finite numbers, or the text
    "STEP:" and base64 of pairs of 16 bit integers, in steps. Raises BadValue where it is neither, or has more than
    1,000 vertices.
    """
    if isinstance(value, str):
        return _unpacked(value)
    if not isinstance(value, list | tuple | np.ndarray):
        raise BadValue("A line around points is a list of pairs of numbers.")
    if len(value) > VERTICES:
        raise BadValue(f"A line around points has at most {VERTICES:,} corners, not {len(value):,}.")
    pairs = [_pair(vertex) for vertex in value]
    return np.array(pairs, np.float64).reshape(len(pairs), 2)


def inside(xy: np.ndarray, polygon: object) -> np.ndarray:
    """(n,) bool: which of the points (n, 2) lie inside the polygon, closed from its last vertex to its first.

    Even-odd: where the line crosses itself, what it goes round twice is outside. A point on an edge counts as inside on
    one of the two sides alone, so polygons that share an edge never share a point. Fewer than three vertices hold no
    point, and a point that is not finite is in no polygon. Raises BadValue as read_polygon does.
    """
    corners, found = read_polygon(polygon), np.zeros(len(xy), bool)
    if len(corners) < 3 or not len(xy):
        return found
    low, high = corners.min(0), corners.max(0)
    near = np.flatnonzero(((xy >= low) & (xy <= high)).all(1))
    x, y = xy[near, 0].astype(np.float64), xy[near, 1].astype(np.float64)
    odd = np.zeros(len(near), bool)
    ends = np.roll(corners, -1, axis=0)
    above_start = y < corners[0, 1]
    for (x0, y0), (x1, y1) in zip(corners, ends, strict=True):
        above_end = y < y1
        # Few points lie at the height of one edge: only they are asked on which side of it they are.
        level = np.flatnonzero(above_start != above_end)
        if len(level):
            crossing = x0 + (y[level] - y0) * ((x1 - x0) / (y1 - y0))
            odd[level] ^= x[level] < crossing
        above_start = above_end
    found[near] = odd
    return found


def _unpacked(text: str) -> np.ndarray:
    step, _, coded = text[: 8 * VERTICES].partition(":")
    try:
        steps, unit = np.frombuffer(base64.b64decode(coded, validate=True), "<i2"), int(step)
    except ValueError as error:
        raise BadValue("The text of a line around points is damaged.") from error
    if len(text) > 8 * VERTICES or len(steps) > 2 * VERTICES:
        raise BadValue(f"A line around points has at most {VERTICES:,} corners.")
    if len(steps) % 2 or not 1 <= unit * 2**15 <= FARTHEST:
        raise BadValue("The text of a line around points is damaged.")
    return steps.reshape(-1, 2) * float(unit)


def _pair(vertex: object) -> tuple[float, float]:
    if not isinstance(vertex, list | tuple | np.ndarray) or len(vertex) != 2:
        raise BadValue("Each corner of a line around points is a pair of numbers.")
    return _coordinate(vertex[0]), _coordinate(vertex[1])


def _coordinate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise BadValue("Each corner of a line around points is a pair of numbers.")
    # An integer of any length can be compared, but not be made a float.
    if not -FARTHEST <= value <= FARTHEST or math.isnan(value):
        raise BadValue("A line around points lies far outside the map.")
    return float(value)
