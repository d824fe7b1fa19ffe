"""What the members of a stack lose at one step, and its slopes.

Nets of linear layers are asked for their logits first. Where the loss is a sum of cross-entropies, its slopes are one
formula; any other loss goes through vmap, and gets the models and images themselves only where it asks for them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch.func import vmap

from unlearn_core.dense import DenseNets, flat, layers_of, slopes
from unlearn_core.params import params as settings_of
from unlearn_core.stacking import StackedLosses, call, embed, skeleton, stacked_state
from unlearn_core.unlearning.cross_entropies import factors_of, meant_batch, meant_number
from unlearn_core.unlearning.descent import GradientUnlearner, Rows, Step
from unlearn_core.unlearning.request import Batch, Request


class _Asked(Exception):
    """A loss asked a model for more than is known of it."""


class _Member:
    """A model as a loss sees it, with parameters from outside: callable, it embeds, and it lists its parameters.

    `known` are logits that it need not be asked for again, by the identity of the images. Without parameters it knows
    no more than these.
    """

    def __init__(self, skeleton: torch.nn.Module, params: dict | None, buffers: dict, known: dict[int, torch.Tensor]):
        self.skeleton, self.params, self.buffers, self.known = skeleton, params, buffers, known

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if id(x) in self.known:
            return self.known[id(x)]
        return call(self.skeleton, self._parameters(), self.buffers, x)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        return embed(self.skeleton, self._parameters(), self.buffers, x)

    def parameters(self) -> Iterator[torch.Tensor]:
        return iter(self._parameters().values())

    def _parameters(self) -> dict:
        if self.params is None:
            raise _Asked
        return self.params


class Found(NamedTuple):
    """What the members lose (M,), or numbers that are finite where that is, and its slopes: by name those by
    parameters, None for what the loss did not look at, and for each batch that dense nets were asked about those by the
    logits (M, B, K), with what each layer was given.
    """

    losses: torch.Tensor
    by_parameter: dict[str, torch.Tensor | None]
    by_logits: list[tuple[torch.Tensor | None, list[torch.Tensor]]]


class StackedLoss:
    """The loss of M runs of one algorithm on `models`, whose weights are `params` (name -> (M, ...)) and may change in
    place between two steps. `dense` is None for nets that are more than linear layers; `numbers` are the settings (M,)
    in which members differ.
    """

    def __init__(
        self,
        unlearners: Sequence[GradientUnlearner],
        models: Sequence[torch.nn.Module],
        originals: Sequence[torch.nn.Module],
        requests: Sequence[Request],
    ):
        self.unlearner, self.model, self.originals, self.requests = unlearners[0], models[0], originals, requests
        self.params, self.buffers = stacked_state(models)
        self.numbers = _numbers(unlearners, next(iter(self.params.values())).device)
        self.meant = {name: meant_number(values) for name, values in self.numbers.items()}
        self.net, self.teacher_net = (skeleton(one).eval() for one in (models[0], originals[0]))
        layers = layers_of(self.model)
        self.dense = None if layers is None else DenseNets(self.params, layers)
        # To hand the models to a loss takes longer than most losses do, which need their logits only.
        self.handed = {} if self.dense else self.models
        self.x = requests[0].x
        self.shared = all(request.x is self.x for request in requests)
        # What the first layers read, made for all images once.
        self.pixels = flat(self.model, self.x) if self.dense and self.shared else None

    @cached_property
    def models(self) -> dict[str, dict[str, torch.Tensor]]:
        """The models and the originals, for losses that ask for more than logits."""
        teachers, teacher_buffers = (
            {name: value.detach().clone() for name, value in state.items()} for state in stacked_state(self.originals)
        )
        both = {"params": self.params, "buffers": self.buffers}
        return both | {"teachers": teachers, "teacher_buffers": teacher_buffers}

    def of_epoch(self, epoch: int, labels: torch.Tensor) -> None:
        """What the next steps have in common: their epoch, and the labels (M, n) of all training rows."""
        self.epoch, self.labels, self.all_labelled = epoch, labels, bool((labels >= 0).all())
        self.factors: dict[
            str, dict | None
        ] = {}  # by phase: a loss is told no more of a step than this and its batches

    def __call__(self, rows: Sequence[Rows]) -> Found:
        """What each member loses on its own rows."""
        index = {
            name: _beneath([getattr(own, name) for own in rows]).to(self.labels.device)
            for name in ("forget", "retain")
            if getattr(rows[0], name) is not None
        }
        y = {name: self.labels.gather(1, of) for name, of in index.items()}
        said = {name: self.dense.forward(self._read(of)) for name, of in index.items()} if self.dense else {}
        if said and self.all_labelled:
            phase = rows[0].phase
            if phase not in self.factors:
                step = self._step({name: meant_batch(name) for name in index}, phase)
                self.factors[phase] = factors_of(_with(self.unlearner, self.meant).loss, step)
            if self.factors[phase] is not None:
                return _by_formula(self.factors[phase], said, y)
        logits = {name: out.requires_grad_(True) for name, (out, _) in said.items()}
        given = {name: (self._images(of), y[name]) for name, of in index.items()}
        return self._by_differentiation(given, logits, [inputs for _, inputs in said.values()], rows[0].phase)

    def _by_differentiation(self, batches: dict, logits: dict, inputs: list, phase: str) -> Found:
        def loss_of(own: dict) -> torch.Tensor:
            """The loss of one member, given what is its own."""
            given = {name: Batch(*images) for name, images in own["batches"].items()}
            known = {id(given[name].x): value for name, value in own["logits"].items()}
            student = _Member(self.net, own.get("params"), own.get("buffers"), known)
            teacher = _Member(self.teacher_net, own.get("teachers"), own.get("teacher_buffers"), {})
            with StackedLosses():
                return _with(self.unlearner, own["numbers"]).loss(student, teacher, self._step(given, phase))

        own = {"batches": batches, "logits": logits, "numbers": self.numbers}
        try:
            losses = vmap(loss_of)(own | self.handed)
        except _Asked:
            self.handed = self.models
            losses = vmap(loss_of)(own | self.handed)
        sources = [*self.params.values(), *logits.values()]
        found = torch.autograd.grad(losses.sum(), sources, allow_unused=True)
        by_logits = list(zip(found[len(self.params) :], inputs, strict=True))
        return Found(losses.detach(), dict(zip(self.params, found, strict=False)), by_logits)

    def _step(self, batches: dict[str, Batch], phase: str) -> Step:
        of = self.epoch / self.unlearner.epochs
        return Step(batches.get("forget"), batches.get("retain"), self.epoch, of, phase=phase)

    def _images(self, index: torch.Tensor) -> torch.Tensor:
        """(M, B, C, H, W) the images of each member's rows (M, B)."""
        if self.shared:
            return self.x.index_select(0, index.flatten()).unflatten(0, index.shape)
        return torch.stack([request.x[own] for request, own in zip(self.requests, index, strict=True)])

    def _read(self, index: torch.Tensor) -> torch.Tensor:
        """(M, B, D) what the first layers read of them."""
        if self.shared:
            return self.pixels.index_select(0, index.flatten()).unflatten(0, index.shape)
        return flat(self.model, self._images(index))


