"""Whether forgotten knowledge is still in the features: freeze them, fit a new last layer, ask it about forget images.

Measures of outputs are blind to what only the last layer hides. How much the new layer is taught decides what is seen.
Measured on the digits (one hidden layer, means over all ten classes): with a class forgotten, features that still know
it gave 0.92 when five images were taught and a retrained model's 0.75, two of these differing by 0.05 at most; taught
half of the class, 0.99 against 0.97, for good features need no memory to separate a class; taught none of it a layer
cannot name it. With mislabelled images forgotten the three forms gave 0.23, 0.23 and 0.12 against 0.01 at most. With
random images, 1.00 against 0.98 in each form: nothing is seen there, for there is hardly anything to see.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from unlearn_core.data import Images
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.rows import others
from unlearn_core.training import embed, epoch_order

STREAM = 122  # of epoch_order
LARGEST = 5000  # retained images that teach a head; more make it slow and hardly better


@dataclass(frozen=True)
class Probed:
    """Accuracy of new heads on forget images that they were not taught, as fractions.

    `few` (draws,): taught retained images and a few forget images of each class, other ones in every draw. `halves`:
    taught retained images and half of the forget images, each half in turn. `retained`: taught retained images alone
    and asked about forget images of their classes; None where there are none of these.
    """

    few: np.ndarray
    halves: float
    retained: float | None

    @property
    def accuracy(self) -> float:
        """The mean of `few`: the form that tells models apart best."""
        return float(self.few.mean())


def linear_probe(
    model: Classifier, images: Images, forget: np.ndarray, few: int = 5, draws: int = 5, seed: int = 0
) -> Probed:
    """What new heads on the model's frozen features know about the rows `forget` of the training images.

    `few` forget images of each class (half of them at most) are taught beside the retained ones, in so many draws that
    are the same for every model. Sees knowledge of a class, or of single images, that is left in the features; not how
    much of it the model's own last layer still uses, nor what a curved boundary could read. Perfect: a retrained
    model's value. Raises BadValue without forget or retained images, for fewer than two classes, and for features that
    are not finite.
    Source: Alain, Bengio (2017), "Understanding intermediate layers using linear classifier probes", arXiv:1610.01644;
    the forms, and few images of every class weighing as much as the others, are this project's.
    """
    forget, labels = np.sort(np.asarray(forget)), images.y.numpy()
    keep = np.sort(epoch_order(others(forget, len(labels)), seed, 0, STREAM)[:LARGEST])
    rows = np.r_[forget, keep]
    features, labels = embed(copy.deepcopy(model), images.take(rows)), labels[rows]
    return probe_features(features, labels, np.arange(len(rows)) < len(forget), few, draws, seed)


def probe_features(
    features: np.ndarray, labels: np.ndarray, forgotten: np.ndarray, few: int = 5, draws: int = 5, seed: int = 0
) -> Probed:
    """`linear_probe` on features (n, D) with labels (n,); `forgotten` (n,) bool names the forget images."""
    rows, keep = np.flatnonzero(forgotten), np.flatnonzero(~forgotten)
    if not len(rows) or not len(keep) or few < 0 or draws < 1:
        raise BadValue("A linear probe needs forget images, retained ones and at least one draw.")
    features = _scaled(features, ~forgotten)

    def right(taught: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """(len(asked),) whether a head taught these rows gets those right."""
        if not len(asked):
            return np.zeros(0, bool)
        known = np.r_[keep, taught]
        return _fitted(features[known], labels[known]).predict(features[asked]) == labels[asked]

    def draw(number: int, most: int) -> np.ndarray:
        """So many forget images of each class, but no more than half of them."""
        order = epoch_order(rows, seed, number + 1, STREAM)
        parts = (order[labels[order] == c] for c in np.unique(labels[order]))
        return np.concatenate([part[: min(most, len(part) // 2)] for part in parts])

    taught = [draw(number, few) for number in range(draws)]
    shares = [right(some, np.setdiff1d(rows, some)).mean() for some in taught]
    first = draw(0, len(rows))
    second = np.setdiff1d(rows, first)
    halves = np.r_[right(first, second), right(second, first)]
    retained = right(rows[:0], rows[np.isin(labels[rows], labels[keep])])
    return Probed(np.array(shares), float(halves.mean()), float(retained.mean()) if len(retained) else None)


def _scaled(features: np.ndarray, retained: np.ndarray) -> np.ndarray:
    """float64 features of mean 0 and mean square 1 over the retained images: one scale for all, so that a penalty means
    the same to every model and no feature that hardly varies becomes loud.
    """
    x = np.asarray(features, np.float64)
    if not np.isfinite(x).all():
        raise BadValue("A feature is not a finite number, so it cannot be probed.")
    x = x - x[retained].mean(axis=0)
    size = np.sqrt(np.square(x[retained]).mean())
    return x / size if size else x


def _fitted(features: np.ndarray, labels: np.ndarray):
    from sklearn.linear_model import LogisticRegression  # a second of import that only this probe needs

    if len(np.unique(labels)) < 2:
        raise BadValue("A linear probe needs images of at least two classes.")
    # Each class weighs the same: a few forget images would not be heard beside hundreds of others.
    return LogisticRegression(class_weight="balanced", max_iter=1000).fit(features, labels)
