"""Many runs of one algorithm at once: parameters get a leading member axis, and one pass trains all members.

An algorithm that says its loss needs nothing more. Members may differ in model, images, seed and learning rate; they
share the number of steps and the size of each batch. Each becomes what it would become alone, up to rounding.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.func import vmap

from unlearn_core.stacking import call, pays, skeleton, stacked_state
from unlearn_core.unlearning.base import Batch, Cost, GradientUnlearner, Request, Step, Unlearned, peak_megabytes

AT_ONCE = 24  # members in one pass; more leave the processor's cache
CHECK_EVERY = 16


def stacks(
    unlearners: Sequence[GradientUnlearner], originals: Sequence[torch.nn.Module], requests: Sequence[Request]
) -> bool:
    """Whether these runs can go side by side: one algorithm that only says its loss, alike but for the learning rate;
    small nets without BatchNorm or dropout; sets of equal sizes.
    """
    cls = type(unlearners[0])
    if len(unlearners) < 2 or any(type(u) is not cls for u in unlearners) or cls.run is not GradientUnlearner.run:
        return False
    if len({u.but(lr=1.0) for u in unlearners}) > 1:
        return False
    if len({(len(r.forget), len(r.retain)) for r in requests}) > 1:
        return False
    net = originals[0]
    batchwise = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
    alone = any(isinstance(m, batchwise) for m in net.modules())
    return not alone and pays(net, requests[0].x[: unlearners[0].batch])


class _Member:
    """A model as a loss sees it, with parameters from outside: callable, and it lists its parameters."""

    def __init__(self, skeleton: torch.nn.Module, params: dict, buffers: dict):
        self.skeleton, self.params, self.buffers = skeleton, params, buffers

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return call(self.skeleton, self.params, self.buffers, x)

    def parameters(self) -> Iterator[torch.Tensor]:
        return iter(self.params.values())


def run_stacked(
    unlearners: Sequence[GradientUnlearner], originals: Sequence[torch.nn.Module], requests: Sequence[Request]
) -> list[Unlearned]:
    """The unlearned model of each (unlearner, original, request), in order. The time is shared out among them."""
    passes = -(-len(unlearners) // AT_ONCE)
    size = -(-len(unlearners) // passes)
    found: list[Unlearned] = []
    for start in range(0, len(unlearners), size):
        at = slice(start, start + size)
        found += _run_chunk(unlearners[at], originals[at], requests[at])
    return found


def _run_chunk(unlearners, originals, requests) -> list[Unlearned]:
    started, first = time.perf_counter(), unlearners[0]
    costs = [Cost() for _ in unlearners]
    params, buffers = stacked_state(originals)
    teachers = {k: v.detach().clone() for k, v in params.items()}
    masks = _masks(unlearners, originals, requests, costs)
    velocity = {k: torch.zeros_like(v) for k, v in params.items()}
    rates = torch.tensor([u.lr for u in unlearners], device=next(iter(params.values())).device)
    net = skeleton(originals[0]).eval()

    def loss_of(p: dict, t: dict, b: dict, forget, retain, epoch: int, of: float) -> torch.Tensor:
        step = Step(forget and Batch(*forget), retain and Batch(*retain), epoch, of)
        return first.loss(_Member(net, p, b), _Member(net, t, b), step)

    watch, fetch = _Watch(params, rates), _fetcher(requests)
    total, number = first.steps_in(requests[0]), 0
    for epoch in range(first.epochs):
        labels = torch.stack([u.labels(r, epoch) for u, r in zip(unlearners, requests, strict=True)])
        walks = (u.epoch_rows(r, epoch) for u, r in zip(unlearners, requests, strict=True))
        for rows in zip(*walks, strict=True):
            number += 1
            forget, retain = fetch([r.forget for r in rows], labels), fetch([r.retain for r in rows], labels)
            axes = (0, 0, 0, forget and (0, 0), retain and (0, 0), None, None)
            losses = vmap(loss_of, in_dims=axes)(params, teachers, buffers, forget, retain, epoch, epoch / first.epochs)
            gradients = torch.autograd.grad(losses.sum(), list(params.values()), allow_unused=True)
            _sgd(params, velocity, gradients, watch.rates, masks, first)
            for cost in costs:
                cost.steps += 1
                cost.forget_gradients += 0 if forget is None else forget[1].shape[1]
                cost.retain_gradients += 0 if retain is None else retain[1].shape[1]
            watch.see(losses)
            if number % CHECK_EVERY == 0 or number == total:
                watch.settle(params, velocity, costs)
            for request in requests:
                request.tell("unlearn", number, total)
    seconds = (time.perf_counter() - started) / len(unlearners)
    return [
        _finished(unlearners[m], originals[m], requests[m], {k: v[m] for k, v in params.items()}, costs[m], seconds)
        for m in range(len(unlearners))
    ]


def _fetcher(requests: Sequence[Request]) -> Callable:
    """A function of each member's rows and all labels (M, n): images (M, B, ...) and labels (M, B), or None."""
    x = requests[0].x
    shared = all(request.x is x for request in requests)

    def fetch(rows: list[np.ndarray | None], labels: torch.Tensor):
        if rows[0] is None:
            return None
        index = torch.from_numpy(np.stack(rows)).to(x.device)
        if shared:
            images = x.index_select(0, index.flatten()).unflatten(0, index.shape)
        else:
            images = torch.stack([request.x[i] for request, i in zip(requests, index, strict=True)])
        return images, labels.gather(1, index)

    return fetch


