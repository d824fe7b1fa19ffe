"""Training many small nets in one pass, each with its own rows, seed and learning rate, in float32."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch.func import vmap
from torch.nn import functional as F

from unlearn_core.augmentation import epoch_draws, flip_and_crop
from unlearn_core.data import Dataset
from unlearn_core.dense import DenseSteps, flat, layers_of
from unlearn_core.device import fast_products, pick_device, ready_for
from unlearn_core.models import Classifier, new_model
from unlearn_core.progress import Tell
from unlearn_core.stacking import call, skeleton, stacked_state
from unlearn_core.training import (
    TRAJECTORY,
    Trained,
    Training,
    as_trajectory,
    epoch_order,
    learning_rate,
    steps_of,
    trajectory_of,
)

# One step of all members: images (M, B, C, H, W) of floats in [0, 1], labels (M, B), the learning rate of each run of
# members that share one -> logits (M, B, K) from before the step.
Steps = Callable[[torch.Tensor, torch.Tensor, Sequence[float]], torch.Tensor]


def train_stacked(
    training: Training,
    dataset: Dataset,
    rows: np.ndarray,
    seeds: Sequence[int],
    tell: Tell,
    rates: Sequence[float] | None = None,
) -> Iterator[Trained]:
    """Train len(seeds) models together, member m on rows[m] (all of one length), at the start with the learning rate
    rates[m] or else the recipe's; yields them in order.
    """
    device, started = pick_device(), time.perf_counter()
    models = [new_model(training.model, dataset, seed, training.width).to(device) for seed in seeds]
    ready_for(models[0])
    params, buffers = stacked_state([model.train() for model in models])
    alike, starts = _runs(rates or [training.lr] * len(seeds))
    take, step_all = _prepared(training, models[0], params, buffers, dataset.train.x.to(device), alike)
    y, (members, size) = dataset.train.y.to(device), rows.shape
    steps, step = steps_of(training, size), 0
    seen = torch.zeros(members, len(y), len(TRAJECTORY), device=device)
    member_axis = torch.arange(members, device=device)[:, None]
    for epoch in range(training.epochs):
        order = torch.from_numpy(np.stack([epoch_order(r, s, epoch) for r, s in zip(rows, seeds, strict=True)]))
        order = order.to(device)
        draws = None
        if training.augment != "none":
            draws = torch.from_numpy(np.stack([epoch_draws(size, s, epoch) for s in seeds])).to(device)
        said = []
        with fast_products(models[0]):
            for start in range(0, size, training.batch):
                at = slice(start, start + training.batch)
                now = [learning_rate(lr, training.schedule, step, steps) for lr in starts]
                images = take(order[:, at], None if draws is None else draws[:, at])
                said.append(step_all(images, y[order[:, at]], now))
                step += 1
                tell("train", step, steps)
        seen[member_axis, order] += trajectory_of(torch.cat(said, dim=1), y[order])
    seen = seen.cpu().numpy() / training.epochs
    seconds = (time.perf_counter() - started) / members
    for m, model in enumerate(models):
        model.load_state_dict({k: v[m].detach() for k, v in (params | buffers).items()})
        yield Trained(model.eval(), as_trajectory(seen[m], rows[m]), seconds, members)


def _runs(rates: Sequence[float]) -> tuple[list[slice], list[float]]:
    """The members as runs of neighbours with one learning rate, and those rates. Each run is moved by itself, so that
    what a rate does to a member is the same to the bit whoever is beside it.
    """
    edges = [0, *(m for m in range(1, len(rates)) if rates[m] != rates[m - 1]), len(rates)]
    return [slice(a, b) for a, b in pairwise(edges)], [rates[a] for a in edges[:-1]]


def _prepared(
    training: Training, model: Classifier, params: dict, buffers: dict, images: torch.Tensor, alike: list[slice]
):
    """How a batch is taken from the images, and how all members make a step on it."""
    layers = layers_of(model)
    if layers is not None and training.augment == "none":
        pixels = flat(model, images)
        steps = DenseSteps(params, layers, training.momentum, training.weight_decay, alike)
        return lambda order, draws: pixels.index_select(0, order.flatten()).view(*order.shape, -1), steps
    images = images.contiguous(memory_format=torch.channels_last)

    def take(order: torch.Tensor, draws: torch.Tensor | None) -> torch.Tensor:
        x = images[order.flatten()]
        if draws is not None:
            x = flip_and_crop(x, draws.flatten(0, 1))
        return (x.float() / 255).unflatten(0, order.shape)

    return take, _automatic(training, model, params, buffers, alike)


def _automatic(training: Training, model: Classifier, params: dict, buffers: dict, alike: list[slice]) -> Steps:
    """Steps of any net, differentiated by torch. The loss is the sum of independent losses, so the gradient of each
    member's parameters is that of its own.
    """
    net, parameters = skeleton(model), list(params.values())
    forward = vmap(lambda p, b, x: call(net, p, b, x))
    # On a CPU the fused step rounds the last few of all numbers differently: those of whichever member is the last.
    fused = parameters[0].device.type == "cuda"
    moved = [[p.detach()[of] for p in parameters] for of in alike]  # in the same place in memory
    optimiser = torch.optim.SGD(
        [{"params": run} for run in moved],
        lr=training.lr,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        fused=fused,
    )

    def step(x: torch.Tensor, y: torch.Tensor, rates: Sequence[float]) -> torch.Tensor:
        logits = forward(params, buffers, x)
        loss = F.cross_entropy(logits.transpose(1, 2), y, reduction="sum") / y.shape[1]
        for p in parameters:
            p.grad = None
        loss.backward()
        for of, run, group, lr in zip(alike, moved, optimiser.param_groups, rates, strict=True):
            group["lr"] = lr
            for p, whole in zip(run, parameters, strict=True):
                p.grad = whole.grad[of]
        optimiser.step()
        return logits.detach()

    return step
