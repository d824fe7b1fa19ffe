"""RUM: refine the forget set into homogeneous parts, then unlearn part after part, each with the algorithm that suits
it.

Source: Zhao, Kurmanji, Barbulescu, Triantafillou, Triantafillou (2024), "What makes unlearning hard and what to do
about it", arXiv:2406.01257.

A `Plan` says how to refine and what to run; applied to a forget set it becomes a `Rum`, which names its rows and is an
ordinary Unlearner. So what ran can be read from its spec alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.proxies import PROXIES
from unlearn_core.rows import pack, unpack
from unlearn_core.unlearning import Cost, GradientUnlearner, Request, Unlearned, Unlearner, unlearn_together
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.relabel.random_label import RandomLabel
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

PARTS = ("low", "medium", "high")
CONTROLS = ("none", "shuffle")


@spec
class Part(Spec):
    """One part of a forget set and the algorithm that forgets it."""

    name: str = param(help="what the part is called")
    rows: str = param(help="its training rows, such as 3,7-9")
    unlearner: Unlearner = param(Original(), help="the algorithm for this part")


@spec
class Rum(Unlearner):
    """Unlearn part after part, in the order given; parts still to come stay in the retain set.

    theta_i = U_i(theta_(i-1), forget S_i, retain D minus (S_1 .. S_i)), each step with a fresh optimiser.

    Source: Zhao et al. (2024), arXiv:2406.01257.
    Departs from the released code: one rule for the retain set in all cases (there it differs between scripts);
    `exclude_all` gives the other one.
    """

    title = "RUM"
    group = "wrappers"
    scope: ClassVar[str] = "both"

    parts: tuple = param(help="the parts, in the order in which they are unlearned")
    exclude_all: bool = param(False, help="leave all parts out of the retain set from the first step on")

    def __post_init__(self):
        super().__post_init__()
        if not self.parts or not all(isinstance(p, Part) for p in self.parts):
            raise BadValue("A RUM plan needs at least one part.")
        if any(isinstance(p.unlearner, Rum) for p in self.parts):
            raise BadValue("A part of a RUM plan cannot be a RUM plan itself.")

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(sorted({need for p in self.parts for need in p.unlearner.needs}))

    def refuse(self, request: Request) -> None:
        for part in self.parts[:-1]:
            if part.unlearner.ensemble:
                raise BadValue(f"{part.unlearner.title} gives several models that vote, so it can only come last.")
        rows = self.rows(request)
        for number, part in enumerate(self.parts):
            part.unlearner.refuse(self.request_of(number, rows, request))

    def __call__(self, original, request: Request) -> Unlearned:
        return _by_parts([self], [original], [request])[0]

    def rows(self, request: Request) -> list[np.ndarray]:
        """The rows of each part. Raises BadValue unless the parts are exactly the forget set, each row once."""
        rows = [unpack(p.rows, len(request.y)) for p in self.parts]
        together = np.concatenate(rows)
        if len(np.unique(together)) != len(together):
            raise BadValue("The parts of the plan overlap.")
        if not np.array_equal(np.sort(together), request.forget):
            raise BadValue("The parts of the plan do not cover the forget set exactly.")
        return rows

    def request_of(self, number: int, rows: list[np.ndarray], request: Request) -> Request:
        """What the step of one part is asked: its rows to forget, and what stays meanwhile."""
        gone = np.concatenate(rows if self.exclude_all else rows[: number + 1])
        # Rows in neither set (an earlier request of a stream) stay outside.
        retain = np.setdiff1d(np.concatenate([request.retain, request.forget]), gone)

        def tell(stage, done, of):
            request.tell(f"unlearn {self.parts[number].name}", number * of + done, of * len(rows))

        seed = part_seed(request.seed, number)
        # A model of which a part is forgotten is no longer the one whose training is known.
        history = None if number else request.history
        return replace(request, forget=rows[number], retain=retain, seed=seed, tell=tell, history=history)


def part_seed(seed: int, number: int) -> int:
    """The seed of a part's step: the first draws what a run alone would draw, the others do not repeat it."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1) if number else seed


def _by_parts(plans: Sequence[Rum], models: Sequence, requests: Sequence[Request]) -> list[Unlearned]:
    """Plans with equally many parts, part after part; runs of one part go side by side where they can."""
    for plan, request in zip(plans, requests, strict=True):
        plan.refuse(request)
    rows = [plan.rows(request) for plan, request in zip(plans, requests, strict=True)]
    costs = [Cost() for _ in plans]
    for number in range(len(plans[0].parts)):
        asked = [p.request_of(number, r, q) for p, r, q in zip(plans, rows, requests, strict=True)]
        done = unlearn_together([p.parts[number].unlearner for p in plans], models, asked)
        models = [unlearned.model for unlearned in done]
        for plan, request, cost, unlearned in zip(plans, requests, costs, done, strict=True):
            cost.add(unlearned.cost)
            request.after(plan.parts[number].name, unlearned.model)
    return [Unlearned(model, cost) for model, cost in zip(models, costs, strict=True)]


