"""Numbers on the screen: always with their interval, never with more digits than it supports."""

from __future__ import annotations

from unlearn_core.evaluation import Metric
from unlearn_core.words import MISSING, estimate, interval, known, missing, spread

DIRECTIONS = {"better": "higher is better", "worse": "lower is better", "closer_to_retrain": "target: retrained"}


def capped(value: float, most: float, digits: int = 1) -> str:
    """A value that is never given larger than `most`: at it, "50 or more". MISSING where there is none."""
    if not known(value):
        return MISSING
    return f"{most:g} or more" if value >= most else f"{value:.{digits}f}"


def direction(metric: Metric) -> str:
    return DIRECTIONS[metric.direction]


def about(metric: Metric) -> str:
    """What stands as help beside a number, wherever it is shown: its whole name, which way is good, what it is."""
    return f"{metric.label}: {direction(metric)}. {metric.help}"


__all__ = ["MISSING", "about", "capped", "direction", "estimate", "interval", "known", "missing", "spread"]
