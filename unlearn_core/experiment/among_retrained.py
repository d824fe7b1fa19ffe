"""Whether one model reads as retrained ones do: a rank and a range, each with how often a retrained one would fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from unlearn_core import evaluation
from unlearn_core.evaluation.seeds import ROUNDING

FEWEST = 6  # retrained models; of fewer nobody can say how far one may lie from the others
LEVEL = 0.95  # of the truly retrained models, this share reads inside the range given for one


@dataclass(frozen=True)
class Placed:
    """Where one model lies beside retrained ones by one number. `side` is 0 where it lies among them, 1 or -1 where it
    is off target above or below; None where that cannot be told. `wrong` is the share of truly retrained models that
    are called off target all the same. `low` and `high` end the range that it is held against.
    """

    side: int | None
    wrong: float
    low: float | None = None
    high: float | None = None


def closeness_to(retrained: pd.DataFrame, models: pd.DataFrame | None = None) -> np.ndarray:
    """(M, n) ToW of each model, the retrained ones themselves if none are given, against each retrained one. Lines
    have forget_accuracy, retain_accuracy and test_accuracy; NaN where ToW is not known.
    """
    own, target = (
        [{split: line[f"{split}_accuracy"] for split in ("forget", "retain", "test")} for _, line in each.iterrows()]
        for each in (retrained if models is None else models, retrained)
    )
    return np.array([[evaluation.tow(a, b) for b in target] for a in own], np.float64)


def of_each(close: np.ndarray) -> np.ndarray:
    """(n,) mean of each line of an (n, n) table without its diagonal."""
    n = len(close)
    return (close.sum(axis=1) - np.diag(close)) / (n - 1)


def furthest(given: np.ndarray, close: np.ndarray) -> Placed:
    """Whether a model lies further from retrained ones than each of these lies from all others.

    `given` (n,) is its closeness to the n retrained models and `close` (n, n) theirs to each other. It is off target
    (-1) where of all n + 1 models, it among them, it has the least mean closeness to the others. Were it retrained as
    they were, each would be as likely to be that one, so it happens to 1 of n + 1, whatever the closeness's
    distribution. `low` and `high` are the least and the largest mean of the n, the given model among their others.
    None with fewer than FEWEST models or where a closeness is not known.

    Source: Vovk, Gammerman, Shafer (2005), "Algorithmic Learning in a Random World", Springer: conformal prediction.
    """
    n = len(given)
    wrong = 1 / (n + 1)
    if n < FEWEST or np.isnan(given).any() or np.isnan(close).any():
        return Placed(None, wrong)
    others = (close.sum(axis=1) - np.diag(close) + given) / n
    low, high = float(others.min()), float(others.max())
    return Placed(-1 if given.mean() < low - ROUNDING else 0, wrong, low, high)


def outside(value: float | None, retrained: Sequence[float | None]) -> Placed:
    """Whether a model reads outside the range in which one more retrained model would read with LEVEL, by Student's t
    for a single new value; 1 above it, -1 below. None with fewer than FEWEST known values or without a value.

    Source: Hahn, Meeker (1991), "Statistical Intervals", Wiley: prediction interval for one future observation.
    """
    known = np.array([v for v in retrained if v is not None and not math.isnan(v)], np.float64)
    n, wrong = len(known), round(1 - LEVEL, 6)
    if n < FEWEST or value is None or math.isnan(value):
        return Placed(None, wrong)
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * known.std(ddof=1) * math.sqrt(1 + 1 / n)) + ROUNDING
    low, high = float(known.mean()) - half, float(known.mean()) + half
    return Placed(int(value > high) - int(value < low), wrong, low, high)
