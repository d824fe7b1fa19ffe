"""All algorithms on three tasks of the digits: what each is worth, and which of its settings are its defaults.

Defaults are searched for on models and forget sets that the leaderboard never reports, with validation images in the
place of the test images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core import evaluation
from unlearn_core.data import Data
from unlearn_core.evaluation import values_of
from unlearn_core.experiment.attributes import known, target
from unlearn_core.experiment.audit import attack
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.model_seeds import TUNING
from unlearn_core.experiment.spread import fulfil_all
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.tuning import Tuning, chosen, grid
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.forget import AtRandom, ForgetSet, Mislabelled, OfClass
from unlearn_core.params import plain
from unlearn_core.progress import Tell, silent
from unlearn_core.rows import pack
from unlearn_core.store import Store
from unlearn_core.training import recipe
from unlearn_core.unlearning import ALGORITHMS, Unlearner, short_name

SEEDS = 5
SEARCH_SEEDS = 3
NOISY, CLEAN = Data(name="digits-noisy"), Data(name="digits")


@dataclass(frozen=True)
class Task:
    """Something to forget, of the kind that `scope` names; defaults are chosen on `search`, another of its kind."""

    title: str
    scope: str
    data: Data
    forget: ForgetSet
    search: tuple[Data, ForgetSet]


TASKS = {
    "random": Task("a random tenth", "samples", NOISY, AtRandom(size=126, seed=0), (NOISY, AtRandom(size=126, seed=1))),
    "class": Task("one class", "classes", CLEAN, OfClass(label="3"), (CLEAN, OfClass(label="6"))),
    # There is one set of wrong labels; another seed of the dataset has another.
    "mislabelled": Task("all wrong labels", "samples", NOISY, Mislabelled(), (NOISY.but(seed=1), Mislabelled())),
}


def contenders(task: Task) -> list[type[Unlearner]]:
    """The algorithms that are for this task, but for the two ends of the scale, which every study has."""
    fits = (cls for name, cls in ALGORITHMS.items() if name not in ("original", "retrain"))
    return [cls for cls in fits if cls.scope in ("both", task.scope)]


def study_of(task: Task, seeds: int = SEEDS) -> Study:
    """The task as a study: every algorithm with its defaults, no plans, nothing tuned, no bank of models."""
    return Study(
        name=f"All algorithms, {task.title}",
        training=recipe(task.data),
        models=0,
        forget=task.forget,
        unlearners=tuple(cls() for cls in contenders(task)),
        plans=(),
        controls=False,
        seeds=seeds,
        tuning_seeds=0,
    )


def leaderboard(store: Store, seeds: int = SEEDS, tell: Tell = silent) -> dict[str, dict]:
    """Task -> what was measured: for each method the means over seeds with half widths of 95 % intervals, what the
    confidence attack finds at two rates of false alarms (or why that cannot be measured), its seconds, and by how much
    it lies closer to retraining than the original of the same seed (group ToW).
    """
    return {name: _measured(store, study_of(task, seeds), tell) | {"title": task.title} for name, task in TASKS.items()}


MEANS = ("group_tow", "tow", "attack_auc", "forget_accuracy", "retain_accuracy", "test_accuracy")
RATES = {"tpr_at_1_fpr": 0.01, "tpr_at_10_fpr": 0.1}


def _measured(store: Store, study: Study, tell: Tell) -> dict:
    result = fulfil(store, study, tell)
    opened, table = OpenStudy(store, result), result.table()
    by_method = {name: g.sort_values("seed") for name, g in table.groupby("method", sort=False)}
    lines = {}
    for name, group in by_method.items():
        line = {m: vars(evaluation.over_seeds(values_of(group[m]))) for m in MEANS}
        found = attack(opened, name, "confidence")
        line |= {rate: vars(found.found_at(alpha)) for rate, alpha in RATES.items()}
        line["closer_than_original"] = vars(
            evaluation.paired_difference(values_of(group["group_tow"]), values_of(by_method["original"]["group_tow"]))
        )
        stopped = group["diverged_at"].notna().sum() if "diverged_at" in group else 0
        lines[name] = line | {"seconds": float(group["seconds"].mean()), "stopped": int(stopped)}
    summary = result.json("summary")
    return {"forget": summary["forget"], "seeds": study.seeds, "dataset": study.training.data.name, "methods": lines}


# -- defaults ----------------------------------------------------------------------------------------------------------


def searches(store: Store, cls: type[Unlearner]) -> dict[str, Tuning]:
    """Task -> the search for an algorithm's defaults there, for each task that it is for; empty where it declares
    nothing to try.
    """
    tried = grid(cls())
    found = {}
    for name, task in TASKS.items():
        if not tried or cls.scope not in ("both", task.scope):
            continue
        data, forget = task.search
        study = Study(training=recipe(data), models=0, forget=forget)
        rows = forget.choose(known(store, study.bank))
        parts = tuple(pack(p) for p in target(store, study.bank, rows).parts.values())
        seeds = tuple(TUNING + s for s in range(SEARCH_SEEDS))
        found[name] = Tuning(training=study.training, forget=pack(rows), parts=parts, unlearners=tried, seeds=seeds)
    return found


def best_defaults(store: Store, names: list[str], tell: Tell = silent) -> list[dict]:
    """A line for each algorithm that declares settings to try: those that serve its tasks best on average (mean group
    ToW over the tasks), what they read there, what its present defaults read, and the best at each task alone.
    """
    lines = []
    for name in names:
        cls = ALGORITHMS[name]
        asked = searches(store, cls)
        if not asked:
            continue
        results = fulfil_all(store, asked.values(), lambda _, done, of, name=name: tell(name, done, of))
        tables = {task: r.table() for task, r in zip(asked, results, strict=True)}
        tried = next(iter(asked.values())).unlearners
        means = np.mean([t.groupby("setting")["group_tow"].mean().to_numpy() for t in tables.values()], axis=0)
        best = int(means.argmax())
        alone = {task: plain(chosen(asked[task], t)) for task, t in tables.items()}
        fields = list(cls.grid)
        lines.append(
            {
                "algorithm": name,
                "best": {f: getattr(tried[best], f) for f in fields},
                "defaults": {f: getattr(cls(), f) for f in fields},
                "group_tow": round(float(means[best]), 4),
                "with_defaults": round(float(means[tried.index(cls())]), 4) if cls() in tried else None,
                "at_each_task": {task: {f: spec[f] for f in fields} for task, spec in alone.items()},
            }
        )
    return lines


__all__ = ["TASKS", "best_defaults", "contenders", "leaderboard", "short_name", "study_of"]
