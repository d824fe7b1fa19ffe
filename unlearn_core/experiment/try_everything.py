"""Every algorithm on one forget set at once: what is finished can be looked at while the rest is under way.

All of it is ordinary runs over the seeds that studies use, so a study of the same set finds them made, and what a study
has done is found again here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from unlearn_core import evaluation
from unlearn_core.data import Data
from unlearn_core.device import numerics
from unlearn_core.ensembles import Bank
from unlearn_core.experiment.attributes import known, refine, target
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.forecast import Forecast, forecast
from unlearn_core.experiment.landscape import can_run, usual
from unlearn_core.experiment.measures import Target, measure
from unlearn_core.experiment.memorized import Unbanked, bank_of
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.spread import fulfil_all, still_to_make
from unlearn_core.experiment.study import FEWEST, Study
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, REFERENCES, RETRAINED
from unlearn_core.experiment.trained_models import dataset, train_all
from unlearn_core.experiment.unlearned_models import Run, refuse, run_all
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.forget import ByMemorization, ForgetSet
from unlearn_core.params import BadField, BadValue, Spec, param, spec
from unlearn_core.progress import Tell, in_steps
from unlearn_core.result import Result
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store
from unlearn_core.training import Training, recipe
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.retrain import Retrain
from unlearn_core.unlearning.relabel.salun import SalUn

# The paper's order with its two ways of forgetting the hardest images.
PLANS = (Plan(), Plan(name="RUM with SalUn", high=SalUn()))


@spec
class TryEverything(Spec):
    """Which algorithms and plans to try on a forget set, and on how many original models."""

    name: str = param("Everything", help="what this is called")
    training: Training = param(recipe(Data()), help="how the original and the retrained models are trained")
    models: int = param(64, 0, 10_000, help="members of the bank that memorization is estimated from; 0 = no bank")
    stop_at: float = param(0.0, 0.0, 0.999, help="reliability at which the bank stops early; 0 = it does not")
    forget: ForgetSet = param(ByMemorization(), help="what to forget")
    unlearners: tuple = param(usual(), help="algorithms to run on the whole forget set, in this order")
    plans: tuple = param(PLANS, help="RUM plans, before the algorithms")
    seeds: int = param(3, 1, 100, help="how many original models are unlearned")

    def __post_init__(self):
        super().__post_init__()
        if 0 < self.models < FEWEST:
            raise BadField("models", f"must be at least {FEWEST}, or 0 for no bank, not {self.models}.")
        object.__setattr__(self, "training", self.training.but(seed=0, without=""))
        fits = all(isinstance(u, Unlearner) for u in self.unlearners) and all(isinstance(p, Plan) for p in self.plans)
        if not fits or not self.unlearners + self.plans:
            raise BadValue("There is at least one algorithm or RUM plan to try.")

    @property
    def stages(self) -> tuple[str, ...]:
        """What making it goes through, in this order."""
        return ("data", *["bank"] * bool(self.models), "forget set", "retrained models", "unlearning")

    @property
    def bank(self) -> Bank | Unbanked:
        return bank_of(self.training, self.models, self.stop_at)


@spec
class Attempt(Spec):
    """One way of forgetting over several seeds, measured; Retrain stands for what others are held against."""

    training: Training = param(help="how the models are trained")
    forget: str = param(help="rows to forget")
    parts: tuple = param(help="rows of the low, medium and high third, on which closeness is measured")
    unlearner: Unlearner = param(help="the algorithm")
    seeds: int = param(3, 1, 100, help="how many original models")


def _attempt(store: Store, attempt: Attempt, tell: Tell) -> Result:
    seeds, training = range(attempt.seeds), attempt.training
    trained = train_all(store, _references(attempt), tell)
    retrained, again = trained[: attempt.seeds], trained[attempt.seeds :]
    goal = _target(store, attempt)
    if isinstance(attempt.unlearner, Retrain):
        originals = train_all(store, [training.but(seed=s) for s in seeds], tell)
        lines = [_line(goal, ORIGINAL, s, originals[s], retrained[s], again[s]) for s in seeds]
        lines += [_line(goal, CEILING, s, again[s], retrained[s], retrained[s]) for s in seeds]
        lines += [_line(goal, RETRAINED, s, retrained[s], retrained[s], again[s]) for s in seeds]
    else:
        runs = [
            Run(training=training.but(seed=s), forget=attempt.forget, unlearner=attempt.unlearner, seed=s)
            for s in seeds
        ]
        made = run_all(store, runs, tell)
        stopped = [r.json("cost")["diverged_at"] is not None for r in made]
        lines = [_line(goal, "method", s, made[s], retrained[s], again[s]) | {"diverged": stopped[s]} for s in seeds]

    def make(draft) -> None:
        draft.table(pd.DataFrame(lines))

    return store.remember(attempt, make, device=numerics)


def _references(attempt: Attempt) -> list[Training]:
    return [attempt.training.but(seed=a + s, without=attempt.forget) for a in (0, AGAIN) for s in range(attempt.seeds)]


def _target(store: Store, attempt: Attempt) -> Target:
    images = dataset(store, attempt.training.data)
    n = len(images.train.y)
    parts = {name: unpack(text, n) for name, text in zip(PARTS, attempt.parts, strict=True)}
    return Target(images.train.y.numpy(), images.test.y.numpy(), unpack(attempt.forget, n), parts)


def _line(goal: Target, what: str, seed: int, result: Result, retrained: Result, again: Result) -> dict:
    logits = [r.arrays("logits") for r in (result, retrained, again)]
    head = {"what": what, "seed": seed, "seconds": result.manifest()["seconds"], "diverged": False}
    return head | measure(goal, *logits, None)


def _everything(store: Store, asked: TryEverything, tell: Tell) -> Result:
    training = asked.training
    tell("data", 0, 1)
    dataset(store, training.data, tell)
    if asked.models:
        bank = in_steps(tell, 1)
        fulfil(store, asked.bank, lambda _, done, total: bank("bank", done, total))
    tell("forget set", 0, 1)
    rows = asked.forget.choose(known(store, asked.bank, tell))
    todo = attempts(store, asked)
    parts = [tried.attempt for tried in todo]
    for attempt in parts[1:]:
        refuse(store, training, rows, attempt.unlearner)  # before any of them costs time
    models = [*(training.but(seed=s) for s in range(asked.seeds)), *_references(parts[0])]
    step = in_steps(tell, still_to_make(store, models))
    train_all(store, models, lambda _, done, total: step("retrained models", done, total))
    each = in_steps(tell, still_to_make(store, parts))
    fulfil_all(store, parts, lambda _, done, total: each("unlearning", done, total))

    def make(draft) -> None:
        draft.table(board(store, todo))

    return store.remember(asked, make, device=numerics)


@dataclass(frozen=True)
class Tried:
    """One thing to try: its name and kind (reference, single or plan), the stored part that it becomes, and the plan as
    it was given where it is one.
    """

    title: str
    kind: str
    attempt: Attempt
    plan: Plan | None = None


def fitting(study: OpenStudy, forget: ForgetSet, rows: np.ndarray, seeds: int) -> TryEverything:
    """All that fits these rows, which `forget` names, with the settings that a study found where it ran an algorithm,
    alone or in a plan: on its own set what it has done is found again.
    """
    spec, best = study.spec, study.best
    usual = TryEverything(
        name=f"Everything on {len(rows):,} images",
        training=spec.training,
        models=spec.models,
        stop_at=spec.stop_at,
        forget=forget,
        seeds=min(seeds, spec.seeds),
    )
    fits = (u for u in usual.unlearners if can_run(study.store, spec.training, rows, u))
    plans = (p.but(**{part: best.get(getattr(p, part), getattr(p, part)) for part in PARTS}) for p in spec.plans)
    return usual.but(
        unlearners=tuple(dict.fromkeys(study.settings.get(type(u), u) for u in fits)),
        plans=tuple(dict.fromkeys([*plans, *usual.plans])),
    )


def attempts(store: Store, asked: TryEverything) -> list[Tried]:
    """What is tried, in order: the references, the plans, the algorithms. The bank is made where it is missing."""
    rows = asked.forget.choose(known(store, asked.bank))
    parts = tuple(pack(part) for part in target(store, asked.bank, rows).parts.values())
    shared = {"training": asked.training, "forget": pack(rows), "parts": parts, "seeds": asked.seeds}
    found = [Tried("References", "reference", Attempt(**shared, unlearner=Retrain()))]
    plans = list(dict.fromkeys(asked.plans))
    for plan, title in zip(plans, _titles(plans), strict=True):
        rum = plan.resolve(refine(store, asked.bank, plan, rows))
        found.append(Tried(title, "plan", Attempt(**shared, unlearner=rum), plan))
    for unlearner in dict.fromkeys(asked.unlearners):
        found.append(Tried(unlearner.title, "single", Attempt(**shared, unlearner=unlearner)))
    return found


def _titles(plans: Sequence[Plan]) -> list[str]:
    """The names of plans, each once: a study's own plan may be called as one that is tried everywhere."""
    titles: list[str] = []
    for plan in plans:
        same = [plan.name, f"{plan.name}, usual settings"] if plan in PLANS else [plan.name]
        numbered = (f"{plan.name} ({i})" for i in range(2, len(plans) + 2))
        titles.append(next(title for title in chain(same, numbered) if title not in titles))
    return titles


