"""Plans that finished studies ran on one and the same forget set, so that a new plan can be compared with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from unlearn_core.experiment.listed import whole_studies
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.result import Result
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store

NEWEST = 100  # plans that are offered; a longer list is no choice


@dataclass(frozen=True)
class Earlier:
    """The plan with this `number` of the finished study with the key `study` and the name `of`: `given` as the study
    was asked for it, `ran` with the learning rates that the study chose.
    """

    study: str
    of: str
    number: int
    given: Plan
    ran: Plan


def same(one: Plan, other: Plan) -> bool:
    """Whether two plans run the same, whatever they are called."""
    return one.but(name=other.name) == other


def earlier_plans(study: OpenStudy, rows: np.ndarray) -> list[Earlier]:
    """The plans of finished studies with this one's training and models that forgot exactly these rows (k,) int,
    sorted: those of this study first, then the newest, at most NEWEST. Of plans that ran the same the first stands for
    all.
    """
    found: dict[Plan, Earlier] = {}
    wanted = (study.spec.training, study.spec.bank)
    for result in sorted(whole_studies(study.store), key=lambda result: result.key != study.key):
        spec = result.spec()
        if not spec.plans or (spec.training, spec.bank) != wanted or not np.array_equal(forgotten(result), rows):
            continue
        for each in _plans(study.store, result):
            found.setdefault(each.ran.but(name=""), each)
        if len(found) >= NEWEST:
            break
    return list(found.values())[:NEWEST]


def beside(plan: Plan, earlier: Iterable[Earlier], as_ran: bool) -> tuple[Plan, ...]:
    """A plan and after it the earlier ones that do not run the same, with the learning rates that they ran with where
    `as_ran`, as they were given where rates are chosen anew. All names differ: where one is taken, the key of the study
    stands after it.
    """
    found = [plan]
    for each in earlier:
        other = each.ran if as_ran else each.given
        if any(same(other, known) for known in found):
            continue
        taken, names = {known.name for known in found}, [other.name, f"{other.name} #{each.study[:4]}"]
        names += [f"{names[1]}, {number}" for number in range(2, len(found) + 3)]
        found.append(other.but(name=next(name for name in names if name not in taken)))
    return tuple(found)


@lru_cache(maxsize=1024)  # a store hands out the same result while its files are the same
def forgotten(result: Result) -> np.ndarray:
    """(k,) the rows that a finished study forgot, sorted."""
    return result.arrays()["forget"]


@lru_cache(maxsize=256)
def _plans(store: Store, result: Result) -> tuple[Earlier, ...]:
    spec, best = result.spec(), OpenStudy(store, result).best
    found = []
    for number, plan in enumerate(spec.plans):
        chosen = {part: best.get(getattr(plan, part), getattr(plan, part)) for part in PARTS}
        found.append(Earlier(result.key, spec.name, number, plan, plan.but(**chosen)))
    return tuple(found)
