"""Many runs of one algorithm at once: parameters get a leading member axis, and one pass trains all members.

An algorithm that says its loss needs nothing more. Members may differ in model, images, seed, and every setting that is
a decimal number; they share the number of steps and the size of each batch. Each becomes what it would become in any
other stack, to the bit, and what it would become alone, up to rounding.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch

from unlearn_core.device import fast_products
from unlearn_core.engines.machine import halvings
from unlearn_core.params import params as settings_of
from unlearn_core.stacking import out_of_memory, pays
from unlearn_core.unlearning.base import Cost, Unlearned, Unlearner, finite, peak_megabytes
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.request import Request
from unlearn_core.unlearning.stacked_loss import StackedLoss, beside

AT_ONCE = 24  # members in one pass; more leave the processor's cache
CHECK_EVERY = 16
# What works on one model; an algorithm with any of these of its own runs alone.
ALONE = ("run", "steps", "context", "between", "backward", "_optimiser")


def alike(unlearner: Unlearner, request: Request) -> tuple:
    """Runs that agree in this can go side by side: one algorithm, sets of equal sizes, the same settings but for those
    that are decimal numbers.
    """
    fixed = tuple((p.name, getattr(unlearner, p.name)) for p in settings_of(type(unlearner)) if p.kind is not float)
    return type(unlearner), fixed, len(request.forget), len(request.retain)


def only_says_its_loss(unlearner: Unlearner) -> bool:
    """Whether nothing of its walk is an algorithm's own, so that its runs can go side by side."""
    cls = type(unlearner)
    if not isinstance(unlearner, GradientUnlearner) or cls.adam or "validation" in cls.needs:
        return False
    return all(getattr(cls, hook) is getattr(GradientUnlearner, hook) for hook in ALONE)


def stacks(unlearner: Unlearner, original: torch.nn.Module, request: Request) -> bool:
    """Whether runs like this one gain by going side by side: an algorithm that only says its loss, on a small net
    without BatchNorm or dropout.
    """
    if not only_says_its_loss(unlearner):
        return False
    batchwise = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
    alone = any(isinstance(m, batchwise) for m in original.modules())
    return not alone and pays(original, request.x[: unlearner.batch])


