"""Algorithms that go down a loss, step after step. Most only say what the loss is.

The base walks over the data, restores masked-out weights, stops a diverging run at its last finite state, and counts
the cost. An algorithm that says no more than `loss`, `labels`, `mask`, `epoch_rows`, `rate`, `begin` and `end` also
runs for many models side by side (stacked.py); the other hooks are for those that need more.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import param
from unlearn_core.training import epoch_order
from unlearn_core.unlearning.base import Cost, Unlearner, finite
from unlearn_core.unlearning.draws import ALL, FORGET, RETAIN
from unlearn_core.unlearning.request import Batch, Request, fetch


class Step(NamedTuple):
    """What one loss sees. A walk fills those of `forget`, `retain` and `validation` that it looks at; `of` is 0 at the
    first epoch and rises towards 1; `phase` is the word its walk gave; `context` what the algorithm prepared.
    """

    forget: Batch | None
    retain: Batch | None
    epoch: int
    of: float
    validation: Batch | None = None
    phase: str = ""
    context: Any = None


class Rows(NamedTuple):
    """What one step looks at, before it is fetched: training rows, and rows of the validation images; None where its
    walk does not look. `phase` tells steps of several kinds apart.
    """

    forget: np.ndarray | None
    retain: np.ndarray | None
    validation: np.ndarray | None = None
    phase: str = ""


@dataclass(frozen=True, kw_only=True)
class GradientUnlearner(Unlearner):
    """An algorithm that says its loss; the base runs SGD on it.

    `walk` says what an epoch is:
      "retain"  one pass over the retain set                         (step.retain)
      "forget"  one pass over the forget set                         (step.forget)
      "paired"  one pass over the retain set, beside each batch one   (step.retain, step.forget)
                of the forget set, which is drawn anew in every round
      "all"     one pass over both, shuffled together                (step.retain holds the mixture)
    """

    walk: ClassVar[str] = "retain"
    adam: ClassVar[bool] = False  # Adam in the place of SGD; momentum is its first beta
    grid = {"lr": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)}

    epochs: int = param(10, 1, 200, help="passes over the data")
    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate")
    momentum: float = param(0.9, 0.0, 0.999, help="momentum of the steps")
    weight_decay: float = param(0.0, 0.0, 0.1, help="L2 penalty of the steps")
    batch: int = param(64, 1, 8192, help="images per step")
    bn: str = param("train", choices=("train", "frozen"), help="whether BatchNorm statistics follow the batches")

    # -- what an algorithm says ----------------------------------------------------------------------------------------

    def loss(self, model, original, step: Step) -> torch.Tensor:
        """The scalar to minimise. `original` is frozen."""
        return F.cross_entropy(model(step.retain.x), step.retain.y)

    def labels(self, request: Request, epoch: int) -> torch.Tensor:
        """(n,) the labels of all training rows in this epoch; relabelling algorithms say others here."""
        return request.y

    def mask(self, original, request: Request, cost: Cost) -> dict[str, torch.Tensor] | None:
        """Which weights may change: parameter name -> bool tensor; None = all."""
        return None

    def rate(self, phase: str, number: int, total: int) -> float:
        """The learning rate of a step of this phase; all steps are counted from 0."""
        return self.lr

    def begin(self, model, original, request: Request, cost: Cost) -> None:
        """Change `model` before the first step."""

    def end(self, model, request: Request) -> None:
        """Change `model` after the last step."""

    # -- what some need beyond that; runs of such an algorithm go one after the other ----------------------------------

    def context(self, model, original, request: Request, cost: Cost) -> Any:
        """Whatever the other hooks need to find as step.context: a second teacher, an attack, noise."""
        return None

    def between(self, model, request: Request, epoch: int, context: Any) -> None:
        """Change `model` or what is in `context` before an epoch, the first included."""

    def backward(self, model, original, step: Step) -> torch.Tensor:
        """Leave gradients in the parameters of `model` and return the loss."""
        loss = self.loss(model, original, step)
        loss.backward()
        return loss

    # -- the walk ------------------------------------------------------------------------------------------------------

    def run(self, model, original, request: Request, cost: Cost) -> torch.nn.Module:
        original = copy.deepcopy(original).eval().requires_grad_(False)
        mask = self.mask(original, request, cost)
        self.begin(model, original, request, cost)
        context = self.context(model, original, request, cost)
        _set_mode(model, self.bn)
        optimiser = self._optimiser(model)
        frozen = _frozen_weights(model, mask)
        total, last_finite = self.steps_in(request), _Snapshot(model)
        for step in self.steps(request, context, model):
            optimiser.param_groups[0]["lr"] = self.rate(step.phase, cost.steps, total)
            optimiser.zero_grad(set_to_none=True)
            loss = self.backward(model, original, step)
            optimiser.step()
            # Masking the gradient is not enough: momentum and weight decay would move the weights all the same.
            with torch.no_grad():
                for parameter, value, still in frozen:
                    parameter.copy_(torch.where(still, value, parameter))
            cost.steps += 1
            count(cost, step)
            if not last_finite.keep(model, loss, cost.steps == total):
                cost.diverged_at = cost.steps
                break
            request.tell("unlearn", cost.steps, total)
        self.end(model, request)
        self.count_mixture(request, cost)
        return model

    def _optimiser(self, model) -> torch.optim.Optimizer:
        parameters = [p for p in model.parameters() if p.requires_grad]
        if self.adam:
            betas = (self.momentum, 0.999)
            return torch.optim.Adam(parameters, lr=self.lr, betas=betas, weight_decay=self.weight_decay)
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)

    def steps(self, request: Request, context: Any = None, model=None) -> Iterator[Step]:
        """All steps of the run, epoch after epoch."""
        for epoch in range(self.epochs):
            if model is not None:
                self.between(model, request, epoch, context)
            y, of = self.labels(request, epoch), epoch / self.epochs
            for rows in self.epoch_rows(request, epoch):
                forget, retain = (fetch(request.x, y, those) for those in (rows.forget, rows.retain))
                validation = None if rows.validation is None else fetch(*request.validation, rows.validation)
                yield Step(forget, retain, epoch, of, validation, rows.phase, context)

    def epoch_rows(self, request: Request, epoch: int) -> Iterator[Rows]:
        """What each step of an epoch looks at. Requests with sets of equal sizes give rows of equal sizes."""
        if self.walk == "paired":
            draw = self.endless(request, epoch)
            for retain in self.batches(request.retain, request.seed, epoch, RETAIN):
                yield Rows(next(draw), retain)
        elif self.walk == "forget":
            for forget in self.batches(request.forget, request.seed, epoch, FORGET):
                yield Rows(forget, None)
        else:
            rows = request.retain if self.walk == "retain" else np.sort(np.r_[request.forget, request.retain])
            stream = RETAIN if self.walk == "retain" else ALL
            for retain in self.batches(rows, request.seed, epoch, stream):
                yield Rows(None, retain)

    def batches(self, rows: np.ndarray, seed: int, epoch: int, stream: int) -> list[np.ndarray]:
        """The rows in the order of this epoch, in batches."""
        order = epoch_order(rows, seed, epoch, stream)
        return [order[start : start + self.batch] for start in range(0, len(order), self.batch)]

    def endless(self, request: Request, epoch: int) -> Iterator[np.ndarray]:
        """Forget batches without end; every round through the forget set has its own order."""
        turn = 0
        while True:
            yield from self.batches(request.forget, request.seed, (epoch << 16) | turn, FORGET)
            turn += 1

    def steps_in(self, request: Request) -> int:
        """How many steps the run will take. An algorithm with an `epoch_rows` of its own says it."""
        rows = {
            "retain": lambda: len(request.retain),
            "paired": lambda: len(request.retain),
            "forget": lambda: len(request.forget),
            "all": lambda: len(request.forget) + len(request.retain),
        }
        return self.epochs * math.ceil(rows[self.walk]() / self.batch)

    def count_mixture(self, request: Request, cost: Cost) -> None:
        """After the walk "all": share out what was counted as retain between the two sets, by their sizes."""
        if self.walk != "all":
            return
        both = len(request.forget) + len(request.retain)
        seen = cost.retain_gradients
        cost.retain_gradients = round(seen * len(request.retain) / both)
        cost.forget_gradients += seen - cost.retain_gradients


def count(cost: Cost, step: Step) -> None:
    """Count the images of a step."""
    for name in ("forget", "retain", "validation"):
        batch = getattr(step, name)
        if batch is not None:
            setattr(cost, f"{name}_gradients", getattr(cost, f"{name}_gradients") + len(batch.y))


def _set_mode(model: torch.nn.Module, bn: str) -> None:
    model.train()
    if bn == "frozen":
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()


def _frozen_weights(model, mask):
    """(parameter, its value now, where it must stay) for each parameter a mask restricts."""
    if mask is None:
        return []
    return [(p, p.detach().clone(), ~mask[name]) for name, p in model.named_parameters() if not mask[name].all()]


class _Snapshot:
    """The last finite state of a model, looked at every few steps so that a GPU is not made to wait for each."""

    EVERY = 16

    def __init__(self, model):
        self.state = {k: v.clone() for k, v in model.state_dict().items()}
        self.bad = torch.zeros((), dtype=torch.bool, device=next(model.parameters()).device)
        self.count = 0

    def keep(self, model, loss: torch.Tensor, last: bool) -> bool:
        """Remember the model if it is finite; otherwise put the last finite state back and return False."""
        self.bad |= ~torch.isfinite(loss.detach())
        self.count += 1
        if self.count % self.EVERY and not last:
            return True
        good = not bool(self.bad) and finite(model)
        if good:
            self.state = {k: v.clone() for k, v in model.state_dict().items()}
        else:
            model.load_state_dict(self.state)
        return good
