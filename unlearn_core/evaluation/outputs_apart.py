"""How far the outputs of a model lie from those of a reference, image by image and over many models.

Probabilities are softmax rows (n, K): n images, K classes. None without images. The noise floor of every distance here
is the same distance between two models retrained with different seeds, which is never 0.
"""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

from unlearn_core.params import BadValue

# Rows of probabilities may miss a sum of 1 by float32 rounding, not by more.
SUM_TOLERANCE = 1e-3
# The share of models a bin of the histogram is taken to hold when it holds none; caps KLoM at -ln(it), 11.51 nats.
SMALLEST_SHARE = 1e-5
LARGEST_MARGIN = 100.0


def js_divergences(probs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(n,) Jensen-Shannon divergence in nats of two models' probabilities (n, K), 0 to ln 2; 0 = the same.

    Divide by ln 2 for bits, 0 to 1. Raises BadValue for shapes that differ and rows that are no probabilities.
    Source: Lin (1991), "Divergence Measures Based on the Shannon Entropy".
    """
    p, q = _pair(probs, reference)
    middle = (p + q) / 2
    return (rel_entr(p, middle).sum(axis=1) + rel_entr(q, middle).sum(axis=1)) / 2


def js_divergence(probs: np.ndarray, reference: np.ndarray) -> float | None:
    """Mean over images of `js_divergences`, nats, 0 to ln 2; lower = closer to the reference."""
    return _mean(js_divergences(probs, reference))


def zrf(probs: np.ndarray, untrained: np.ndarray) -> float | None:
    """Zero-retrain forgetting: 1 - mean JS divergence (nats) from models that never learned, 1 - ln 2 to 1.

    `probs` (n, K) on the forget images; `untrained` (n, K), or (R, n, K) for R random initialisations, over which the
    score is averaged: one alone moves it, five or more are wanted. The target is the retrained model's score; near 1
    the outputs look random, which is a trace too. Raises BadValue like `js_divergences`, and for R = 0.
    Source: Chundawat, Tarun, Mandal, Kankanhalli (2023), "Can Bad Teaching Induce Forgetting?", arXiv:2205.08096. The
    definition of the paper; its released code swaps the arguments and divides by K once more.
    """
    models = np.asarray(untrained, np.float64)
    models = models[None] if models.ndim == 2 else models
    if not len(models):
        raise BadValue("A comparison with untrained models needs at least one of them.")
    distances = [js_divergence(probs, model) for model in models]
    return None if None in distances else 1 - float(np.mean(distances))


def activation_distance(probs: np.ndarray, reference: np.ndarray) -> float | None:
    """Mean over images of the Euclidean distance of two models' probabilities (n, K), 0 to sqrt 2; lower = closer.

    Raises BadValue like `js_divergences`.
    Source: Chundawat et al. (2023), arXiv:2205.08096, after Golatkar et al. (2021), arXiv:2012.13431.
    """
    p, q = _pair(probs, reference)
    return _mean(np.linalg.norm(p - q, axis=1))


def total_variation(probs: np.ndarray, reference: np.ndarray) -> float | None:
    """Mean over images of half the sum of |difference| of the probabilities (n, K), 0 to 1; lower = closer.

    Twice this is the activation distance in its other published form, the sum of the absolute differences.
    Raises BadValue like `js_divergences`.
    """
    p, q = _pair(probs, reference)
    return _mean(np.abs(p - q).sum(axis=1) / 2)


def klom_each(retrained: np.ndarray, unlearned: np.ndarray, bins: int = 20) -> np.ndarray:
    """(n,) KL divergence of margins: for every image D(retrained || unlearned) in nats, 0 to about 11.51.

    Margins (logit-scaled confidences) (N, n) of N retrained and (M, n) of M unlearned models, cut at +-100, are counted
    in equal bins between the smallest and the largest of both. A bin empty of unlearned models counts as 1e-5. The last
    bin holds its upper edge, so two different constants are as far apart as can be; equal constants are at 0.
    Two equally distributed sides of N models read 5.7 on average at N = 10, 1.7 at 32, 0.33 at 100: fewer than about
    100 models mostly measure this floor. Raises BadValue without models, for other shapes and for NaN.
    Source: Georgiev, Rinberg et al. (2024), "Attribute-to-Delete", arXiv:2410.23232. Departs from the released code,
    which drops samples on the last edge.
    """
    sides = [np.asarray(x, np.float64) for x in (retrained, unlearned)]
    if any(x.ndim != 2 or not len(x) for x in sides) or sides[0].shape[1] != sides[1].shape[1]:
        raise BadValue("Margins are compared as two tables, models by images, of the same images.")
    if bins < 1:
        raise BadValue(f"A histogram needs at least one bin, not {bins}.")
    if any(np.isnan(x).any() for x in sides):
        raise BadValue("A margin is not a number, so its distribution cannot be compared.")
    sides = [np.clip(x, -LARGEST_MARGIN, LARGEST_MARGIN) for x in sides]
    both = np.concatenate(sides)
    edges = np.linspace(both.min(axis=0), both.max(axis=0), bins + 1)
    p, q = (_shares(x, edges) for x in sides)
    q = np.where(p > 0, np.maximum(q, SMALLEST_SHARE), q)
    return np.maximum(rel_entr(p, q / q.sum(axis=0)).sum(axis=0), 0)  # not -1e-17


def klom(retrained: np.ndarray, unlearned: np.ndarray, bins: int = 20, percentile: float = 95) -> float | None:
    """A high percentile over images of `klom_each`, nats, 0 to about 11.51; lower = closer to retraining.

    Two equally distributed sides of 100 models read about 0.64 at the 95th percentile. Raises BadValue like it.
    Source: Georgiev, Rinberg et al. (2024), arXiv:2410.23232.
    """
    values = klom_each(retrained, unlearned, bins)
    return float(np.percentile(values, percentile)) if len(values) else None


def _shares(margins: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(bins, n) share of the margins (N, n) in each bin between the edges (bins + 1, n); the last holds its edge."""
    from_here = [(margins >= edge).sum(axis=0) for edge in edges[1:-1]]
    everything, nothing = np.full(margins.shape[1], len(margins)), np.zeros(margins.shape[1], np.int64)
    return -np.diff([everything, *from_here, nothing], axis=0) / len(margins)


def _pair(probs: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, q = np.asarray(probs, np.float64), np.asarray(reference, np.float64)
    if p.ndim != 2 or p.shape != q.shape:
        raise BadValue("Probabilities are compared as two tables, images by classes, of the same images and classes.")
    for x in (p, q):
        if not ((x >= 0).all() and (np.abs(x.sum(axis=1) - 1) <= SUM_TOLERANCE).all()):
            raise BadValue("Every row must hold probabilities that sum to 1.")
    return p, q


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
