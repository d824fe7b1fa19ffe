"""Searching for the RUM plan that suits a forget set: an algorithm for each part, its learning rate, and the order.

Plans are tried on models that are not reported, with validation images in place of the test images. Only the best few
are then run on the reported models. The best of many trials owes some of its score to luck, and the second look says
how much: that is the optimism of the search.

A round of plans is carried out together and kept, so a search that was stopped goes on with the next round.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unlearn_core import evaluation
from unlearn_core.data import Data
from unlearn_core.device import numerics
from unlearn_core.ensembles import Bank
from unlearn_core.experiment.attributes import known, refine, target
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.measures import measure
from unlearn_core.experiment.model_seeds import AGAIN, TUNING
from unlearn_core.experiment.search_space import Space, settings
from unlearn_core.experiment.study import SINGLES
from unlearn_core.experiment.trained_models import dataset, train_all
from unlearn_core.experiment.trials import PlanTrial, try_all
from unlearn_core.experiment.tuning import within
from unlearn_core.experiment.unlearned_models import Run, run_all
from unlearn_core.forget import ByMemorization, ForgetSet
from unlearn_core.params import BadValue, Spec, build, canonical, param, plain, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Result
from unlearn_core.rows import pack
from unlearn_core.rum import PARTS, Part, Plan, Rum
from unlearn_core.store import Store
from unlearn_core.training import Training, recipe
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain
from unlearn_core.unlearning.request import NEEDS

COLUMNS = ("trial", *PARTS, "order", "steps", "group_tow", "tow", "seconds", "diverged", "plan", "result")


@spec
class PlanSearch(Spec):
    """What may be tried on each part, how it is searched, and how the best plans are confirmed."""

    name: str = param("Plan search", help="what the search is called")
    training: Training = param(recipe(Data()), help="how the original and the retrained models are trained")
    models: int = param(256, 10, 10_000, help="members of the bank that memorization is estimated from")
    forget: ForgetSet = param(ByMemorization(), help="what to forget")
    plan: Plan = param(
        Plan(), help="how the set is cut into parts, and in which order; its algorithms are searched for"
    )
    algorithms: tuple = param(SINGLES, help="algorithms to choose from; leaving a part as it is always belongs to them")
    rates: tuple = param((1.0,), help="factors of each algorithm's own learning rate to try")
    orders: str = param("fixed", choices=("fixed", "all"), help="fixed: the plan's own order; all: all six")
    method: str = param(
        "optuna", choices=("grid", "optuna"), help="grid: every plan; optuna: learns where good ones lie"
    )
    trials: int = param(64, 1, 5000, help="how many plans are tried; the most a grid may have")
    together: int = param(
        16, 1, 256, help="plans tried side by side; a search that is stopped loses at most these, large nets want few"
    )
    tuning_seeds: int = param(2, 1, 20, help="models that each plan is tried on; none of them is reported")
    seeds: int = param(5, 1, 100, help="reported models that the best plans are confirmed on")
    best: int = param(3, 1, 20, help="how many plans are confirmed")
    seed: int = param(0, 0, 2**31 - 1, help="seed of Optuna's draws")

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "training", self.training.but(seed=0, without=""))
        # What runs on the parts is what is searched for, so it is no part of what the search is.
        object.__setattr__(self, "plan", self.plan.but(name="RUM", **dict.fromkeys(PARTS, Original())))
        if not self.algorithms or not all(isinstance(u, Unlearner) for u in self.algorithms):
            raise BadValue("A search needs at least one algorithm to choose from.")
        if any(isinstance(u, (Rum, Retrain)) for u in self.algorithms):
            raise BadValue("A search chooses from single algorithms, and not from retraining, which is the reference.")
        for unlearner in self.algorithms:
            if beyond := sorted(set(unlearner.needs) - {"retain", "forget", "labels"}):
                needed = ", ".join(NEEDS[need] for need in beyond)
                raise BadValue(f"A search cannot choose {unlearner.title}: it needs {needed}.")
        numbers = all(isinstance(f, (int, float)) and not isinstance(f, bool) for f in self.rates)
        if not self.rates or not numbers or not all(1e-4 <= f <= 1e4 for f in self.rates):
            raise BadValue("Factors of a learning rate lie between 0.0001 and 10,000, and there is at least one.")
        object.__setattr__(self, "rates", tuple(sorted({float(f) for f in self.rates})))
        if self.method == "grid" and self.space(PARTS).size > self.trials:
            raise BadValue(
                f"The grid has {self.space(PARTS).size:,} plans, but only {self.trials:,} may be tried: allow more, "
                "choose fewer algorithms or learning rates, or let Optuna search."
            )

    @property
    def bank(self) -> Bank:
        return Bank(training=self.training, models=self.models)

    def space(self, names: Sequence[str]) -> Space:
        """All plans that may be tried where these parts have images."""
        algorithms = [u for u in self.algorithms if not isinstance(u, Original)]
        return Space.of(self.plan, names, algorithms, self.rates, self.orders)

    def rounds(self, names: Sequence[str] = PARTS) -> int:
        """How many rounds the search takes where these parts have images."""
        return -(-(self.space(names).size if self.method == "grid" else self.trials) // self.together)


@spec
class SearchRound(Spec):
    """The plans that a search tries together, number by number."""

    search: PlanSearch = param(help="the search")
    number: int = param(0, 0, help="which round, from 0")


@spec
class BestSoFar(Spec):
    """The best plans of the first rounds of a search that was stopped, on the reported models."""

    name: str = param("Best so far", help="what this is called")
    search: PlanSearch = param(help="the search")
    rounds: int = param(1, 1, help="how many of its rounds were finished")


@dataclass(frozen=True)
class Ground:
    """What all trials of a search share."""

    search: PlanSearch
    rows: np.ndarray
    cut: dict[str, np.ndarray]
    parts: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in PARTS if len(self.cut[name]))

    def trial(self, unlearner: Rum) -> PlanTrial:
        seeds = tuple(TUNING + s for s in range(self.search.tuning_seeds))
        return PlanTrial(
            training=self.search.training, forget=pack(self.rows), parts=self.parts, unlearner=unlearner, seeds=seeds
        )

    def whole(self, unlearner: Unlearner) -> PlanTrial:
        """An algorithm on the whole set."""
        return self.trial(Rum(parts=(Part(name="all", rows=pack(self.rows), unlearner=unlearner),)))


def ground(store: Store, search: PlanSearch, tell: Tell = silent) -> Ground:
    """The forget set and its parts; the bank is made where it is missing."""
    rows = search.forget.choose(known(store, search.bank, tell))
    parts = tuple(pack(part) for part in target(store, search.bank, rows).parts.values())
    return Ground(search, rows, refine(store, search.bank, search.plan, rows), parts)


# -- rounds ------------------------------------------------------------------------------------------------------------


def _round(store: Store, asked: SearchRound, tell: Tell) -> Result:
    search = asked.search
    on = ground(store, search, tell)
    space, size = search.space(on.names), search.together
    if asked.number >= search.rounds(on.names):
        raise BadValue(f"This search has only {search.rounds(on.names)} rounds.")
    if search.method == "grid":
        plans = list(space.grid(asked.number * size, (asked.number + 1) * size))
    else:
        for number in range(asked.number):
            fulfil(store, SearchRound(search=search, number=number), tell)
        known = trials_of(store, search).iloc[: asked.number * size]
        tried = [(build(json.loads(line.plan)), line.group_tow) for line in known.itertuples()]
        size = min(size, search.trials - asked.number * size)
        plans = space.optuna_round(asked.number, size, search.seed, tried)
    results = try_all(store, [on.trial(plan.resolve(on.cut)) for plan in plans], tell)

    def make(draft) -> None:
        lines = []
        for i, (plan, result) in enumerate(zip(plans, results, strict=True)):
            table = result.table()
            means = {name: float(table[name].mean()) for name in ("group_tow", "tow", "seconds")}
            head = {"trial": asked.number * search.together + i, "plan": canonical(plan), "result": result.key}
            lines.append(head | words(plan) | means | {"diverged": int(table["diverged"].sum())})
        draft.table(pd.DataFrame(lines)[list(COLUMNS)])

    return store.remember(asked, make, device=numerics)


def trials_of(store: Store, search: PlanSearch) -> pd.DataFrame:
    """What a search has tried so far, also while it is under way and after it was stopped: a line per trial in order.

    Columns: `trial` (from 0), `low`, `medium`, `high`, `order` (in words), `steps` (on how many parts anything runs),
    `group_tow`, `tow` and `seconds` (means over the models it was tried on, with validation images for test images),
    `diverged` (of how many models the loss was no longer finite), `plan` (JSON), `result` (key of the PlanTrial),
    `best` (the best group ToW so far). Optuna may try a plan again, which costs nothing.
    """
    found = []
    while (done := store.find(SearchRound(search=search, number=len(found)))) is not None:
        found.append(done.table())
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(COLUMNS))
    return table.assign(best=table["group_tow"].astype(float).cummax())


def words(plan: Plan) -> dict[str, str | int]:
    """What runs on each part, in which order, and on how many parts anything runs at all."""
    runs = [getattr(plan, part) for part in PARTS]
    steps = sum(not isinstance(unlearner, Original) for unlearner in runs)
    return dict(zip(PARTS, map(brief, runs), strict=True)) | {"order": ", ".join(plan.order), "steps": steps}


def brief(unlearner: Unlearner) -> str:
    """An algorithm with its learning rate, where it has one."""
    return f"{unlearner.title}, {unlearner.lr:g}" if hasattr(unlearner, "lr") else unlearner.title


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The lines of `trials_of` without repeated plans, the best first. Equals go by the number of parts
    they run on, then by the order of trial.
    """
    once = table.drop_duplicates("plan")
    lost = -once["group_tow"].astype(float).round(9)  # before the first trial the column holds objects
    return once.assign(lost=lost).sort_values(["lost", "steps", "trial"]).drop(columns="lost")


