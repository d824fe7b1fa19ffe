"""Numbers over seeds: means with intervals, paired differences, and whether a difference stands above the noise floor.

The unit is the seed. Values that are None or NaN (an empty group in one seed) are left out and not counted in `n`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from unlearn_core.params import BadValue

# The mean of equal numbers is off by a rounding error, which must not count as a difference.
ROUNDING = 1e-12


# The least and the most that a metric can read; None where it has no such end.
Ends = tuple[float | None, float | None]


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds and the half width of its Student-t interval; None where too few values are known."""

    mean: float | None
    half_width: float | None
    n: int


def values_of(column: Iterable) -> list[float | None]:
    """A column of a table as plain numbers, None where there is none (NaN, None or pandas' NA)."""
    return [None if pd.isna(value) else float(value) for value in column]


def over_seeds(values: Sequence[float | None], level: float = 0.95) -> Estimate:
    """Mean and t-interval over the known values. One value has no interval, none has no mean.

    Source: Zhao et al. (2024), arXiv:2406.01257, which reports means over 3 seeds this way.
    """
    known = _known(values)
    n = len(known)
    half = float(_student(n - 1, level) * known.std(ddof=1) / math.sqrt(n)) if n > 1 else None
    return Estimate(float(known.mean()) if n else None, half, n)


def paired_difference(first: Sequence[float | None], second: Sequence[float | None], level: float = 0.95) -> Estimate:
    """Mean of first - second over the same seeds in the same order, with its t-interval."""
    if len(first) != len(second):
        raise BadValue(f"A paired difference needs the same seeds on both sides, not {len(first)} and {len(second)}.")
    pairs = zip(first, second, strict=True)
    return over_seeds([None if a is None or b is None else a - b for a, b in pairs], level)


def within(low: float, high: float, ends: Ends) -> tuple[float, float]:
    """The ends of an interval as far as they can be read, in the units of the metric; NaN stays."""
    least, most = ends
    return low if least is None else max(low, least), high if most is None else min(high, most)


def reach(mean: Sequence, half_width: Sequence, ends: Ends = (None, None)) -> tuple[np.ndarray, np.ndarray]:
    """How far intervals reach below and above their means, (n,) each and at least 0, no further than what can be read;
    NaN where there is no interval. For drawing alone: whether an interval holds a value goes by all of it.
    """
    mean, half = np.asarray(mean, np.float64), np.asarray(half_width, np.float64)
    room = [
        np.inf if end is None else np.maximum(side * (end - mean), 0) for end, side in zip(ends, (-1, 1), strict=True)
    ]
    return np.minimum(half, room[0]), np.minimum(half, room[1])


def inside_seed_spread(
    values: Sequence[float | None], ceiling: Sequence[float | None], level: float = 0.95
) -> bool | None:
    """Whether a method cannot be told from retraining: the noise floor, to be asked before any verdict.

    `values` are a metric of the method over seeds, `ceiling` the same metric of one retrained model against another.
    True when Welch's interval for the difference of the two means contains 0; None with fewer than two values on a
    side. With few seeds True means "not to be told apart with so few", not "equal".
    """
    a, b = _known(values), _known(ceiling)
    if len(a) < 2 or len(b) < 2:
        return None
    apart, error_a, error_b = abs(a.mean() - b.mean()), a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if apart < ROUNDING or error_a + error_b == 0:
        return bool(apart < ROUNDING)
    freedom = (error_a + error_b) ** 2 / (error_a**2 / (len(a) - 1) + error_b**2 / (len(b) - 1))
    return bool(apart <= _student(freedom, level) * math.sqrt(error_a + error_b))


def stands_out(gap: np.ndarray, half_width: np.ndarray, noise: np.ndarray, noise_half: np.ndarray) -> np.ndarray:
    """Which of many gaps to retraining can be told from noise: bool, of the shape of `gap`.

    A gap stands out where its whole interval misses 0 and it is larger than any gap of a second retrained model
    (`noise`, of any shape) may be, the half width of that one's interval included: the worst of many always looks bad.
    NaN is unknown: such a gap does not stand out, and nothing does where no noise is known.
    """
    most = np.abs(np.asarray(noise, np.float64)) + np.asarray(noise_half, np.float64)
    floor = np.nanmax(most) if np.isfinite(most).any() else np.nan
    apart = np.abs(np.asarray(gap, np.float64))
    return (apart > np.asarray(half_width, np.float64) + ROUNDING) & (apart > floor + ROUNDING)


def _known(values: Sequence[float | None]) -> np.ndarray:
    return np.array([v for v in values if v is not None and not math.isnan(v)], np.float64)


def _student(freedom: float, level: float) -> float:
    return float(stdtrit(freedom, (1 + level) / 2))
