"""What each image on a map can be coloured by, from what is kept: no model is asked again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core.attacks import signals
from unlearn_core.experiment.study_table import ORIGINAL
from unlearn_core.experiment.views import OpenStudy


@dataclass(frozen=True)
class MapValues:
    """Of the training images and, behind them, the test images (N,): their class as `labels`, and of the original
    whose embeddings the map shows whether it is `right` (bool), its `loss` in nats (at least 0; higher = worse) and its
    `margin`, the log odds of the label (any real number; higher = surer).
    """

    labels: np.ndarray
    right: np.ndarray
    loss: np.ndarray
    margin: np.ndarray


def map_values(study: OpenStudy) -> MapValues:
    """Of all images of a study under its first original model."""
    logits = np.concatenate([study.logits(ORIGINAL, 0)[split] for split in ("train", "test")])
    labels = np.concatenate([study.labels, study.data.test.y.numpy()])
    right = signals.correctness(logits, labels) > 0
    return MapValues(labels, right, signals.loss(logits, labels), signals.margin(logits, labels))