def unlearn_many(unlearners: Sequence[Unlearner], originals: Sequence, requests: Sequence[Request]) -> list[Unlearned]:
    """Many runs, plans included: side by side where that is possible and pays. In order; the same results as one by
    one, up to rounding.
    """
    kinds, done = defaultdict(list), {}
    for i, unlearner in enumerate(unlearners):
        kinds[len(unlearner.parts) if isinstance(unlearner, Rum) else None].append(i)
    for parts, members in kinds.items():
        together = unlearn_together if parts is None else _by_parts
        found = together(*([values[i] for i in members] for values in (unlearners, originals, requests)))
        done |= zip(members, found, strict=True)
    return [done[i] for i in range(len(unlearners))]


# The mean memorization up to which images may be left as they are. It is by how much less often a model gets them right
# that never saw them; the paper leaves a part where that is about 0.
LEFT_UP_TO = 0.25


@spec
class Plan(Spec):
    """How to refine a forget set, and an algorithm for each part: what the Plan page edits, saves and runs."""

    name: str = param("RUM", help="what the plan is called")
    by: str = param("memorization", choices=("memorization", "entanglement", *PROXIES), help="the score that refines")
    cut_by: str = param("rank", choices=("rank", "value"), help="cuts as shares of the set, or as scores")
    low_cut: float = param(1 / 3, -1e9, 1e9, help="where the low part ends")
    high_cut: float = param(2 / 3, -1e9, 1e9, help="where the high part begins")
    low: Unlearner = param(Original(), help="algorithm for the low part")
    medium: Unlearner = param(FineTune(), help="algorithm for the medium part")
    high: Unlearner = param(RandomLabel(), help="algorithm for the high part")
    order: tuple = param(PARTS, help="the order in which the parts are unlearned")
    exclude_all: bool = param(False, help="leave all parts out of the retain set from the first step on")
    control: str = param("none", choices=CONTROLS, help="shuffle: parts of the same sizes, drawn at random")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the shuffle")

    def __post_init__(self):
        super().__post_init__()
        if sorted(self.order) != sorted(PARTS):
            raise BadValue("The order of a plan names low, medium and high, each once.")
        if self.low_cut > self.high_cut:
            raise BadValue("The low cut lies above the high cut.")
        if self.cut_by == "rank" and not 0 <= self.low_cut <= self.high_cut <= 1:
            raise BadValue("Cuts by rank lie between 0 and 1.")

    def refine(self, rows: np.ndarray, scores: np.ndarray, measure=None) -> dict[str, np.ndarray]:
        """The rows (k,) of each part, by their scores (k,), higher = more memorized.

        Equal scores go by row number, so the parts are the same for every method. A part may be empty. A shuffle keeps
        the sizes. With `measure`, a function of rows, the parts are named by what it measures: for entanglement, which
        is a property of a set, the scores only say which images lie together.
        """
        order = np.lexsort((rows, scores))
        if self.cut_by == "rank":
            first, second = round(self.low_cut * len(rows)), round(self.high_cut * len(rows))
        else:
            first, second = np.searchsorted(scores[order], [self.low_cut, self.high_cut], side="left")
        parts = np.split(rows[order], [first, second])
        if measure is not None:
            parts = sorted(parts, key=lambda part: measure(part) if len(part) else -np.inf)
        if self.control == "shuffle":
            deck = np.random.default_rng([self.seed, 0x5F]).permutation(np.sort(rows))
            parts = np.split(deck, np.cumsum([len(part) for part in parts])[:-1])
        return {name: np.sort(part) for name, part in zip(PARTS, parts, strict=True)}

    def ties(self, rows: np.ndarray, scores: np.ndarray, parts: dict[str, np.ndarray]) -> list[dict[str, int]]:
        """Where images (k,) of one and the same score (k,) fall into several parts: how many into which."""
        if self.control == "shuffle":
            return []
        each = {name: np.unique(scores[np.isin(rows, part)], return_counts=True) for name, part in parts.items()}
        counts = {name: dict(zip(*map(np.ndarray.tolist, found), strict=True)) for name, found in each.items()}
        several = Counter(score for found in counts.values() for score in found)
        shared = sorted(score for score, in_parts in several.items() if in_parts > 1)
        return [{name: found[score] for name, found in counts.items() if score in found} for score in shared]

    def resolve(self, parts: dict[str, np.ndarray]) -> Rum:
        """The plan on the parts that `refine` gave: a Rum that names its rows. Empty parts are left out."""
        steps = tuple(
            Part(name=name, rows=pack(parts[name]), unlearner=getattr(self, name))
            for name in self.order
            if len(parts[name])
        )
        return Rum(parts=steps, exclude_all=self.exclude_all)


def shuffled(plan: Plan, seed: int = 0) -> Plan:
    """The control with the same algorithms and part sizes, but parts drawn at random: no homogeneity."""
    return plan.but(name=f"{plan.name}, shuffled", control="shuffle", seed=seed)


def same_everywhere(plan: Plan, unlearner: Unlearner) -> Plan:
    """RUM^F: the same algorithm for each part, which shows what refining alone is worth."""
    return plan.but(name=f"RUM^F {unlearner.title}", low=unlearner, medium=unlearner, high=unlearner)


def vanilla(unlearner: Unlearner, passes: int) -> Unlearner:
    """The control with one run over the whole set and as much work as one run for each of `passes` parts.

    Each part costs a run over the retain set, so the epochs are multiplied, up to the most there may be. Passes over
    the forget set are not: those over the parts add up to those over the whole.
    """
    if not isinstance(unlearner, GradientUnlearner) or unlearner.walk == "forget":
        return unlearner
    return unlearner.but(epochs=min(200, unlearner.epochs * passes))
