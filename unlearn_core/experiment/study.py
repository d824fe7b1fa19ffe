"""A study: one forget set, several ways to forget it, over several seeds, against retrained models.

Every stage is a stored result of its own, so a study that was interrupted goes on where it stopped, and one that shares
models with another trains nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unlearn_core import evaluation
from unlearn_core.data import Data
from unlearn_core.ensembles import Bank
from unlearn_core.experiment.measures import Shadows, Target, measure
from unlearn_core.experiment.stages import (
    MAKERS,
    Map,
    Run,
    all_logits,
    bank_memorization,
    dataset,
    embedding_sums,
    fulfil,
    run_all,
    train_all,
    unlearn,
)
from unlearn_core.forget import ByMemorization, ForgetSet, Known
from unlearn_core.params import BadValue, Spec, param, params, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import PARTS, Plan, same_everywhere, shuffled, vanilla
from unlearn_core.store import Result, Store
from unlearn_core.training import Training, recipe
from unlearn_core.unlearning import ALGORITHMS, Unlearner

# Seeds of three kinds that never meet: reported, tuning, and the second retrained models.
TUNING, AGAIN = 100_000, 200_000
# Lines that every study has, so that no plan may be called so.
REFERENCES = ("original", "retrained", "retrained-again")
FACTORS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SINGLES = tuple(cls() for name, cls in ALGORITHMS.items() if name not in ("original", "retrain"))


@spec
class Study(Spec):
    """What to forget, how, and how often."""

    name: str = param("Study", help="what the study is called")
    training: Training = param(recipe(Data()), help="how the original and the retrained models are trained")
    models: int = param(
        256, 10, 10_000, help="members of the bank that memorization is estimated from; 64 are a preview"
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
        object.__setattr__(self, "training", self.training.but(seed=0, without=""))
        if not all(isinstance(u, Unlearner) for u in self.unlearners) or not all(
            isinstance(p, Plan) for p in self.plans
        ):
            raise BadValue("A study lists algorithms and RUM plans.")
        if not self.unlearners and not self.plans:
            raise BadValue("A study needs at least one algorithm or plan.")

    @property
    def bank(self) -> Bank:
        return Bank(training=self.training, models=self.models)


@spec
class Tuning(Spec):
    """A grid of settings, tried on models of their own: the best mean group ToW of each algorithm is chosen."""

    training: Training = param(help="how the models are trained")
    forget: str = param(help="rows to forget")
    parts: tuple = param(help="rows of each part")
    unlearners: tuple = param(help="every setting to try")
    seeds: tuple = param(help="seeds of the models")


@dataclass(frozen=True)
class Method:
    """One line of a study's comparison. `kind` is single, plan or control."""

    id: str
    title: str
    kind: str
    unlearner: Unlearner


def example(models: int = 64, seeds: int = 5) -> Study:
    """The example study: 40 images of each memorization level of scikit-learn's digits, and all algorithms on them."""
    return Study(name="Digits example", models=models, seeds=seeds)


# -- what is known before anything is unlearned -----------------------------------------------------------------------


def known(store: Store, training: Training, models: int, tell: Tell = silent) -> Known:
    """What a forget set is chosen from; the bank and the embedding are made only if a rule asks."""
    images = dataset(store, training.data, tell)
    return Known(
        labels=images.train.y.numpy(),
        classes=images.classes,
        memorization=lambda: bank_memorization(fulfil(store, Bank(training=training, models=models), tell)).scores,
        sums=lambda: embedding_sums(store, training, tell),
        mislabelled=images.mislabelled,
    )


