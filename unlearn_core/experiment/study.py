"""A study: one forget set, several ways to forget it, over several seeds, against retrained models.

Every stage is a stored result of its own, so a study that was interrupted goes on where it stopped, and one that shares
models with another trains nothing twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count

import numpy as np
import pandas as pd

from unlearn_core import evaluation
from unlearn_core.data import Data
from unlearn_core.device import numerics
from unlearn_core.ensembles import Bank
from unlearn_core.evaluation import values_of
from unlearn_core.experiment.attributes import cutter, known, target
from unlearn_core.experiment.bank import bank_columns, bank_stability, parts_of
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.embedded_images import embedding_sums, map_of
from unlearn_core.experiment.measures import Shadows, Target, measure
from unlearn_core.experiment.memorized import Unbanked, bank_of, memorization_of
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.spread import still_to_make
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, REFERENCES, RETRAINED, best_single
from unlearn_core.experiment.trained_models import dataset, train_all
from unlearn_core.experiment.tuning import Tuning, best_settings, settings, tunings
from unlearn_core.experiment.unlearned_models import Run, refuse, run_groups
from unlearn_core.forget import ByMemorization, ForgetSet
from unlearn_core.memorization import Memorization
from unlearn_core.params import BadField, BadValue, Spec, param, spec
from unlearn_core.privacy import for_a_group
from unlearn_core.progress import Tell, in_steps
from unlearn_core.result import Result
from unlearn_core.rows import pack
from unlearn_core.rum import PARTS, Plan, Rum, same_everywhere, shuffled, vanilla
from unlearn_core.store import Store
from unlearn_core.training import Training, promise, recipe
from unlearn_core.unlearning import ALGORITHMS, Unlearner, short_name

FEWEST = 10  # models of a bank
STAGES = (
    "data", "original models", "bank", "map", "forget set", "retrained models", "tuning", "unlearning", "evaluation",
)  # fmt: skip
# What a study runs unless told otherwise: the algorithms of the paper that go down a loss.
PAPER = ("fine-tune", "l1-sparse", "neggrad", "neggrad-plus", "random-label", "salun", "scrub")
SINGLES = tuple(ALGORITHMS[name]() for name in PAPER)


@spec
class Study(Spec):
    """What to forget, how, and how often."""

    name: str = param("Study", help="what the study is called")
    training: Training = param(recipe(Data()), help="how the original and the retrained models are trained")
    models: int = param(
        256,
        0,
        10_000,
        help="members of the bank that memorization is estimated from; 64 are a preview, 0 = no bank: images are "
        "ranked by their confidence during training",
    )
    stop_at: float = param(
        0.0, 0.0, 0.999, help="stop the bank early once its scores are as reliable as this; 0 = train all its models"
    )
    forget: ForgetSet = param(ByMemorization(), help="what to forget")
    unlearners: tuple = param(SINGLES, help="algorithms to run on the whole forget set")
    plans: tuple = param((Plan(),), help="RUM plans")
    controls: bool = param(
        True, help="run the controls of each plan: shuffled parts, one algorithm for all parts, no parts"
    )
    seeds: int = param(
        5, 1, 100, help="how many original models are unlearned; 3 is the least for an interval worth having"
    )
    tuning_seeds: int = param(
        2, 0, 20, help="further models on which learning rates are chosen; 0 = leave them as given"
    )

    def __post_init__(self):
        super().__post_init__()
        if 0 < self.models < FEWEST:
            raise BadField("models", f"must be at least {FEWEST}, or 0 for no bank, not {self.models}.")
        object.__setattr__(self, "training", self.training.but(seed=0, without=""))
        if not self.models:
            object.__setattr__(self, "stop_at", 0.0)  # no bank, nothing to stop
        if not all(isinstance(u, Unlearner) for u in self.unlearners) or not all(
            isinstance(p, Plan) for p in self.plans
        ):
            raise BadValue("A study lists algorithms and RUM plans.")
        if not self.unlearners and not self.plans:
            raise BadValue("A study needs at least one algorithm or plan.")

    @property
    def bank(self) -> Bank | Unbanked:
        return bank_of(self.training, self.models, self.stop_at)

    @property
    def stages(self) -> tuple[str, ...]:
        """What making it goes through, in this order."""
        return tuple(name for name in STAGES if self.models or name != "bank")

    @property
    def alone(self) -> Study:
        """Its first plan with nothing beside it but the retrained models, which every study has."""
        return self.but(plans=self.plans[:1], unlearners=(), controls=False)


@dataclass(frozen=True)
class Method:
    """One line of a study's comparison. `kind` is single, plan or control; `unlearners` has one for each seed."""

    id: str
    title: str
    kind: str
    unlearners: tuple[Unlearner, ...]


