"""The score of the NeurIPS 2023 unlearning challenge: how well can many unlearned models be told from retrained ones?

`unlearned` and `retrained` are the logit-scaled confidences (N, n) of N models of each kind in n forget examples. For
every example the strongest of many fixed attacks sets an epsilon, 0 (not to be told apart) to 50 (told apart at once).

The noise floor: perfect unlearning does not read 1. Normal confidences from one and the same distribution read a
forgetting quality of about 0.19 for N from 16 to 512, because the luckiest of up to 100,000 attacks counts. Set beside
it the quality of retrained models against other retrained models, and never compare qualities of different N.

Source: Triantafillou, Kairouz, Pedregosa et al. (2024), "Are we making progress in unlearning? Findings from the first
NeurIPS unlearning competition", arXiv:2406.09073.
Departs from the released scorer: an example on which no attack can be judged scores 0 instead of stopping everything.
"""

from __future__ import annotations

import math

import numpy as np

from unlearn_core.params import BadValue

DELTA = 1e-5
# What an example reads that is told apart without an error, and the width of a bin of epsilon.
LARGEST = 50.0
BIN = 0.5
# A sample this much narrower than the other gives its model away without an attack.
PEAKY = 0.01
# The grids: thresholds per unit of confidence, the widths tried about the narrower sample, and their reach.
PER_UNIT = 100
WIDTHS = 400
REACH = 2.0


def epsilon_of_attacks(fpr: np.ndarray, fnr: np.ndarray, delta: float = DELTA) -> float:
    """The largest epsilon over attacks with error rates fpr and fnr (A,), in nats, as it comes: also below 0.

    Infinite where an attack makes no error. An attack with only one kind of error is left out as an artefact of few
    models; NaN when none remains. Larger = easier to tell apart; guessing reads at most 0.
    Source: as the file, Algorithm 1. Raises BadValue for rates outside 0 to 1.
    """
    fpr, fnr = np.asarray(fpr, np.float64), np.asarray(fnr, np.float64)
    if not (((fpr >= 0) & (fpr <= 1)).all() and ((fnr >= 0) & (fnr <= 1)).all()):
        raise BadValue("Error rates of attacks are fractions from 0 to 1.")
    if ((fpr == 0) & (fnr == 0)).any():
        return math.inf
    both = (fpr > 0) & (fnr > 0)
    fpr, fnr = fpr[both], fnr[both]
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.fmax(np.log((1 - delta - fpr) / fnr), np.log((1 - delta - fnr) / fpr))
    each = each[~np.isnan(each)]
    return float(each.max()) if len(each) else math.nan


def example_epsilons(unlearned: np.ndarray, retrained: np.ndarray, delta: float = DELTA) -> np.ndarray:
    """(n,) epsilon of each example, 0 to 50; NaN where no attack could be judged (such an example scores no point).

    Larger = the unlearned models stand out more, in either direction. An example whose confidences spread less than 1 %
    as far under one kind of model as under the other reads 50: unlearning that always ends alike gives itself away.
    The file says what perfect unlearning reads. Raises BadValue for samples of different shape or confidences that are
    not finite.
    """
    unlearned, retrained = _pair(unlearned, retrained)
    pairs = zip(np.sort(unlearned, axis=0).T, np.sort(retrained, axis=0).T, strict=True)
    return np.array([_epsilon(u, r, delta) for u, r in pairs], np.float64)


def points(epsilons: np.ndarray, models: int) -> np.ndarray:
    """(n,) points of each example: 1 for an epsilon below 0.5, half as many for every further 0.5, 0 for NaN.

    Also 0 beyond 2 ceil(ln(models - 1)) bins, more than so many models of a kind can show. Raises BadValue for fewer
    than three models.
    """
    if models < 3:
        raise BadValue(f"The challenge's points need at least 3 models of each kind, not {models}.")
    epsilons = np.asarray(epsilons, np.float64)
    scored = epsilons < BIN * bins(models)  # False for NaN and for infinity
    return np.where(scored, 0.5 ** np.floor(np.where(scored, epsilons, 0) / BIN), 0.0)


def bins(models: int) -> int:
    """How many bins of epsilon score: 14 for 512 models of each kind, 10 for 64."""
    return math.floor(math.ceil(math.log(models - 1)) / BIN)


