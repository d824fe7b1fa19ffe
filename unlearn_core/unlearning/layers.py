"""The layers of a classifier: which there are, in order, and how to start one afresh."""

from __future__ import annotations

import torch
from torch import nn

WEIGHTED = (nn.Linear, nn.Conv2d)
NORMS = nn.modules.batchnorm._BatchNorm


def layers(model: nn.Module, kinds: type | tuple[type, ...] = WEIGHTED) -> dict[str, nn.Module]:
    """name -> each layer of these kinds, in the order in which they are declared; a classifier's head is the last."""
    return {name: module for name, module in model.named_modules() if isinstance(module, kinds)}


def last_blocks(model: nn.Module, k: int) -> set[str]:
    """Names of the parameters of the head and of the last k blocks of the trunk.

    A block is a child of the trunk, taken apart as long as there is only one, that has parameters of its own. All
    parameters where there are no more than k blocks.
    """
    trunk = model.trunk
    while len(children := [m for m in trunk.children() if any(True for _ in m.parameters())]) == 1:
        if not any(True for _ in children[0].children()):
            break
        trunk = children[0]
    own = {id(p) for module in (model.head, *(children[-k:] if k else ())) for p in module.parameters()}
    return {name for name, p in model.named_parameters() if id(p) in own or len(children) <= k}


def only_last_blocks(model: nn.Module, k: int) -> dict[str, torch.Tensor]:
    """name -> bool tensor: all weights of the last k blocks and the head, none of the others."""
    chosen = last_blocks(model, k)
    return {name: torch.full_like(p, name in chosen, dtype=torch.bool) for name, p in model.named_parameters()}


@torch.no_grad()
def start_afresh(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights of a module anew, each layer as torch starts it, from this source of random numbers."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in module.modules():
            if hasattr(part, "reset_parameters"):
                device = next(part.parameters()).device
                part.to("cpu").reset_parameters()  # the same numbers on every device
                part.to(device)


@torch.no_grad()
def add_noise(parameters, scale: float, generator: torch.Generator) -> None:
    """Add scale * N(0, 1) to each of these tensors."""
    for p in parameters:
        p.add_(torch.randn(p.shape, generator=generator).to(p) * scale)
