"""Choosing what to forget: each way is a spec whose `choose` turns what is known of the training images into row
numbers.

One rule for ties everywhere: by score, then by row number. With thousands of images at a memorization of exactly 0,
another rule in another place would unlearn one set and compare it with models retrained without a different one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearn_core.entanglement import DISTANCES, EmbeddingSums
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.rows import check_forget, unpack

LEVELS = ("low", "medium", "high", "mix")
LARGEST, SHARE = 3000, 0.06  # images that `at_first` has a rule name at most, and of a smaller dataset


@dataclass(frozen=True)
class Known:
    """What is known of the training images. Scores cost a bank and sums an embedding, so both are asked for only when
    needed.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    memorization: Callable[[], np.ndarray]
    sums: Callable[[], EmbeddingSums]
    mislabelled: np.ndarray | None


class ForgetSet(Spec):
    """A rule that names training rows."""

    title: ClassVar[str]
    needs: ClassVar[str] = ""

    def choose(self, known: Known) -> np.ndarray:
        """(k,) int64 row numbers, sorted, at least one and never all. Raises BadValue where the rule names none or too
        many.
        """
        return check_forget(np.sort(self.rows(known)).astype(np.int64), len(known.labels))

    def rows(self, known: Known) -> np.ndarray:
        raise NotImplementedError


@spec
class ByMemorization(ForgetSet):
    """The least, the most, or the middling memorized images, or a third of each (the paper's mix).

    low: smallest scores; high: largest; medium: nearest to 0.5 on the score's own scale. Source: arXiv:2406.01257.
    """

    title = "By memorization"
    needs = "bank"
    level: str = param("mix", choices=LEVELS, help="which end of the memorization scores")
    size: int = param(120, 1, help="number of images; a mix takes a third from each level")

    def rows(self, known: Known) -> np.ndarray:
        scores = known.memorization()
        return _by_level(scores, np.arange(len(scores)), self.level, self.size)


def _by_level(scores: np.ndarray, rows: np.ndarray, level: str, size: int) -> np.ndarray:
    if size > len(rows):
        raise _too_many(size, len(rows))
    if level == "mix":
        # Each third from what the earlier ones left, so that a small dataset never gives an image twice.
        chosen = np.zeros(0, np.int64)
        for part, count in zip(("high", "low", "medium"), _thirds(size), strict=True):
            left = rows[~np.isin(rows, chosen)]
            chosen = np.concatenate([chosen, _by_level(scores, left, part, count)])
        return chosen
    order = {"low": scores[rows], "high": -scores[rows], "medium": np.abs(scores[rows] - 0.5)}[level]
    return rows[np.lexsort((rows, np.round(order, 9)))][:size]


def _too_many(size: int, n: int) -> BadValue:
    return BadValue(f"Only {n:,} training images can be chosen from, not {size:,}.")


def _thirds(size: int) -> tuple[int, int, int]:
    return (size + 2) // 3, (size + 1) // 3, size // 3


@spec
class MemorizationBand(ForgetSet):
    """All images between two memorization scores, or between two places in their order.

    value: low <= score <= high. rank: all images from the least to the most memorized, 0 = before the first, 1 = after
    the last, so 0.9 to 1 is the most memorized tenth.
    """

    title = "Band of memorization"
    needs = "bank"
    scale: str = param("value", choices=("value", "rank"), help="whether the ends are scores or shares of the order")
    low: float = param(0.5, -1.0, 1.0, help="where the band begins")
    high: float = param(1.0, -1.0, 1.0, help="where the band ends")

    def __post_init__(self):
        super().__post_init__()
        if self.low > self.high:
            raise BadValue(f"The band runs backwards, from {self.low:g} to {self.high:g}.")
        if self.scale == "rank" and self.low < 0:
            raise BadValue(f"The order of the images begins at 0, so a band of it cannot begin at {self.low:g}.")

    def rows(self, known: Known) -> np.ndarray:
        scores = np.round(known.memorization(), 9)
        if self.scale == "value":
            found = np.flatnonzero((np.round(self.low, 9) <= scores) & (scores <= np.round(self.high, 9)))
        else:
            ends = [round(end * len(scores)) for end in (self.low, self.high)]
            found = np.lexsort((np.arange(len(scores)), scores))[slice(*ends)]
        if not len(found):
            raise BadValue(f"No image lies between {self.low:g} and {self.high:g}.")
        return found


@spec
class NearTo(ForgetSet):
    """An image and those that lie nearest to it in the embedding space of the model.

    euclidean: by distance, as entanglement measures it; cosine: by angle, seen from the mean of all embeddings.
    """

    title = "Near an image"
    needs = "embedding"
    row: int = param(0, 0, 2**31 - 1, help="row number of the image, which is itself part of the set")
    size: int = param(20, 1, help="number of images")
    measure: str = param("euclidean", choices=DISTANCES, help="how distance is measured")

    def rows(self, known: Known) -> np.ndarray:
        n = len(known.labels)
        if self.row >= n:
            raise BadValue(f"Row {self.row} does not exist: the training images are numbered 0 to {n - 1}.")
        if self.size > n:
            raise _too_many(self.size, n)
        # The image itself comes first, even where another has the very same embedding and an earlier row.
        return known.sums().nearest(self.row, np.arange(n), self.size, self.measure)[0]


