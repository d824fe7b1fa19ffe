"""The curvature of a mean loss: products of its Hessian with vectors, and steps against it. All in units of the mean
loss over the images, so that no setting depends on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch.func import functional_call
from torch.nn import functional as F

from unlearn_core.unlearning.gradients import flat
from unlearn_core.unlearning.layers import NORMS, layers
from unlearn_core.unlearning.request import Batch

Product = Callable[[torch.Tensor], torch.Tensor]


class MeanLoss:
    """The mean loss of a model as a function of some of its parameters, at its present weights and in its present mode.

    Vectors (P,) are all numbers of the parameters called `names`, all of them by default, in the model's order.
    """

    def __init__(self, model: torch.nn.Module, names: Collection[str] | None = None, loss: Callable = F.cross_entropy):
        self.model, self.loss = model, loss
        self.parameters, self.others = {}, {}
        for name, p in model.named_parameters():
            if names is None or name in names:
                self.parameters[name] = p
            else:
                self.others[name] = p.detach()

    def gradient(self, batch: Batch) -> torch.Tensor:
        """(P,) of the mean loss over a batch."""
        return flat(self._slopes(batch)[1])

    def product(self, batch: Batch, v: torch.Tensor) -> torch.Tensor:
        """(P,) H v, H the Hessian of the mean loss over a batch."""
        return self.gradient_and_product(batch, v)[1]

    def gradient_and_product(self, batch: Batch, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both (P,), for the cost of the product."""
        ours, slopes = self._slopes(batch, again=True)
        # Of a slope that does not depend on the parameters there is nothing to go back through.
        bent = [(s, part) for s, part in zip(slopes, self.parts(v).values(), strict=True) if s.requires_grad]
        if not bent:
            return flat(slopes), torch.zeros_like(v)
        ends, along = zip(*bent, strict=True)
        return flat(slopes).detach(), flat(torch.autograd.grad(ends, ours, along, materialize_grads=True))

    @torch.enable_grad()
    def _slopes(self, batch: Batch, again: bool = False) -> tuple[list[torch.nn.Parameter], tuple[torch.Tensor, ...]]:
        """The parameters, and the gradient of each; with `again` it can be gone back through once more.
        torch's own way back, for that of torch.func takes three times as long on a small net.
        """
        ours = list(self.parameters.values())
        # Without others the model is asked as it is: to hand weights in takes as long as a small net's answer.
        said = functional_call(self.model, self.others, (batch.x,)) if self.others else self.model(batch.x)
        loss = self.loss(said, batch.y)
        return ours, torch.autograd.grad(loss, ours, create_graph=again, materialize_grads=True)

    def parts(self, v: torch.Tensor) -> dict[str, torch.Tensor]:
        """The vector as one tensor for each parameter."""
        pieces = v.split([p.numel() for p in self.parameters.values()])
        return {name: part.view_as(p) for (name, p), part in zip(self.parameters.items(), pieces, strict=True)}


@contextmanager
def statistics_untouched(model: torch.nn.Module) -> Iterator[None]:
    """BatchNorm in training goes by the batch as ever, but keeps its running statistics as they are."""
    tracking = [m for m in layers(model, NORMS).values() if m.training and m.track_running_stats]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True


def conjugate_gradients(product: Product, b: torch.Tensor, iterations: int, tolerance: float = 1e-6) -> torch.Tensor:
    """x with A x = b for a symmetric A, from products A v: as good as so many of them make it.

    It stops where |b - A x| <= tolerance |b|, and before a direction in which A does not curve upwards.
    """
    x, residual = torch.zeros_like(b), b.clone()
    direction, left = residual.clone(), residual @ residual
    enough = tolerance**2 * float(left)
    for _ in range(iterations):
        if float(left) <= enough:
            break
        turned = product(direction)
        curvature = direction @ turned
        if not float(curvature) > 0:
            break
        step = left / curvature
        x, residual = x + step * direction, residual - step * turned
        left, before = residual @ residual, left
        direction = residual + left / before * direction
    return x


def lissa(
    product: Product,
    v: torch.Tensor,
    iterations: int,
    scale: float,
    damping: float,
    patience: int = 20,
) -> torch.Tensor:
    """About (H + scale * damping * I)^-1 v, from products with H, which may be those of batches.

    u <- v + (1 - damping) u - H u / scale from u = v; the answer is u / scale. `scale` must exceed the largest
    eigenvalue of H. It stops when the change (L1) has not shrunk for `patience` iterations; an update that is not
    finite is rejected and ends it.
    """
    u, least, waited = v.clone(), float("inf"), 0
    for _ in range(iterations):
        following = v + (1 - damping) * u - product(u) / scale
        change = float((following - u).abs().sum())
        if not change < float("inf"):
            break
        u = following
        least, waited = (change, 0) if change < least else (least, waited + 1)
        if waited >= patience:
            break
    return u / scale