def example(models: int = 64, seeds: int = 5) -> Study:
    """The example study: 40 images of each memorization level of scikit-learn's digits, and the paper's algorithms."""
    return Study(name="Digits example", models=models, seeds=seeds)


def recorded_example() -> Study:
    """A smaller study of the example's kind, which comes with the program, finished, in a file. Its models are of a
    width of their own, for they come without weights: nothing that is run here may rest on them.
    """
    few = tuple(ALGORITHMS[name]() for name in ("fine-tune", "l1-sparse", "neggrad-plus", "salun"))
    small = recipe(Data()).but(width=128)
    return example(seeds=3).but(name="Digits, recorded", training=small, unlearners=few, controls=False)


def searches(store: Store, study: Study, rows: np.ndarray) -> dict[Unlearner, Tuning]:
    """The searches for settings that a study with this forget set rests on."""
    tried = [*study.unlearners, *(u for p in study.plans for u in (p.low, p.medium, p.high))]
    return tunings(store, study.bank, tried, rows, study.tuning_seeds)


def methods(store: Store, study: Study, rows: np.ndarray, best: dict[Unlearner, Unlearner]) -> list[Method]:
    """Everything the study runs on its forget set: single algorithms, then the plans, each with its controls right
    after it, the shuffled one first: it is this order by which a control is known as its plan's.
    """
    found: dict[str, Method] = {}

    def add(name: str, title: str, kind: str, unlearners: Iterable[Unlearner]) -> None:
        numbered = (name if n == 1 else f"{name}-no-{n}" for n in count(1))
        name = next(each for each in numbered if each not in found and each not in REFERENCES)
        found[name] = Method(name, title, kind, tuple(unlearners))

    cut = cutter(store, study.bank)

    def resolved(plan: Plan) -> Rum:
        return plan.resolve(cut(plan, rows))

    seeds = range(study.seeds)
    for unlearner in study.unlearners:
        add(short_name(unlearner), unlearner.title, "single", [best.get(unlearner, unlearner)] * study.seeds)
    for plan in study.plans:
        plan = plan.but(**{p: best.get(getattr(plan, p), getattr(plan, p)) for p in PARTS})
        name, rum = _slug(plan.name), resolved(plan)
        add(name, plan.name, "plan", [rum] * study.seeds)
        if not study.controls:
            continue
        steps = dict.fromkeys((plan.low, plan.medium, plan.high))
        # A part drawn at random is no whole class, and only the first part's step knows how its model was trained.
        if not any("classes" in u.needs for u in steps):
            # Each seed has a shuffle of its own, so that the luck of one draw is part of the spread.
            add(f"{name}-shuffle", f"{plan.name}, shuffled", "control", [resolved(shuffled(plan, s)) for s in seeds])
        for unlearner in steps:
            if not hasattr(unlearner, "epochs"):
                continue
            same, algorithm = same_everywhere(plan, unlearner), short_name(unlearner)
            if not {"classes", "history"} & set(unlearner.needs):
                add(f"{name}-f-{algorithm}", same.name, "control", [resolved(same)] * study.seeds)
            longer = vanilla(unlearner, len(rum.parts))
            if longer != unlearner:
                title = f"{unlearner.title}, no parts, {len(rum.parts)}x epochs"
                add(f"{name}-vanilla-{algorithm}", title, "control", [longer] * study.seeds)
    return list(found.values())


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "plan"


