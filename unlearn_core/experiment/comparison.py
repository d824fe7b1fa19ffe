"""The methods of a finished study beside each other: who came closest, by how much, at what price.

The unit is always the seed: a difference is taken between two models of the same seed, and its interval is over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from unlearn_core.evaluation import METRICS, Estimate, Metric, over_seeds, paired_difference
from unlearn_core.evaluation.groups import fairness
from unlearn_core.evaluation.seeds import ROUNDING
from unlearn_core.experiment.measured_groups import third
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, RETRAINED, best_first
from unlearn_core.experiment.study_table import owners as owners_of
from unlearn_core.experiment.tuning import settings as tried_for
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue, settings
from unlearn_core.rum import PARTS, Rum
from unlearn_core.unlearning import ALGORITHMS, short_name


def _column(metric: str, label: str, help: str | None = None) -> Metric:
    return replace(METRICS[metric], label=label, help=help or METRICS[metric].help)


# The measured columns of a study's table, each with its row of METRICS, renamed where a study measures one thing twice.
COLUMNS: dict[str, Metric] = {
    "group_tow": METRICS["group_tow"],
    "tow": METRICS["tow"],
    "tow_mia": METRICS["tow_mia"],
    "forget_accuracy": METRICS["forget_accuracy"],
    **{f"{part}_accuracy": _column("forget_accuracy", f"Accuracy on the {third(part)}") for part in PARTS},
    "retain_accuracy": METRICS["retain_accuracy"],
    "test_accuracy": METRICS["test_accuracy"],
    "lira_auc": _column(
        "auc",
        "Attack success, likelihood ratio (LiRA AUC)",
        "Chance that the attack ranks a forgotten image above the same image in a model that never saw it. "
        "The target is the retrained model's value.",
    ),
    "attack_auc": _column(
        "auc",
        "Attack success, confidence (Attack AUC)",
        "Chance that a model is surer of a forgotten image than of a test image. "
        "The target is the retrained model's value, which need not be near 0.5.",
    ),
    "tpr_at_1_fpr": METRICS["tpr_at_1_fpr"],
    "mia_efficacy": METRICS["mia_efficacy"],
    "forget_disagreement": _column("disagreement", "Disagreement with retraining on forgotten images"),
    "test_disagreement": _column("disagreement", "Disagreement with retraining on test images"),
}


def by_seed(study: OpenStudy, metric: str) -> pd.DataFrame:
    """A line per seed, a column per method; NaN where not measurable. Raises BadValue unless `metric` is in COLUMNS."""
    if metric not in COLUMNS:
        raise BadValue(f"{metric!r} is not one of the measured columns.")
    table = study.table.assign(value=pd.to_numeric(study.table[metric]))
    return table.pivot(index="seed", columns="method", values="value")


def two_agree(difference: Estimate) -> bool:
    """Whether it is of two seeds with one and the same value."""
    return difference.n == 2 and difference.half_width is not None and difference.half_width <= ROUNDING


def side_of_zero(difference: Estimate) -> int | None:
    """1 or -1 where the whole interval lies above or below 0, 0 where it holds 0; None without an interval, and where
    there are two seeds that agree: their interval has no width, and says nothing of how far others would lie apart.
    """
    if difference.mean is None or difference.half_width is None:
        return None
    if abs(difference.mean) <= difference.half_width + ROUNDING:
        return 0
    if two_agree(difference):
        return None
    return 1 if difference.mean > 0 else -1


def notes(study: OpenStudy) -> pd.DataFrame:
    """What runs noted beside their cost, such as the epsilon of a certificate: a line for each method and note, with
    `title`, `note` and the `mean` over seeds; empty where none noted anything.
    """
    lines = []
    for method, group in study.table[study.table["kind"] != "reference"].groupby("method", sort=False):
        noted = [study.run_result(method, seed).json("cost").get("notes", {}) for seed in group["seed"]]
        for note in dict.fromkeys(name for each in noted for name in each):
            values = [each[note] for each in noted if note in each]
            lines.append({"title": group["title"].iloc[0], "note": note, "mean": sum(values) / len(values)})
    return pd.DataFrame(lines, columns=["title", "note", "mean"])


# -- who came closest --------------------------------------------------------------------------------------------------


def ranked(study: OpenStudy, metric: str) -> pd.DataFrame:
    """`study.means(metric)` of what was run, without the references, the best first.

    Best is what the metric's direction says; where that is "closer to retraining", the smallest distance to the mean of
    the retrained models. Methods without a value come last.
    """
    return study.means(metric).loc[best_first(study.table, metric, COLUMNS[metric].direction)]


@dataclass(frozen=True)
class Versus:
    """One method against another on the same seeds: the mean of first - second with its interval."""

    first: str
    second: str
    difference: Estimate


def versus(study: OpenStudy, first: str, second: str, metric: str = "group_tow") -> Versus:
    """The paired difference of two methods over seeds."""
    values = by_seed(study, metric)
    return Versus(first, second, paired_difference(values[first].tolist(), values[second].tolist()))


def plan_against_best_single(study: OpenStudy) -> list[Versus]:
    """Each plan against the single algorithm with the best mean group ToW; empty without a plan or a single algorithm.

    The rival is chosen on the very seeds it is judged on, so the comparison favours it.
    """
    return [
        Versus(line["plan"], line["best_single"], Estimate(line["mean"], line["half_width"], line["n"]))
        for line in study.summary["plans_against_best_single"]
    ]


def owners(study: OpenStudy) -> dict[str, str]:
    """Each control with its plan, in the study's order."""
    return owners_of(study.table)


