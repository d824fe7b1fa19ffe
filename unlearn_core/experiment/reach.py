"""Which forget sets a landscape can speak of: those like the sets that it measures.

Its sets are a pure function of what it is asked for and of the images, so this is known before anything is measured.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from unlearn_core.experiment.landscape import Landscape
from unlearn_core.experiment.landscape_sets import ATTRIBUTES, Seen, draw, facts_of

EDGE = 0.99  # a set lies inside where its nearest neighbour is no farther than so many of the known sets' are
MARGIN = 0.05  # of the range of an attribute


class Reach:
    """The sets that known ones teach about. Takes their ATTRIBUTES, a line a set, at least two."""

    def __init__(self, facts: pd.DataFrame):
        self.facts, self._seen = facts[list(ATTRIBUTES)], features(facts)
        self._scaler = StandardScaler().fit(self._seen)
        self._search = NearestNeighbors().fit(self._scaler.transform(self._seen))
        apart = self._search.kneighbors(n_neighbors=1)[0][:, 0]  # of each set to the nearest other one
        self._farthest = float(np.quantile(apart, EDGE))

    def why_not(self, facts: dict[str, float], sets: str = "these sets") -> str:
        """Why a set with these attributes is unlike all known `sets`, without a full stop; empty where it is not.

        It is unlike them where an attribute is, by more than a twentieth of what is known, or where the nearest set is
        farther away than the nearest neighbours of 99 % of the known sets are.
        """
        if not all(math.isfinite(value) for value in facts.values()):
            name = next(name for name in ATTRIBUTES if not math.isfinite(facts[name]))
            return f"its {ATTRIBUTES[name]} is not known"
        x = features(pd.DataFrame([facts]))
        beyond, far, index = self.unlike(x)
        for name, off in zip(ATTRIBUTES, beyond[0], strict=True):
            if off:
                least, most = self.facts[name].min(), self.facts[name].max()
                return (
                    f"its {ATTRIBUTES[name]} is {_said(facts[name])}, while {sets} have {_said(least)} to {_said(most)}"
                )
        if not far[0]:
            return ""
        nearest = int(index[0])
        name = list(ATTRIBUTES)[int(np.abs((x[0] - self._seen[nearest]) / self._scaler.scale_).argmax())]
        return (
            "each of its attributes occurs, but not all together; the nearest set differs most in "
            f"{ATTRIBUTES[name]}: {_said(self.facts[name].iloc[nearest])} there, {_said(facts[name])} here"
        )

    def unlike(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of features (n, 6): (n, 6) which lie beyond all that is known, (n,) which sets lie far from their nearest
        known one, and (n,) its number.
        """
        low, high = self._seen.min(axis=0), self._seen.max(axis=0)
        margin = MARGIN * (high - low)
        distance, index = self._search.kneighbors(self._scaler.transform(x), 1)
        return (x < low - margin) | (x > high + margin), distance[:, 0] > self._farthest, index[:, 0]


def planned(about: Seen, landscape: Landscape) -> Reach:
    """What a landscape will be able to speak of once it is measured. Raises BadValue for too few images."""
    sets = (draw(about, block, i) for block, count in landscape.blocks() for i in range(count))
    return Reach(pd.DataFrame([facts_of(about, rows) for rows in sets]))


def features(facts: pd.DataFrame) -> np.ndarray:
    """(n, 6) the ATTRIBUTES as a model sees them: what spreads over powers of ten by its logarithm."""
    logs = ("size", "entanglement")
    columns = [np.log(np.maximum(facts[a], 1e-6)) if a in logs else facts[a] for a in ATTRIBUTES]
    return np.stack([np.asarray(c, np.float64) for c in columns], axis=1)


def _said(value: float) -> str:
    """An attribute in words: three digits, but whole numbers of images."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
