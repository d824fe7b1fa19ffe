"""Random sets with as many images of each class as a given set has, and what attributes of images sum to in each.

Where a set has many images, fewer are drawn, and sums are brought to the set's size: of each class, what was drawn
strays from the mean of the class by sqrt(k (n - k) / (j (n - j))) times as much, with j of its n images drawn in the
place of k. So the mean and the covariance of the sums are those of sets as large as the given one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from unlearn_core.entanglement import RANDOM_SETS

# What a set has to exceed for it to be called hard: this share of random ones, and a mean score, of 0 to 1, which
# images of both kinds of scores have that models get right anyway.
NEARLY_ALL, NEXT_TO_NOTHING = 0.95, 0.1


@dataclass(frozen=True)
class RandomSets:
    """RANDOM_SETS random sets with `mix` (K,) images of each class, as the weights of images in a sum over a set:
    `drawn` (RANDOM_SETS, n), 1 for an image in the set and -1 for one left out of a class that is counted as a whole,
    or as many times that as brings the sum to the set's size; and `rest` (K,), how many images of each class are
    counted with its mean. `images` is how many images the sets really have: those of `mix`, or fewer.
    """

    mix: np.ndarray
    drawn: csr_array
    rest: np.ndarray
    images: int

    def sums(self, values: np.ndarray, means: np.ndarray) -> np.ndarray:
        """(RANDOM_SETS, D) sums of `values` (n, D) over each set, in their units; `means` (K, D) are theirs by class,
        as Pools.means says.
        """
        return self.drawn @ values + self.rest @ means


class Pools:
    """The images of each class, to draw sets from. `labels` (n,) are numbers 0 to `classes` - 1; with one class for all
    images sets are drawn from any of them.
    """

    def __init__(self, labels: np.ndarray, classes: int):
        self.labels, self.counts = labels, np.bincount(labels, minlength=classes)
        self.order = np.argsort(labels, kind="stable")  # class after class
        self.starts = np.cumsum(self.counts) - self.counts

    def mix(self, rows: np.ndarray) -> np.ndarray:
        """(K,) how many of these rows are of each class."""
        return np.bincount(self.labels[rows], minlength=len(self.counts))

    def means(self, values: np.ndarray) -> np.ndarray:
        """(K, D) means of `values` (n, D) by class, 0 for a class without images."""
        n = len(self.labels)
        each = csr_array((np.ones(n), self.order, np.r_[self.starts, n]), shape=(len(self.counts), n))
        return each @ values / np.maximum(self.counts, 1)[:, None]

    def is_only_one(self, mix: np.ndarray) -> bool:
        """Whether there is only one set of this mix (K,), because it holds all images of a class or none."""
        return not np.minimum(mix, self.counts - mix).any()

    def draw(self, mix: np.ndarray, most: int) -> RandomSets:
        """Seeded random sets with `mix` (K,) images of each class, each from 0 to as many as the class has. About
        `most` images of a set are really drawn at most, and at least one of each class that leaves a choice.
        """
        # Of a class that is nearly whole those are drawn that are left out.
        few = np.minimum(mix, self.counts - mix)
        taken = few if few.sum() <= most else np.where(few, np.maximum(1, few * most // few.sum()), 0)
        varies, taken_varies = few * (self.counts - few), taken * (self.counts - taken)
        stretch = np.sqrt(np.divide(varies, taken_varies, out=np.ones(len(mix)), where=taken > 0))
        weights = np.where(2 * mix > self.counts, -stretch, stretch)
        of = np.repeat(np.arange(len(mix)), taken)
        columns = self.order[self._places(of, np.random.default_rng([0xE6, *mix.tolist()]))]
        ends = np.arange(RANDOM_SETS + 1) * len(of)
        drawn = csr_array((np.tile(weights[of], RANDOM_SETS), columns.ravel(), ends), (RANDOM_SETS, len(self.labels)))
        whole = np.array_equal(taken, few)
        return RandomSets(mix, drawn, mix - weights * taken, int(mix.sum() if whole else taken.sum()))

    def _places(self, of: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(RANDOM_SETS, k) different places in `order` in each line, one of the class `of[i]` in column i. What comes
        twice in a line is drawn again, which favours no image; classes of which more than half were asked for would
        take long.
        """
        places = self._any_of(of, rng.random((RANDOM_SETS, len(of))))
        while True:
            places.sort(axis=1)  # places of one class stay in its columns, for classes lie one after the other
            lines, columns = np.nonzero(places[:, 1:] == places[:, :-1])
            if not len(lines):
                return places
            places[lines, columns + 1] = self._any_of(of[columns + 1], rng.random(len(lines)))

    def _any_of(self, of: np.ndarray, chance: np.ndarray) -> np.ndarray:
        return self.starts[of] + (chance * self.counts[of]).astype(np.int64)
