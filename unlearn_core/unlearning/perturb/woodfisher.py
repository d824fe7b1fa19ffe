from __future__ import annotations

import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.draws import RETAIN, drawn
from unlearn_core.unlearning.gradients import batch_gradients, flat, image_gradients, named_parts
from unlearn_core.unlearning.request import fetch


@spec
class WoodFisher(Unlearner):
    """One step by the influence of the forget set: theta + alpha * k, k about F^-1 (n_f / n) (g_forget - g_retain).

    g are gradients of the mean CE over a set, in eval mode. F^-1 comes from N + 1 single retain images with gradients
    g: o starts as the first, k as (n_f / n) (g_forget - g_retain); each next one makes
    k <- k - (k g) / (N + o g) o, then o <- o - (o g) / (N + o g) o.

    Source: Jia et al. (2023), "Model Sparsity Can Simplify Machine Unlearning", arXiv:2304.04934, after Izzo et al.
    (2021), "Approximate Data Deletion from Machine Learning Models", arXiv:2002.10077; the recursion is that of its
    code, after Singh and Alistarh (2020), "WoodFisher", arXiv:2004.14340.
    Departs from the paper: the single images are drawn from the seed; N is smaller where there are fewer.
    """

    title = "Influence (WoodFisher)"
    group = "perturb weights"
    grid = {"alpha": (1.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 300.0)}

    alpha: float = param(10.0, 1e-6, 1e6, log=True, help="length of the step")
    images: int = param(1000, 1, 1_000_000, help="single retain images that the curvature comes from (N)")

    def run(self, model, original, request, cost):
        forget, retain = (self.mean_gradient(model, request, rows) for rows in (request.forget, request.retain))
        n_forget, n_retain = len(request.forget), len(request.retain)
        k, o = n_forget / (n_forget + n_retain) * (forget - retain), None
        singles = fetch(request.x, request.y, drawn(request, request.retain, self.images + 1, RETAIN))
        n, done = len(singles.y) - 1, 0
        for found in image_gradients(model, lambda z, y: F.cross_entropy(z, y[None]), *singles):
            for g in found:
                if o is None:
                    o = g.clone()
                    continue
                below = n + o @ g
                k = k - (k @ g) / below * o
                o = o - (o @ g) / below * o
            done += len(found)
            request.tell("unlearn", done, n + 1)
        with torch.no_grad():
            for p, part in zip(model.parameters(), named_parts(model, self.alpha * k).values(), strict=True):
                p.add_(part)
        cost.steps, cost.forget_gradients, cost.retain_gradients = 1, n_forget, n_retain + n + 1
        return model

    def mean_gradient(self, model, request, rows) -> torch.Tensor:
        """(P,) the gradient of the mean loss over these rows."""
        batches, total = (fetch(request.x, request.y, rows[i : i + 256]) for i in range(0, len(rows), 256)), 0.0
        for size, gradient in batch_gradients(model.eval(), batches):
            total = total + flat(gradient) * (size / len(rows))
        return total
