"""How soon a model learns the forget images again when it is taught on all training images.

Each order of the images is a pure function of (seed, its number), so two models are taught the same images in the same
order. All orders go on until the last of them is at the goal: every entry of a curve was measured, none is filled in.
`evaluation.relearn_time` and `evaluation.anamnesis_index` read the curves.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.attacks import signals
from unlearn_core.data import Images
from unlearn_core.dense import DenseNets, flat, layers_of
from unlearn_core.device import ready_for
from unlearn_core.evaluation.closeness import accuracy
from unlearn_core.evaluation.relearning import ROUNDING
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent
from unlearn_core.stacking import stacked_state
from unlearn_core.training import ASKED, epoch_order, predict

ORDER, DRAW = 120, 121  # streams of epoch_order: orders of all images, and draws with replacement


@dataclass(frozen=True)
class Relearned:
    """Accuracy on the forget images, as fractions: `before` the first step, and `after` each step (orders, T).

    T is the cap where there was no target or an order did not reach it, else the step at which the last order did.
    """

    before: float
    after: np.ndarray


def accuracy_curves(
    model: Classifier,
    images: Images,
    forget: np.ndarray,
    orders: int = 5,
    seed: int = 0,
    batch: int = 256,
    lr: float = 1e-3,
    epochs: int = 10,
    target: float | None = None,
    tell: Tell = silent,
) -> Relearned:
    """Teach copies of a model all training images with Adam: the accuracy on the rows `forget` after every step.

    With a `target`, a fraction, the orders end together once each has reached it. That of the anamnesis index is 0.95
    of the original's accuracy; a model whose `before` is there already has nothing to relearn. Perfect: the curves of a
    retrained model taught in the same orders. An ensemble is taught as one model. Raises BadValue without forget
    images or orders, and where the training diverges.
    Source: Chundawat, Tarun, Mandal, Kankanhalli (2023), "Zero-Shot Machine Unlearning", arXiv:2201.05629.
    Departs from the released code: copies are taught, the accuracy is asked before the first step too, and there are
    several orders.
    """
    students, asked = _classroom(model, images, forget, orders, torch.optim.Adam, lr)
    per_epoch, rows, after = math.ceil(len(images.y) / batch), np.arange(len(images.y)), []
    before = _accuracies(students, asked)[0]
    for epoch in range(epochs):
        drawn = np.stack([epoch_order(rows, seed, order << 16 | epoch, ORDER) for order in range(orders)])
        for start in range(0, len(rows), batch):
            students.learn(drawn[:, start : start + batch])
            after.append(_accuracies(students, asked))
            tell("relearning", len(after), per_epoch * epochs)
            if target is not None and np.max(after, axis=0).min() >= target - ROUNDING:
                return Relearned(before, np.array(after).T)
    return Relearned(before, np.array(after).T)


def loss_curves(
    model: Classifier,
    images: Images,
    forget: np.ndarray,
    orders: int = 5,
    seed: int = 0,
    drawn: int = 500,
    batch: int = 128,
    lr: float = 0.1,
    epochs: int = 100,
    threshold: float | None = None,
    tell: Tell = silent,
) -> np.ndarray:
    """(orders, T) mean cross-entropy on the rows `forget`, in nats, before each epoch of plain SGD on copies.

    An epoch is so many images `drawn` with replacement from all training images. With a `threshold` the orders end
    together once each has sunk to it; the published ones are 0.1 with at most 100 epochs, and 0.01 with 500. The time
    is `relearn_time(curve, threshold, falling=True)`, and a retrained model's is perfect. Raises BadValue like
    `accuracy_curves`.
    Source: Golatkar, Achille, Soatto (2020), "Eternal Sunshine of the Spotless Net", arXiv:1911.04933.
    Departs from the released code: copies are taught, there are several orders, and the batch is an assumption.
    """
    students, asked = _classroom(model, images, forget, orders, torch.optim.SGD, lr)
    curves = [_losses(students, asked)]
    while len(curves) < epochs and (threshold is None or np.min(curves, axis=0).max() > threshold + ROUNDING):
        keys = ([seed, DRAW << 32 | order << 16 | len(curves)] for order in range(orders))
        streams = (np.random.Generator(np.random.Philox(key=key)) for key in keys)
        rows = np.stack([stream.integers(0, len(images.y), drawn) for stream in streams])
        for start in range(0, drawn, batch):
            students.learn(rows[:, start : start + batch])
        curves.append(_losses(students, asked))
        tell("relearning", len(curves), epochs)
    return np.array(curves).T


class _Students:
    """Copies of a model, one for each order, that are taught one after the other in training mode."""

    def __init__(self, model: Classifier, orders: int, x: torch.Tensor, y: torch.Tensor, optimiser: Callable):
        self.models, self.x, self.y = [copy.deepcopy(model).requires_grad_(True) for _ in range(orders)], x, y
        self.optimisers = [optimiser(student.parameters()) for student in self.models]

    def learn(self, rows: np.ndarray) -> None:
        """A step of each on the images of its own line of `rows` (orders, B)."""
        for student, steps, chosen in zip(self.models, self.optimisers, torch.from_numpy(rows), strict=True):
            student.train()
            chosen = chosen.to(self.y.device)
            loss = F.cross_entropy(student(self.x[chosen]), self.y[chosen])
            steps.zero_grad(set_to_none=True)
            loss.backward()
            steps.step()

    def say(self, asked: Images) -> np.ndarray:
        """(orders, N, K) what they say of these images, in eval mode."""
        return np.stack([predict(student, asked).logits for student in self.models])


class _DenseStudents:
    """The same for nets of linear layers, all of them in one step: their weights are slices of stacked ones."""

    def __init__(self, model: Classifier, orders: int, x: torch.Tensor, y: torch.Tensor, optimiser: Callable):
        # A lone one has a twin, because a stack of one is rounded otherwise than any other.
        stacked, _ = stacked_state([model] * max(orders, 2))
        self.model, self.orders, self.x, self.y = model, orders, x, y
        self.params = {name: p.detach() for name, p in stacked.items()}
        for p in self.params.values():
            p.grad = torch.empty_like(p)
        self.nets, self.optimiser = DenseNets(self.params, layers_of(model)), optimiser(self.params.values())

    def learn(self, rows: np.ndarray) -> None:
        """A step of each on the images of its own line of `rows` (orders, B)."""
        chosen = torch.from_numpy(rows).to(self.y.device).expand(max(len(rows), 2), -1)
        with torch.no_grad():
            logits, inputs = self.nets.forward(flat(self.model, self.x[chosen]))
            out = logits.softmax(-1).sub_(F.one_hot(self.y[chosen], logits.shape[-1])).div_(chosen.shape[1])
            for layer in self.nets.backward(out, inputs):
                torch.bmm(layer.out.transpose(1, 2), layer.given, out=self.params[f"{layer.name}.weight"].grad)
                torch.sum(layer.out, 1, out=self.params[f"{layer.name}.bias"].grad)
        self.optimiser.step()

    @torch.no_grad()
    def say(self, asked: Images) -> np.ndarray:
        """(orders, N, K) what they say of these images."""
        parts = (flat(self.model, x.to(self.y.device)) for x in asked.x.split(ASKED))
        said = [self.nets.forward(x.expand(len(self.params["head.bias"]), *x.shape))[0] for x in parts]
        return torch.cat(said, 1)[: self.orders].cpu().numpy()


def _classroom(model, images, forget, orders, optimiser, lr) -> tuple[_Students | _DenseStudents, Images]:
    """A student for every order, and the images they are asked about."""
    if not len(forget) or orders < 1:
        raise BadValue("Relearning needs at least one forget image and one order.")
    ready_for(model)
    x, y = images.x.to(model.mean.device, memory_format=torch.channels_last), images.y.to(model.mean.device)
    kind = _Students if layers_of(model) is None else _DenseStudents
    steps = partial(optimiser, lr=lr, fused=x.device.type in ("cpu", "cuda"))
    return kind(model, orders, x, y, steps), images.take(np.asarray(forget))


def _said(students: _Students | _DenseStudents, asked: Images) -> np.ndarray:
    logits = students.say(asked)
    if not np.isfinite(logits).all():
        raise BadValue("Relearning diverged: choose a smaller learning rate.")
    return logits


def _accuracies(students: _Students | _DenseStudents, asked: Images) -> list[float]:
    labels = asked.y.numpy()
    return [accuracy(logits, labels) for logits in _said(students, asked)]


def _losses(students: _Students | _DenseStudents, asked: Images) -> list[float]:
    labels = asked.y.numpy()
    return [float(signals.loss(logits, labels).mean()) for logits in _said(students, asked)]
