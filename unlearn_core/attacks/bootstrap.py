"""Intervals that count both where luck comes from: which models were trained, and which images were asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from unlearn_core.attacks.roc import Measured, auc
from unlearn_core.params import BadValue

Pair = tuple[np.ndarray, np.ndarray]


def cluster_bootstrap(
    pairs: Sequence[Pair],
    statistic: Callable[[np.ndarray, np.ndarray], float],
    resamples: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Measured:
    """Mean over seeds of a statistic, with its (1 - alpha) percentile interval over seeds and images.

    `pairs` holds (member scores (m,), other scores (n,)) of one model each; `statistic` makes a number of two such
    arrays, such as `auc`. Every resample draws models with replacement, then for each drawn model its members and its
    others, each with replacement. Seeds with an empty side are left out; None without any other. With one seed the
    interval is over images alone, as `why` says. With few seeds it is too narrow where the seeds make most of the luck:
    a 95 % interval then holds the truth in about 82 % of cases with 3 seeds, 88 % with 5 and 94 % with 10. Student's
    interval over the seeds' values keeps its promise there; believe the wider of the two.
    Raises BadValue for a score that is not a number or fewer than 2 resamples.
    Source: Davison, Hinkley (1997), "Bootstrap Methods and their Application", section 3.8.
    """
    if resamples < 2:
        raise BadValue("A bootstrap needs at least 2 resamples.")
    pairs = [tuple(np.asarray(side, np.float64) for side in pair) for pair in pairs]
    if any(np.isnan(side).any() for pair in pairs for side in pair):
        raise BadValue("A score is not a number, so the attack cannot be judged.")
    pairs = [pair for pair in pairs if len(pair[0]) and len(pair[1])]
    if not pairs:
        return Measured(None, why="not measurable without at least one member and one non-member")
    value = float(np.mean([statistic(*pair) for pair in pairs]))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(pairs), size=(resamples, len(pairs)))
    found = np.empty(drawn.shape)
    for which, (members, others) in enumerate(pairs):
        here = drawn == which
        times = int(here.sum())
        draws = (rng.integers(len(side), size=(times, len(side))) for side in (members, others))
        # Of an AUC the scores are sorted once, not again for every draw.
        redrawn = _aucs if statistic is auc else partial(_each, statistic)
        found[here] = redrawn(members, others, zip(*draws, strict=True))
    low, high = np.quantile(found.mean(axis=1), [alpha / 2, 1 - alpha / 2])
    over = f"over {len(pairs)} seeds and their images" if len(pairs) > 1 else "over images, for this one model alone"
    return Measured(value, float(low), float(high), f"bootstrap interval {over}")


def _each(statistic, members: np.ndarray, others: np.ndarray, draws: Iterable[Pair]) -> list[float]:
    return [statistic(members[m], others[o]) for m, o in draws]


def _aucs(members: np.ndarray, others: np.ndarray, draws: Iterable[Pair]) -> list[float]:
    levels, place = np.unique(np.concatenate([members, others]), return_inverse=True)
    member_at, other_at = np.split(place, [len(members)])
    found = []
    for m, o in draws:
        counts = np.bincount(other_at[o], minlength=len(levels))
        below = np.cumsum(counts) - counts / 2  # ties count half
        found.append(below[member_at[m]].mean() / len(o))
    return found