def begun(store: Store, bank: Bank, forget: ForgetSet) -> list[PlanSearch]:
    """The searches for this forget set that finished a round, the one that did so last first."""
    searches = dict.fromkeys(result.spec().search for result in store.results("SearchRound"))
    return [search for search in searches if (search.bank, search.forget) == (bank, forget)]


# -- the whole search --------------------------------------------------------------------------------------------------


def _search(store: Store, search: PlanSearch, tell: Tell) -> Result:
    tell("data", 0, 1)
    dataset(store, search.training.data, tell)
    tell("forget set", 0, 1)
    on = ground(store, search, tell)
    count = search.rounds(on.names)
    for number in range(count):
        fulfil(store, SearchRound(search=search, number=number), within(tell, "trials", number, count))
    table = trials_of(store, search)
    summary = _best(store, on, table, tell)

    def make(draft) -> None:
        draft.table(table)
        draft.json("summary", summary)

    return store.remember(search, make, device=numerics)


def _best(store: Store, on: Ground, table: pd.DataFrame, tell: Tell) -> dict:
    """What the best plans of these trials come to on the reported models, beside the best single algorithm."""
    search = on.search
    singles = [u for given in search.algorithms for u in settings(given, search.rates)]
    alone = try_all(store, [on.whole(u) for u in singles], within(tell, "single algorithms", 0, 1))
    scores = [round(float(result.table()["group_tow"].mean()), 9) for result in alone]
    rival = int(np.argmax(scores))
    leading = ranked(table).head(search.best)
    plans = [build(json.loads(text)).but(name=f"Found {i}") for i, text in enumerate(leading["plan"], 1)]
    chosen = [plan.resolve(on.cut) for plan in plans] + [singles[rival]]
    confirmed, ceiling = _confirm(store, search, on.rows, chosen, tell)
    against = [evaluation.paired_difference(values, confirmed[-1]) for values in confirmed[:-1]]
    lines = [
        {
            "plan": plain(plan),
            "trial": int(trial),
            "tuning": float(score),
            "confirmed": vars(evaluation.over_seeds(values)),
            "optimism": float(score - np.mean(values)),
            "above_single": vars(difference),
        }
        for plan, trial, score, values, difference in zip(
            plans, leading["trial"], leading["group_tow"], confirmed[:-1], against, strict=True
        )
    ]
    return {
        "name": search.name,
        "forget": len(on.rows),
        "space": search.space(on.names).size,
        "trials": len(table),
        "different": int(table["plan"].nunique()),
        "seeds": search.seeds,
        "tuning_seeds": search.tuning_seeds,
        "plans": lines,
        "single": {
            "unlearner": plain(singles[rival]),
            "tuning": scores[rival],
            "confirmed": vars(evaluation.over_seeds(confirmed[-1])),
            "optimism": scores[rival] - float(np.mean(confirmed[-1])),
        },
        "ceiling": vars(evaluation.over_seeds(ceiling)),
    }


