"""Where a forget set stands among random sets of its size, or of its size and class mix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from scipy.stats import rankdata

from unlearn_core.entanglement import LARGEST, RANDOM_SETS
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.random_sets import Pools

MOST = 512  # images that are drawn for a random set of a class mix
NUMBERS = 16_000_000  # of embeddings to be added up for all random sets of it: about a fiftieth of a second
KEPT = 128  # sizes, and class mixes, of which the random sets are remembered
DIGITS = 9  # the same sum may differ behind these, by the order in which it was added up


@dataclass(frozen=True)
class Places:
    """The share (0 to 1) of random sets that are less memorized, surer of their labels and less entangled than a set;
    so a high one says harder to forget, of each. The random sets for `memorization` and `margin` had `means_of` images,
    those for `entanglement` `entanglement_of`; where that is not the size of the set, what they read was brought to it.
    """

    memorization: float
    margin: float
    entanglement: float
    means_of: int
    entanglement_of: int

    def measured_on(self, name: str) -> int:
        """How many images the random sets had for "memorization", "margin" or "entanglement"."""
        return self.entanglement_of if name == "entanglement" else self.means_of


def among_any(study: OpenStudy, rows: np.ndarray, entanglement: float) -> Places:
    """The place of a set of training rows among random sets of its size; that by entanglement is known already, as
    OpenStudy.sums says it.
    """
    known, size = _of(study), len(rows)
    reference, drawn = known.any_means(size)
    return Places(*known.shares(rows, reference), entanglement, drawn, study.sums.quick_size(size))


def among_same_classes(study: OpenStudy, rows: np.ndarray) -> Places | None:
    """The place of a set of training rows, not all of them, among random sets with as many images of each class. None
    where it is made of whole classes, for it is the only set of its class mix then.
    """
    known = _of(study)
    mix = known.classes.mix(rows)
    if known.classes.is_only_one(mix):
        return None
    means, entangled, drawn = known.same_classes(mix.tobytes())
    # From either centre the same: sets of one size stand in one order.
    lower = entangled < study.sums.score(rows) * (1 - 10.0**-DIGITS)
    return Places(*known.shares(rows, means), float(lower.mean()), drawn, drawn)


def margin_agrees(study: OpenStudy) -> float | None:
    """The rank correlation (-1 to 1) over all training images of a low margin with memorization, 1 where the images
    that original models are least sure of are the most memorized; None where either is the same for all.
    """
    return _of(study).agree


class _Known:
    """What random sets of a study read; those of the latest sizes and class mixes are remembered."""

    def __init__(self, study: OpenStudy):
        self.sums, n = study.sums, len(study.labels)
        # Both so that higher is harder.
        self.values = np.column_stack([study.memorization.scores, -study.original_margins])
        self.all, self.classes = Pools(np.zeros(n, np.int64), 1), Pools(study.labels, len(study.classes))
        self.embedded = self.classes.means(self.sums.x)
        self.any_means = lru_cache(KEPT)(self._any_means)
        self.same_classes = lru_cache(KEPT)(self._same_classes)

    @cached_property
    def agree(self) -> float | None:
        if not np.ptp(self.values, axis=0).all():
            return None
        return float(np.corrcoef(rankdata(self.values, axis=0), rowvar=False)[0, 1])

    def shares(self, rows: np.ndarray, reference: np.ndarray) -> list[float]:
        """Of each of the values the share of random means (r, 2) that is below the mean over these rows."""
        return (np.round(reference, DIGITS) < np.round(self.values[rows].mean(0), DIGITS)).mean(0).tolist()

    def _any_means(self, size: int) -> tuple[np.ndarray, int]:
        sets = self.all.draw(np.array([size]), LARGEST)
        return sets.sums(self.values, self.all.means(self.values)) / size, sets.images

    def _same_classes(self, mix: bytes) -> tuple[np.ndarray, np.ndarray, int]:
        counts = np.frombuffer(mix, np.int64)
        most = min(MOST, NUMBERS // (RANDOM_SETS * self.sums.dim))
        sets, size = self.classes.draw(counts, most), int(counts.sum())
        squares = sets.sums(self.sums.squares[:, None], self.classes.means(self.sums.squares[:, None]))[:, 0]
        entangled = self.sums.scores(size, sets.sums(self.sums.x, self.embedded), squares)
        return sets.sums(self.values, self.classes.means(self.values)) / size, entangled, sets.images


def _of(study: OpenStudy) -> _Known:
    if study not in _known:
        _known[study] = _Known(study)
    return _known[study]


_known: WeakKeyDictionary[OpenStudy, _Known] = WeakKeyDictionary()