def _study(store: Store, study: Study, tell: Tell) -> Result:
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[Tell]:
        tell(name, 0, 1)
        started = time.perf_counter()
        yield lambda _, done, total: tell(name, done, total)
        seconds[name] = round(time.perf_counter() - started, 3)

    training, seeds = study.training, range(study.seeds)
    with stage("data") as t:
        dataset(store, training.data, in_steps(t, 1))
    with stage("original models") as t:
        asked = [training.but(seed=s) for s in seeds]
        originals = train_all(store, asked, in_steps(t, still_to_make(store, asked)))
    bank = None
    if study.models:
        with stage("bank") as t:
            parts = parts_of(study.bank)  # one that may stop early counts those that are there, too
            members = sum(part.count for part in parts if study.stop_at or store.find(part) is None)
            bank = fulfil(store, study.bank, in_steps(t, members))
    with stage("map") as t:
        fulfil(store, map_of(store, training), in_steps(t, 1))
    with stage("forget set") as t:
        t = in_steps(t, 1)
        rows = study.forget.choose(known(store, study.bank, t))
        goal = target(store, study.bank, rows)
        sums = embedding_sums(store, training, t)
        for unlearner in dict.fromkeys(u for m in methods(store, study, rows, {}) for u in m.unlearners):
            refuse(store, training, rows, unlearner)  # before any of them costs time
    with stage("retrained models") as t:
        without = [training.but(seed=a + s, without=pack(rows)) for a in (0, AGAIN) for s in seeds]
        references = train_all(store, without, in_steps(t, still_to_make(store, without)))
        retrained, again = references[: study.seeds], references[study.seeds :]
    with stage("tuning") as t:
        tried = searches(store, study, rows)
        best = best_settings(store, tried, in_steps(t, still_to_make(store, tried.values())))
    with stage("unlearning") as t:
        todo = methods(store, study, rows, best)
        asked = [
            [
                Run(training=training.but(seed=s), forget=pack(rows), unlearner=u, seed=s)
                for s, u in enumerate(method.unlearners)
            ]
            for method in todo
        ]
        made = run_groups(store, asked, in_steps(t, still_to_make(store, chain(*asked))))
        runs = {m.id: results for m, results in zip(todo, made, strict=True)}
    with stage("evaluation") as t:
        shadows = Shadows.of(*bank_columns(store, study.bank, rows)) if bank else None
        lines = []
        for seed in seeds:
            t("", seed, study.seeds)
            logits = {"retrained": retrained[seed].arrays("logits"), "again": again[seed].arrays("logits")}
            references = [(ORIGINAL, originals[seed]), (CEILING, again[seed])]
            compared = [(name, REFERENCES[name], "reference", r) for name, r in references]
            compared += [(m.id, m.title, m.kind, runs[m.id][seed]) for m in todo]
            for name, title, kind, result in compared:
                # The second retrained model is judged by the first, and the other way round, never by itself.
                judge = logits["retrained"] if name == CEILING else logits["again"]
                row = measure(goal, result.arrays("logits"), logits["retrained"], judge, shadows)
                head = {"method": name, "title": title, "kind": kind, "seed": seed, "result": result.key}
                head |= {"seconds": result.manifest()["seconds"]}
                head["diverged_at"] = result.json("cost")["diverged_at"] if kind != "reference" else None
                lines.append(head | row)
            row = {"method": RETRAINED, "title": REFERENCES[RETRAINED], "kind": "reference", "seed": seed}
            row |= {"result": retrained[seed].key, "seconds": retrained[seed].manifest()["seconds"]}
            lines.append(row | measure(goal, logits["retrained"], logits["retrained"], logits["again"], shadows))

    def make(draft) -> None:
        table = pd.DataFrame(lines)
        draft.seconds = sum(seconds.values())
        draft.table(table)
        draft.arrays(forget=rows, **{f"part_{name}": r for name, r in goal.parts.items()})
        memorized = memorization_of(store, study.bank)
        trained = int(bank_stability(bank)["members"].iloc[-1]) if bank else 0
        draft.json("summary", summary(study, table, rows, goal, memorized, trained, sums, best, seconds))

    return store.remember(study, make, device=numerics)