def board(store: Store, todo: Sequence[Tried]) -> pd.DataFrame:
    """The leaderboard of all of `attempts` that is finished, also while the rest is under way: the closest first.

    Columns: `title`, `kind` (reference, single or plan), `number` (which of the attempts), `group_tow`, `tow`,
    `attack_auc`, `forget_accuracy`, `retain_accuracy` and `test_accuracy` (means over seeds, None where there is
    nothing to measure) each with `<name>_half`, the half width of its 95 % interval; `seconds` (mean of a run),
    `diverged` (how many runs). The retrained model has no closeness: it is what the others are close to.
    """
    lines = []
    for number, tried in enumerate(todo):
        if (found := store.find(tried.attempt)) is None:
            continue
        for what, group in found.table().groupby("what", sort=False):
            line = {"title": REFERENCES.get(what, tried.title), "kind": tried.kind, "number": number}
            for name in MEASURES:
                values = evaluation.values_of(group[name])
                told = evaluation.over_seeds([] if what == RETRAINED and name.endswith("tow") else values)
                line |= {name: told.mean, f"{name}_half": told.half_width}
            lines.append(line | {"seconds": float(group["seconds"].mean()), "diverged": int(group["diverged"].sum())})
    columns = [*("title", "kind", "number"), *(c for m in MEASURES for c in (m, f"{m}_half")), "seconds", "diverged"]
    table = pd.DataFrame(lines, columns=columns)
    return table.sort_values("group_tow", ascending=False, kind="stable", ignore_index=True)


def level(table: pd.DataFrame) -> int:
    """How many ways of a `board` have an interval of group ToW that overlaps with that of the closest one."""
    ranked = table[(table["kind"] != "reference") & table["group_tow"].notna()]
    mean, half = ranked["group_tow"], ranked["group_tow_half"].astype(float).fillna(0.0)
    return int((mean + half >= (mean - half).iloc[0]).sum()) - 1 if len(ranked) else 0


MEASURES = ("group_tow", "tow", "attack_auc", "forget_accuracy", "retain_accuracy", "test_accuracy")


def cost(finished: OpenStudy, asked: TryEverything) -> Forecast:
    """What it will cost, from what the runs of a finished study with the same training and bank took. Raises BadValue
    where the two do not share them.
    """
    study = Study(
        training=asked.training,
        models=asked.models,
        stop_at=asked.stop_at,
        forget=asked.forget,
        unlearners=asked.unlearners,
        plans=asked.plans,
        controls=False,
        seeds=asked.seeds,
        tuning_seeds=0,
    )
    return forecast(finished, study)


MAKERS |= {TryEverything: _everything, Attempt: _attempt}

__all__ = ["Attempt", "Tried", "TryEverything", "attempts", "board", "can_run", "cost", "fitting", "level"]
