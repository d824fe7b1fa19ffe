"""U-LiRA asked about each block of shadow models, with what the other blocks know: who judges was not there.

In a block every example was unlearned by one model and never seen by another. `unlearned` and `unseen` (T, n) are the
logit-scaled confidences in these two, block by block. A whole block is left out of its own judgement, so the two are
judged by the same distributions, of which neither is a part: guessing reads exactly 0.5 on average. (Leaving out only
the model that is judged does not: each example's own mean then leans away from it, and guessing reads 0.43 with 16
blocks.)

Source: Hayes et al. (2024), arXiv:2403.01218, for the attack; the blocks are this project's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import stdtrit

from unlearn_core.attacks.lira import LIMIT, log_density
from unlearn_core.attacks.roc import Measured, auc, clopper_pearson, tpr_at_fpr
from unlearn_core.attacks.u_lira import FLOOR, population_log_odds
from unlearn_core.params import BadValue

FEWEST = 3  # blocks: two leave a single observation a side, which has no deviation


@dataclass(frozen=True)
class Trials:
    """Scores (T, n) of the examples a model unlearned (`members`) and of the same ones in a model that never saw them
    (`others`), block by block; higher = more likely unlearned.
    """

    members: np.ndarray
    others: np.ndarray

    @cached_property
    def aucs(self) -> list[float]:
        """(T,) AUC over the examples of each block; a perfect unlearner reads 0.5 on average."""
        return [auc(m, o) for m, o in zip(self.members, self.others, strict=True)]


def per_example(unlearned: np.ndarray, unseen: np.ndarray, variance: str = "each") -> Trials:
    """The attack with a distribution for every example. `variance` as in u_lira.u_lira.

    Raises BadValue for fewer than three blocks, tables of other shapes and confidences that are not finite.
    """
    sides = _pair(unlearned, unseen)
    known, spreads = _known(sides, variance)

    def ratio(phi: np.ndarray) -> np.ndarray:
        densities = [log_density(phi, mean, spread) for mean, spread in zip(known, spreads, strict=True)]
        return np.clip(densities[0] - densities[1], -LIMIT, LIMIT)

    return Trials(*(ratio(phi) for phi in sides))


def over_blocks(values: Sequence[float], level: float = 0.95) -> Measured:
    """Mean of a number that was taken block by block, such as the AUC, with its interval.

    Every block is judged by what the others know, so their values are not independent, and Student's interval holds the
    truth in only 82 % of cases. Here its variance is that of one value times 1 / T + 1 / (T - 1).
    Source: Nadeau, Bengio (2003), "Inference for the Generalization Error", Machine Learning 52.
    """
    values = np.asarray(values, np.float64)
    blocks = len(values)
    mean = float(values.mean())
    if blocks < 2:
        return Measured(mean, why="one block has no interval")
    half = stdtrit(blocks - 1, (1 + level) / 2) * values.std(ddof=1) * math.sqrt(1 / blocks + 1 / (blocks - 1))
    return Measured(mean, float(mean - half), float(mean + half), "interval over blocks of shadow models")


def tpr_over_blocks(trials: Trials, alpha: float, resamples: int = 300, seed: int = 0) -> Measured:
    """Share of the members found at a share `alpha` of false alarms, all blocks in one, with its 95 % interval.

    One block seldom has the non-members that a small alpha needs; all together may. The interval is that of drawing
    whole blocks again, a bootstrap, and widened like that of `over_blocks`. None, with the reason, where even all
    blocks have too few.
    """
    whole = tpr_at_fpr(trials.members.ravel(), trials.others.ravel(), alpha)
    if whole.value is None or len(trials.members) < 2:
        return whole
    (value,), (low,), (high,) = roc_over_blocks(trials, np.array([alpha]), resamples, seed)
    return Measured(float(value), float(low), float(high), "bootstrap over blocks of shadow models")


def roc_over_blocks(
    trials: Trials, alphas: np.ndarray, resamples: int = 300, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same (a,) for many shares of false alarms (a,) at once, with the (a,) ends of its 95 % intervals: the ROC of
    all blocks in one. Nothing is said of whether so few false alarms can be measured; one block has no interval (NaN).
    """
    blocks, each = trials.members.shape
    scores = np.concatenate([trials.members.ravel(), trials.others.ravel()])
    order = np.argsort(-scores, kind="stable")
    falls = np.r_[np.flatnonzero(np.diff(scores[order])), len(scores) - 1]  # the last of those with one score
    block, member = np.tile(np.repeat(np.arange(blocks), each), 2)[order], order < trials.members.size

    def found(times: np.ndarray) -> np.ndarray:
        """Where each block counts so many times."""
        weight = times[block]
        # Counts first, one division last, as in roc.roc.
        tpr, fpr = (np.r_[0, np.cumsum(weight * of)[falls]] / (blocks * each) for of in (member, ~member))
        return tpr[np.searchsorted(fpr, alphas, side="right") - 1]

    whole = found(np.ones(blocks, np.int64))
    if blocks < 2:
        return whole, np.full(len(whole), np.nan), np.full(len(whole), np.nan)
    drawn = np.random.default_rng(seed).integers(blocks, size=(resamples, blocks))
    again = np.array([found(np.bincount(d, minlength=blocks)) for d in drawn])
    wider = math.sqrt(1 + blocks / (blocks - 1))
    ends = (whole + wider * (end - whole) for end in np.quantile(again, [0.025, 0.975], axis=0))
    # Never narrower than for so many independent readings; and where not half an image a model is found, or missed,
    # hardly a block differs from the others, though blocks to come may: there never narrower than for one model.
    counts, of_one = np.rint(whole * member.sum()).astype(int), np.rint(whole * each).astype(int)
    asked = [(one, each) if one in (0, each) else (k, blocks * each) for k, one in zip(counts, of_one, strict=True)]
    exact = {k: clopper_pearson(*k) for k in set(asked)}
    least, most = np.array([exact[k] for k in asked]).reshape(-1, 2).T
    low, high = ends
    return whole, np.maximum(0.0, np.minimum(low, least)), np.minimum(1.0, np.maximum(high, most))


