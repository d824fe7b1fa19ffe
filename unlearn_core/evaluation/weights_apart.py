"""How far two models lie apart inside: in their weights, and in the features they compute.

Diagnostics, never a verdict: two models retrained with different seeds are about as far apart in weights as any two,
and methods that change the last layer alone leave the features of the forget images as they were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from unlearn_core.params import BadValue

# What is left of numbers that cancel, relative to them: less than this is a rounding error.
ROUNDING = 1e-12

Weights = Sequence[np.ndarray]


def weight_distances(weights: Weights, reference: Weights) -> np.ndarray:
    """(L,) Euclidean distance of every one of the L weight arrays from the reference's, at least 0.

    Learned parameters only, in the same order: running statistics of normalisation layers do not belong here. Raises
    BadValue for arrays that do not match.
    """
    a, b = _arrays(weights), _arrays(reference)
    if [x.shape for x in a] != [x.shape for x in b]:
        raise BadValue("Weights can be compared between models of the same architecture only.")
    return np.array([np.linalg.norm((x - y).ravel()) for x, y in zip(a, b, strict=True)])


def weight_distance(weights: Weights, reference: Weights) -> float:
    """Euclidean distance of all weights from the reference's, at least 0; 0 = the same weights. Lower = closer.

    The noise floor is the distance between two retrained models. Raises BadValue like `weight_distances`.
    Source: Golatkar et al. (2020), "Eternal Sunshine of the Spotless Net", arXiv:1911.04933.
    """
    return float(np.linalg.norm(weight_distances(weights, reference)))


def relative_weight_distance(weights: Weights, reference: Weights) -> float | None:
    """`weight_distance` as a share of the length of the REFERENCE's weights; None when these are all 0.

    Source: Cadet et al. (2024), arXiv:2410.01276. Departs from the released code, which divides by the length of the
    first model's: then methods are measured each with its own rule.
    """
    length = weight_distance(reference, [np.zeros(np.shape(x)) for x in reference])
    distance = weight_distance(weights, reference)
    return distance / length if length else None


def linear_cka(features: np.ndarray, reference: np.ndarray, debiased: bool = False) -> float | None:
    """Linear centered kernel alignment of two models' features (n, p) and (n, q) of the same n images, 0 to 1.

    1 = the same up to rotation, scale and shift; higher = closer. None where the features of a model do not vary. The
    noise floor is the value of two retrained models. With fewer images than about four times the width the plain form
    reads high even for unrelated features; `debiased` reads about 0 for them (a little below is possible) and needs at
    least 4 images. Raises BadValue for other shapes, too few images and values that are not finite.
    Source: Kornblith, Norouzi, Lee, Hinton (2019), "Similarity of Neural Network Representations Revisited",
    arXiv:1905.00414; debiased: Song et al. (2012), "Feature Selection via Dependence Maximization", and Nguyen, Raghu,
    Kornblith (2021), arXiv:2010.15327.
    """
    x, y = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise BadValue("Features are compared as two tables with a row for each of the same images.")
    if len(x) < (needed := 4 if debiased else 2):
        raise BadValue(f"Comparing features needs at least {needed} images, not {len(x)}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadValue("A feature is not a finite number, so the models cannot be compared.")
    x, y = _centered(x), _centered(y)
    plain = [_dependence(a, b) for a, b in ((x, y), (x, x), (y, y))]
    if not (plain[1] and plain[2]):
        return None
    if not debiased:
        return plain[0] / math.sqrt(plain[1] * plain[2])
    between, of_x, of_y = (_unbiased_dependence(a, b) for a, b in ((x, y), (x, x), (y, y)))
    if of_x <= ROUNDING * plain[1] or of_y <= ROUNDING * plain[2]:
        return None
    return between / math.sqrt(of_x * of_y)


def _dependence(x: np.ndarray, y: np.ndarray) -> float:
    """The sum over pairs of images of the product of their two inner products."""
    return float(np.square(x.T @ y).sum())


def _unbiased_dependence(x: np.ndarray, y: np.ndarray) -> float:
    """n (n - 3) times the unbiased Hilbert-Schmidt independence criterion, without a table of images by images."""
    n = len(x)
    own_x, own_y = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    # Row sums of the two tables of inner products with their diagonals taken out.
    rows_x, rows_y = x @ x.sum(axis=0) - own_x, y @ y.sum(axis=0) - own_y
    pairs = _dependence(x, y) - own_x @ own_y
    return float(pairs + rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2)) - 2 * (rows_x @ rows_y) / (n - 2))


def _centered(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 with a largest entry of 1; zeros where nothing but rounding is left."""
    around = x - x.mean(axis=0)
    around[:, np.abs(around).max(axis=0) <= ROUNDING * np.abs(x).max(axis=0)] = 0
    largest = np.abs(around).max(initial=0)
    return around / largest if largest else around


def _arrays(weights: Weights) -> list[np.ndarray]:
    return [np.asarray(x, np.float64) for x in weights]