def refine(store: Store, study: Study, plan: Plan, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of a forget set under a plan."""
    if plan.by == "memorization":
        return plan.refine(rows, bank_memorization(fulfil(store, study.bank)).scores[rows])
    if plan.by == "confidence":
        trajectory = fulfil(store, study.training).arrays("trajectory")["confidence"]
        return plan.refine(rows, -trajectory[rows].astype(float))
    sums = embedding_sums(store, study.training)
    return plan.refine(rows, -sums.squares[rows], sums.score)


def target(store: Store, study: Study, rows: np.ndarray) -> Target:
    """What the study measures on. The parts are thirds by memorization, whatever a plan cuts by, so all methods share
    them.
    """
    images = dataset(store, study.training.data)
    parts = refine(store, study, Plan(), rows)
    return Target(images.train.y.numpy(), images.test.y.numpy(), rows, parts)


# -- tuning ------------------------------------------------------------------------------------------------------------


def settings(unlearner: Unlearner) -> tuple[Unlearner, ...]:
    """The learning rates to try for an algorithm: from 0.3 to 100 times its own, as far as its range goes. None where
    it has none.
    """
    if not hasattr(unlearner, "lr"):
        return ()
    declared = next(p for p in params(type(unlearner)) if p.name == "lr")

    def rate(factor: float) -> float:
        return min(max(float(f"{unlearner.lr * factor:.3g}"), declared.low), declared.high)

    return tuple(unlearner if f == 1.0 else unlearner.but(lr=rate(f)) for f in FACTORS)


def tuning(store: Store, study: Study, rows: np.ndarray) -> Tuning | None:
    """The study's tuning: other models, and always a mixed set, a third from each memorization level.

    On a set of one level the best learning rate can be the one that does nothing, so the study's own set would be a
    poor guide.
    """
    tried = {u for p in study.plans for u in (p.low, p.medium, p.high)} | set(study.unlearners)
    grid = tuple(s for u in sorted(tried, key=repr) for s in settings(u))
    if not study.tuning_seeds or not grid:
        return None
    n = len(dataset(store, study.training.data).train.y)
    mix = ByMemorization(level="mix", size=max(3, min(len(rows), n // 3)))
    chosen = mix.choose(known(store, study.training, study.models))
    parts = refine(store, study, Plan(), chosen)
    return Tuning(
        training=study.training,
        forget=pack(chosen),
        parts=tuple(pack(r) for r in parts.values()),
        unlearners=grid,
        seeds=tuple(TUNING + s for s in range(study.tuning_seeds)),
    )


def _tuning(store: Store, spec: Tuning, tell: Tell) -> Result:
    images = dataset(store, spec.training.data)
    n = len(images.train.y)
    rows = unpack(spec.forget, n)
    goal = Target(
        images.train.y.numpy(),
        images.test.y.numpy(),
        rows,
        {f"part{i}": unpack(r, n) for i, r in enumerate(spec.parts)},
    )
    retrained = train_all(store, [spec.training.but(seed=s, without=spec.forget) for s in spec.seeds], tell)

    def make(draft) -> None:
        lines = []
        for number, start in enumerate(range(0, len(spec.unlearners), len(FACTORS))):
            settings = range(start, min(start + len(FACTORS), len(spec.unlearners)))
            pairs = [(j, s) for j in settings for s in range(len(spec.seeds))]
            runs = [
                Run(
                    training=spec.training.but(seed=spec.seeds[s]),
                    forget=spec.forget,
                    unlearner=spec.unlearners[j],
                    seed=spec.seeds[s],
                )
                for j, s in pairs
            ]
            told = _within(tell, "tuning", number, len(spec.unlearners) / len(FACTORS))
            for (j, s), (unlearned, _) in zip(pairs, unlearn(store, runs, told), strict=True):
                reference = retrained[s].arrays("logits")
                row = measure(goal, all_logits(unlearned.model, images), reference, reference, None)
                head = {"setting": j, "algorithm": spec.unlearners[j].title, "lr": spec.unlearners[j].lr}
                lines.append(head | {"seed": spec.seeds[s]} | row)
        draft.table(pd.DataFrame(lines))

    return store.remember(spec, make)


def _within(tell: Tell, stage: str, number: int, of: float) -> Tell:
    """A `tell` for one of several equal pieces of a stage."""
    return lambda _, done, total: tell(stage, round(1000 * (number + done / total)), round(1000 * of))


def chosen_settings(spec: Tuning, table: pd.DataFrame) -> dict[Unlearner, Unlearner]:
    """For each algorithm as given, its setting with the best mean group ToW; of equals the smaller learning rate."""
    means = table.groupby("setting")["group_tow"].mean()
    best: dict[Unlearner, Unlearner] = {}
    for start in range(0, len(spec.unlearners), len(FACTORS)):
        group = range(start, start + len(FACTORS))
        given = spec.unlearners[start + FACTORS.index(1.0)]
        best[given] = spec.unlearners[max(group, key=lambda j: (round(means[j], 9), -spec.unlearners[j].lr))]
    return best


# -- the study ---------------------------------------------------------------------------------------------------------


def methods(store: Store, study: Study, rows: np.ndarray, best: dict[Unlearner, Unlearner]) -> list[Method]:
    """Everything the study runs on its forget set: single algorithms, plans, and the controls of each plan."""
    found: dict[str, Method] = {}

    def add(name: str, title: str, kind: str, unlearner: Unlearner) -> None:
        number = sum(1 for m in (*REFERENCES, *found) if m == name or m.startswith(f"{name}-no-"))
        name = name if not number else f"{name}-no-{number + 1}"
        found[name] = Method(name, title, kind, unlearner)

    for unlearner in study.unlearners:
        add(short_name(unlearner), unlearner.title, "single", best.get(unlearner, unlearner))
    for plan in study.plans:
        plan = plan.but(**{p: best.get(getattr(plan, p), getattr(plan, p)) for p in ("low", "medium", "high")})
        name = _slug(plan.name)
        add(name, plan.name, "plan", plan.resolve(refine(store, study, plan, rows)))
        if not study.controls:
            continue
        mixed = shuffled(plan)
        add(f"{name}-shuffle", mixed.name, "control", mixed.resolve(refine(store, study, mixed, rows)))
        for unlearner in dict.fromkeys((plan.low, plan.medium, plan.high)):
            if not hasattr(unlearner, "epochs"):
                continue
            same, algorithm = same_everywhere(plan, unlearner), short_name(unlearner)
            add(f"{name}-f-{algorithm}", same.name, "control", same.resolve(refine(store, study, same, rows)))
            title = f"{unlearner.title}, no parts, 3x epochs"
            add(f"{name}-vanilla-{algorithm}", title, "control", vanilla(unlearner, 3))
    return list(found.values())


def short_name(unlearner: Unlearner) -> str:
    """The name of an algorithm in ALGORITHMS."""
    return next((name for name, cls in ALGORITHMS.items() if cls is type(unlearner)), type(unlearner).__name__.lower())


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
        dataset(store, training.data, t)
    with stage("original models") as t:
        everyone = [*seeds, *(TUNING + s for s in range(study.tuning_seeds))]
        originals = train_all(store, [training.but(seed=s) for s in everyone], t)[: study.seeds]
    with stage("bank") as t:
        bank = fulfil(store, study.bank, t)
    with stage("map") as t:
        fulfil(store, Map(training=training), t)
    with stage("forget set") as t:
        rows = study.forget.choose(known(store, training, study.models, t))
        goal = target(store, study, rows)
        sums = embedding_sums(store, training, t)
    with stage("retrained models") as t:
        without = [training.but(seed=a + s, without=pack(rows)) for a in (0, AGAIN) for s in seeds]
        references = train_all(store, without, t)
        retrained, again = references[: study.seeds], references[study.seeds :]
    with stage("tuning") as t:
        grid = tuning(store, study, rows)
        tuned = fulfil(store, grid, t) if grid else None
        best = chosen_settings(grid, tuned.table()) if grid else {}
    with stage("unlearning") as t:
        todo = methods(store, study, rows, best)
        runs: dict[tuple[str, int], Result] = {}
        for i, method in enumerate(todo):
            asked = [
                Run(training=training.but(seed=s), forget=pack(rows), unlearner=method.unlearner, seed=s) for s in seeds
            ]
            for seed, result in zip(seeds, run_all(store, asked, _within(t, "", i, len(todo))), strict=True):
                runs[method.id, seed] = result
    with stage("evaluation") as t:
        shadows = Shadows.of(bank.arrays(), rows)
        lines = []
        for seed in seeds:
            t("", seed, study.seeds)
            logits = {"retrained": retrained[seed].arrays("logits"), "again": again[seed].arrays("logits")}
            references = [
                ("original", "Original", originals[seed]),
                ("retrained-again", "Retrained again", again[seed]),
            ]
            compared = [(i, title, "reference", r) for i, title, r in references]
            compared += [(m.id, m.title, m.kind, runs[m.id, seed]) for m in todo]
            for name, title, kind, result in compared:
                # The second retrained model is judged by the first, and the other way round, never by itself.
                judge = logits["retrained"] if name == "retrained-again" else logits["again"]
                row = measure(goal, result.arrays("logits"), logits["retrained"], judge, shadows)
                head = {"method": name, "title": title, "kind": kind, "seed": seed, "result": result.key}
                head |= {"seconds": result.manifest()["seconds"]}
                head["diverged_at"] = result.json("cost")["diverged_at"] if kind != "reference" else None
                lines.append(head | row)
            row = {"method": "retrained", "title": "Retrained", "kind": "reference", "seed": seed}
            row |= {"result": retrained[seed].key, "seconds": retrained[seed].manifest()["seconds"]}
            lines.append(row | measure(goal, logits["retrained"], logits["retrained"], logits["again"], shadows))

    def make(draft) -> None:
        table = pd.DataFrame(lines)
        draft.seconds = sum(seconds.values())
        draft.table(table)
        draft.arrays(forget=rows, **{f"part_{name}": r for name, r in goal.parts.items()})
        draft.json("summary", summary(study, table, rows, goal, bank, sums, best, seconds))

    return store.remember(study, make)


def summary(study, table: pd.DataFrame, rows, goal: Target, bank: Result, sums, best, seconds) -> dict:
    """The study in numbers, as plain JSON: means over seeds with half widths of 95 % t-intervals."""
    memorized, es = bank_memorization(bank), sums.describe(rows)

    def means(metric: str) -> dict[str, dict]:
        return {name: vars(evaluation.over_seeds(_numbers(group[metric]))) for name, group in table.groupby("method")}

    tow, group_tow, auc, lira = (means(m) for m in ("tow", "group_tow", "attack_auc", "lira_auc"))
    measured = [n for n in tow if n not in REFERENCES]
    return {
        "name": study.name,
        "seconds": seconds,
        "seeds": study.seeds,
        "bank_models": study.models,
        "bank_fitted": memorized.fitted,
        "bank_warning": memorized.warning,
        "forget": len(rows),
        "entanglement": {k: v for k, v in vars(es).items() if np.isreal(v) or isinstance(v, str)},
        "parts": {
            name: {"images": len(r), "memorization": float(memorized.scores[r].mean()), "entanglement": sums.score(r)}
            for name, r in goal.parts.items()
            if len(r)
        },
        "accuracy": {
            n: {s: evaluation.over_seeds(_numbers(g[f"{s}_accuracy"])).mean for s in ("forget", "retain", "test")}
            for n, g in table.groupby("method")
        },
        "part_gaps": part_gaps(table),
        "tow": {n: e["mean"] for n, e in tow.items() if n != "retrained"},
        "group_tow": {n: e["mean"] for n, e in group_tow.items() if n != "retrained"},
        "intervals": {"tow": tow, "group_tow": group_tow, "attack_auc": auc, "lira_auc": lira},
        "attack_auc": {
            "before": auc["original"]["mean"],
            "after": {n: auc[n]["mean"] for n in measured},
            "retrained": auc["retrained"]["mean"],
        },
        "lira_auc": {
            "before": lira["original"]["mean"],
            "after": {n: lira[n]["mean"] for n in measured},
            "retrained": lira["retrained"]["mean"],
        },
        "learning_rates": {short_name(u): u.lr for u in best.values()},
        "at_grid_edge": [short_name(u) for g, u in best.items() if u.lr in (settings(g)[0].lr, settings(g)[-1].lr)],
        "plans_against_best_single": plans_against_best_single(table),
    }


def part_gaps(table: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """Accuracy minus the retrained model's of the same seed, by method and part: above 0 = not forgotten enough."""
    retrained = table[table["method"] == "retrained"].set_index("seed")
    gaps = {}
    for name, group in table.groupby("method"):
        own = group.set_index("seed")
        columns = {part: own[f"{part}_accuracy"] - retrained[f"{part}_accuracy"] for part in PARTS}
        gaps[name] = {part: vars(evaluation.over_seeds(_numbers(column))) for part, column in columns.items()}
    return gaps


def plans_against_best_single(table: pd.DataFrame) -> list[dict]:
    """Each plan against the single algorithm with the best mean group ToW on the same seeds: the hardest rival there
    is.
    """
    single = table[table.kind == "single"]
    if single.empty:
        return []
    rival = single.groupby("method")["group_tow"].mean().idxmax()
    values = {name: g.sort_values("seed")["group_tow"].tolist() for name, g in table.groupby("method")}
    return [
        {"plan": name, "best_single": rival, **vars(evaluation.paired_difference(values[name], values[rival]))}
        for name in table[table.kind == "plan"]["method"].unique()
    ]


def _numbers(column: pd.Series) -> list[float | None]:
    return [None if pd.isna(v) else float(v) for v in column]


MAKERS[Tuning] = _tuning
MAKERS[Study] = _study
