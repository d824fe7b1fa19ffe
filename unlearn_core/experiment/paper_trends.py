"""What the paper's study shows of the paper's findings: each as differences over seeds that should lie above 0.

A finding is split into lines, one an algorithm (or a score, or a level), and every line into its difference on the same
seeds; only memorization, of which there is one score an image, is compared over images. Whether a finding is reproduced
is read off the interval alone, the same way for each.

Source: Zhao et al. (2024), arXiv:2406.01257, and Zhao and Triantafillou (2024), arXiv:2410.16516, for the findings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from unlearn_core import evaluation
from unlearn_core.evaluation import Estimate, tow
from unlearn_core.evaluation.seeds import paired_difference
from unlearn_core.experiment.comparison import owners, side_of_zero
from unlearn_core.experiment.paper import STUDIES
from unlearn_core.experiment.proxy_table import EXACT
from unlearn_core.experiment.study import short_name
from unlearn_core.experiment.study_table import CEILING, RETRAINED
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.store import Result, Store

VERDICTS = ("reproduced", "within noise", "not reproduced", "no interval", "not measured")
RELABELLING = ("random-label", "salun")
CLOSENESS = "tow"  # as the paper measures it; a study's own group ToW is beside it in the tables


@dataclass(frozen=True)
class Finding:
    """What is said, by a short name and in words, and by whom; what is measured for it, on which steps, and how."""

    name: str
    title: str
    said_by: str
    measured: str
    steps: tuple[str, ...]
    lines: Callable[..., dict[str, Estimate]]


@dataclass(frozen=True)
class Trend:
    """A finding of the paper and what stands here: `lines` are differences over seeds, above 0 where it holds."""

    name: str
    title: str
    measured: str
    lines: dict[str, Estimate]

    def verdicts(self) -> dict[str, str]:
        """One of VERDICTS for each line."""
        return {name: verdict(line) for name, line in self.lines.items()}


def verdict(difference: Estimate) -> str:
    """Whether a difference that should lie above 0 does: "reproduced" or "not reproduced" where its whole 95 % interval
    lies on one side, else "within noise".
    """
    if difference.mean is None:
        return "not measured"
    sides = {1: "reproduced", 0: "within noise", -1: "not reproduced", None: "no interval"}
    return sides[side_of_zero(difference)]


def trends(store: Store, results: Mapping[str, Result]) -> list[Trend]:
    """The findings, from the finished steps of paper.steps by name; without lines where one is missing. A finding gets
    its studies opened, and of other steps the result.
    """
    opened = {name: OpenStudy(store, result) if name in STUDIES else result for name, result in results.items()}
    found = []
    for finding in FINDINGS:
        there = all(name in opened for name in finding.steps)
        lines = finding.lines(*(opened[name] for name in finding.steps)) if there else {}
        found.append(Trend(finding.name, finding.title, finding.measured, lines))
    return found


def over_seeds(study: OpenStudy, method: str, metric: str = CLOSENESS) -> list[float | None]:
    """What one method reaches, seed by seed; None where it was not measured."""
    lines = study.table[study.table["method"] == method].set_index("seed")[metric].reindex(range(study.spec.seeds))
    return [None if pd.isna(value) else float(value) for value in lines]


def _singles(study: OpenStudy) -> list[str]:
    return list(dict.fromkeys(study.table.loc[study.table["kind"] == "single", "method"]))


def _falls(easy: OpenStudy, hard: OpenStudy) -> dict[str, Estimate]:
    """Closeness on the easy set less that on the hard one."""
    return {m: paired_difference(over_seeds(easy, m), over_seeds(hard, m)) for m in _singles(easy)}


def _step_by_step(low: OpenStudy, medium: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    """Closeness on each level less that on the next."""
    pairs = {"from low to medium": _falls(low, medium), "from medium to high": _falls(medium, high)}
    return {f"{method} {step}": line for step, lines in pairs.items() for method, line in lines.items()}


def _more_alike_on_random(random: OpenStudy, *chosen: OpenStudy) -> dict[str, Estimate]:
    """How far the algorithms lie apart on each chosen set, as a standard deviation seed by seed, less the same on the
    random one.
    """

    def apart(study: OpenStudy) -> list[float]:
        return np.std([_numbers(over_seeds(study, m)) for m in _singles(random)], axis=0, ddof=1).tolist()

    return {name: paired_difference(apart(s), apart(random)) for name, s in zip(_CHOSEN, chosen, strict=True)}


def _relabelling_falls_more(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    """By how much more closeness relabelling loses, seed by seed, than the other algorithms on average."""
    falls = {m: np.subtract(*(_numbers(over_seeds(study, m)) for study in (low, high))) for m in _singles(low)}
    others = np.mean([fall for name, fall in falls.items() if name not in RELABELLING], axis=0)
    return {name: evaluation.over_seeds((falls[name] - others).tolist()) for name in RELABELLING if name in falls}


def _numbers(values: list[float | None]) -> np.ndarray:
    return np.array(values, np.float64)  # None becomes NaN, which an estimate leaves out


def _falls_but_for_relabelling(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    return {name: line for name, line in _falls(low, high).items() if name not in RELABELLING}


def _rises_with_relabelling(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    return {name: line for name, line in _falls(high, low).items() if name in RELABELLING}


def _untouched(low: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
    return {"original": paired_difference(over_seeds(low, "original"), over_seeds(high, "original"))}


def _memorized(low: OpenStudy, medium: OpenStudy, high: OpenStudy) -> dict[str, Estimate]:
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


def _one_algorithm(rival: Callable[[OpenStudy, OpenStudy, str, str], list]) -> Callable:
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


def _without_parts(alone: OpenStudy, mix: OpenStudy, method: str, algorithm: str) -> list:
    return over_seeds(mix, algorithm)


def _control(mark: str) -> Callable:
    """A control of each plan as its rival: the one of its own with this mark in its name; None where it has none."""

    def values(alone: OpenStudy, mix: OpenStudy, method: str, algorithm: str) -> list | None:
        own = (control for control, plan in owners(alone).items() if plan == method and mark in control)
        return None if (control := next(own, None)) is None else over_seeds(alone, control)

    return values


def _best(mix: OpenStudy, alone: OpenStudy) -> dict[str, Estimate]:
    """RUM with its own algorithm for each part, less the best of one algorithm for all; the best is chosen on the same
    seeds, which flatters it.
    """
    plans = alone.table[alone.table["kind"] == "plan"]
    best, title = plans.groupby(["method", "title"], sort=False)[CLOSENESS].mean().idxmax()
    return {f"RUM less {title}": paired_difference(over_seeds(mix, "rum"), over_seeds(alone, best))}


def _low_to_high(mix: OpenStudy, orders: OpenStudy) -> dict[str, Estimate]:
    """RUM from low to high less RUM in every other order of the parts."""
    plans = orders.table[orders.table["kind"] == "plan"].drop_duplicates("method")
    return {
        f"less {plan.title}": paired_difference(over_seeds(mix, "rum"), over_seeds(orders, plan.method))
        for plan in plans.itertuples()
    }


def _searched(searched: Result) -> dict[str, Estimate]:
    """The best plans of the search less the best single algorithm of the search, on models that it did not see."""
    plans = searched.json("summary")["plans"]
    return {f"plan {i}": Estimate(**plan["above_single"]) for i, plan in enumerate(plans, 1)}


def _as_good_by_proxy(made: Result, mix: OpenStudy) -> dict[str, Estimate]:
    """RUM cut by a cheaper score less RUM cut by memorization, both by group ToW, and the margin added: what retraining
    again falls short of 1.
    """
    table, seeds = made.table().drop(index=EXACT, errors="ignore"), made.spec().study.seeds
    margin = 1 - np.nanmean(_numbers(over_seeds(mix, CEILING, "group_tow")))
    lines = table.assign(above=table["difference"] + margin)
    known = lines.astype(object).where(lines.notna(), None)
    return {line.title: Estimate(line.above, line.difference_half_width, seeds) for line in known.itertuples()}


def _flattered(mix: OpenStudy) -> dict[str, Estimate]:
    """By how much more SalUn loses than NegGrad+ when the attack is counted beside the accuracy on the forget set."""
    loss = {
        m: [
            None if None in pair else pair[0] - pair[1]
            for pair in zip(over_seeds(mix, m), over_seeds(mix, m, "tow_mia"), strict=True)
        ]
        for m in ("salun", "neggrad-plus")
    }
    return {"SalUn against NegGrad+": paired_difference(loss["salun"], loss["neggrad-plus"])}


def _attack_refined(alone: OpenStudy, mix: OpenStudy) -> dict[str, Estimate]:
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


def _released(released: OpenStudy) -> dict[str, Estimate]:
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


def _on_another_set(low: OpenStudy, other: OpenStudy) -> dict[str, Estimate]:
    """What the models that forgot the other set read on the first, less what they read on their own."""
    return {
        method: paired_difference(wrongly, over_seeds(other, method))
        for method, wrongly in on_first(low, other).items()
    }


# Who says so. We know the papers' results by report alone, and what nobody reports is a question of our own.
REPORTED = "Zhao et al. 2024, by report"
SEQUEL = "Zhao and Triantafillou 2024, by report"
FOLLOW_UP = "a follow-up on transformers, arXiv:2602.20114, by report"
OURS = "a question of our own"
_ENTANGLED = ("entanglement low", "entanglement high")
_LEVELS = ("entanglement low", "entanglement medium", "entanglement high")
_CHOSEN = (*_LEVELS, "memorization low", "memorization medium", "memorization high")
_MEMORIZED = ("memorization low", "memorization high")
_ALONE = ("one algorithm", "mix")
FINDINGS = (
    Finding(
        "entanglement",
        "The more entangled the forget set, the further from retraining",
        REPORTED,
        "ToW at low less ToW at high entanglement",
        _ENTANGLED,
        _falls,
    ),
    Finding(
        "entanglement-steps",
        "Closeness falls with each level of entanglement, from low to medium and from medium to high",
        REPORTED,
        "ToW at one level less ToW at the next",
        _LEVELS,
        _step_by_step,
    ),
    Finding(
        "relabelling-entangled",
        "Relabelling suffers more from entanglement than the others on average",
        OURS,
        "ToW at low less ToW at high entanglement, less the mean of the same over the algorithms that do not relabel",
        _ENTANGLED,
        _relabelling_falls_more,
    ),
    Finding(
        "memorization",
        "The more memorized the forget set, the further from retraining, for most algorithms",
        REPORTED,
        "ToW at low less ToW at high memorization",
        _MEMORIZED,
        _falls_but_for_relabelling,
    ),
    Finding(
        "relabelling",
        "Relabelling goes the other way: poor on the least memorized images, strong on the most",
        REPORTED,
        "ToW at high less ToW at low memorization",
        _MEMORIZED,
        _rises_with_relabelling,
    ),
    Finding(
        "doing-nothing",
        "Doing nothing is nearer to retraining on the least memorized images than on the most",
        OURS,
        "ToW of the original at low less at high memorization",
        _MEMORIZED,
        _untouched,
    ),
    Finding(
        "together",
        "Memorization rises with entanglement",
        REPORTED,
        "mean memorization of one level of entanglement less that of the level below, with an interval over the images "
        "of the two sets (Welch), as if they were drawn from many such",
        _LEVELS,
        _memorized,
    ),
    Finding(
        "random",
        "What sets algorithms apart does not show on random images",
        REPORTED,
        "standard deviation of ToW over the algorithms on a chosen set less the same on random images, which is how we "
        "read it",
        ("random", *_CHOSEN),
        _more_alike_on_random,
    ),
    Finding(
        "refining",
        "Refining helps: one algorithm part by part is closer than the same on the whole set",
        REPORTED,
        "ToW of RUM with one algorithm less ToW of the algorithm",
        _ALONE,
        _one_algorithm(_without_parts),
    ),
    Finding(
        "alike",
        "What helps is that parts are alike, not that there are parts",
        REPORTED,
        "ToW of RUM with one algorithm less ToW of the same with parts drawn at random",
        _ALONE,
        _one_algorithm(_control("-shuffle")),
    ),
    Finding(
        "longer",
        "What helps is that there are parts, not that there are more epochs",
        OURS,
        "ToW of RUM with one algorithm less ToW of the algorithm on the whole set for as many epochs as all parts take",
        _ALONE,
        _one_algorithm(_control("-vanilla-")),
    ),
    Finding(
        "own-algorithm",
        "An algorithm of its own for each part comes closer than the best single one for all parts",
        OURS,
        "ToW of RUM less the best ToW of RUM with one algorithm, chosen on the same seeds, which flatters it",
        ("mix", "one algorithm"),
        _best,
    ),
    Finding(
        "order",
        "From the least memorized third to the most is the closest order",
        OURS,
        "ToW of RUM from low to high less ToW of RUM in another order",
        ("mix", "orders"),
        _low_to_high,
    ),
    Finding(
        "searched",
        "With settings searched for each part, RUM is closer than the best single algorithm with its settings searched",
        OURS,
        "group ToW of each of the best plans found less that of the best single algorithm found; both were chosen on "
        "models that are not reported",
        ("searched plans",),
        _searched,
    ),
    Finding(
        "cheaper-scores",
        "Cheaper scores refine as well as memorization",
        SEQUEL,
        "group ToW of RUM by the score less that of RUM by memorization, plus the margin within which the two count as "
        "equal: what a second retrained model falls short of 1",
        ("cheaper scores", "mix"),
        _as_good_by_proxy,
    ),
    Finding(
        "attack-counted",
        "SalUn is flattered by ToW: with the attack counted it loses more than NegGrad+",
        FOLLOW_UP,
        "ToW less ToW-MIA, of SalUn less that of NegGrad+",
        ("mix",),
        _flattered,
    ),
    Finding(
        "attack-refined",
        "With the attack counted, refining helps NegGrad+, and the other algorithms less",
        FOLLOW_UP,
        "ToW-MIA of RUM with NegGrad+ alone less ToW-MIA of NegGrad+, and how much more that is than the same for "
        "another algorithm; parts by memorization, where the follow-up has cheaper scores",
        _ALONE,
        _attack_refined,
    ),
    Finding(
        "released-code",
        "Errors of the published code cost SalUn closeness: the mask the wrong way round, and true labels in place of "
        "random ones",
        OURS,
        "ToW of SalUn as its paper means it less ToW with the error",
        ("as released",),
        _released,
    ),
    Finding(
        "other-set",
        "An error of the published code flatters relabelling on the least memorized images: of equal scores it forgets "
        "others than those on which it is measured",
        OURS,
        "ToW on another set of the least memorized images than the forgotten one, less ToW on the forgotten one",
        ("memorization low", "other low set"),
        _on_another_set,
    ),
)
