from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import FORGET
from unlearn_core.unlearning.request import fetch


@spec
class BoundaryShrink(GradientUnlearner):
    """Give each image to forget to the nearest wrong class, so that its own class's region shrinks: loss =
    CE(forget, y'), y' = the wrong class that the original ranks first at x + bound sign(grad_x CE).

    Source: Chen et al. (2023), "Boundary Unlearning: Rapid Forgetting of Deep Networks via Shifting the Decision
    Boundary", arXiv:2303.11570.
    Departs from the paper: the true class is left out where the moved image does not cross the boundary.
    """

    title = "Boundary Shrink"
    group = "relabel"
    scope = "classes"
    walk = "forget"
    needs = ("forget", "labels")
    grid = {"lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)}

    lr: float = param(0.001, 1e-7, 10.0, log=True, help="learning rate")
    bound: float = param(0.1, 0.0, 1.0, help="how far each pixel moves in the search; 1 = from black to white")
    bn: str = param("frozen", choices=("train", "frozen"), help="whether BatchNorm statistics follow the batches")

    def run(self, model, original, request, cost):
        y, judge = request.y.clone(), model.eval()  # still the original
        for rows in self.batches(request.forget, request.seed, 0, FORGET):
            batch = fetch(request.x, request.y, rows)
            y[torch.from_numpy(rows).to(y.device)] = nearest_wrong(judge, *batch, self.bound)
            cost.forget_gradients += len(rows)
        return super().run(model, original, replace(request, y=y), cost)

    def loss(self, model, original, step):
        return F.cross_entropy(model(step.forget.x), step.forget.y)


def nearest_wrong(model, x: torch.Tensor, y: torch.Tensor, bound: float) -> torch.Tensor:
    """(B,) the wrong class that the model ranks first where one step uphill, of `bound` a pixel, leads."""
    x = (x.float() / 255 if x.dtype == torch.uint8 else x.clone()).requires_grad_(True)
    (uphill,) = torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)
    with torch.no_grad():
        moved = (x + bound * uphill.sign()).clamp(0, 1)
        return model(moved).scatter(1, y[:, None], -torch.inf).argmax(1)
