"""Lines under a hand: what was dragged along a chart, as its browser tells it, and where two cuts then lie."""

from __future__ import annotations

import math

REACH = 0.02  # of the axis: as near as this, a hand is at a line


def read(band: object) -> tuple[float, float] | None:
    """Where a hand began and ended on an axis, as the browser tells it; None where that cannot be read."""
    try:
        start, end = map(float, band)
    except (TypeError, ValueError, OverflowError):
        return None
    return (start, end) if math.isfinite(start) and math.isfinite(end) else None


def moved(lines: tuple[float, float], band: object, width: float) -> tuple[float, float] | None:
    """Where two cuts lie after a hand went along the axis, given how wide that is. The line at which it began, the
    nearer of two, goes where it ended, and what stands in its way moves along; where it began at none, the cuts are
    where it began and ended. None where that cannot be read.
    """
    if (way := read(band)) is None:
        return None
    (start, end), (low, high) = way, lines
    to_low, to_high = abs(start - low), abs(start - high)
    if min(to_low, to_high) > REACH * width:
        return min(way), max(way)
    if to_low < to_high or (to_low == to_high and end < start):
        return end, max(end, high)
    return min(low, end), end
