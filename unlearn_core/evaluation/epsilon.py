"""Lower bounds on epsilon that hold with a stated confidence: what an attack proves, not what it happened to read.

An algorithm is (epsilon, delta)-indistinguishable when no attack's error rates contradict it; natural logarithms. All
bounds are 0 or more, larger = more leaks, and a perfect method reads 0 with the stated confidence. A bound of 0 says
"nothing shown", never "nothing leaks": even faultless attacks on few models or examples prove little.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betainc, betaincinv, expit, ndtri

from unlearn_core.attacks import clopper_pearson
from unlearn_core.evaluation.challenge import DELTA, points
from unlearn_core.params import BadValue

RATIO_METHODS = ("clopper-pearson", "katz-log", "adjusted-log", "bailey", "inv-sinh")


def high_confidence_epsilon(
    false_positives: np.ndarray,
    negatives: int,
    false_negatives: np.ndarray,
    positives: int,
    alpha: float = 0.05,
    delta: float = DELTA,
) -> np.ndarray:
    """Epsilon that one attack, fixed beforehand, proves with confidence 1 - alpha, from its counts of errors (A,).

    `negatives` and `positives` are how many models of each kind it was asked about. 0 to about ln(models); no error
    among 512 and 512 proves 4.93, among 16 and 16 only 1.35. Raises BadValue for counts that cannot be.
    Source: Clopper, Pearson (1934) for each error rate at alpha / 2; Kairouz, Oh, Viswanath (2015), arXiv:1311.0776.
    """
    false_positives, false_negatives = np.asarray(false_positives), np.asarray(false_negatives)
    for errors, models in ((false_positives, negatives), (false_negatives, positives)):
        if models < 1 or (errors < 0).any() or (errors > models).any():
            raise BadValue("An attack makes between 0 and as many errors as it was asked about models, at least 1.")
    fpr, fnr = _upper(false_positives, negatives, alpha / 2), _upper(false_negatives, positives, alpha / 2)
    return np.log(np.maximum(1, np.maximum((1 - delta - fpr) / fnr, (1 - delta - fnr) / fpr)))


def split_half_epsilons(
    unlearned: np.ndarray, retrained: np.ndarray, alpha: float = 0.05, delta: float = DELTA
) -> np.ndarray:
    """(n,) epsilon proved for each example with confidence 1 - alpha, from confidences (N, n) and (M, n) of models.

    The first half of the models chooses the interval of confidence, inside or outside which a model is called
    unlearned; the other half tests it. So the choice costs nothing, but each example stands for itself: among many, a
    share alpha may read too high. Models must be in an order that says nothing about them.
    Source: this project, after the challenge's definition (arXiv:2406.09073) and Clopper, Pearson (1934).
    Raises BadValue for fewer than two models of a kind, other examples, or confidences that are not finite.
    """
    unlearned, retrained = np.asarray(unlearned, np.float64), np.asarray(retrained, np.float64)
    if min(unlearned.ndim, retrained.ndim) != 2 or unlearned.shape[1] != retrained.shape[1]:
        raise BadValue("Unlearned and retrained models are compared on the same examples.")
    if min(len(unlearned), len(retrained)) < 2:
        raise BadValue("Splitting needs at least two unlearned and two retrained models.")
    if not (np.isfinite(unlearned).all() and np.isfinite(retrained).all()):
        raise BadValue("A confidence is not finite, so unlearned and retrained models cannot be compared.")
    proved = [_split_half(u, r, alpha, delta) for u, r in zip(unlearned.T, retrained.T, strict=True)]
    return np.array(proved, np.float64)


def certified_quality(
    unlearned: np.ndarray, retrained: np.ndarray, alpha: float = 0.05, delta: float = DELTA
) -> float | None:
    """The challenge's forgetting quality with proved epsilons in the place of the strongest attack's; None if empty.

    0 to 1, higher = less could be shown. Perfect unlearning reads 1, but so does much else when models are few: two
    normal distributions one deviation apart read about 1.0, .98, .94 and .65 with 32, 64, 128 and 512 models.
    Source: this project, after arXiv:2406.09073.
    """
    proved = split_half_epsilons(unlearned, retrained, alpha, delta)
    return float(points(proved, min(len(unlearned), len(retrained))).mean()) if len(proved) else None


def ratio_bound(
    hits: int, members: int, false_alarms: int, others: int, alpha: float = 0.05, method: str = "clopper-pearson"
) -> float:
    """A number that TPR / FPR exceeds with confidence 1 - alpha, from the hits and false alarms of an attack.

    0 or more; 0 where a method shows nothing. "clopper-pearson" holds for any counts; the other methods are
    approximations for large ones, and rest on an invented count where there is no false alarm. Raises BadValue for
    counts that cannot be or an unknown method.
    Source: Fagerland, Lydersen, Laake (2015), "Recommended confidence intervals for two independent binomial
    proportions"; Clopper, Pearson (1934).
    """
    if not (0 <= hits <= members and 0 <= false_alarms <= others and members and others):
        raise BadValue("An attack finds between none and all of the members and of the others, at least 1 of each.")
    if method not in RATIO_METHODS:
        raise BadValue(f"{method} is not a bound on a ratio; choose one of {', '.join(RATIO_METHODS)}.")
    if hits == 0:
        return 0.0
    if method == "clopper-pearson":
        return clopper_pearson(hits, members, alpha)[0] / clopper_pearson(false_alarms, others, alpha)[1]
    z = -ndtri(alpha)
    x, m, y, n = hits, members, false_alarms, others
    if method == "adjusted-log":
        x, m, y, n = x + 0.5, m + 0.5, y + 0.5, n + 0.5
    elif y == 0:
        y = z**2 if method == "inv-sinh" else 0.5
    ratio, variance = (x / m) / (y / n), max(0.0, 1 / x - 1 / m + 1 / y - 1 / n)
    if method == "bailey":
        missed, quiet = 1 - x / m, 1 - y / n
        inner, below = missed / x + quiet / y - z**2 * missed * quiet / (9 * x * y), 1 - z**2 * quiet / (9 * y)
        return ratio * max(0.0, (1 - z / 3 * math.sqrt(inner)) / below) ** 3 if inner >= 0 and below > 0 else 0.0
    half = 2 * math.asinh(z / 2 * math.sqrt(variance)) if method == "inv-sinh" else z * math.sqrt(variance)
    return ratio * math.exp(-half)


def epsilon_from_attack(
    hits: int, members: int, false_alarms: int, others: int, alpha: float = 0.05, method: str = "clopper-pearson"
) -> float:
    """Epsilon (delta 0) that a membership attack with ONE threshold, fixed beforehand, proves: ln of `ratio_bound`.

    0 or more, larger = more leaks; an attack that guesses reads 0. The best of several thresholds on the same images
    proves nothing: choose the threshold on other images, or divide alpha by the number of thresholds tried. Raises
    BadValue as `ratio_bound` does.
    Source: as `ratio_bound`; Jagielski, Ullman, Oprea (2020), arXiv:2006.07709.
    """
    return math.log(max(1.0, ratio_bound(hits, members, false_alarms, others, alpha, method)))


def one_run_epsilon(examples: int, guesses: int, correct: int, delta: float = 0.0, alpha: float = 0.05) -> float:
    """Epsilon proved with confidence 1 - alpha by a single model, of `examples` each put in or left out by a fair coin.

    The attacker guessed "in" or "out" for `guesses` of them, as many as it liked, and was right for `correct`. 0 or
    more, larger = more leaks; guessing reads 0, and even 1000 of 1000 right proves only 5.81. Raises BadValue for
    counts that cannot be.
    Source: Steinke, Nasr, Jagielski (2023), "Privacy Auditing with One (1) Training Run", arXiv:2305.08846.
    """
    if not 0 <= correct <= guesses <= examples:
        raise BadValue("Correct guesses are at most the guesses made, and guesses at most the examples.")
    if not (delta >= 0 and 0 < alpha < 1):
        raise BadValue("delta is at least 0 and alpha lies between 0 and 1.")
    low, high = 0.0, 1.0
    if _one_run_chance(low, examples, guesses, correct, delta) >= alpha:
        return 0.0
    while _one_run_chance(high, examples, guesses, correct, delta) < alpha:
        low, high = high, 2 * high
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        refuted = _one_run_chance(middle, examples, guesses, correct, delta) < alpha
        low, high = (middle, high) if refuted else (low, middle)
    return low


def _one_run_chance(epsilon: float, examples: int, guesses: int, correct: int, delta: float) -> float:
    """The largest chance of so many correct guesses that an (epsilon, delta) algorithm allows."""
    at_least = _tail(np.arange(correct, -1, -1), guesses, expit(epsilon))
    steps = (at_least[1:] - at_least[0]) / np.arange(1, correct + 1)
    return min(1.0, float(at_least[0] + 2 * examples * delta * steps.max(initial=0.0)))


def _tail(k: np.ndarray, n: int, p: float) -> np.ndarray:
    """Chance of at least k of n, each with chance p."""
    return np.where(k > 0, betainc(np.maximum(k, 1), n - np.maximum(k, 1) + 1, p), 1.0)


def _upper(k: np.ndarray, n: int, alpha: float) -> np.ndarray:
    """One-sided exact upper bound, with confidence 1 - alpha, of a share with k hits in n trials."""
    below = np.minimum(k, n - 1)
    return np.where(k < n, betaincinv(below + 1, n - below, 1 - alpha), 1.0)


def _split_half(unlearned: np.ndarray, retrained: np.ndarray, alpha: float, delta: float) -> float:
    """One example's bound; u and r count the models of each kind inside an interval."""
    (choose_u, test_u), (choose_r, test_r) = (np.split(x, [len(x) // 2]) for x in (unlearned, retrained))
    ends = np.unique(np.concatenate([choose_u, choose_r]))
    start, end = np.triu_indices(len(ends))
    u, r = (_within(x, ends[start], ends[end]) for x in (choose_u, choose_r))
    inside, outside = _both_ways(u, len(choose_u), r, len(choose_r), alpha, delta)
    # Rays without an end need no look: on these models each equals the interval up to the largest confidence.
    best = int(np.argmax(np.maximum(inside, outside)))
    u, r = (_within(x, ends[start[best]], ends[end[best]]) for x in (test_u, test_r))
    tested = _both_ways(u, len(test_u), r, len(test_r), alpha, delta)
    return float(tested[int(outside[best] > inside[best])])


def _both_ways(u: np.ndarray, all_u: int, r: np.ndarray, all_r: int, alpha: float, delta: float) -> tuple:
    """Bounds of "unlearned when inside" and of "unlearned when outside"."""
    # The bound asks for few distinct pairs of counts, and each costs two inverse beta functions.
    counts_u, counts_r = np.arange(all_u + 1)[:, None], np.arange(all_r + 1)
    inside = high_confidence_epsilon(counts_r, all_r, all_u - counts_u, all_u, alpha, delta)
    outside = high_confidence_epsilon(all_r - counts_r, all_r, counts_u, all_u, alpha, delta)
    return inside[u, r], outside[u, r]


def _within(sample: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    sample = np.sort(sample)
    return np.searchsorted(sample, end, side="right") - np.searchsorted(sample, start, side="left")
