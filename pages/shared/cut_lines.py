"""Lines under a hand: what was dragged along a chart, as its browser tells it, and where two cuts then lie."""

from __future__ import annotations

import math

REACH = 0.02  # of the axis: as near as this, a hand is at a line


def read(band: object) -> tuple[float, float] | None:
    """The two ends of a hand's way along an axis as the browser tells them, the lower first; else None."""
    try:
        start, end = sorted(map(float, band))
    except (TypeError, ValueError, OverflowError):
        return None
    return (start, end) if math.isfinite(start) and math.isfinite(end) else None


def moved(lines: tuple[float, float], band: object, width: float) -> tuple[float, float] | None:
    """Where two cuts lie after a hand went along the axis, given the two ends of its way as the browser tells them, in
    either order, and how wide the axis is. The line at one end of the way goes to the other end, and what stands in its
    way moves along; where none is, or one at each end, the ends are the cuts. None where the ends cannot be read.
    """
    if (ends := read(band)) is None:
        return None
    (start, end), (low, high) = ends, lines
    left, right = ([abs(line - at) <= REACH * width for line in lines] for at in (start, end))
    if any(left) and not any(right):  # to the right; of two lines in one place the high one can go alone
        return (low, end) if left[1] else (end, max(end, high))
    if any(right) and not any(left):
        return (start, high) if right[0] else (min(low, start), start)
    return start, end
