"""Many RUM plans carried out together: what they share is done once, and steps of one algorithm go side by side.

Plans that begin alike share their first steps, so trying every algorithm on every part costs little more than the last
parts alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.trained_models import dataset, load_model
from unlearn_core.experiment.unlearned_models import Run, to_device
from unlearn_core.progress import Tell, silent
from unlearn_core.rows import others, unpack
from unlearn_core.rum import Rum
from unlearn_core.store import Store
from unlearn_core.unlearning import Request, Unlearned, unlearn_together


def unlearn_plans(store: Store, runs: Sequence[Run], tell: Tell = silent) -> Iterator[tuple[int, Unlearned]]:
    """Carry out runs of plans on models of one dataset: (number of the run, its unlearned model), as they get ready.

    The same models as one by one, up to rounding. The unlearner of each run is a Rum without retraining from scratch.
    A model's cost counts its shared steps in full.
    """
    images = dataset(store, runs[0].training.data)
    originals = {t: load_model(store, t, fulfil(store, t)) for t in dict.fromkeys(run.training for run in runs)}
    known, _ = to_device(images)
    requests = [_request(run, known.x, known.y, len(images.classes)) for run in runs]
    rows = [run.unlearner.rows(request) for run, request in zip(runs, requests, strict=True)]
    lengths = [len(run.unlearner.parts) for run in runs]
    progress = _Progress(tell, len({_so_far(run, n) for run in runs for n in range(1, len(run.unlearner.parts) + 1)}))
    reached: dict[tuple, Unlearned] = {}  # the models after the step before
    for number in range(max(lengths)):
        going = [i for i, length in enumerate(lengths) if number < length]
        first: dict[tuple, int] = {}  # a step that several runs share is done for the first of them
        for i in going:
            first.setdefault(_so_far(runs[i], number + 1), i)
        after: dict[tuple, Unlearned] = {}
        members = list(first.values())
        before = [reached.get(_so_far(runs[i], number)) for i in members]
        models = [b.model if b else originals[runs[i].training] for b, i in zip(before, members, strict=True)]
        asked = [runs[i].unlearner.request_of(number, rows[i], requests[i]) for i in members]
        asked = [replace(request, tell=progress.of(i)) for request, i in zip(asked, members, strict=True)]
        steps = [runs[i].unlearner.parts[number].unlearner for i in members]
        for i, b, made in zip(members, before, unlearn_together(steps, models, asked), strict=True):
            after[_so_far(runs[i], number + 1)] = _following(b, made)
        progress.finished(len(members))
        for i in going:
            if lengths[i] == number + 1:
                yield i, after[_so_far(runs[i], number + 1)]
        reached = after


def _request(run: Run, x: torch.Tensor, y: torch.Tensor, classes: int) -> Request:
    forget = unpack(run.forget, len(y))
    return Request(x=x, y=y, forget=forget, retain=others(forget, len(y)), classes=classes, seed=run.seed)


def _so_far(run: Run, steps: int) -> tuple:
    """What decides the model after so many steps of a plan: runs that agree in it share that model."""
    plan: Rum = run.unlearner
    parts = tuple((part.rows, part.unlearner) for part in plan.parts[:steps])
    gone = tuple(sorted(part.rows for part in plan.parts)) if plan.exclude_all else ()
    return run.training, run.forget, run.seed, gone, parts


def _following(before: Unlearned | None, made: Unlearned) -> Unlearned:
    """The model of a step, with the cost of all steps up to it."""
    if before is None:
        return made
    cost = copy.copy(before.cost)
    cost.add(made.cost)
    return Unlearned(made.model, cost)


class _Progress:
    """How many of all steps of plans are done, fractions of those under way included."""

    def __init__(self, tell: Tell, total: int):
        self.tell, self.total, self.done = tell, total, 0
        self.under_way: dict[int, float] = {}

    def of(self, run: int) -> Tell:
        def told(stage: str, done: int, total: int) -> None:
            self.under_way[run] = done / total
            share = self.done + sum(self.under_way.values())
            self.tell("unlearn", round(1000 * share), 1000 * self.total)

        return told

    def finished(self, steps: int) -> None:
        self.under_way.clear()
        self.done += steps
        self.tell("unlearn", 1000 * self.done, 1000 * self.total)
