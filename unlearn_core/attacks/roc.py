"""How well scores tell members from non-members, each number with its interval.

Scores: higher = more likely a member. A score of NaN is refused; infinite scores are ordinary extreme values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, expit, logit, ndtri

from unlearn_core.params import BadValue

# Below this many expected false alarms a rate at that level of false alarms is noise.
FALSE_ALARMS_NEEDED = 10


@dataclass(frozen=True)
class Measured:
    """A number with its interval, or None with the reason; `why` also says what the interval leaves out."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Roc:
    """Operating points "a member from this threshold on", from none (threshold infinite) to all; ties share a point."""

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray

    def tpr_at(self, alpha: float) -> float:
        """Largest TPR among the points with an FPR of at most alpha; nothing is interpolated."""
        return float(self.tpr[self._last(alpha)])

    def threshold_at(self, alpha: float) -> float:
        """The threshold of that point; infinite when no threshold has so few false alarms."""
        return float(self.thresholds[self._last(alpha)])

    def _last(self, alpha: float) -> int:
        return int(np.searchsorted(self.fpr, alpha, side="right")) - 1

    @property
    def best_balanced_accuracy(self) -> float:
        """Largest (TPR + 1 - FPR) / 2; optimistic, because the threshold is chosen on the same scores."""
        return float((self.tpr + 1 - self.fpr).max() / 2)

    @property
    def advantage(self) -> float:
        """Largest |TPR - FPR|, 0 to 1."""
        return float(np.abs(self.tpr - self.fpr).max())


def roc(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> Roc:
    """The ROC of two sets of scores (m,) and (n,). Raises BadValue when a side is empty or a score is NaN."""
    members, others = _scores(member_scores), _scores(nonmember_scores)
    if not len(members) or not len(others):
        raise BadValue("A ROC curve needs at least one member and one non-member.")
    thresholds = np.unique(np.concatenate([members, others]))[::-1]
    # Counts first, one division last: 3 / 50 is the 0.06 a person asks for, 1 - 47 / 50 is not.
    tpr = (len(members) - np.searchsorted(members, thresholds, side="left")) / len(members)
    fpr = (len(others) - np.searchsorted(others, thresholds, side="left")) / len(others)
    return Roc(np.r_[0.0, fpr], np.r_[0.0, tpr], np.r_[np.inf, thresholds])


def auc(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> float | None:
    """Chance that a member scores above a non-member, ties counting half; None when a side is empty. Never flipped."""
    members, others = _scores(member_scores), _scores(nonmember_scores)
    return float(_placements(members, others).mean()) if len(members) and len(others) else None


def auc_interval(member_scores: np.ndarray, nonmember_scores: np.ndarray, alpha: float = 0.05) -> Measured:
    """AUC with its (1 - alpha) interval over images, on the logit scale; None when a side is empty.

    Where DeLong's variance is zero or unknown (perfect separation, all scores equal, one image on a side) the interval
    is Clopper-Pearson's for the min(m, n) pairs that share no image: wider, never a point.
    Source: DeLong, DeLong, Clarke-Pearson (1988), "Comparing the Areas under Two or More Correlated ROC Curves".
    """
    members, others = _scores(member_scores), _scores(nonmember_scores)
    if not len(members) or not len(others):
        return Measured(None, why="not measurable without at least one member and one non-member")
    area, variance = delong(members, others)
    if not 0 < area < 1 or not variance > 0:
        pairs = min(len(members), len(others))
        return Measured(area, *clopper_pearson(area * pairs, pairs, alpha), why="interval from independent pairs")
    half = -ndtri(alpha / 2) * math.sqrt(variance) / (area * (1 - area))
    low, high = expit(logit(area) + np.array([-half, half]))
    return Measured(area, float(low), float(high), why="interval over images, for these models")


def delong(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> tuple[float, float]:
    """AUC and its variance; the variance is NaN when a side holds a single image."""
    area, over_members, over_others = _components(member_scores, nonmember_scores)
    return area, _covariance(over_members, over_members) + _covariance(over_others, over_others)


def delong_difference(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float, float]:
    """Two attacks (or models) on the same images, each as (member scores, non-member scores) in the same order.

    Returns the difference of the AUCs, its variance and the covariance of the two.
    """
    area_1, members_1, others_1 = _components(*first)
    area_2, members_2, others_2 = _components(*second)
    shared = _covariance(members_1, members_2) + _covariance(others_1, others_2)
    return area_1 - area_2, delong(*first)[1] + delong(*second)[1] - 2 * shared, shared


def needed(alpha: float) -> float:
    """How many non-members there must be for a share of them, `alpha`, to be measurable: so many that 10 of them make
    that share; infinite for 0.
    """
    return math.inf if alpha <= 0 else math.ceil(FALSE_ALARMS_NEEDED / alpha - 1e-9)


def tpr_at_fpr(member_scores: np.ndarray, nonmember_scores: np.ndarray, alpha: float, level: float = 0.05) -> Measured:
    """Share of members found while at most a share `alpha` of non-members is accused, with its (1 - level) interval.

    The value is None where fewer than 10 false alarms are expected at this rate: such a number would be noise.
    Source: Carlini et al. (2022), arXiv:2112.03570; Clopper, Pearson (1934).
    """
    members, others, least = len(member_scores), len(nonmember_scores), needed(alpha)
    if others < least:
        least = f"at least {least}" if alpha > 0 else "a rate of false alarms above 0"
        return Measured(None, why=f"not measurable with n = {others} non-members, needs {least}")
    if not members:
        return Measured(None, why="not measurable with n = 0 members, needs at least 1")
    value = roc(member_scores, nonmember_scores).tpr_at(alpha)
    low, high = clopper_pearson(round(value * members), members, level)
    return Measured(value, low, high, "interval conditional on the threshold, chosen on the same non-members")


def clopper_pearson(k: float, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """The exact (1 - alpha) interval for a share, given k hits in n trials; (0, 1) when n is 0.

    Source: Clopper, Pearson (1934), "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial".
    """
    low = 0.0 if k <= 0 else float(betaincinv(k, n - k + 1, alpha / 2))
    high = 1.0 if k >= n else float(betaincinv(k + 1, n - k, 1 - alpha / 2))
    return low, high


def _scores(values: np.ndarray) -> np.ndarray:
    """Sorted float64 scores. Raises BadValue for NaN."""
    values = np.sort(np.asarray(values, np.float64))
    if len(values) and np.isnan(values[-1]):
        raise BadValue("A score is not a number, so the attack cannot be judged.")
    return values


def _placements(scores: np.ndarray, against: np.ndarray) -> np.ndarray:
    """For each score the share of the sorted `against` below it, ties counting half."""
    return (np.searchsorted(against, scores, "left") + np.searchsorted(against, scores, "right")) / (2 * len(against))


def _components(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """AUC and DeLong's structural components, in the order of the images."""
    over_members = _placements(np.asarray(member_scores, np.float64), _scores(nonmember_scores))
    over_others = 1 - _placements(np.asarray(nonmember_scores, np.float64), _scores(member_scores))
    return float(over_members.mean()), over_members, over_others


def _covariance(a: np.ndarray, b: np.ndarray) -> float:
    """Covariance of the two means."""
    return float(np.cov(a, b)[0, 1] / len(a)) if len(a) > 1 else math.nan