def forgetting_quality(unlearned: np.ndarray, retrained: np.ndarray, delta: float = DELTA) -> float | None:
    """F: the mean points of the examples, 0 to 1; None without examples.

    Higher = closer to retrained models; perfect unlearning reads about 0.19, see the file. How many examples could not
    be judged is `np.isnan(example_epsilons(...)).sum()` and belongs beside the number.
    """
    unlearned, retrained = _pair(unlearned, retrained)
    scores = points(example_epsilons(unlearned, retrained, delta), len(unlearned))
    return float(scores.mean()) if len(scores) else None


def challenge_score(
    quality: float | None,
    unlearned: tuple[float, float],
    retrained: tuple[float, float],
    capped: bool = False,
) -> float | None:
    """The final score: quality times the unlearned models' (retain, test) accuracies over the retrained ones'.

    Higher is better; perfect unlearning reads its quality, about 0.19. As published a method more accurate than
    retraining earns more than its quality; `capped` counts no ratio above 1. None without a quality. Raises BadValue
    when a retrained accuracy is not above 0.
    """
    if not min(retrained) > 0:
        raise BadValue("The challenge's score needs retrained accuracies above 0.")
    if quality is None:
        return None
    ratios = [own / other for own, other in zip(unlearned, retrained, strict=True)]
    return quality * math.prod(min(ratio, 1.0) if capped else ratio for ratio in ratios)


def threshold_attacks(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error rates (FPR, FNR) of "the surer kind of model from this confidence on", for sorted samples (N,), (M,).

    The surer kind has the larger median, the unlearned models where both are equal.
    """
    surer, other = _ordered(unlearned, retrained)
    low, high = min(surer[0], other[0]), max(surer[-1], other[-1])
    cuts = np.linspace(low, high, math.ceil((high - low) * PER_UNIT))
    return 1 - np.searchsorted(other, cuts) / len(other), np.searchsorted(surer, cuts) / len(surer)


def interval_attacks(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error rates (FPR, FNR) of "the narrower kind of model inside this interval", for sorted samples (N,), (M,).

    Of equally wide samples the one with the smaller median counts as the narrower.
    """
    surer, other = _ordered(unlearned, retrained)
    narrow, wide = (other, surer) if np.ptp(other) <= np.ptp(surer) else (surer, other)
    width = np.ptp(narrow)
    first, last = narrow[0] + width - REACH, narrow[-1] + REACH
    ends = np.linspace(first, last, math.ceil((last - first) * PER_UNIT))[:, None]
    starts = ends + np.linspace(-width - REACH, -width + REACH, WIDTHS)
    return _inside(wide, starts, ends).ravel(), 1 - _inside(narrow, starts, ends).ravel()


def _epsilon(unlearned: np.ndarray, retrained: np.ndarray, delta: float) -> float:
    narrow, wide = sorted((np.ptp(unlearned), np.ptp(retrained)))
    if wide == 0:
        return 0.0 if unlearned[0] == retrained[0] else LARGEST
    if narrow / wide < PEAKY:
        return LARGEST
    families = threshold_attacks(unlearned, retrained), interval_attacks(unlearned, retrained)
    # A hundred thousand attacks make only so many different pairs of errors: each is judged once.
    models = len(unlearned)
    fpr, fnr = (np.rint(np.concatenate(rates) * models).astype(np.int64) for rates in zip(*families, strict=True))
    pairs = np.flatnonzero(np.bincount(fpr * (models + 1) + fnr, minlength=(models + 1) ** 2))
    rates = np.divmod(pairs, models + 1)
    return float(np.clip(epsilon_of_attacks(rates[0] / models, rates[1] / models, delta), 0, LARGEST))


def _ordered(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    surer = np.median(retrained) > np.median(unlearned)
    return (retrained, unlearned) if surer else (unlearned, retrained)


def _inside(sample: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Share of the sorted sample from start to end, both included; 0 where the start lies beyond the end."""
    count = np.searchsorted(sample, ends, side="right") - np.searchsorted(sample, starts, side="left")
    return np.maximum(count, 0) / len(sample)


def _pair(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unlearned, retrained = np.asarray(unlearned, np.float64), np.asarray(retrained, np.float64)
    if unlearned.ndim != 2 or unlearned.shape != retrained.shape or not len(unlearned):
        raise BadValue("The challenge compares equally many unlearned and retrained models on the same examples.")
    if not (np.isfinite(unlearned).all() and np.isfinite(retrained).all()):
        raise BadValue("A confidence is not finite, so unlearned and retrained models cannot be compared.")
    return unlearned, retrained
