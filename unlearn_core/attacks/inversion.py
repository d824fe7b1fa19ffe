"""Reading what was deleted from what the deletion changed: an attacker who has the model before and after it.

A deletion that goes up the loss of an image moves the weights along that image's gradient, and the gradient of a last
layer z = W a + b at an image of class y with probabilities p and features a is (p - e_y) a^T for W and p - e_y for b.
Here a *target* is the difference of the weights that points that way: `ascent_target` or `exact_target`. What reads
models that differ by anything but the deletion just as well has read nothing: hold every value against such a control.

Source: Hu, Wang, Dong, Xue (2024), "Learn What You Want to Unlearn: Unlearning Inversion Attacks against Machine
Unlearning", arXiv:2404.03233; the closed form of the last layer is this project's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unlearn_core.attacks.roc import Measured, clopper_pearson
from unlearn_core.params import BadValue

# What is left of numbers that cancel, relative to them: less than this is a rounding error.
ROUNDING = 1e-12

Weights = Sequence[np.ndarray]


# -- targets -----------------------------------------------------------------------------------------------------------


def ascent_target(original: Weights, unlearned: Weights) -> list[np.ndarray]:
    """Unlearned - original for every weight array: along the forget images' gradient where these were pushed away.

    Raises BadValue for arrays that do not match or are not finite.
    Source: Hu et al. (2024), arXiv:2404.03233, approximate unlearning.
    """
    before, after = _alike(original, unlearned)
    return [b - a for a, b in zip(before, after, strict=True)]


def exact_target(
    start: Weights, original: Weights, unlearned: Weights, images: int, forgotten: int
) -> list[np.ndarray]:
    """-(n (original - start) - (n - k) (unlearned - start)): along the gradient of the k of n images left out.

    Both models come from the same start, one by all images, one without the forgotten. Raises BadValue like
    `ascent_target`, and unless 0 < k < n.
    Source: Hu et al. (2024), arXiv:2404.03233, exact unlearning.
    """
    if not 0 < forgotten < images:
        raise BadValue(f"Of {images} images between one and all but one can be forgotten, not {forgotten}.")
    first, before, after = _alike(start, original, unlearned)
    kept = images - forgotten
    return [-(images * (a - s) - kept * (b - s)) for s, a, b in zip(first, before, after, strict=True)]


# -- the last layer ----------------------------------------------------------------------------------------------------


def bias_label(bias_target: np.ndarray) -> int | None:
    """The class whose bias falls most against a target (C,): that of the forgotten image. None where no bias moved.

    Exact for one step up the loss of one image, by which the bias of its class alone falls. Of equal ones the lowest
    class. Raises BadValue for what is no row of finite numbers.
    Source: this project, after Hu et al. (2024), arXiv:2404.03233.
    """
    fall = -_row(bias_target)
    return int(fall.argmax()) if fall.any() else None


def bias_label_counts(bias_target: np.ndarray, images: int) -> np.ndarray | None:
    """(C,) how many of so many forgotten images are of each class, by how far its bias falls; None where none falls.

    The images are shared out in proportion (largest remainders, of equal ones the lowest class), which is right while
    the probabilities at the images are small beside 1 for the wrong classes. Raises BadValue like `bias_label`.
    Source: this project, after Hu et al. (2024), arXiv:2404.03233.
    """
    fall = np.maximum(-_row(bias_target), 0)
    if not fall.sum() > 0:
        return None
    due = images * (fall / fall.sum())
    counts = np.floor(due + ROUNDING).astype(np.int64)
    order = np.argsort(-np.round(due - counts, 9), kind="stable")
    counts[order[: images - counts.sum()]] += 1
    return counts


def head_features(weight_target: np.ndarray, bias_target: np.ndarray, label: int) -> np.ndarray | None:
    """(D,) features of the forgotten image, from the targets of the last layer's weights (C, D) and biases (C,).

    Row `label` of one over that entry of the other: exact for one step up the loss of one image, a weighted mean of
    the features for several. None where that bias did not move. Raises BadValue for shapes that do not match.
    Source: this project, after Hu et al. (2024), arXiv:2404.03233.
    """
    bias, weight = _row(bias_target), np.asarray(weight_target, np.float64)
    if weight.ndim != 2 or len(weight) != len(bias) or not 0 <= label < len(bias) or not np.isfinite(weight).all():
        raise BadValue("Features are read from a table of weights and a row of biases of the same classes.")
    return weight[label] / bias[label] if bias[label] else None


def retrieval_rank(vector: np.ndarray, candidates: np.ndarray, own: int) -> float:
    """Place of candidate `own` among the rows of `candidates` (N, D) by cosine with a vector (D,): 1 = the most alike.

    Ties share the mean of their places; a zero vector is equally far from all. Raises BadValue for other shapes.
    """
    vector, table = _row(vector), np.asarray(candidates, np.float64)
    if table.ndim != 2 or table.shape[1:] != vector.shape or not 0 <= own < len(table):
        raise BadValue("A place among candidates needs a table of them as wide as the vector, with its own row.")
    cosines = _unit(table) @ _unit(vector)
    apart = cosines - cosines[own]
    ties = np.abs(apart) <= ROUNDING
    return float((apart > ROUNDING).sum() + (ties.sum() + 1) / 2)


def retrieval_auc(ranks: np.ndarray, candidates: np.ndarray) -> float | None:
    """Chance that the forgotten image is more like what was read than another candidate, 0 to 1; None without ranks.

    From places (K,) among numbers of candidates (K,), each at least 2. 0.5 = nothing was read, and that is perfect.
    Raises BadValue for places that do not exist.
    """
    ranks, of = np.asarray(ranks, np.float64), np.broadcast_to(np.asarray(candidates, np.float64), np.shape(ranks))
    if ranks.ndim != 1 or not ((ranks >= 1) & (ranks <= of) & (of >= 2)).all():
        raise BadValue("A place among candidates is from 1 to their number, which is at least 2.")
    return float((1 - (ranks - 1) / (of - 1)).mean()) if len(ranks) else None


# -- the outputs -------------------------------------------------------------------------------------------------------


def probe_changes(original: np.ndarray, unlearned: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes (c,) that have probes, ascending, and how their own probability changed over these, (c,) in -1 to 1.

    Probabilities (P, C) of both models on the same probes, images of `classes` (P,) that the original is sure of.
    Raises BadValue for tables that do not match, for classes they do not have and for what is no probability.
    Source: Hu et al. (2024), arXiv:2404.03233.
    """
    before, after = np.asarray(original, np.float64), np.asarray(unlearned, np.float64)
    classes = np.asarray(classes, np.int64)
    if before.ndim != 2 or before.shape != after.shape or classes.shape != before.shape[:1]:
        raise BadValue("Probes are compared by two tables of probabilities and a class for each row.")
    if not all(((p >= 0) & (p <= 1)).all() for p in (before, after)):
        raise BadValue("A probability is a number from 0 to 1.")
    if len(classes) and not (classes.min() >= 0 and classes.max() < before.shape[1]):
        raise BadValue("A probe is of a class that the probabilities do not have.")
    rows = np.arange(len(classes))
    present, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return present, np.bincount(place, (after - before)[rows, classes], len(present)) / counts