@spec
class ByEntanglement(ForgetSet):
    """Images at one distance from the middle of all embeddings, chosen by the entanglement that was really measured.

    All images are ranked by distance to the global mean and cut into groups of `size`; low, medium and high are the
    groups with the smallest, the median and the largest measured entanglement score (the farthest group can have the
    lowest). Source: arXiv:2406.01257, where fixed group numbers stand in place of the measurement.
    """

    title = "By entanglement"
    needs = "embedding"
    level: str = param("high", choices=LEVELS[:3], help="how entangled the group is")
    size: int = param(120, 2, help="number of images")

    def rows(self, known: Known) -> np.ndarray:
        groups, scores = distance_groups(known.sums(), self.size)
        ranked = np.argsort(scores, kind="stable")
        return groups[ranked[{"low": 0, "medium": len(ranked) // 2, "high": -1}[self.level]]]


def distance_groups(sums: EmbeddingSums, size: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Groups of `size` rows by distance to the global mean, near to far, and the entanglement score of each."""
    if size * 3 > sums.n:
        raise BadValue(
            f"Groups by entanglement can hold at most a third of the {sums.n:,} training images, not {size:,}."
        )
    order = sums.by_distance()
    groups = [order[i : i + size] for i in range(0, sums.n - size + 1, size)]
    return groups, np.array([sums.score(g) for g in groups])


@spec
class AtRandom(ForgetSet):
    """Images drawn at random; the seed is part of the choice, so the set can be named again."""

    title = "Random"
    size: int = param(120, 1, help="number of images")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the draw")

    def rows(self, known: Known) -> np.ndarray:
        if self.size > len(known.labels):
            raise _too_many(self.size, len(known.labels))
        return np.random.default_rng([self.seed, 0xF0]).choice(len(known.labels), self.size, replace=False)


@spec
class OfClass(ForgetSet):
    """A whole class, or a seeded share of it."""

    title = "Class"
    label: str = param("", help="name of the class")
    share: float = param(1.0, 0.001, 1.0, help="share of the class; 1 = all of it")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the draw, where the share is below 1")

    def rows(self, known: Known) -> np.ndarray:
        if self.label not in known.classes:
            raise BadValue(f"There is no class {self.label!r}; the classes are {', '.join(known.classes[:20])}.")
        members = np.flatnonzero(known.labels == known.classes.index(self.label))
        if self.share == 1.0:
            return members
        count = max(1, round(self.share * len(members)))
        return np.random.default_rng([self.seed, 0xC1]).choice(members, count, replace=False)


@spec
class Mislabelled(ForgetSet):
    """The training images whose label is known to be wrong: forgetting them repairs the model."""

    title = "Mislabelled"

    def rows(self, known: Known) -> np.ndarray:
        if known.mislabelled is None:
            raise BadValue("This dataset has no record of which labels are wrong.")
        return np.flatnonzero(known.mislabelled)


@spec
class Picked(ForgetSet):
    """Rows named one by one: from a file (of a table the column row, id or index), or from a selection on a page."""

    title = "Row numbers"
    named: str = param("", help="row numbers such as 3,7-9")

    def rows(self, known: Known) -> np.ndarray:
        return unpack(self.named, len(known.labels))


FORGET_SETS: dict[str, type[ForgetSet]] = {
    "memorization": ByMemorization,
    "band": MemorizationBand,
    "entanglement": ByEntanglement,
    "random": AtRandom,
    "class": OfClass,
    "near": NearTo,
    "mislabelled": Mislabelled,
    "rows": Picked,
}


def at_first(rule: type[ForgetSet], images: int, apart: int = 0) -> ForgetSet:
    """A rule as it stands at first for a dataset of so many training images, `apart` set apart for validation besides.

    RUM's experiments forget 3,000 of CIFAR-10's 50,000, so of a smaller dataset as large a share; but as many as a
    rule names by itself, for a third of fewer says little. At least 2; of 4 images and more never more than half, or
    than the third that groups by entanglement have room for. "Near an image" is about few. Source: arXiv:2406.01257.
    """
    first = rule()
    if not hasattr(first, "size"):
        return first
    whole = first.size if rule is NearTo else min(LARGEST, max(first.size, round(SHARE * (images + apart))))
    return first.but(size=max(2, min(whole, images // 2, room(rule, images))))


def room(rule: type[ForgetSet], images: int) -> int:
    """The most of so many training images that a rule with a size can name, whatever else it goes by."""
    return images // 3 if rule is ByEntanglement else images - 1
