"""Entanglement of a forget set with the images that stay: how far the two overlap in embedding space.

    ES = (Var_retain + Var_forget) / ( (|mu_retain - mu|^2 + |mu_forget - mu|^2) / 2 )

with Var the mean squared distance to the set's own mean. `mu` is the mean over all training images (which the paper's
text may mean, the default, center="all") or the midpoint of the two means (as in the released code, center="midpoint").
High = overlapping = harder. ES grows with the size of the set, and a random set stands near the top of the scale, so
beside ES belongs its share of the random reference: ES divided by the mean ES of random sets of the same size (1 = as
entangled as a random set).

Source: Zhao, Kurmanji, Barbulescu, Triantafillou, Triantafillou (2024), "What makes unlearning hard and what to do
about it", arXiv:2406.01257.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CENTERS = ("all", "midpoint")
RANDOM_SETS = 200
QUICK = 50_000_000  # numbers to be added up: about a quarter of a second
LARGEST = 2048  # images of the random sets that stand for larger ones
DISTANCES = ("euclidean", "cosine")


@dataclass(frozen=True)
class Entanglement:
    """One set's score, its share of the random reference, and the share of random sets that score lower (0 to 1)."""

    score: float
    share_of_random: float
    percentile: float
    center: str


class EmbeddingSums:
    """What entanglement needs of the embeddings (n, D), summed once, so that a changed selection costs only its own
    rows.
    """

    def __init__(self, embeddings: np.ndarray):
        # Centred in float64: sums of squares of uncentred features would cancel badly.
        x = embeddings.astype(np.float64)
        self.x = x - x.mean(0)
        self.n, self.dim = x.shape
        self.squares = np.einsum("ij,ij->i", self.x, self.x)
        self.total_square = float(self.squares.sum())
        self._random = lru_cache(maxsize=64)(self._random_scores)

    def score(self, rows: np.ndarray, center: str = "all") -> float:
        """ES of these rows against all others. Infinite when the two means coincide. Raises ValueError when a side is
        empty.
        """
        size = len(rows)
        if size == 0 or size == self.n:
            raise ValueError("entanglement needs at least one image on each side")
        total = self.x[rows].sum(0)
        return float(self._from_sums(size, total @ total, self.squares[rows].sum(), center))

    def scores(self, size: int, totals: np.ndarray, squares: np.ndarray, center: str = "all") -> np.ndarray:
        """(k,) ES of k sets of `size` images, 1 to n - 1, from what they sum to: `totals` (k, D) of `x` and `squares`
        (k,) of `squares`.
        """
        return self._from_sums(size, np.einsum("ij,ij->i", totals, totals), squares, center)

    def moved_by(self, rows: np.ndarray, center: str = "all") -> np.ndarray:
        """(n,) by which share each single image moves the entanglement of these rows beside random sets: that of the
        set with the image less that of the set without it, each as a multiple of what a random set of its size scores,
        over that of the set. Above 0 = the image entangles it. NaN for the only image of a side, and where the score is
        infinite. Raises ValueError as `score` does.
        """
        score, size = self.score(rows, center), len(rows)
        inside = np.zeros(self.n, bool)
        inside[rows] = True
        way = np.where(inside, -1.0, 1.0)  # out of the set, or into it
        total, square = self.x[rows].sum(0), float(self.squares[rows].sum())
        length = total @ total + 2 * way * (self.x @ total) + self.squares  # squared, of the sums of the changed sets
        square, size = square + way * self.squares, size + way
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = self._grown(size, center) / self._grown(len(rows), center)
            moved = way * (self._from_sums(size, length, square, center) / grown / score - 1)
        return np.where(np.isfinite(moved), moved, np.nan)

    def describe(self, rows: np.ndarray, center: str = "all", quick: bool = False) -> Entanglement:
        """ES with its place among random sets of the same size; `quick` goes by those of quick_scores."""
        score, reference = (
            self.score(rows, center),
            (self.quick_scores if quick else self.random_scores)(len(rows), center),
        )
        return Entanglement(score, score / float(reference.mean()), float((reference < score).mean()), center)

    def random_scores(self, size: int, center: str = "all") -> np.ndarray:
        """(RANDOM_SETS,) ES of seeded random sets of this size: the reference."""
        return self._random(size, center)

    def quick_scores(self, size: int, center: str = "all") -> np.ndarray:
        """(RANDOM_SETS,) what random sets of this size score, from sets of quick_size(size): from size to size random
        scores grow like s (n - s) about the midpoint, and like s (n - s) / (s^2 + (n - s)^2) about the mean of all,
        because the mean of s random images strays by 1/s - 1/n of the variance.
        """
        measured = self.quick_size(size)
        return self.random_scores(measured, center) * (self._grown(size, center) / self._grown(measured, center))

    def quick_size(self, size: int) -> int:
        """The size of the random sets that stand for those of `size` images where an answer may not take long: the same
        while that costs little, else the next lower power of two, so that few sizes are ever drawn.
        """
        if size * self.dim * RANDOM_SETS <= QUICK:
            return size
        return min(2 ** int(np.log2(min(size, self.n - size))), LARGEST) if size < self.n else size

    def _grown(self, size: int, center: str) -> float:
        rest = self.n - size
        return size * rest / (1.0 if center == "midpoint" else size**2 + rest**2)

    def _random_scores(self, size: int, center: str) -> np.ndarray:
        rng = np.random.default_rng([size, 0xE5])
        return np.array([self.score(rng.choice(self.n, size, replace=False), center) for _ in range(RANDOM_SETS)])

    def _from_sums(
        self, size: int | np.ndarray, length: float | np.ndarray, square: float | np.ndarray, center: str
    ) -> np.ndarray:
        """ES of one set or of many, from its size, the squared length of the sum of its embeddings (the sum over all
        rows is zero) and the sum of their squares.
        """
        rest = self.n - size
        with np.errstate(divide="ignore", invalid="ignore"):
            within = square / size - length / size**2 + (self.total_square - square) / rest - length / rest**2
            between = length * (1 / size**2 + 1 / rest**2) / 2
            if center == "midpoint":
                between = length * (1 / size + 1 / rest) ** 2 / 4
            return np.where(length == 0, np.inf, within / between)

    def by_distance(self) -> np.ndarray:
        """All rows from the nearest to the global mean to the farthest; equal distances in row order."""
        return np.lexsort((np.arange(self.n), self.squares))

    def distances(self, row: int, among: np.ndarray, measure: str = "euclidean") -> np.ndarray:
        """(k,) float64 distances in embedding space from the image `row` to those `among`, at least 0: "euclidean", the
        distance whose square entanglement sums, or "cosine", 1 minus the cosine of the angle seen from the mean of all
        embeddings (0 to 2; 1 where an image lies on that mean).
        """
        x, here = self.x[among], self.x[row]
        if measure == "euclidean":
            return np.sqrt(np.einsum("ij,ij->i", x - here, x - here))
        lengths = np.sqrt(self.squares[among] * self.squares[row])
        cosines = np.divide(x @ here, lengths, out=np.zeros(len(x)), where=lengths > 0)
        return np.where(among == row, 0.0, np.clip(1 - cosines, 0, 2))

    def nearest(
        self, row: int, among: np.ndarray, count: int, measure: str = "euclidean"
    ) -> tuple[np.ndarray, np.ndarray]:
        """((k,) rows, (k,) distances) of the `count` images `among` these that lie nearest to the image `row`, the
        nearest first: itself, where it is among them, then by distance, then by row.
        """
        apart = self.distances(row, among, measure)
        order = np.lexsort((among, np.round(apart, 9), among != row))[:count]
        return among[order], apart[order]