def plan_against_rivals(study: OpenStudy, plan: str) -> list[Versus]:
    """A plan against the best single algorithm and then each of its own controls, in group ToW; a control that runs
    the very same (one algorithm on every part, which the plan does too) is no rival.
    """
    rivals = [v.second for v in plan_against_best_single(study) if v.first == plan]
    own = [control for control, owner in owners(study).items() if owner == plan]
    same = twins(study)
    return [versus(study, plan, rival) for rival in [*rivals, *own] if same.get(rival, rival) != same.get(plan, plan)]


def twins(study: OpenStudy) -> dict[str, str]:
    """Each method whose runs are the very same as those of one before it in the study, with that one: a plan that runs
    one algorithm with the same settings on all parts and its control RUM^F, or a control and a single algorithm with as
    many epochs. Empty for most studies.
    """
    run = study.table[study.table["kind"] != "reference"].sort_values("seed", kind="stable")
    runs = run.groupby("method", sort=False)["result"].agg(tuple)
    first: dict[tuple, str] = {}
    order = dict.fromkeys(study.table["method"])
    return {name: first[runs[name]] for name in order if name in runs and first.setdefault(runs[name], name) != name}


def diverged(study: OpenStudy) -> dict[str, int]:
    """For each method with diverged runs how many; their last finite state was measured."""
    runs = study.table.groupby("method", sort=False)["diverged_at"].count()
    return {name: int(count) for name, count in runs.items() if count}


def default_picks(study: OpenStudy) -> list[str]:
    """At most three methods to look at first: the best plan, the best single algorithm, and the method closest to
    retraining; where that is one of the two, the control of the plan that shuffles its parts (or the first it has).
    Where kinds are missing, the next best methods take their places; of methods with the very same runs, one stands for
    all.
    """
    order = ranked(study, "group_tow").drop(list(twins(study)))
    best = {kind: list(order.index[order["kind"] == kind]) for kind in ("plan", "single")}
    picks = [name for names in best.values() for name in names[:1]]
    picks = list(dict.fromkeys([*picks, order.index[0]]))
    if best["plan"] and len(picks) < 3:
        own = owners(study)
        # The first of a plan's controls is the one that shuffles; one that runs what another method runs is not ranked.
        rivals = [v.second for v in plan_against_rivals(study, best["plan"][0]) if v.second in order.index]
        picks += [name for name in rivals if name in own][:1]
    return [*picks, *(name for name in order.index if name not in picks)][:3]