def example_aucs(unlearned: np.ndarray, unseen: np.ndarray, variance: str = "each") -> np.ndarray:
    """(n,) AUC of the attack on each example: of the pairs of a model that unlearned it and one that never saw it, the
    share in which the first scores higher, ties counting half. Both are left out of the distributions that judge them.

    0 to 1; a perfect unlearner reads 0.5 on average, and on single examples what `by_chance` says. Raises BadValue as
    `per_example` does.
    """
    sides = _pair(unlearned, unseen)
    known, spreads = _known(sides, variance)
    wins = np.zeros(sides[0].shape[1])
    for own, own_mean, own_spread in zip(sides[0], known[0], spreads[0], strict=True):
        # One model that unlearned them against all that never saw them.
        ratios = [
            log_density(phi, own_mean, own_spread) - log_density(phi, known[1], spreads[1]) for phi in (own, sides[1])
        ]
        wins += ((ratios[0] > ratios[1]) + (ratios[0] == ratios[1]) / 2).mean(axis=0)
    return wins / len(sides[0])


@lru_cache(maxsize=8)
def by_chance(blocks: int, level: float = 0.95) -> tuple[float, float]:
    """Between what ends `example_aucs` of so many blocks reads on this share of examples where there is nothing to
    tell: of 4,000 examples whose confidences in both models are drawn from one normal distribution, seed 0. From 128
    blocks on those of 128, which lie a little further apart.
    """
    rng, size = np.random.default_rng(0), (min(blocks, 128), 4000)
    read = example_aucs(rng.normal(size=size), rng.normal(size=size))
    low, high = np.quantile(read, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def population(unlearned: np.ndarray, unseen: np.ndarray) -> Trials:
    """One attacker for all examples: the logistic regression of u_lira.population_log_odds, taught by other blocks.

    Raises BadValue as `per_example` does.
    """
    sides = _pair(unlearned, unseen)
    members, others = (np.empty(x.shape) for x in sides)
    for block in range(len(members)):
        taught = [np.delete(x, block, axis=0) for x in sides]
        members[block], others[block] = (population_log_odds(x[block], *taught) for x in sides)
    return Trials(members, others)


def _known(sides: list[np.ndarray], variance: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Means and deviations (T, n) of each side without the block of the row, the deviations not below the floor."""
    means, squares = zip(*(_without_own(x) for x in sides), strict=True)
    least = FLOOR * np.sqrt(np.mean([s.mean(axis=1, keepdims=True) for s in squares], axis=0))
    if variance == "pooled":
        squares = [np.broadcast_to(s.mean(axis=1, keepdims=True), s.shape) for s in squares]
    return list(means), [np.maximum(np.sqrt(s), least) for s in squares]


def _without_own(phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (T, n) of each example over the blocks other than the row's."""
    apart = phi - phi.mean(axis=0)
    left = len(phi) - 1
    variance = ((apart**2).sum(axis=0) - apart**2 * (len(phi) / left)) / left
    return phi.mean(axis=0) - apart / left, np.maximum(variance, 0)


def _pair(unlearned: np.ndarray, unseen: np.ndarray) -> list[np.ndarray]:
    sides = [np.asarray(x, np.float64) for x in (unlearned, unseen)]
    if sides[0].ndim != 2 or sides[0].shape != sides[1].shape:
        raise BadValue("Both tables of confidences have one row a block and one column an example.")
    if len(sides[0]) < FEWEST:
        raise BadValue(f"The attack needs at least {FEWEST} blocks of shadow models, not {len(sides[0])}.")
    if not all(np.isfinite(x).all() for x in sides):
        raise BadValue("A confidence is not finite, so the attack cannot be judged.")
    return sides
