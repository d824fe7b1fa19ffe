from __future__ import annotations

import numpy as np
import torch

from unlearn_core.params import param, spec
from unlearn_core.unlearning.curvature import conjugate_gradients, lissa
from unlearn_core.unlearning.draws import ALL, drawn
from unlearn_core.unlearning.influence.data_change import DataChange
from unlearn_core.unlearning.request import fetch


@spec
class SecondOrder(DataChange):
    """Follow a change of the training data by a Newton step: theta - length (H + damping I)^-1 G / n.

    G = sum over Z~ of grad CE - sum over Z: Z are the forget images, Z~ what becomes of them: nothing, the same with
    corrected labels, or the same with a square in the mean colour. H is the Hessian of the mean CE over all n training
    images, in eval mode. The inverse comes from products with H: conjugate gradients over all images, which stop before
    a direction in which H + damping I does not curve upwards; or LiSSA on batches, u <- G/n + (1 - damping/scale) u -
    H u / scale.

    Source: Warnecke, Pirch, Wressnegger, Rieck (2023), "Machine Unlearning of Features and Labels", arXiv:2108.11577.
    Departs from the paper: everything is in units of the mean loss, so damping and scale do not depend on n; LiSSA, its
    choice, is not the default, for it needs a scale above the largest eigenvalue of H. The paper's length is 1; a net
    that fits its images has hardly any gradient left on them, so the default goes further.
    """

    title = "Second-order influence"
    group = "influence of features and labels"
    needs = ("retain", "forget", "labels")
    grid = {"damping": (0.01, 0.03, 0.1, 0.3), "length": (1.0, 3.0, 10.0, 20.0, 30.0)}

    damping: float = param(0.1, 1e-6, 100.0, log=True, help="added to the curvature; an L2 penalty of training counts")
    length: float = param(30.0, 0.0, 1000.0, help="length of the step; about 30 suits deletion, 1 corrected labels")
    solver: str = param("conjugate gradients", choices=("conjugate gradients", "LiSSA"), help="how H is inverted")
    iterations: int = param(20, 1, 10_000, help="products with the Hessian, at most")
    scale: float = param(100.0, 1e-3, 1e9, log=True, help="LiSSA only: must exceed the largest eigenvalue of H")
    batch: int = param(1024, 1, 100_000, help="images of one product of LiSSA, or of one pass")

    def run(self, model, original, request, cost):
        loss = self.mean_loss(model)
        g = self.gradient_change(loss, request, cost)
        rows = np.sort(np.r_[request.forget, request.retain])

        def product(parts: list[np.ndarray], v: torch.Tensor) -> torch.Tensor:
            total = 0.0
            for part in parts:
                total = total + loss.product(fetch(request.x, request.y, part), v) * len(part)
                gone = int(np.isin(part, request.forget).sum())
                cost.forget_gradients += 2 * gone
                cost.retain_gradients += 2 * (len(part) - gone)
            return total / sum(map(len, parts))

        if self.solver == "LiSSA":
            order = endless(request, rows, self.batch)
            u = lissa(lambda v: product([next(order)], v), g, self.iterations, self.scale, self.damping / self.scale)
        else:
            parts = [rows[i : i + self.batch] for i in range(0, len(rows), self.batch)]
            u = conjugate_gradients(lambda v: product(parts, v) + self.damping * v, g, self.iterations)
        self.move(model, loss.parts(-self.length * u))
        cost.steps = 1
        return model


def endless(request, rows: np.ndarray, batch: int):
    """Batches of the rows without end; each round has an order of its own."""
    turn = 0
    while True:
        order = drawn(request, rows, len(rows), ALL, turn)
        yield from (order[i : i + batch] for i in range(0, len(order), batch))
        turn += 1