def _beneath(rows: list[np.ndarray]) -> torch.Tensor:
    """(M, B) the rows of each member, each below the one before. `np.stack` takes three times as long."""
    return torch.from_numpy(np.concatenate(rows).reshape(len(rows), -1))


def _by_formula(factors: dict, said: dict, y: dict) -> Found:
    """The slopes of mean cross-entropies, each times its factor."""
    finite, found = 0.0, []
    for name, (logits, inputs) in said.items():
        out = None
        if name in factors:
            shares, weight = logits.transpose(1, 2).softmax(1), factors[name] / y[name].shape[1]
            out = slopes(shares, y[name], beside(weight, shares)).transpose(1, 2)
            finite = finite + out.sum((1, 2))
        found.append((out, inputs))
    return Found(finite, {}, found)


def beside(value: float | torch.Tensor, p: torch.Tensor) -> float | torch.Tensor:
    """One number for each member (M,), so that it multiplies p (M, ...)."""
    return value.to(p.dtype).view(-1, *[1] * (p.dim() - 1)) if isinstance(value, torch.Tensor) else value


def _numbers(unlearners: Sequence[GradientUnlearner], device: torch.device) -> dict[str, torch.Tensor]:
    """name -> (M,) of each decimal setting in which members differ, with the digits of plain numbers, so that sums with
    it are rounded as sums with those. One that all share stays a plain number, which a loss may ask anything of.
    """
    names = [p.name for p in settings_of(type(unlearners[0])) if p.kind is float]
    columns = {name: [getattr(u, name) for u in unlearners] for name in names}
    digits = torch.float32 if device.type == "mps" else torch.float64  # Apple's devices know no others
    return {n: torch.tensor(c, dtype=digits, device=device) for n, c in columns.items() if len(set(c)) > 1}


def _with(unlearner: GradientUnlearner, numbers: dict[str, torch.Tensor]) -> GradientUnlearner:
    """The algorithm with some settings from outside: those of one member."""
    if not numbers:
        return unlearner
    twin = copy.copy(unlearner)
    for name, value in numbers.items():
        object.__setattr__(twin, name, value)  # a spec is frozen, and checks plain numbers only
    return twin