# -- class by class, and step by step ----------------------------------------------------------------------------------


def class_gaps(study: OpenStudy, method: str) -> pd.DataFrame:
    """Every class's gap in accuracy to retraining, on kept, test and forgotten images, as evaluation.fairness has it.

    `group` is the class's name, `on` "retain", "test" or "forget"; `kind` is "unlearned" for the method against the
    retrained models, "retrained" for a second retrained model against the first: the noise, and "original" for the
    model before it. NaN where a class has no such images, and for the half width of a single seed.
    """
    seeds, target, tables = sorted(int(s) for s in study.table["seed"].unique()), study.target, []
    for kind, name in (("unlearned", method), ("retrained", CEILING), ("original", ORIGINAL)):
        pair = [[study.logits(model, seed) for seed in seeds] for model in (name, RETRAINED)]
        for on in ("retain", "test", "forget"):
            rows = slice(None) if on == "test" else getattr(target, on)
            split, labels = ("test", target.test_labels) if on == "test" else ("train", target.labels[rows])
            own, judge = (np.stack([logits[split][rows] for logits in models]) for models in pair)
            table = fairness(own, judge, labels, count=len(study.classes)).table
            tables.append(table.assign(group=list(study.classes), on=on, kind=kind))
    numbers = ("unlearned", "retrained", "gap", "half_width", "seeds")
    return pd.concat(tables, ignore_index=True).astype(dict.fromkeys(numbers, float))


@lru_cache(maxsize=8)
def plans_with_steps(study: OpenStudy) -> list[str]:
    """The methods that forget part after part: the plans, and the controls that keep their parts."""
    seed = int(study.table["seed"].min())
    run = study.table[study.table["kind"].isin(["plan", "control"])].drop_duplicates("method")["method"]
    return [name for name in run if isinstance(study.run_result(name, seed).spec().unlearner, Rum)]


def part_gaps(study: OpenStudy, method: str) -> dict[str, Estimate]:
    """Accuracy on each part minus the retrained model's of the same seed; above 0 = the part is remembered too well."""
    parts = [part for part in PARTS if len(study.parts[part])]
    return {part: versus(study, method, RETRAINED, f"{part}_accuracy").difference for part in parts}


def steps(study: OpenStudy, method: str) -> pd.DataFrame:
    """Accuracy on each third, on kept and on test images, and group ToW, before a plan and after each of its steps.

    One line per step and `metric` of COLUMNS: `step` (0 = before), `what` (the part that the step forgot and its
    algorithm), `part` (the third, None where it is of none), `mean` and `half_width` over seeds, `retrained` (the
    retrained models' mean; of group ToW that of one retrained model against another) and `gap`, mean - retrained.
    `change` is what this step did on the same seeds, with its `change_half` and its `side` of zero as side_of_zero has
    it; None before the first. A part is a third of the study by memorization, whatever the plan's own parts are.
    """
    seeds = sorted(study.table["seed"].unique())
    runs = [study.after_each_step(method, int(seed)) for seed in seeds]
    plan = study.run_result(method, int(seeds[0])).spec().unlearner
    names = ["before", *(f"{p.name} part: {p.unlearner.title}" for p in plan.parts)]
    thirds = [part for part in PARTS if len(study.parts[part])]
    lines = []
    for own in (*thirds, "retain", "test", "group_tow"):
        metric = own if own in COLUMNS else f"{own}_accuracy"
        goal = by_seed(study, metric)[CEILING if own == "group_tow" else RETRAINED].mean()
        values = [[run[own].iloc[i] for run in runs] for i in range(len(names))]
        for i, name in enumerate(names):
            found = over_seeds(values[i])
            did = paired_difference(values[i], values[i - 1]) if i else Estimate(None, None, len(seeds))
            line = {"step": i, "what": name, "metric": metric, "part": own if own in thirds else None}
            line |= {"mean": found.mean, "half_width": found.half_width, "retrained": goal, "gap": found.mean - goal}
            lines.append(line | {"change": did.mean, "change_half": did.half_width, "side": side_of_zero(did)})
    return pd.DataFrame(lines)


