"""Choosing learning rates: on models that are not reported, with validation images in place of the test images.

Each algorithm is tuned by itself, so that an interrupted search goes on with the next one, and another study with the
same algorithm on the same models finds its choice made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import pandas as pd

from unlearn_core.device import numerics
from unlearn_core.ensembles import Bank
from unlearn_core.experiment.attributes import known, target
from unlearn_core.experiment.door import MAKERS
from unlearn_core.experiment.measures import Validation
from unlearn_core.experiment.memorized import Unbanked
from unlearn_core.experiment.model_seeds import TUNING
from unlearn_core.experiment.spread import fulfil_all
from unlearn_core.experiment.trained_models import all_logits, dataset, train_all
from unlearn_core.experiment.unlearned_models import Run, unlearn
from unlearn_core.forget import ByMemorization, Known
from unlearn_core.params import Spec, param, params, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Result
from unlearn_core.rows import pack
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import Unlearner

# Defaults suit small nets, so larger ones are looked for further down.
FACTORS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@spec
class Tuning(Spec):
    """The settings of one algorithm, tried on models of their own: the one with the best mean group ToW is chosen."""

    version = 2  # an algorithm that looks at validation images is judged by others than it is shown

    training: Training = param(help="how the models are trained")
    forget: str = param(help="rows to forget")
    parts: tuple = param(help="rows of each part")
    unlearners: tuple = param(help="every setting to try")
    seeds: tuple = param(help="seeds of the models")


def settings(unlearner: Unlearner, factors: Sequence[float] = FACTORS) -> tuple[Unlearner, ...]:
    """An algorithm at each of these multiples of its own learning rate, as far as its range goes. None where it has
    none: other settings stay as they were given.
    """
    if not hasattr(unlearner, "lr"):
        return ()
    declared = next(p for p in params(type(unlearner)) if p.name == "lr")

    def rate(factor: float) -> float:
        return min(max(float(f"{unlearner.lr * factor:.3g}"), declared.low), declared.high)

    return tuple(dict.fromkeys(unlearner if f == 1.0 else unlearner.but(lr=rate(f)) for f in factors))


def grid(unlearner: Unlearner) -> tuple[Unlearner, ...]:
    """An algorithm at every combination of the values that it declares as worth trying; none where it declares none."""
    declared = type(unlearner).grid
    combinations = product(*declared.values()) if declared else ()
    return tuple(dict.fromkeys(unlearner.but(**dict(zip(declared, c, strict=True))) for c in combinations))


def tuning_set(about: Known, rows: np.ndarray) -> np.ndarray:
    """(k,) rows to choose settings on, for a set of these rows to forget: a mixed set of the same size, because on one
    memorization level the best learning rate can be the one that does nothing. For whole classes as many other classes,
    as long as there are.
    """
    classes = np.unique(about.labels[rows])
    if np.isin(about.labels, classes).sum() != len(rows):
        return ByMemorization(level="mix", size=max(3, min(len(rows), len(about.labels) // 3))).choose(about)
    others = np.setdiff1d(np.arange(len(about.classes)), classes)[: len(classes)]
    return np.flatnonzero(np.isin(about.labels, others))


def tunings(
    store: Store, bank: Bank | Unbanked, unlearners: Iterable[Unlearner], rows: np.ndarray, seeds: int
) -> dict[Unlearner, Tuning]:
    """The search for each algorithm that has something to choose, for a set of these rows: on other models."""
    tried = [u for u in dict.fromkeys(unlearners) if settings(u)]
    if not seeds or not tried:
        return {}
    rows = tuning_set(known(store, bank), rows)
    parts = tuple(pack(part) for part in target(store, bank, rows).parts.values())
    shared = {"training": bank.training, "forget": pack(rows), "parts": parts}
    numbers = tuple(TUNING + s for s in range(seeds))
    return {u: Tuning(**shared, unlearners=settings(u), seeds=numbers) for u in tried}


def best_settings(store: Store, searches: dict[Unlearner, Tuning], tell: Tell = silent) -> dict[Unlearner, Unlearner]:
    """Each algorithm as given -> its chosen setting; searches that are not there yet are made."""
    missing = [search for search in searches.values() if store.find(search) is None]
    for search in missing:
        _models(store, search)  # before the searches are shared out, for they share these
    results = fulfil_all(store, searches.values(), tell)
    return {given: chosen(search, r.table()) for (given, search), r in zip(searches.items(), results, strict=True)}


def _models(store: Store, search: Tuning, tell: Tell = silent) -> tuple[list[Training], list[Result]]:
    """The trainings of a search's original models, which are there afterwards, and their retrained models."""
    trainings = [search.training.but(seed=s) for s in search.seeds]
    made = train_all(store, [*trainings, *(t.but(without=search.forget) for t in trainings)], tell)
    return trainings, made[len(trainings) :]


def chosen(search: Tuning, table: pd.DataFrame) -> Unlearner:
    """The setting with the best mean group ToW; of equals the smaller learning rate, then the first."""
    means = table.groupby("setting")["group_tow"].mean()
    best = max(round(value, 9) for value in means)
    equal = [u for j, u in enumerate(search.unlearners) if round(means[j], 9) == best]
    return min(equal, key=lambda u: getattr(u, "lr", 0.0))


def within(tell: Tell, stage: str, number: int, of: int) -> Tell:
    """A `tell` for one of several equal pieces of a stage."""
    return lambda _, done, total: tell(stage, round(1000 * (number + done / total)), 1000 * of)


def _tuning(store: Store, search: Tuning, tell: Tell) -> Result:
    images = dataset(store, search.training.data)
    validation = Validation.of(images, search.forget, search.parts, search.unlearners)
    trainings, retrained = _models(store, search, tell)
    pairs = [(j, i) for j in range(len(search.unlearners)) for i in range(len(search.seeds))]
    runs = [
        Run(training=trainings[i], forget=search.forget, unlearner=search.unlearners[j], seed=search.seeds[i])
        for j, i in pairs
    ]

    def make(draft) -> None:
        lines = []
        for (j, i), (unlearned, _) in zip(pairs, unlearn(store, runs, tell, validation.shown), strict=True):
            row = validation.measure(all_logits(unlearned.model, images), retrained[i].arrays("logits"))
            head = {
                "setting": j,
                "algorithm": search.unlearners[j].title,
                "lr": getattr(search.unlearners[j], "lr", None),
            }
            lines.append(head | {"seed": search.seeds[i]} | row)
        draft.table(pd.DataFrame(lines))

    return store.remember(search, make, device=numerics)


MAKERS[Tuning] = _tuning