def summary(
    study, table: pd.DataFrame, rows, goal: Target, memorized: Memorization, trained: int, sums, best, seconds
) -> dict:
    """The study in numbers, as plain JSON: means over seeds with half widths of 95 % t-intervals. `trained` counts the
    models of the bank.
    """
    es = sums.describe(rows)

    def means(metric: str) -> dict[str, dict]:
        return {name: vars(evaluation.over_seeds(values_of(group[metric]))) for name, group in table.groupby("method")}

    tow, group_tow, auc, lira = (means(m) for m in ("tow", "group_tow", "attack_auc", "lira_auc"))
    measured = [n for n in tow if n not in REFERENCES]
    return {
        "name": study.name,
        "seconds": seconds,
        "seeds": study.seeds,
        "bank_models": trained,
        "bank_fitted": memorized.fitted,
        "bank_warning": memorized.warning,
        "forget": len(rows),
        "entanglement": {k: _finite(v) for k, v in vars(es).items()},
        "parts": {
            name: {
                "images": len(r),
                "memorization": float(memorized.scores[r].mean()),
                "entanglement": _finite(sums.score(r)),
            }
            for name, r in goal.parts.items()
            if len(r)
        },
        "accuracy": {
            n: {s: evaluation.over_seeds(values_of(g[f"{s}_accuracy"])).mean for s in ("forget", "retain", "test")}
            for n, g in table.groupby("method")
        },
        "part_gaps": part_gaps(table),
        "tow": {n: e["mean"] for n, e in tow.items() if n != RETRAINED},
        "group_tow": {n: e["mean"] for n, e in group_tow.items() if n != RETRAINED},
        "intervals": {"tow": tow, "group_tow": group_tow, "attack_auc": auc, "lira_auc": lira},
        "attack_auc": {
            "before": auc[ORIGINAL]["mean"],
            "after": {n: auc[n]["mean"] for n in measured},
            "retrained": auc[RETRAINED]["mean"],
        },
        "lira_auc": {
            "before": lira[ORIGINAL]["mean"],
            "after": {n: lira[n]["mean"] for n in measured},
            "retrained": lira[RETRAINED]["mean"],
        },
        # One line for each kind of algorithm: `comparison.learning_rates` knows them apart by their searches.
        "learning_rates": {short_name(u): u.lr for u in best.values() if hasattr(u, "lr")},
        "at_grid_edge": [
            short_name(u)
            for g, u in best.items()
            if hasattr(u, "lr") and u.lr in (settings(g)[0].lr, settings(g)[-1].lr)
        ],
        "plans_against_best_single": plans_against_best_single(table),
        "privacy": _privacy(study.training, goal),
    }


def _privacy(training: Training, goal: Target) -> dict | None:
    """What training with differential privacy promised of the original: for one image, and for all forgotten ones."""
    promised = promise(training, len(goal.labels))
    if promised is None:
        return None
    group = for_a_group(*promised, len(goal.forget))
    names = ("epsilon", "delta", "forget_epsilon", "forget_delta")
    return dict(zip(names, (*promised, *group), strict=True))


def part_gaps(table: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """Accuracy minus the retrained model's of the same seed, by method and part: above 0 = not forgotten enough."""
    retrained = table[table["method"] == RETRAINED].set_index("seed")
    gaps = {}
    for name, group in table.groupby("method"):
        own = group.set_index("seed")
        columns = {part: own[f"{part}_accuracy"] - retrained[f"{part}_accuracy"] for part in PARTS}
        gaps[name] = {part: vars(evaluation.over_seeds(values_of(column))) for part, column in columns.items()}
    return gaps


def plans_against_best_single(table: pd.DataFrame) -> list[dict]:
    """Each plan against the single algorithm with the best mean group ToW on the same seeds: the hardest rival there
    is.
    """
    if (rival := best_single(table)) is None:
        return []
    values = {name: g.sort_values("seed")["group_tow"].tolist() for name, g in table.groupby("method")}
    return [
        {"plan": name, "best_single": rival, **vars(evaluation.paired_difference(values[name], values[rival]))}
        for name in table[table.kind == "plan"]["method"].unique()
    ]


def _finite(value: float | str) -> float | str | None:
    """The value as JSON can say it: an infinite score, of a set whose mean is that of the others, is unknown."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


MAKERS[Study] = _study
