"""The likelihood-ratio attack: is this model's confidence in an image what models say that saw it, or that did not?

Every image has two normal distributions of its logit-scaled confidence: over the shadow models that trained on it
(inside) and over those that did not (outside). `summarise` makes them from the scores of a bank; a bank too large to
keep hands over its running counts, means and deviations as a `Side` of its own.

Source: Carlini, Chien, Nasr, Song, Terzis, Tramer (2022), "Membership Inference Attacks From First Principles",
arXiv:2112.03570.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, logsumexp

# Keeps a deviation of zero from dividing; the log-ratios it blows up are cut at LIMIT.
TINY = 1e-30
LIMIT = 1e3
# Images per pass: a block of 2,048 x 256 scores stays in the processor's cache.
BLOCK = 2048


@dataclass(frozen=True)
class Side:
    """The scores of each image under many models, summed up: (n,), or (n, A) for A views of each image.

    `count` (n,) is how many models are on this side; where it is 0 the other numbers are NaN. `std` has ddof 0.
    `median` may be unknown (running sums cannot give it): then the mean stands for the center.
    """

    count: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    median: np.ndarray | None = None

    @property
    def center(self) -> np.ndarray:
        return self.mean if self.median is None else self.median

    def spread(self, variance: str) -> np.ndarray | float:
        """The deviation to use, by one of three rules.

        "each": every image its own; wants about 64 shadow models. "pooled": one for all images, of the distances to
        their centers; for fewer models. "pooled_raw": one for all, of the scores themselves, as in the released code;
        much wider.
        """
        if variance == "each":
            return self.std
        known = self.count > 0
        if not known.any():
            return math.nan
        around = {"pooled": self.center, "pooled_raw": np.zeros_like(self.mean)}[variance][known]
        offset = self.mean[known] - around
        weight = np.broadcast_to(self.count[known].reshape(-1, *[1] * (offset.ndim - 1)), offset.shape)
        square = np.average(self.std[known] ** 2 + offset**2, weights=weight)
        return float(np.sqrt(square - np.average(offset, weights=weight) ** 2))


def summarise(phi: np.ndarray, chosen: np.ndarray) -> Side:
    """The side of the models in `chosen` (S, n) bool, from scores phi (S, n) or (S, n, A)."""
    models, images, *views = phi.shape
    count = chosen.sum(axis=0)
    moments = np.empty((3, images, *views))
    for start in range(0, images, BLOCK):
        at = slice(start, start + BLOCK)
        # Rows are (image, view), columns are models, so that sorting and summing run along memory.
        scores = np.ascontiguousarray(phi[:, at].reshape(models, -1).T)
        repeats = len(scores) // len(count[at])
        mask = np.repeat(chosen[:, at].T, repeats, axis=0)
        moments[:, at] = _moments(scores, mask, np.repeat(count[at], repeats)).reshape(3, -1, *views)
    return Side(count, *moments)


def lira_online(phi: np.ndarray, inside: Side, outside: Side, variance: str = "each") -> np.ndarray:
    """(n,) log-likelihood ratio of member to non-member for the audited model's phi (n,) or (n, A), mean over views.

    Higher = more likely a member; -1000 to 1000; NaN where an image has no shadow model on one of the sides.
    With "pooled_raw" the spread of the inside scores serves both sides, as in the released code.
    """
    spread_outside = (inside if variance == "pooled_raw" else outside).spread(variance)
    ratio = log_density(phi, inside.center, inside.spread(variance)) - log_density(phi, outside.center, spread_outside)
    return _over_views(np.clip(ratio, -LIMIT, LIMIT))


def lira_offline(phi: np.ndarray, outside: Side, variance: str = "each") -> np.ndarray:
    """(n,) -ln of the chance that a model that never saw the image is surer of it than this one.

    Higher = more likely a member; 0 to 1000; needs no model that saw the image. The order is that of the paper's
    P[Z <= phi], which rounds to 1 far earlier. One-sided: an over-unlearned image, less sure than expected, looks like
    a perfect non-member, so read it beside the two-sided form.
    """
    z = (np.asarray(phi, np.float64) - outside.mean) / (outside.spread(variance) + TINY)
    surer = log_ndtr(-z)
    if surer.ndim == 2:
        surer = logsumexp(surer, axis=1) - np.log(surer.shape[1])
    return np.minimum(-surer, LIMIT)


def lira_offline_two_sided(phi: np.ndarray, outside: Side, variance: str = "each") -> np.ndarray:
    """(n,) minus the log-density among models that never saw the image: how unusual this model is, in either direction.

    Higher = more unusual; -1000 to 1000. Calls an over-unlearned image a "member" too, which is how an audit finds it.
    """
    return _over_views(np.clip(-log_density(phi, outside.center, outside.spread(variance)), -LIMIT, LIMIT))


def log_density(phi: np.ndarray, center: np.ndarray, spread: np.ndarray | float) -> np.ndarray:
    """ln of the normal density at phi, with the shape of phi."""
    spread = spread + TINY
    z = (np.asarray(phi, np.float64) - center) / spread
    return -(z**2) / 2 - np.log(spread) - np.log(2 * np.pi) / 2


def _moments(scores: np.ndarray, mask: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(3, n) mean, deviation and median of each row of scores (n, S) over its masked entries; NaN without any."""
    with np.errstate(invalid="ignore"):
        mean = np.where(mask, scores, 0).sum(axis=1, dtype=np.float64) / count
        apart = np.where(mask, scores - mean[:, None], 0)
        std = np.sqrt(np.einsum("ij,ij->i", apart, apart) / count)
    ranked = np.where(mask, scores, scores.dtype.type(np.inf))
    ranked.sort(axis=1)
    rows = np.arange(len(scores))
    median = (ranked[rows, (count - 1) // 2].astype(np.float64) + ranked[rows, count // 2]) / 2
    return np.stack([mean, std, np.where(count > 0, median, np.nan)])


def _over_views(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 1 else values.mean(axis=1)
