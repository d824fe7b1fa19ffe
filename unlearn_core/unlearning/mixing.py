"""Between two models of one kind."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator

import torch

from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import NORMS, layers
from unlearn_core.unlearning.request import Request, fetch

GRID, HALVINGS = 11, 12
SAMPLE, CHUNK = 2000, 250  # images for the statistics of BatchNorm


def same_shapes(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Whether two models have the same weights by name and shape."""
    ours, theirs = ({name: v.shape for name, v in m.state_dict().items()} for m in (a, b))
    return ours == theirs


@torch.no_grad()
def mixed(original: torch.nn.Module, unlearned: torch.nn.Module, alpha: float) -> torch.nn.Module:
    """original + alpha (unlearned - original), for each parameter and each buffer of decimal numbers; at 0 and at 1 the
    one and the other to the bit.
    """
    if alpha in (0, 1):
        return copy.deepcopy(unlearned if alpha else original)
    mix = copy.deepcopy(unlearned)
    for value, a, b in zip(*(m.state_dict().values() for m in (mix, original, unlearned)), strict=True):
        if value.is_floating_point():
            value.copy_(torch.lerp(a, b, alpha))
    return mix


def largest_mix(right: Callable[[float], float], retention: float) -> float | None:
    """The largest alpha in 0..1 up to which right(alpha) >= retention right(0): 11 points first, then 12 halvings. None
    where a point that reaches the bar comes after one that does not: such models do not mix.
    """
    bar = retention * right(0.0)
    kept = [right(i / (GRID - 1)) >= bar for i in range(GRID)]
    if all(kept):
        return 1.0
    border = kept.index(False)
    if any(kept[border:]):
        return None
    low, high = (border - 1) / (GRID - 1), border / (GRID - 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if right(middle) >= bar else (low, middle)
    return low


@torch.no_grad()
def refresh_batch_norm(model: torch.nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of all BatchNorm layers by the means over these batches of images; without a batch
    they stay.
    """
    norms = list(layers(model, NORMS).values())
    batches = list(batches) if norms else []
    if not batches:
        return
    model.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    for x in batches:
        model(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def retained_images(request: Request) -> Iterator[torch.Tensor]:
    """Batches of some retain images, drawn; none where there is only one, which BatchNorm cannot learn from."""
    some = torch.randperm(len(request.retain), generator=generator(request))[:SAMPLE]
    parts = some.tensor_split(-(-len(some) // CHUNK)) if len(some) > 1 else []
    return (fetch(request.x, request.y, request.retain[part.numpy()]).x for part in parts)
