"""How each finding of the paper is measured on the study's finished steps: by the name of a line, its difference on the
same seeds, above 0 where the finding holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from unlearn_core import evaluation
from unlearn_core.evaluation import Estimate, tow
from unlearn_core.evaluation.seeds import paired_difference
from unlearn_core.experiment.comparison import owners
from unlearn_core.experiment.proxy_table import EXACT
from unlearn_core.experiment.study_table import CEILING, RETRAINED
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.result import Result
from unlearn_core.unlearning import short_name

RELABELLING = ("random-label", "salun")
CLOSENESS = "tow"  # as the paper measures it; a study's own group ToW is beside it in the tables
LEVELS = ("entanglement low", "entanglement medium", "entanglement high")
CHOSEN = (*LEVELS, "memorization low", "memorization medium", "memorization high")


def over_seeds(study: OpenStudy, method: str, metric: str = CLOSENESS) -> list[float | None]:
    """What one method reaches, seed by seed; None where it was not measured."""
    lines = study.table[study.table["method"] == method].set_index("seed")[metric].reindex(range(study.spec.seeds))
    return [None if pd.isna(value) else float(value) for value in lines]


def _singles(study: OpenStudy) -> list[str]:
    return list(dict.fromkeys(study.table.loc[study.table["kind"] == "single", "method"]))


def falls(easy: OpenStudy, hard: OpenStudy) -> dict[str, Estimate]:
    """Closeness on the easy set less that on the hard one."""
    return {m: paired_difference(over_seeds(easy, m), over_seeds(hard, m)) for m in _singles(easy)}


def step_by_step(low: OpenStudy, medium: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    """Closeness on each level less that on the next."""
    pairs = {"from low to medium": falls(low, medium), "from medium to high": falls(medium, high)}
    return {f"{method} {step}": line for step, lines in pairs.items() for method, line in lines.items()}


def more_alike_on_random(random: OpenStudy, *chosen: OpenStudy) -> dict[str, Estimate]:
    """How far the algorithms lie apart on each chosen set, as a standard deviation seed by seed, less the same on the
    random one.
    """

    def apart(study: OpenStudy) -> list[float]:
        return np.std([_numbers(over_seeds(study, m)) for m in _singles(random)], axis=0, ddof=1).tolist()

    return {name: paired_difference(apart(s), apart(random)) for name, s in zip(CHOSEN, chosen, strict=True)}


def relabelling_falls_more(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    """By how much more closeness relabelling loses, seed by seed, than the other algorithms on average."""
    falls = {m: np.subtract(*(_numbers(over_seeds(study, m)) for study in (low, high))) for m in _singles(low)}
    others = np.mean([fall for name, fall in falls.items() if name not in RELABELLING], axis=0)
    return {name: evaluation.over_seeds((falls[name] - others).tolist()) for name in RELABELLING if name in falls}


def _numbers(values: list[float | None]) -> np.ndarray:
    return np.array(values, np.float64)  # None becomes NaN, which an estimate leaves out


def falls_but_for_relabelling(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    return {name: line for name, line in falls(low, high).items() if name not in RELABELLING}


def rises_with_relabelling(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    return {name: line for name, line in falls(high, low).items() if name in RELABELLING}


def untouched(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    return {"original": paired_difference(over_seeds(low, "original"), over_seeds(high, "original"))}


def memorized(low: OpenStudy, medium: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    scores = [study.memorization.scores[study.forget] for study in (low, medium, high)]
    pairs = {"medium less low": (1, 0), "high less medium": (2, 1)}
    return {name: welch(scores[a], scores[b]) for name, (a, b) in pairs.items()}


def welch(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Mean of the first values (n,) less that of the second (m,), with Welch's 95 % interval, as if both were drawn
    from many; `n` is the smaller number. None in place of the interval with fewer than two on a side.
    """
    sizes = len(first), len(second)
    mean = float(first.mean() - second.mean())
    if min(sizes) < 2:
        return Estimate(mean, None, min(sizes))
    errors = [values.var(ddof=1) / len(values) for values in (first, second)]
    if not (both := sum(errors)):
        return Estimate(mean, 0.0, min(sizes))
    freedom = both**2 / sum(error**2 / (size - 1) for error, size in zip(errors, sizes, strict=True))
    return Estimate(mean, float(stdtrit(freedom, 0.975) * math.sqrt(both)), min(sizes))


def one_algorithm(rival: Callable[[OpenStudy, OpenStudy, str, str], list]) -> Callable:
    def lines(alone: OpenStudy, mix: OpenStudy) -> dict[str, Estimate]:
        found, plans = {}, alone.table[alone.table["kind"] == "plan"].drop_duplicates("method")
        for plan, (method, title) in zip(
            alone.spec.plans, plans[["method", "title"]].itertuples(index=False), strict=True
        ):
            if (other := rival(alone, mix, method, short_name(plan.low))) is None:
                continue
            found[title] = paired_difference(over_seeds(alone, method), other)
        return found

    return lines


