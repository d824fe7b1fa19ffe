"""What every unlearning algorithm shares.

An algorithm is a frozen spec: its fields are its hyperparameters, calling it unlearns. Most only say their loss
(GradientUnlearner); the base refuses a request that cannot be met, copies the model, seeds, walks over the data, stops
a diverging run at its last finite state, and counts the cost.
"""

from __future__ import annotations

import copy
import math
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import BadValue, Spec, param
from unlearn_core.progress import Tell, silent
from unlearn_core.training import epoch_order

# Streams of epoch_order, so that no two uses of one seed draw the same numbers.
RETAIN, FORGET, ALL, LABELS = 101, 102, 103, 104


class Fresh(NamedTuple):
    """A model trained from scratch, and how much training that was."""

    model: torch.nn.Module
    steps: int
    gradients: int


@dataclass(frozen=True)
class Request:
    """Which of the training images x (n, C, H, W) uint8 with labels y (n,) to forget and which to keep.

    `forget` and `retain` are sorted row numbers without overlap; rows in neither are left alone (parts that RUM forgot
    before). `after(name, model)` is called after each step of an algorithm that has steps. `recipe(rows, seed, tell)`
    trains a fresh model on these rows as the original was trained.
    """

    x: torch.Tensor
    y: torch.Tensor
    forget: np.ndarray
    retain: np.ndarray
    classes: int
    seed: int = 0
    tell: Tell = silent
    after: Callable[[str, torch.nn.Module], None] = lambda name, model: None
    recipe: Callable[[np.ndarray, int, Tell], Fresh] | None = None

    def __post_init__(self):
        if len(self.forget) == 0:
            raise BadValue("The forget set is empty: choose at least one image.")
        if len(self.retain) == 0:
            raise BadValue("No images are left to keep.")
        for name, rows in (("forget", self.forget), ("retain", self.retain)):
            if rows.min() < 0 or rows.max() >= len(self.y):
                raise BadValue(f"The {name} set names a row that does not exist.")
            if len(np.unique(rows)) != len(rows):
                raise BadValue(f"The {name} set names a row twice.")
        if len(np.intersect1d(self.forget, self.retain)):
            raise BadValue("An image cannot be both forgotten and kept.")


@dataclass
class Cost:
    """What a run cost. Gradient evaluations count images that went through a backward pass."""

    seconds: float = 0.0
    forget_gradients: int = 0
    retain_gradients: int = 0
    steps: int = 0
    peak_megabytes: float = 0.0
    diverged_at: int | None = None  # the step at which the loss was no longer finite

    def add(self, later: Cost) -> None:
        """Count a run that came after this one; its steps are numbered on."""
        if later.diverged_at is not None and self.diverged_at is None:
            self.diverged_at = self.steps + later.diverged_at
        self.seconds += later.seconds
        self.forget_gradients += later.forget_gradients
        self.retain_gradients += later.retain_gradients
        self.steps += later.steps
        self.peak_megabytes = max(self.peak_megabytes, later.peak_megabytes)


@dataclass(frozen=True)
class Unlearned:
    """The unlearned model, in eval mode, every parameter finite, and what it cost."""

    model: torch.nn.Module
    cost: Cost


class Batch(NamedTuple):
    """Images x (B, C, H, W) uint8 and the labels y (B,) to learn from."""

    x: torch.Tensor
    y: torch.Tensor


class Step(NamedTuple):
    """What one loss sees. A walk fills `forget`, `retain` or both; `of` is 0 at the first epoch and rises towards 1."""

    forget: Batch | None
    retain: Batch | None
    epoch: int
    of: float


class Rows(NamedTuple):
    """The training rows that one step looks at, before they are fetched; None where its walk does not look."""

    forget: np.ndarray | None
    retain: np.ndarray | None


class Unlearner(Spec):
    """Base of all algorithms: `unlearner(original, request)` returns the unlearned model; the original stays as is."""

    title: ClassVar[str]
    group: ClassVar[str]
    scope: ClassVar[str] = "both"  # "samples", "classes" or "both"
    needs: ClassVar[tuple[str, ...]] = ("retain", "forget", "labels")

    def __call__(self, original: torch.nn.Module, request: Request) -> Unlearned:
        started, cost = time.perf_counter(), Cost()
        model = copy.deepcopy(original).requires_grad_(True)
        model = self.run(model, original, request, cost).eval()
        model.zero_grad(set_to_none=True)  # the last step's gradients are as large as the model
        cost.seconds = time.perf_counter() - started
        cost.peak_megabytes = peak_megabytes(request.x.device)
        return Unlearned(model, cost)

    def run(self, model, original, request: Request, cost: Cost) -> torch.nn.Module:
        """Change `model`, a copy of `original`, and return it."""
        raise NotImplementedError


