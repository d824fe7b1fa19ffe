"""How much each training image is memorized: what including it in training changes for the image itself.

    mem(i) = P[model trained with i gets i right] - P[model trained without i gets i right]

estimated from a bank of models on subsets, as the difference of two shares.

Source: Feldman (2020), "Does Learning Require Memorization?", arXiv:1906.05271; Feldman and Zhang (2020), "What Neural
Networks Memorize and Why", arXiv:2008.03703 (the estimator).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FITTED = 0.99
TOP = 0.1  # share of the images that "the most memorized" are
EQUAL = 1e-12  # scores this close are equal: differences of shares that are so on paper differ in their last bits


@dataclass(frozen=True)
class Memorization:
    """Scores (n,) float64 in [-1, 1], higher = more memorized, with their standard errors, and how well members fit.

    `fitted` is the mean accuracy of the members on the images they trained on. Below 0.99 the scores come out too low,
    because an image the members cannot fit has nothing to lose. Where no models were trained for it the scores only
    stand in for memorization, and both `standard_error` and `fitted` are None. `warning` says either in one sentence,
    else it is None.
    """

    scores: np.ndarray
    standard_error: np.ndarray | None
    fitted: float | None

    @property
    def warning(self) -> str | None:
        if self.fitted is None:
            return (
                "No bank of models was trained: images are ranked by the model's mean confidence in their label during "
                "training, which agrees with memorization only roughly."
            )
        if self.fitted >= FITTED:
            return None
        return (
            f"The models fit only {self.fitted:.1%} of the images they trained on, so memorization scores are too low; "
            "train longer, or with another learning rate."
        )


def memorization(count: np.ndarray, right: np.ndarray) -> Memorization:
    """Scores from counts (2, n) over the members of a bank, first those that did not train on the image, then those
    that did: how many there are, and how many get it right. Every image must have one of each.
    """
    (n_out, n_in), (right_out, right_in) = count.astype(float), right.astype(float)
    if (n_in == 0).any() or (n_out == 0).any():
        raise ValueError("some image is in all models or in none, so its memorization cannot be estimated")
    p_in, p_out = right_in / n_in, right_out / n_out
    # Add-one smoothing in the error only: a share of 0 or 1 from few models is not known exactly.
    s_in, s_out = (p_in * n_in + 1) / (n_in + 2), (p_out * n_out + 1) / (n_out + 2)
    error = np.sqrt(s_in * (1 - s_in) / n_in + s_out * (1 - s_out) / n_out)
    # Rounded, so that scores which are equal as fractions are equal as numbers, whatever counts they come from.
    return Memorization(np.round(p_in - p_out, 12), error, float(right_in.sum() / n_in.sum()))


@dataclass(frozen=True)
class Stability:
    """How well the scores of one half of a bank agree with those of the other, over `images` that both halves know.

    `spearman` and `pearson` correlations, and `overlap`, the share of the most memorized TOP that both name, as in
    `top_overlap`: 1 = the same order, the same scores, the same images; chance is 0, 0 and TOP. `reliability` is the
    Pearson correlation that Spearman and Brown expect between the scores of two whole banks of `members` models. It
    does not hold of rank correlations, where most scores are tied. NaN where it is not defined.
    """

    members: int
    images: int
    spearman: float
    pearson: float
    overlap: float

    @property
    def reliability(self) -> float:
        return 2 * self.pearson / (1 + self.pearson) if self.pearson > -1 else math.nan


def stability(count: np.ndarray, right: np.ndarray) -> Stability:
    """From counts (2, 2, n) of the two halves of a bank: half, not trained or trained on the image, image."""
    from scipy import stats  # a large library, which a page need not wait for

    known = (count > 0).all((0, 1))
    first, second = (r[1, known] / c[1, known] - r[0, known] / c[0, known] for r, c in zip(right, count, strict=True))
    members, images = int(count.sum((0, 1)).max(initial=0)), int(known.sum())
    if images < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Stability(members, images, math.nan, math.nan, math.nan)
    top = max(1, round(TOP * images))
    pearson, overlap = float(stats.pearsonr(first, second).statistic), top_overlap(first, second, top)
    # Spearman's is Pearson's of the ranks; in one call it takes three times the memory.
    first = stats.rankdata(first)
    second = stats.rankdata(second)
    return Stability(members, images, float(np.corrcoef(first, second)[0, 1]), pearson, overlap)


def top_overlap(first: np.ndarray, second: np.ndarray, k: int) -> float:
    """The share of the k images with the highest first score (n,) that are also among the k with the highest second
    (n,), where each ranking puts its equal scores in an order drawn at random: what that is expected to be.

    By chance it is k/n, also where scores are tied. Rankings that tie no image at the k-th place with another reach 1
    where they name the same k; tied ones stay below it, because they do not say which k.
    """
    return float(_in_top(first, k) @ _in_top(second, k)) / k


def _in_top(scores: np.ndarray, k: int) -> np.ndarray:
    """(n,) the chance of each image to be among the k highest where equal scores are ordered at random."""
    if len(scores) <= k:
        return np.ones(len(scores))
    border = np.partition(scores, -k)[-k]
    tied = np.abs(scores - border) <= EQUAL * abs(border)
    above = (scores > border) & ~tied
    return above + tied * ((k - above.sum()) / tied.sum())
