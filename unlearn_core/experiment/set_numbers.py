"""What can be said of a forget set while it is still being chosen: quick enough to follow a hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core.attacks.signals import loss
from unlearn_core.experiment.beside_random import Places, among_any
from unlearn_core.experiment.views import OpenStudy, SetFacts
from unlearn_core.params import BadValue
from unlearn_core.random_sets import NEARLY_ALL, NEXT_TO_NOTHING
from unlearn_core.rows import others

BIN = 0.05


@dataclass(frozen=True)
class Histogram:
    """How many images score how much: `middles` (b,) of bins as wide as BIN, one of them at 0, and the images in each,
    `everyone` (b,) and `chosen` (b,). Bins run from the lowest score of all images to the highest. `means` are the mean
    scores of the chosen images and of everyone.
    """

    middles: np.ndarray
    everyone: np.ndarray
    chosen: np.ndarray
    means: tuple[float, float]


@dataclass(frozen=True)
class SetNumbers:
    """A forget set beside random ones. `facts` is what can be said of it, `margin` the mean logit-scaled confidence of
    the original models in the labels of its images (any real number, lower = less sure), and `places` where it stands
    among random sets of its size. `kept` training images are not in it.
    """

    facts: SetFacts
    margin: float
    places: Places
    kept: int

    @property
    def few_kept(self) -> bool:
        """Whether fewer images are kept than forgotten: what then is left to learn from says more than hardness."""
        return self.kept < self.facts.images

    @property
    def apart(self) -> bool:
        """Whether the set is less entangled than nearly all random sets of its size."""
        return self.places.entanglement <= 1 - NEARLY_ALL

    @property
    def stands_out(self) -> tuple[str, ...]:
        """By which of "memorization" and "entanglement" the set exceeds nearly all random sets of its size. Large ones
        have much the same mean, so one above theirs may still be next to nothing: it makes nothing hard then.
        """
        shares = {"memorization": self.places.memorization, "entanglement": self.places.entanglement}
        if self.facts.memorization <= NEXT_TO_NOTHING:
            del shares["memorization"]
        return tuple(name for name, share in shares.items() if share >= NEARLY_ALL)


@dataclass(frozen=True)
class Neighbours:
    """Images that are kept and lie nearest to one image: `rows` and `distances` (k,), the nearest first, the share
    `alike` of them (0 to 1) that are of its class, and `usual`, the median distance of it to all images that are kept.
    """

    rows: np.ndarray
    distances: np.ndarray
    alike: float
    usual: float


def describe(study: OpenStudy, rows: np.ndarray, center: str = "all") -> SetNumbers:
    """What quick_facts says of any set of training rows but all of them, its mean margin, and its place among random
    sets of the same size.
    """
    facts = quick_facts(study, rows, center)
    places = among_any(study, rows, facts.entanglement.percentile)
    return SetNumbers(facts, float(study.original_margins[rows].mean()), places, len(study.labels) - len(rows))


def quick_facts(study: OpenStudy, rows: np.ndarray, center: str = "all") -> SetFacts:
    """Size, classes, mean memorization and entanglement of any set of training rows but all of them. On large data
    quicker than OpenStudy.about, whose reference is drawn for every size.
    """
    return study.about(rows, center, quick=True)


def histogram(study: OpenStudy, rows: np.ndarray) -> Histogram:
    """All training images and these by memorization."""
    scores = study.memorization.scores
    bins, means = _bin(scores), (float(scores[rows].mean()), float(scores.mean()))
    first, count = int(bins.min()), int(np.ptp(bins)) + 1
    everyone, chosen = (np.bincount(b - first, minlength=count) for b in (bins, bins[rows]))
    return Histogram((first + np.arange(count)) * BIN, everyone, chosen, means)


def by_part(scores: np.ndarray, parts: dict[str, np.ndarray], width: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The middles (b,) of bins of a `width` above 0, one of them at 0, from the lowest of `scores` (n,) in `parts`
    (rows by name) to the highest, and for each part its images in each bin (b,).
    """
    bins = {name: _bin(scores[rows], width) for name, rows in parts.items()}
    every = np.concatenate(list(bins.values()))
    first, count = int(every.min()), int(np.ptp(every)) + 1
    return (first + np.arange(count)) * width, {n: np.bincount(b - first, minlength=count) for n, b in bins.items()}


def brushed(study: OpenStudy, start: float, end: float) -> np.ndarray:
    """(k,) int64 rows in the bins whose middle lies between two places on the axis of the histogram, in either order;
    where it holds no middle, those of the bin in which the brush has its own. Raises BadValue where there is no image.
    """
    low, high = sorted((float(start), float(end)))
    first, last = int(np.ceil(low / BIN - 1e-9)), int(np.floor(high / BIN + 1e-9))
    if first > last:
        first = last = int(_bin(np.array((low + high) / 2)))
    found = np.flatnonzero((first <= (bins := _bin(study.memorization.scores))) & (bins <= last))
    if not len(found):
        raise BadValue(f"No image scores {low:.2f} to {high:.2f}.")
    return found


def _bin(scores: np.ndarray, width: float = BIN) -> np.ndarray:
    """The number of the bin of each score; bin 0 is around 0."""
    return np.floor(np.round(scores / width + 0.5, 6)).astype(np.int64)


# -- single images -----------------------------------------------------------------------------------------------------


def ordered(study: OpenStudy, rows: np.ndarray, by: str) -> tuple[np.ndarray, np.ndarray]:
    """((k,) rows, (k,) values), the highest first, ties by row: by "memorization", or by "loss", the cross-entropy of
    the first original model on the image in nats. Raises BadValue for another order.
    """
    if by == "memorization":
        values = study.memorization.scores[rows]
    elif by == "loss":
        values = loss(study.logits("original", 0)["train"][rows], study.labels[rows])
    else:
        raise BadValue("Images are ordered by memorization or by loss.")
    order = np.lexsort((rows, -np.round(values, 9)))
    return rows[order], values[order]


def neighbours(study: OpenStudy, row: int, chosen: np.ndarray, count: int = 8) -> Neighbours:
    """The images nearest to training image `row` in embedding space among those that are not `chosen` and not itself.
    Raises BadValue where there is no such training image, or none is left beside it.
    """
    if not 0 <= row < len(study.labels):
        raise BadValue(f"Row {row} does not exist: the training images are numbered 0 to {len(study.labels) - 1}.")
    among = np.setdiff1d(others(chosen, len(study.labels)), [row])
    if not len(among):
        raise BadValue("No other image is kept.")
    rows, distances = study.sums.nearest(row, among, count)
    alike = float((study.labels[rows] == study.labels[row]).mean())
    return Neighbours(rows, distances, alike, float(np.median(study.sums.distances(row, among))))