def run_stacked(
    unlearners: Sequence[GradientUnlearner], originals: Sequence[torch.nn.Module], requests: Sequence[Request]
) -> list[Unlearned]:
    """The unlearned model of each (unlearner, original, request), in order; all are `alike`. The time is shared out
    among them.
    """
    passes = -(-len(unlearners) // max(2, AT_ONCE >> halvings()))
    size = -(-len(unlearners) // passes)
    found: list[Unlearned] = []
    while len(found) < len(unlearners):
        at, short = slice(len(found), len(found) + size), False
        try:
            found += _run_chunk(unlearners[at], originals[at], requests[at])
        except (MemoryError, RuntimeError) as error:
            if size <= 2 or not out_of_memory(error):
                raise
            short = True
        if short:  # after the error is gone, which holds on to all that the stack had
            size = max(2, size // 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    return found


def _run_chunk(unlearners, originals, requests) -> list[Unlearned]:
    """One pass. A single run goes with a twin, because a stack of one is rounded otherwise than any other."""
    if len(unlearners) == 1:
        found, _ = _run_chunk(*([values[0]] * 2 for values in (unlearners, originals, requests)))
        found.cost.seconds *= 2
        return [found]
    started, first = time.perf_counter(), unlearners[0]
    if requests[0].x.is_cuda:
        torch.cuda.reset_peak_memory_stats(requests[0].x.device)
    costs = [Cost() for _ in unlearners]
    still = {original: copy.deepcopy(original).eval().requires_grad_(False) for original in dict.fromkeys(originals)}
    frozen = [still[original] for original in originals]
    masks = _masks(unlearners, frozen, requests, costs)
    models = [copy.deepcopy(original).requires_grad_(True).eval() for original in originals]
    for each in zip(unlearners, models, frozen, requests, costs, strict=True):
        each[0].begin(*each[1:])
    loss = StackedLoss(unlearners, models, originals, requests)
    params = loss.params
    velocity = {k: torch.zeros_like(v) for k, v in params.items()}
    device = next(iter(params.values())).device
    momentum, weight_decay = (loss.numbers.get(name, getattr(first, name)) for name in ("momentum", "weight_decay"))
    watch = _Watch(params, len(unlearners))
    total, number, before, since = first.steps_in(requests[0]), 0, None, Cost()
    with fast_products(models[0]):
        for epoch in range(first.epochs):
            loss.of_epoch(epoch, torch.stack([u.labels(r, epoch) for u, r in zip(unlearners, requests, strict=True)]))
            walks = (u.epoch_rows(r, epoch) for u, r in zip(unlearners, requests, strict=True))
            for rows in zip(*walks, strict=True):
                number += 1
                now = [u.rate(rows[0].phase, number - 1, total) for u in unlearners]
                if now != before:  # most keep one rate
                    rates, before = watch.still_moving(torch.tensor(now, device=device)), now
                    moving = {name: beside(rates, p) for name, p in params.items()}
                found = loss(rows)
                with torch.no_grad():
                    for v in velocity.values():
                        v.mul_(beside(momentum, v))
                    for name, slope in found.by_parameter.items():
                        if slope is not None:
                            velocity[name].add_(slope)
                    for out, inputs in found.by_logits:
                        for layer in loss.dense.backward(out, inputs) if out is not None else ():
                            velocity[f"{layer.name}.weight"].baddbmm_(layer.out.transpose(1, 2), layer.given)
                            velocity[f"{layer.name}.bias"].add_(layer.out.sum(1))
                    # What the loss does not look at stays where it is, as with torch's own optimiser.
                    looked_at = [name for name, slope in found.by_parameter.items() if slope is not None]
                    for name in params if found.by_logits else looked_at:
                        mask = None if masks is None else masks[name]
                        _move(params[name], velocity[name], moving[name], mask, weight_decay)
                since.steps += 1
                since.forget_gradients += 0 if rows[0].forget is None else len(rows[0].forget)
                since.retain_gradients += 0 if rows[0].retain is None else len(rows[0].retain)
                watch.see(found.losses)
                if number % CHECK_EVERY == 0 or number == total:
                    for cost in (cost for cost in costs if cost.diverged_at is None):
                        cost.add(since)
                    watch.settle(params, velocity, costs)
                    since, before = Cost(), None
                for request in requests:
                    request.tell("unlearn", number, total)
    seconds = (time.perf_counter() - started) / len(unlearners)
    return [
        _finished(
            unlearners[m], originals[m], models[m], requests[m], {k: v[m] for k, v in params.items()}, costs[m], seconds
        )
        for m in range(len(unlearners))
    ]


def _masks(unlearners, originals, requests, costs) -> dict[str, torch.Tensor] | None:
    """name -> (M, ...) bool: which weights may change; None = all."""
    found = [u.mask(*asked) for u, *asked in zip(unlearners, originals, requests, costs, strict=True)]
    return None if found[0] is None else {k: torch.stack([mask[k] for mask in found]) for k in found[0]}


def _move(p, velocity, rates, mask, weight_decay) -> None:
    """Each member's weights move at its own of `rates` (M, 1, ...); masked-out ones stay where they are."""
    if isinstance(weight_decay, torch.Tensor):  # one by one, as other sums are rounded otherwise
        for v, weights, own in zip(velocity, p, weight_decay.tolist(), strict=True):
            v.add_(weights, alpha=own)
    elif weight_decay:
        velocity.add_(p, alpha=weight_decay)
    p.addcmul_(velocity if mask is None else torch.where(mask, velocity, 0.0), rates, value=-1)


class _Watch:
    """Stops members that diverge, each at its last finite state, while the others go on."""

    def __init__(self, params: dict, members: int):
        self.good = {k: v.detach().clone() for k, v in params.items()}
        self.bad = torch.zeros(members, dtype=torch.bool, device=next(iter(params.values())).device)
        self.fallen = self.bad.clone()
        self.seen = torch.zeros(members, device=self.bad.device)  # the losses since the start, added up

    def still_moving(self, rates: torch.Tensor) -> torch.Tensor:
        """(M,) the rates of those that go on, 0 of those that were stopped."""
        return rates.masked_fill(self.fallen, 0.0)

    def see(self, losses: torch.Tensor) -> None:
        self.seen += losses  # what is not finite stays so

    @torch.no_grad()
    def settle(self, params: dict, velocity: dict, costs: list[Cost]) -> None:
        self.bad |= ~torch.isfinite(sum((p.flatten(1).sum(1) for p in params.values()), self.seen))
        for name, p in params.items():
            if not self.bad.any():
                self.good[name].copy_(p)
                continue
            fallen = self.bad.view(-1, *[1] * (p.dim() - 1))
            self.good[name] = torch.where(fallen, self.good[name], p)
            p.copy_(self.good[name])
            velocity[name].masked_fill_(fallen, 0.0)
        for m in self.bad.nonzero().flatten().tolist():
            if costs[m].diverged_at is None:
                costs[m].diverged_at = costs[m].steps
        self.fallen = self.bad.clone()


def _finished(unlearner, original, model, request: Request, params: dict, cost: Cost, seconds: float) -> Unlearned:
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(params[name])
    unlearner.end(model, request)
    unlearner.count_mixture(request, cost)
    if not finite(model):  # what it did at the end was one step too many
        model.load_state_dict(original.state_dict())
        cost.diverged_at = max(cost.steps, 1)
    cost.seconds, cost.peak_megabytes = seconds, peak_megabytes(request.x.device)
    return Unlearned(model.eval().requires_grad_(True), cost)