# -- what it cost in time, and everything in one table -----------------------------------------------------------------


def retraining_seconds(study: OpenStudy) -> float:
    """Seconds that retraining took per model. Models are trained side by side, so one alone would take longer."""
    table = study.table
    return float(table[table["method"].isin([RETRAINED, CEILING])]["seconds"].mean())


def work_of(study: OpenStudy, method: str) -> float | None:
    """Mean number of images, those for validation too, that a run put through a backward pass, as a share of
    retraining.
    """
    if method in (RETRAINED, CEILING):
        return 1.0
    if method == ORIGINAL:
        return None
    seeds = study.table[study.table["method"] == method]["seed"]
    costs = [study.run_result(method, int(seed)).json("cost") for seed in seeds]
    retraining = study.spec.training.epochs * len(study.target.retain)
    passes = ("forget_gradients", "retain_gradients", "validation_gradients")
    return sum(cost[name] for cost in costs for name in passes) / len(costs) / retraining


def everything(study: OpenStudy) -> pd.DataFrame:
    """One line per method, in the study's order, with all that was measured: for a download.

    `title`, `kind`, `seeds`; for each of COLUMNS its mean, `<metric>_half_width` of the 95 % interval over seeds, and
    `<metric>_distinguishable` from the ceiling; `seconds` per run and `share_of_seconds` of retraining; the
    `share_of_work`, images through a backward pass, which does not depend on the machine; and the number of `diverged`
    runs. NaN where unknown.
    """
    groups = study.table.groupby("method", sort=False)
    frame = groups[["title", "kind"]].first()
    frame["seeds"] = groups["seed"].nunique()
    for metric in COLUMNS:
        means = study.means(metric)
        frame[metric] = pd.to_numeric(means["mean"])
        frame[f"{metric}_half_width"] = pd.to_numeric(means["half_width"])
        frame[f"{metric}_distinguishable"] = means["distinguishable"].astype("boolean")
    frame["seconds"] = groups["seconds"].mean()
    frame.loc[[RETRAINED, CEILING], "seconds"] = retraining_seconds(study)
    frame["share_of_seconds"] = frame["seconds"] / retraining_seconds(study)
    frame.loc[ORIGINAL, ["seconds", "share_of_seconds"]] = None
    frame["share_of_work"] = pd.Series({name: work_of(study, name) for name in frame.index})
    frame["diverged"] = groups["diverged_at"].count()
    return frame


def learning_rates(study: OpenStudy) -> pd.DataFrame:
    """The learning rate chosen for each algorithm as it was given; empty where nothing was tuned.

    `title` and `settings`, as given; `name` for a sentence, the title, with the settings where it is there more than
    once; `lr`; and `edge`: whether it is the lowest or the highest that was tried, so that a better one may lie beyond.
    """
    lines = []
    for given, best in study.best.items():
        tried = tried_for(given)
        edge = best.lr in (tried[0].lr, tried[-1].lr)
        lines.append({"title": given.title, "settings": settings(given), "lr": best.lr, "edge": edge})
    # Where a search is not in the store any more, the study itself still knows a rate for each kind of algorithm.
    found = {short_name(given) for given in study.best}
    for name, lr in study.summary["learning_rates"].items():
        if name not in found:
            title = ALGORITHMS[name].title if name in ALGORITHMS else name
            lines.append({"title": title, "settings": "", "lr": lr, "edge": name in study.summary["at_grid_edge"]})
    rates = pd.DataFrame(lines, columns=["title", "settings", "lr", "edge"]).astype({"edge": bool})
    name = rates["title"].where(~rates["title"].duplicated(keep=False), rates["title"] + " (" + rates["settings"] + ")")
    return rates.assign(name=name)