def peak_megabytes(device: torch.device) -> float:
    """The most memory this process has used so far, on the device."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # of this process so far


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

    epochs: int = param(10, 1, 200, help="passes over the data")
    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate")
    momentum: float = param(0.9, 0.0, 0.999, help="momentum of SGD")
    weight_decay: float = param(0.0, 0.0, 0.1, help="L2 penalty of SGD")
    batch: int = param(64, 1, 8192, help="images per step")
    bn: str = param("train", choices=("train", "frozen"), help="whether BatchNorm statistics follow the batches")

    def loss(self, model, original, step: Step) -> torch.Tensor:
        """The scalar to minimise. `original` is frozen."""
        return F.cross_entropy(model(step.retain.x), step.retain.y)

    def labels(self, request: Request, epoch: int) -> torch.Tensor:
        """(n,) the labels of all training rows in this epoch; relabelling algorithms say others here."""
        return request.y

    def mask(self, original, request: Request, cost: Cost) -> dict[str, torch.Tensor] | None:
        """Which weights may change: parameter name -> bool tensor; None = all."""
        return None

    def run(self, model, original, request: Request, cost: Cost) -> torch.nn.Module:
        original = copy.deepcopy(original).eval().requires_grad_(False)
        mask = self.mask(original, request, cost)
        _set_mode(model, self.bn)
        optimiser = torch.optim.SGD(
            model.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )
        frozen = _frozen_weights(model, mask)
        total, last_finite = self.steps_in(request), _Snapshot(model)
        for step in self.steps(request):
            loss = self.loss(model, original, step)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            # Masking the gradient is not enough: momentum and weight decay would move the weights all the same.
            with torch.no_grad():
                for parameter, value, still in frozen:
                    parameter.copy_(torch.where(still, value, parameter))
            cost.steps += 1
            cost.forget_gradients += 0 if step.forget is None else len(step.forget.y)
            cost.retain_gradients += 0 if step.retain is None else len(step.retain.y)
            if not last_finite.keep(model, loss, cost.steps == total):
                cost.diverged_at = cost.steps
                break
            request.tell("unlearn", cost.steps, total)
        self.count_mixture(request, cost)
        return model

    def steps(self, request: Request) -> Iterator[Step]:
        """All steps of the run, epoch after epoch."""
        for epoch in range(self.epochs):
            y, of = self.labels(request, epoch), epoch / self.epochs
            for forget, retain in self.epoch_rows(request, epoch):
                yield Step(fetch(request, y, forget), fetch(request, y, retain), epoch, of)

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
        """How many steps the run will take."""
        rows = {"forget": len(request.forget), "all": len(request.forget) + len(request.retain)}
        return self.epochs * math.ceil(rows.get(self.walk, len(request.retain)) / self.batch)

    def count_mixture(self, request: Request, cost: Cost) -> None:
        """After the walk "all": share out what was counted as retain between the two sets, by their sizes."""
        if self.walk != "all":
            return
        both = len(request.forget) + len(request.retain)
        seen = cost.retain_gradients
        cost.retain_gradients = round(seen * len(request.retain) / both)
        cost.forget_gradients += seen - cost.retain_gradients


def fetch(request: Request, y: torch.Tensor, rows: np.ndarray | None) -> Batch | None:
    """The images of these rows, with their labels out of y (n,)."""
    if rows is None:
        return None
    index = torch.from_numpy(rows).to(request.x.device)
    return Batch(request.x[index], y[index])


def random_labels(request: Request, epoch: int, exclude_true: bool) -> torch.Tensor:
    """(n,) all labels, those of the forget set drawn uniformly anew for this epoch, from all classes or from the wrong
    ones.
    """
    rng = np.random.Generator(np.random.Philox(key=[request.seed, (LABELS << 32) | epoch]))
    rows = torch.from_numpy(request.forget).to(request.y.device)
    y = request.y.clone()
    if exclude_true:
        shift = torch.from_numpy(rng.integers(1, request.classes, len(rows))).to(y.device)
        y[rows] = (request.y[rows] + shift) % request.classes
    else:
        y[rows] = torch.from_numpy(rng.integers(0, request.classes, len(rows))).to(y.device)
    return y


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
        finite = not bool(self.bad) and all(bool(torch.isfinite(v).all()) for v in model.state_dict().values())
        if finite:
            self.state = {k: v.clone() for k, v in model.state_dict().items()}
        else:
            model.load_state_dict(self.state)
        return finite


__all__ = ["Batch", "Cost", "GradientUnlearner", "Request", "Step", "Unlearned", "Unlearner"]
