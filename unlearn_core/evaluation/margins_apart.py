"""How far the margins of many unlearned models lie from those of many retrained ones, for any number of models.

Margins (N, n) and (M, n): logit-scaled confidences of n images under N models of one kind and M of the other. Unlike
histograms, which want about a hundred models, these read little above their ideal with a dozen. The value to aim at is
that of retrained models against other retrained models.
"""

from __future__ import annotations

import numpy as np

from unlearn_core.params import BadValue


def margin_shift(unlearned: np.ndarray, retrained: np.ndarray) -> float | None:
    """Mean over images of the mean margin minus that of retrained models; None without images.

    Any real number; 0 = as sure as retrained models; above 0 the images are remembered, below 0 they are
    over-unlearned. Raises BadValue for other shapes and for NaN.
    Source: this project.
    """
    unlearned, retrained = _pair(unlearned, retrained)
    return float((unlearned.mean(axis=0) - retrained.mean(axis=0)).mean()) if unlearned.shape[1] else None


def margin_distances(unlearned: np.ndarray, retrained: np.ndarray) -> np.ndarray:
    """(n,) Wasserstein distance of each image's two samples of margins, at least 0, in margins; 0 = the same.

    Raises BadValue like `margin_shift`.
    Source: Georgiev, Rinberg et al. (2024), arXiv:2410.23232, compare margins; this distance needs no histogram.
    """
    a, b = (np.sort(x, axis=0) for x in _pair(unlearned, retrained))
    # The area between the two distribution functions, level by level: each sample's quantile on every step of either.
    levels = np.unique(np.r_[np.arange(len(a) + 1) * len(b), np.arange(len(b) + 1) * len(a)])
    middle = (levels[1:] + levels[:-1]) / 2 / (len(a) * len(b))
    gaps = np.abs(a[(middle * len(a)).astype(int)] - b[(middle * len(b)).astype(int)])
    return np.diff(levels) @ gaps / (len(a) * len(b))


def margin_distance(unlearned: np.ndarray, retrained: np.ndarray) -> float | None:
    """Median over images of `margin_distances`; None without images. Lower = closer to retraining."""
    distances = margin_distances(unlearned, retrained)
    return float(np.median(distances)) if len(distances) else None


def told_apart(unlearned: np.ndarray, retrained: np.ndarray, level: float = 0.05) -> float | None:
    """Share of images whose two samples of margins a Kolmogorov-Smirnov test tells apart at `level`; None without any.

    0 to 1. Perfect unlearning reads at most about `level`, since the test is exact for each image and none is corrected
    for the others. Raises BadValue like `margin_shift`.
    Source: Kolmogorov (1933), Smirnov (1948).
    """
    from scipy.stats import ks_2samp  # a large library, which a page need not wait for

    unlearned, retrained = _pair(unlearned, retrained)
    if not unlearned.shape[1]:
        return None
    return float((ks_2samp(unlearned, retrained, axis=0).pvalue < level).mean())


def _pair(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sides = np.asarray(unlearned, np.float64), np.asarray(retrained, np.float64)
    if any(x.ndim != 2 or not len(x) for x in sides) or sides[0].shape[1] != sides[1].shape[1]:
        raise BadValue("Margins are compared as two tables, models by images, of the same images.")
    if any(np.isnan(x).any() for x in sides):
        raise BadValue("A margin is not a number, so its distribution cannot be compared.")
    return sides
