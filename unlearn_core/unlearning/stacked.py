"""Many runs of one algorithm at once: parameters get a leading member axis, and one pass trains all members.

An algorithm that says its loss needs nothing more. Members may differ in model, images, seed, and every setting that is
a decimal number; they share the number of steps and the size of each batch. Each becomes what it would become in any
other stack, to the bit, and what it would become alone, up to rounding.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.func import vmap

from unlearn_core.dense import DenseNets, flat, layers_of
from unlearn_core.device import fast_products
from unlearn_core.engines.machine import halvings
from unlearn_core.params import params as settings_of
from unlearn_core.stacking import StackedLosses, call, embed, out_of_memory, pays, skeleton, stacked_state
from unlearn_core.unlearning.base import Cost, Unlearned, Unlearner, finite, peak_megabytes
from unlearn_core.unlearning.descent import GradientUnlearner, Step
from unlearn_core.unlearning.request import Batch, Request

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
    params, buffers = stacked_state(models)
    teachers, teacher_buffers = ({k: v.detach().clone() for k, v in d.items()} for d in stacked_state(originals))
    velocity = {k: torch.zeros_like(v) for k, v in params.items()}
    device = next(iter(params.values())).device
    numbers = _numbers(unlearners, device)
    momentum, weight_decay = (numbers.get(name, getattr(first, name)) for name in ("momentum", "weight_decay"))
    net, teacher_net = skeleton(models[0]).eval(), skeleton(originals[0]).eval()

    def loss_of(own: dict) -> torch.Tensor:
        """The loss of one member, given what is its own: all that stands in the dictionary."""
        forget, retain = (Batch(*own[name]) if name in own else None for name in ("forget", "retain"))
        step = Step(forget, retain, epoch, epoch / first.epochs, phase=phase)
        known = {id(getattr(step, name).x): value for name, value in own["logits"].items()}
        student = _Member(net, own.get("params"), own.get("buffers"), known)
        teacher = _Member(teacher_net, own.get("teachers"), own.get("teacher_buffers"), {})
        with StackedLosses():
            return _with(first, own["numbers"]).loss(student, teacher, step)

    layers = layers_of(models[0])
    nets = None if layers is None else DenseNets(params, layers)
    # To hand the models to a loss takes longer than most losses do, which need their logits only.
    models_too = {"params": params, "buffers": buffers, "teachers": teachers, "teacher_buffers": teacher_buffers}
    handed = {} if nets else models_too
    watch, fetch = _Watch(params, len(unlearners)), _fetcher(requests, None if nets is None else models[0])
    total, number, before = first.steps_in(requests[0]), 0, None
    with fast_products(models[0]):
        for epoch in range(first.epochs):
            labels = torch.stack([u.labels(r, epoch) for u, r in zip(unlearners, requests, strict=True)])
            walks = (u.epoch_rows(r, epoch) for u, r in zip(unlearners, requests, strict=True))
            for rows in zip(*walks, strict=True):
                number, phase = number + 1, rows[0].phase
                now = [u.rate(phase, number - 1, total) for u in unlearners]
                if now != before:  # most keep one rate
                    rates, before = torch.tensor(now, device=device), now
                forget, retain = fetch([r.forget for r in rows], labels), fetch([r.retain for r in rows], labels)
                logits, inputs = _dense_logits(nets, {"forget": forget, "retain": retain})
                forget, retain = (batch and batch[:2] for batch in (forget, retain))
                own = {"forget": forget, "retain": retain, "logits": logits, "numbers": numbers}
                own = {name: value for name, value in own.items() if value is not None}
                try:
                    losses = vmap(loss_of)(own | handed)
                except _Asked:
                    handed = models_too
                    losses = vmap(loss_of)(own | handed)
                sources = [*params.values(), *logits.values()]
                found = torch.autograd.grad(losses.sum(), sources, allow_unused=True)
                gradients = dict(zip(params, found, strict=False))
                with torch.no_grad():
                    for v in velocity.values():
                        v.mul_(_beside(momentum, v))
                    for name, gradient in gradients.items():
                        if gradient is not None:
                            velocity[name].add_(gradient)
                    for given, out in zip(inputs, found[len(params) :], strict=True):
                        for layer in nets.backward(out, given) if out is not None else ():
                            velocity[f"{layer.name}.weight"].baddbmm_(layer.out.transpose(1, 2), layer.given)
                            velocity[f"{layer.name}.bias"].add_(layer.out.sum(1))
                    # What the loss does not look at stays where it is, as with torch's own optimiser.
                    touched = (
                        params if inputs else [name for name, gradient in gradients.items() if gradient is not None]
                    )
                    moving = watch.still_moving(rates)
                    for name in touched:
                        mask = None if masks is None else masks[name]
                        _move(params[name], velocity[name], moving, mask, weight_decay)
                for cost in (cost for cost in costs if cost.diverged_at is None):
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
        _finished(
            unlearners[m], originals[m], models[m], requests[m], {k: v[m] for k, v in params.items()}, costs[m], seconds
        )
        for m in range(len(unlearners))
    ]


def _fetcher(requests: Sequence[Request], dense: torch.nn.Module | None) -> Callable:
    """A function of each member's rows and all labels (M, n): images (M, B, ...), labels (M, B) and, where the nets are
    like `dense`, what their first layer reads (M, B, D), which is made for all images once; or None.
    """
    x = requests[0].x
    shared = all(request.x is x for request in requests)
    pixels = flat(dense, x) if dense is not None and shared else None

    def fetch(rows: list[np.ndarray | None], labels: torch.Tensor):
        if rows[0] is None:
            return None
        index = torch.from_numpy(np.stack(rows)).to(x.device)
        if shared:
            images = x.index_select(0, index.flatten()).unflatten(0, index.shape)
        else:
            images = torch.stack([request.x[i] for request, i in zip(requests, index, strict=True)])
        if pixels is not None:
            read = pixels.index_select(0, index.flatten()).unflatten(0, index.shape)
        else:
            read = None if dense is None else flat(dense, images)
        return images, labels.gather(1, index), read

    return fetch


def _masks(unlearners, originals, requests, costs) -> dict[str, torch.Tensor] | None:
    """name -> (M, ...) bool: which weights may change; None = all."""
    found = [u.mask(*asked) for u, *asked in zip(unlearners, originals, requests, costs, strict=True)]
    return None if found[0] is None else {k: torch.stack([mask[k] for mask in found]) for k in found[0]}


def _dense_logits(nets: DenseNets | None, batches: dict) -> tuple[dict[str, torch.Tensor], list]:
    """The logits (M, B, K) of the batches that there are, as leaves to differentiate by, and what each layer was given.
    Nothing where the nets are not dense: then the loss asks them itself.
    """
    logits, inputs = {}, []
    for name, batch in batches.items() if nets is not None else ():
        if batch is not None:
            said, given = nets.forward(batch[2])
            logits[name] = said.requires_grad_(True)
            inputs.append(given)
    return logits, inputs


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


def _beside(value: float | torch.Tensor, p: torch.Tensor) -> float | torch.Tensor:
    """One number for each member (M,), so that it multiplies p (M, ...)."""
    return value.to(p.dtype).view(-1, *[1] * (p.dim() - 1)) if isinstance(value, torch.Tensor) else value


def _move(p, velocity, rates, mask, weight_decay) -> None:
    """Each member's weights move at its own rate; masked-out ones stay where they are."""
    if isinstance(weight_decay, torch.Tensor):  # one by one, as other sums are rounded otherwise
        for v, weights, own in zip(velocity, p, weight_decay.tolist(), strict=True):
            v.add_(weights, alpha=own)
    elif weight_decay:
        velocity.add_(p, alpha=weight_decay)
    p.addcmul_(velocity if mask is None else torch.where(mask, velocity, 0.0), _beside(rates, p), value=-1)


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
        self.seen += losses.detach()  # what is not finite stays so

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
    model.load_state_dict(params, strict=False)
    unlearner.end(model, request)
    unlearner.count_mixture(request, cost)
    if not finite(model):  # what it did at the end was one step too many
        model.load_state_dict(original.state_dict())
        cost.diverged_at = max(cost.steps, 1)
    cost.seconds, cost.peak_megabytes = seconds, peak_megabytes(request.x.device)
    return Unlearned(model.eval().requires_grad_(True), cost)