def _best_so_far(store: Store, asked: BestSoFar, tell: Tell) -> Result:
    search = asked.search
    on = ground(store, search, tell)
    for number in range(asked.rounds):
        fulfil(store, SearchRound(search=search, number=number), within(tell, "trials", number, asked.rounds))
    table = trials_of(store, search).iloc[: asked.rounds * search.together]
    summary = _best(store, on, table, tell) | {"name": asked.name}

    def make(draft) -> None:
        draft.table(table)
        draft.json("summary", summary)

    return store.remember(asked, make, device=numerics)


def so_far(store: Store, search: PlanSearch) -> BestSoFar | None:
    """What confirms the best plans of a search as far as it has come; None before its first round is finished."""
    tried = len(trials_of(store, search))
    return BestSoFar(search=search, rounds=-(-tried // search.together)) if tried else None


def _confirm(store: Store, search: PlanSearch, rows: np.ndarray, chosen: list[Unlearner], tell: Tell):
    """Group ToW on the reported models: a list over seeds for each, and for one retrained model against another."""
    training, goal, seeds = search.training, target(store, search.bank, rows), range(search.seeds)
    tell("reported models", 0, 1)
    wanted = [training.but(seed=s) for s in seeds]
    wanted += [training.but(seed=a + s, without=pack(rows)) for a in (0, AGAIN) for s in seeds]
    models = [result.arrays("logits") for result in train_all(store, wanted, within(tell, "reported models", 0, 1))]
    retrained, again = models[search.seeds : 2 * search.seeds], models[2 * search.seeds :]

    def scores(found: list[dict]) -> list[float]:
        return [measure(goal, u, r, r, None)["group_tow"] for u, r in zip(found, retrained, strict=True)]

    runs = [Run(training=training.but(seed=s), forget=pack(rows), unlearner=u, seed=s) for u in chosen for s in seeds]
    found = [result.arrays("logits") for result in run_all(store, runs, within(tell, "confirmation", 0, 1))]
    confirmed = [scores(found[i : i + search.seeds]) for i in range(0, len(found), search.seeds)]
    return confirmed, scores(again)


MAKERS[PlanSearch] = _search
MAKERS[SearchRound] = _round
MAKERS[BestSoFar] = _best_so_far