def probe_label(original: np.ndarray, unlearned: np.ndarray, classes: np.ndarray) -> int | None:
    """The class whose probes lost most of their probability: that of the forgotten images. Arguments and errors are
    those of `probe_changes`.

    Of equal ones the lowest class; None without probes, and where no probability changed.
    Source: Hu et al. (2024), arXiv:2404.03233.
    """
    present, changes = probe_changes(original, unlearned, classes)
    return int(present[changes.argmin()]) if changes.any() else None


def label_accuracy(guesses: Sequence[int | None], labels: np.ndarray, alpha: float = 0.05) -> Measured:
    """Share of K deletions whose class was guessed, 0 to 1, with its (1 - alpha) interval; no guess is a wrong one.

    Perfect: what the same attack reads from models that differ without a deletion, about 1 / classes. Raises BadValue
    where a deletion has no label.
    Source: Hu et al. (2024), arXiv:2404.03233; Clopper, Pearson (1934).
    """
    if len(guesses) != len(labels):
        raise BadValue("Each guess needs the label of its deletion.")
    if not len(guesses):
        return Measured(None, why="not measurable without a deletion")
    hits = sum(guess == label for guess, label in zip(guesses, labels, strict=True))
    return Measured(hits / len(guesses), *clopper_pearson(hits, len(guesses), alpha))


# -- the image ---------------------------------------------------------------------------------------------------------


def peak_signal_to_noise(squared_error: float) -> float:
    """10 log10(1 / mean squared error) in decibels, for pixels from 0 to 1; infinite for an error of 0."""
    if not squared_error >= 0:
        raise BadValue("A mean squared error is a number of at least 0.")
    return float(-10 * np.log10(squared_error)) if squared_error else np.inf


def _alike(*models: Weights) -> list[list[np.ndarray]]:
    arrays = [[np.asarray(x, np.float64) for x in weights] for weights in models]
    shapes = [[x.shape for x in weights] for weights in arrays]
    if not arrays[0] or any(other != shapes[0] for other in shapes):
        raise BadValue("Weights can be compared between models of the same architecture only.")
    if not all(np.isfinite(x).all() for weights in arrays for x in weights):
        raise BadValue("A weight is not a finite number, so nothing can be read from it.")
    return arrays


def _row(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise BadValue("What is read from a last layer is a row of finite numbers.")
    return values


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows (..., D) of length 1; zeros stay."""
    largest = np.abs(rows).max(axis=-1, keepdims=True, initial=0)
    # Scaled first, for the square of a small number may be lost.
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
