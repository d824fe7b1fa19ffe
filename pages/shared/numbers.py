"""Numbers on the screen: always with their interval, never with more digits than it supports."""

from __future__ import annotations

import math

from unlearn_core.attacks import Measured
from unlearn_core.evaluation import Estimate, Metric

DIRECTIONS = {"better": "higher is better", "worse": "lower is better", "closer_to_retrain": "target: retrained"}
MISSING = "not measurable"


def known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def spread(mean: float | None, half_width: float | None, signed: bool = False) -> str:
    """A mean with the half width of its interval: 0.904 ± 0.023."""
    if not known(mean):
        return MISSING
    rounded = round(mean, 3) + 0.0  # no minus sign before a zero
    shown = f"{rounded:{'+' if signed and rounded else ''}.3f}".replace("-", "−")
    return f"{shown} ± {half_width:.3f}" if known(half_width) else shown


def estimate(found: Estimate, signed: bool = False) -> str:
    return spread(found.mean, found.half_width, signed)


def interval(found: Measured) -> str:
    """A value with the ends of its interval: 0.49 (0.46 to 0.52); the reason where there is none."""
    if found.value is None:
        return found.why
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def short(metric: Metric) -> str:
    """The abbreviation that a label ends with, or the whole label."""
    return metric.label.partition("(")[2].rstrip(")") or metric.label


def direction(metric: Metric) -> str:
    return DIRECTIONS[metric.direction]
