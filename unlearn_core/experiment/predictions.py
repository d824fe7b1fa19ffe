"""What models take images for: of the images of each class, the share predicted as each class, beside retraining and
beside how much two retrained models differ in the same cell.

A seed is the unit, as everywhere in a comparison: a difference is taken between two models of the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from unlearn_core.evaluation.seeds import ROUNDING, stands_out
from unlearn_core.experiment.comparison import CEILING, ORIGINAL, RETRAINED
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue

GROUPS = ("forget", "retain", "test")
ROWS = ("label", "original")


@dataclass(frozen=True)
class Matrix:
    """One model's predictions of one group of images; K classes, K + 1 rows, the last one all images together.

    `images` (K + 1,) is how many images a row has, as a mean over seeds. `shares` (K + 1, K): the share of them that is
    predicted as each class, 0 to 1, mean over seeds; a row adds up to 1, or is NaN where it has no images. `gap` is
    the share less the retrained model's of the same seed, -1 to 1, with the `half_width` of its 95 % interval (NaN with
    a single seed). `stands_out` says in which cells the whole interval misses 0 and the gap is larger than in any cell
    of a second retrained model it may be: the largest of many cells always looks like something.
    """

    images: np.ndarray
    shares: np.ndarray
    gap: np.ndarray
    half_width: np.ndarray
    stands_out: np.ndarray


def shares(predicted: np.ndarray, rows: np.ndarray, classes: int) -> np.ndarray:
    """(S, K + 1, K) float64: of the images in each row, the share predicted as each class; the last row is all images.

    `predicted` (S, N) are classes under S models, `rows` (N,) or (S, N) the row of each image, 0 to K - 1. A row
    without images is NaN. Raises BadValue for other shapes and for numbers that name no class.
    """
    predicted = np.asarray(predicted)
    if predicted.ndim != 2 or np.shape(rows) not in (predicted.shape, predicted.shape[1:]):
        raise BadValue("Predictions are a line of classes for each model, and every image has a row.")
    rows = np.broadcast_to(rows, predicted.shape)
    for numbers in (predicted, rows):
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < classes):
            raise BadValue(f"Classes are numbered from 0 to {classes - 1}.")
    cells = rows.astype(np.int64) * classes + predicted
    counts = np.stack([np.bincount(line, minlength=classes**2).reshape(classes, classes) for line in cells])
    counts = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=2, keepdims=True)


def over_seeds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and half width of the 95 % t-interval of every cell over the first axis, as evaluation.over_seeds has them
    for one number; NaN where too few are known.
    """
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0).sum(axis=0) / n
        variance = np.where(known, np.square(values - mean), 0).sum(axis=0) / (n - 1)
        half = stdtrit(np.maximum(n - 1, 1), 0.975) * np.sqrt(variance / n)
    return np.where(n, mean, np.nan), np.where(n > 1, half, np.nan)


def matrices(study: OpenStudy, methods: Sequence[str], group: str = "forget", by: str = "label") -> dict[str, Matrix]:
    """The matrix of each method on the "forget", "retain" or "test" images, in order; the rows are the true class
    ("label") or what the original of the same seed predicts ("original"). Raises BadValue for another group or row.
    """
    if group not in GROUPS or by not in ROWS:
        raise BadValue(f"Images are one of {', '.join(GROUPS)}, and rows one of {', '.join(ROWS)}.")
    seeds, classes = sorted(int(seed) for seed in study.table["seed"].unique()), len(study.classes)
    said = {m: np.stack([_predicted(study, m, seed, group) for seed in seeds]) for m in (RETRAINED, CEILING, ORIGINAL)}
    said |= {m: np.stack([_predicted(study, m, seed, group) for seed in seeds]) for m in methods if m not in said}
    rows = _labels(study, group) if by == "label" else said[ORIGINAL]
    each = {name: shares(predicted, rows, classes) for name, predicted in said.items()}
    images = np.stack([np.bincount(r, minlength=classes) for r in np.broadcast_to(rows, said[RETRAINED].shape)])
    images = np.append(images.mean(axis=0), images.sum(axis=1).mean())
    noise, half = over_seeds(each[CEILING] - each[RETRAINED])
    return {name: _matrix(images, each[name], each[RETRAINED], (noise, half)) for name in methods}


def widest(matrix: Matrix, classes: Sequence[str]) -> tuple[str, str, float, float] | None:
    """Row, predicted class, gap and half width of the cell that is furthest from retraining, among those that stand out
    where any does; the row of all images is left out. None where no cell has a gap.
    """
    k = len(classes)
    size = np.where(np.isnan(matrix.gap[:k]), -1.0, np.abs(matrix.gap[:k]))
    if matrix.stands_out[:k].any():
        size = np.where(matrix.stands_out[:k], size, -1.0)
    row, column = np.unravel_index(size.argmax(), size.shape)
    if size[row, column] <= ROUNDING:
        return None
    return classes[row], classes[column], float(matrix.gap[row, column]), float(matrix.half_width[row, column])


def _matrix(images: np.ndarray, own: np.ndarray, retrained: np.ndarray, noise: tuple) -> Matrix:
    gap, half = over_seeds(own - retrained)
    return Matrix(images, over_seeds(own)[0], gap, half, stands_out(gap, half, *noise))


def _predicted(study: OpenStudy, method: str, seed: int, group: str) -> np.ndarray:
    logits = study.logits(method, seed)
    if group == "test":
        return logits["test"].argmax(axis=1)
    return logits["train"][getattr(study.target, group)].argmax(axis=1)


def _labels(study: OpenStudy, group: str) -> np.ndarray:
    return study.target.test_labels if group == "test" else study.labels[getattr(study.target, group)]
