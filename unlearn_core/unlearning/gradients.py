"""Gradients at one point: asked of a model that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from unlearn_core.unlearning.request import Batch

AT_ONCE = 2**25  # numbers of gradients of single images held at a time


def batch_gradients(
    model: torch.nn.Module, batches: Iterable[Batch], loss: Callable = F.cross_entropy
) -> Iterator[tuple[int, list[torch.Tensor]]]:
    """For each batch its size and the gradient of loss(logits, y) by each parameter of the model, in its present mode.

    Parameters may be frozen: they are again afterwards.
    """
    flags = [(p, p.requires_grad) for p in model.parameters()]
    parameters = [p for p, _ in flags]
    model.requires_grad_(True)
    try:
        for x, y in batches:
            found = torch.autograd.grad(loss(model(x), y), parameters, allow_unused=True)
            yield len(y), [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def importances(
    model: torch.nn.Module, batches: list[Batch], loss: Callable = F.cross_entropy, size: Callable = torch.square
) -> torch.Tensor:
    """(P,) the mean over batches of size(gradient of the batch's loss), at least 0; it depends on the batch size."""
    total = 0.0
    for _, gradient in batch_gradients(model, batches, loss):
        total = total + size(flat(gradient))
    return total / len(batches)


def image_gradients(model: torch.nn.Module, loss: Callable, *columns: torch.Tensor) -> Iterator[torch.Tensor]:
    """Gradients (B, P) of loss(logits (1, K), entry of each column) for single images, some at a time. The first column
    is the images; the model is asked in eval mode.
    """
    model.eval()
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    at_once = max(1, min(256, AT_ONCE // sum(p.numel() for p in parameters.values())))

    def one(parameters, x, *rest):
        return loss(functional_call(model, parameters, (x[None],)), *rest)

    each = vmap(grad(one), in_dims=(None, *[0] * len(columns)))
    for parts in zip(*(column.split(at_once) for column in columns), strict=True):
        yield torch.cat([g.flatten(1) for g in each(parameters, *parts).values()], 1)


def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """(P,) all numbers of these tensors, one after the other."""
    return torch.cat([t.flatten() for t in tensors])


def named_parts(model: torch.nn.Module, values: torch.Tensor) -> dict[str, torch.Tensor]:
    """(P,) numbers as one tensor for each parameter of the model, by its name: what `flat` undoes."""
    parts = values.split([p.numel() for p in model.parameters()])
    return {name: part.view_as(p) for (name, p), part in zip(model.named_parameters(), parts, strict=True)}


def largest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """(P,) bool: the `count` largest scores (P,). Of equal ones the first stand first."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen[scores.argsort(descending=True, stable=True)[:count]] = True
    return chosen
