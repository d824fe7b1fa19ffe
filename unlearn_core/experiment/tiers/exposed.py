"""What the forget images of tier 3 come to together, from the table of single images that `distribution.py` makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from unlearn_core.experiment.tiers.distribution import EACH

MOST = 8.0  # epsilon that stands for all above it
EDGES = np.arange(0, MOST + 0.5, 0.5)


@dataclass(frozen=True)
class Spread:
    """How epsilon spreads over images: in how many it lies in each bin of EDGES, (bins,) int64, the last one with all
    above; and its median, 0 to MOST, None where no image has one.
    """

    counts: np.ndarray
    median: float | None


def spreads(images: pd.DataFrame, reading: str) -> dict[str, Spread]:
    """For each kind of model of EACH the spread of its "epsilon" (as attacks read it) or "proved", without images on
    which no attack could be judged.
    """
    found = {}
    for kind in EACH:
        values = images[f"{kind}_{reading}"].dropna().clip(upper=MOST)
        median = float(values.median()) if len(values) else None
        found[kind] = Spread(np.histogram(values, EDGES)[0], median)
    return found


def worst_first(images: pd.DataFrame) -> pd.DataFrame:
    """The lines by KLoM of the unlearned models, the largest first, equal ones by row."""
    return images.sort_values(["unlearned_klom", "row"], ascending=[False, True])


def usual(images: pd.DataFrame, share: float = 0.95) -> float:
    """The KLoM, at least 0, that this share of the images stay below for retrained models against other ones."""
    return float(images["retrained_klom"].quantile(share))