def without_parts(alone: OpenStudy, mix: OpenStudy, method: str, algorithm: str) -> list:
    return over_seeds(mix, algorithm)


def control(mark: str) -> Callable:
    """A control of each plan as its rival: the one of its own with this mark in its name; None where it has none."""

    def values(alone: OpenStudy, mix: OpenStudy, method: str, algorithm: str) -> list | None:
        own = (control for control, plan in owners(alone).items() if plan == method and mark in control)
        return None if (control := next(own, None)) is None else over_seeds(alone, control)

    return values


def best(mix: OpenStudy, alone: OpenStudy) -> dict[str, Estimate]:
    """RUM with its own algorithm for each part, less the best of one algorithm for all; the best is chosen on the same
    seeds, which flatters it.
    """
    plans = alone.table[alone.table["kind"] == "plan"]
    best, title = plans.groupby(["method", "title"], sort=False)[CLOSENESS].mean().idxmax()
    return {f"RUM less {title}": paired_difference(over_seeds(mix, "rum"), over_seeds(alone, best))}


def low_to_high(mix: OpenStudy, orders: OpenStudy) -> dict[str, Estimate]:
    """RUM from low to high less RUM in every other order of the parts."""
    plans = orders.table[orders.table["kind"] == "plan"].drop_duplicates("method")
    return {
        f"less {plan.title}": paired_difference(over_seeds(mix, "rum"), over_seeds(orders, plan.method))
        for plan in plans.itertuples()
    }


def searched(searched: Result) -> dict[str, Estimate]:
    """The best plans of the search less the best single algorithm of the search, on models that it did not see."""
    plans = searched.json("summary")["plans"]
    return {f"plan {i}": Estimate(**plan["above_single"]) for i, plan in enumerate(plans, 1)}


def as_good_by_proxy(made: Result, mix: OpenStudy) -> dict[str, Estimate]:
    """RUM cut by a cheaper score less RUM cut by memorization, both by group ToW, and the margin added: what retraining
    again falls short of 1.
    """
    table, seeds = made.table().drop(index=EXACT, errors="ignore"), made.spec().study.seeds
    margin = 1 - np.nanmean(_numbers(over_seeds(mix, CEILING, "group_tow")))
    lines = table.assign(above=table["difference"] + margin)
    known = lines.astype(object).where(lines.notna(), None)
    return {line.title: Estimate(line.above, line.difference_half_width, seeds) for line in known.itertuples()}


def flattered(mix: OpenStudy) -> dict[str, Estimate]:
    """By how much more SalUn loses than NegGrad+ when the attack is counted beside the accuracy on the forget set."""
    loss = {
        m: [
            None if None in pair else pair[0] - pair[1]
            for pair in zip(over_seeds(mix, m), over_seeds(mix, m, "tow_mia"), strict=True)
        ]
        for m in ("salun", "neggrad-plus")
    }
    return {"SalUn against NegGrad+": paired_difference(loss["salun"], loss["neggrad-plus"])}


def attack_refined(alone: OpenStudy, mix: OpenStudy) -> dict[str, Estimate]:
    """What parts add to ToW-MIA with NegGrad+ for all of them, and how much more that is than with each other
    algorithm.
    """
    methods = alone.table.loc[alone.table["kind"] == "plan", "method"].drop_duplicates()
    gains = {}
    for method, plan in zip(methods, alone.spec.plans, strict=True):
        name = short_name(plan.low)
        pair = (over_seeds(study, m, "tow_mia") for study, m in ((alone, method), (mix, name)))
        gains[name] = np.subtract(*map(_numbers, pair))
    own = gains.pop("neggrad-plus")
    found = {"neggrad-plus": own} | {f"more than {name}": own - gain for name, gain in gains.items()}
    return {name: evaluation.over_seeds(gain.tolist()) for name, gain in found.items()}


def released(released: OpenStudy) -> dict[str, Estimate]:
    """SalUn as its paper means it, less SalUn with one error of the released code."""
    right, *wrong = (over_seeds(released, method) for method in _singles(released))
    names = ("mask the wrong way round", "true labels, not random")
    return {name: paired_difference(right, values) for name, values in zip(names, wrong, strict=True)}


def on_first(low: OpenStudy, other: OpenStudy) -> dict[str, list[float]]:
    """ToW on the first low set, seed by seed, of the models that forgot the other one, for each algorithm."""
    retrained = [low.target.accuracies(low.logits(RETRAINED, seed)) for seed in range(low.spec.seeds)]
    found = {}
    for method in _singles(other):
        judged = [low.target.accuracies(other.logits(method, seed)) for seed in range(other.spec.seeds)]
        found[method] = [tow(*pair) for pair in zip(judged, retrained, strict=True)]
    return found


def on_another_set(low: OpenStudy, other: OpenStudy) -> dict[str, Estimate]:
    """What the models that forgot the other set read on the first, less what they read on their own."""
    return {
        method: paired_difference(wrongly, over_seeds(other, method))
        for method, wrongly in on_first(low, other).items()
    }