def _masks(unlearners, originals, requests, costs) -> dict[str, torch.Tensor] | None:
    """name -> (M, ...) bool: which weights may change; None = all."""
    found = []
    for unlearner, original, request, cost in zip(unlearners, originals, requests, costs, strict=True):
        frozen = copy.deepcopy(original).eval().requires_grad_(False)
        found.append(unlearner.mask(frozen, request, cost))
    return None if found[0] is None else {k: torch.stack([mask[k] for mask in found]) for k in found[0]}


@torch.no_grad()
def _sgd(params, velocity, gradients, rates, masks, unlearner: GradientUnlearner) -> None:
    """One step of SGD with momentum and weight decay, each member at its own rate; masked-out weights stay where they
    are.
    """
    for (name, p), gradient in zip(params.items(), gradients, strict=True):
        if gradient is None:
            continue
        v = velocity[name].mul_(unlearner.momentum).add_(gradient)
        if unlearner.weight_decay:
            v.add_(p, alpha=unlearner.weight_decay)
        rate = rates.view(-1, *[1] * (p.dim() - 1))
        p.addcmul_(v if masks is None else torch.where(masks[name], v, 0.0), rate, value=-1)


class _Watch:
    """Stops members that diverge, each at its last finite state, while the others go on."""

    def __init__(self, params: dict, rates: torch.Tensor):
        self.rates = rates.clone()
        self.good = {k: v.detach().clone() for k, v in params.items()}
        self.bad = torch.zeros_like(rates, dtype=torch.bool)

    def see(self, losses: torch.Tensor) -> None:
        self.bad |= ~torch.isfinite(losses.detach())

    @torch.no_grad()
    def settle(self, params: dict, velocity: dict, costs: list[Cost]) -> None:
        for p in params.values():
            self.bad |= ~torch.isfinite(p).flatten(1).all(1)
        for name, p in params.items():
            fallen = self.bad.view(-1, *[1] * (p.dim() - 1))
            self.good[name] = torch.where(fallen, self.good[name], p)
            p.copy_(self.good[name])
            velocity[name].masked_fill_(fallen, 0.0)
        for m in self.bad.nonzero().flatten().tolist():
            if costs[m].diverged_at is None:
                costs[m].diverged_at = costs[m].steps
                self.rates[m] = 0.0


def _finished(unlearner, original, request: Request, params: dict, cost: Cost, seconds: float) -> Unlearned:
    model = copy.deepcopy(original)
    model.load_state_dict(params, strict=False)
    unlearner.count_mixture(request, cost)
    cost.seconds, cost.peak_megabytes = seconds, peak_megabytes(request.x.device)
    return Unlearned(model.eval().requires_grad_(True), cost)
