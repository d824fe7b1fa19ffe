"""Whether a model is right as often as it is sure: a trace of forgetting that accuracy does not show."""

from __future__ import annotations

import numpy as np

from unlearn_core.attacks import signals
from unlearn_core.params import BadValue


def calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> float | None:
    """Expected calibration error of logits (n, K) for labels (n,), 0 to 1; None without images.

    The mean over images of |share right - mean confidence| in the image's bin, of equally wide bins of the largest
    probability, each with its upper end. The target is a retrained model's value on the same images,
    which is not 0; few images read high. Raises BadValue for no bins, and for logits that are not numbers.
    Source: Guo, Pleiss, Sun, Weinberger (2017), "On Calibration of Modern Neural Networks", arXiv:1706.04599.
    """
    if bins < 1 or np.isnan(logits).any():
        raise BadValue("A calibration error needs at least one bin, and logits that are numbers.")
    if not len(labels):
        return None
    sure = signals.probabilities(logits).max(axis=1)
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, signals.correctness(logits, labels) - sure)
    return float(np.abs(gaps).sum() / len(labels))
