from __future__ import annotations

import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.draws import RETAIN, drawn, generator
from unlearn_core.unlearning.gradients import image_gradients, named_parts
from unlearn_core.unlearning.request import fetch


@spec
class Fisher(Unlearner):
    """Noise where the retain set does not feel it: theta + sqrt(v) N(0, 1), v = alpha min(1 / (F + 1e-8), limit).

    F = mean over retain images of sum_y p(y|x) (d log p(y|x) / d theta)^2, the diagonal of the Fisher information. The
    limit is 1e3, in the last layer 1e2. v is the mean over the inputs of a unit (dimension 1), and ten times as large
    in the last layer and for parameters of one dimension.

    Source: Golatkar, Achille, Soatto (2020), "Eternal Sunshine of the Spotless Net: Selective Forgetting in Deep
    Networks", arXiv:1911.04933.
    Departs from the paper: the form of the released code, with the diagonal only, and without its variant for whole
    classes; the forget set plays no part.
    """

    title = "Fisher forgetting"
    group = "perturb weights"
    needs = ("retain",)
    grid = {"alpha": (1e-9, 1e-8, 1e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4)}

    alpha: float = param(3e-6, 1e-12, 1.0, log=True, help="size of the noise")
    images: int = param(0, 0, 10_000_000, help="retain images to measure the information on, drawn; 0 = all")

    @torch.no_grad()
    def run(self, model, original, request, cost):
        information = named_parts(model, self.information(model, request, cost))
        source, last = generator(request), {id(p) for p in model.head.parameters()}
        for name, p in model.named_parameters():
            head = id(p) in last
            v = self.alpha * (1 / (information[name] + 1e-8)).clamp(max=1e2 if head else 1e3)
            v = v * 10 if head or p.dim() == 1 else v
            v = v.mean(1, keepdim=True) if p.dim() > 1 else v
            p.add_(torch.randn(p.shape, generator=source).to(p) * v.sqrt())
        cost.steps = 1
        return model

    @torch.no_grad()
    def information(self, model, request, cost) -> torch.Tensor:
        """(P,) the diagonal of the Fisher information, exact: from gradients of single images."""
        total, done = 0.0, 0
        rows = drawn(request, request.retain, self.images or len(request.retain), RETAIN)
        x, classes = fetch(request.x, request.y, rows).x, request.classes
        for part in x.split(256):
            p = model.eval()(part).softmax(-1)
            # Each image once for each class, weighted by the square root, for what is summed is squared.
            y = torch.arange(classes, device=x.device).repeat(len(part))
            columns = part.repeat_interleave(classes, 0), y, p.flatten().sqrt()
            for found in image_gradients(model, lambda z, y, w: w * F.cross_entropy(z, y[None]), *columns):
                total = total + found.square().sum(0)
            done += len(part)
            request.tell("unlearn", done, len(x))
        cost.retain_gradients += len(x) * classes
        return total / len(x)
