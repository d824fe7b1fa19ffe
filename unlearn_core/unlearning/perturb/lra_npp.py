from __future__ import annotations

import numpy as np
import torch

from unlearn_core.params import BadValue, param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.draws import VALIDATION, drawn, generator
from unlearn_core.unlearning.gradients import largest


@spec
class LraNpp(Unlearner):
    """Cut what the last layer reads of a class, found on images that nobody was trained on.

    For each of some unseen images of the class the logit k that wins is led back to the last layer's input a by the
    epsilon rule, R_j = a_j W[k, j] / (z_k + 0.1 sign z_k). Features that are most often among an image's most relevant
    ones are the path; the weights that read them are set to zero (or get noise N(0, 1), or Laplace(1)).

    Source: Chang et al. (2024), "Zero-shot Class Unlearning via Layer-wise Relevance Analysis and Neuronal Path
    Perturbation", arXiv:2410.23693.
    Departs from the paper: only the last layer is analysed, as in its code, and only its weights change. The numbers of
    features are shares of the layer's width.
    """

    title = "LRA-NPP"
    group = "perturb weights"
    scope = "classes"
    needs = ("validation", "classes")
    caution = "Only the read-out is edited: the features still know the class, so a little training brings it back."
    grid = {"analysed": (0.05, 0.1, 0.2), "cut": (0.1, 0.2, 0.4), "rows": ("class", "all")}

    images: int = param(36, 1, 10_000, help="unseen images of each class, drawn; fewer where there are fewer")
    analysed: float = param(0.1, 0.0, 1.0, help="share of the features that counts as relevant for one image")
    cut: float = param(0.2, 0.0, 1.0, help="share of the features that is perturbed, the most often relevant ones")
    rows: str = param(
        "class", choices=("class", "all"), help="weights that the class's logit gives them, or all logits"
    )
    change: str = param("zero", choices=("zero", "gaussian", "laplace"), help="what becomes of the weights")

    def refuse(self, request):
        super().refuse(request)
        known = set(request.validation.y.tolist())
        for c in request.forgotten_classes:
            if c not in known:
                raise BadValue(f"{self.title} needs validation images of class {c}, and there are none.")

    @torch.no_grad()
    def run(self, model, original, request, cost):
        model.eval()
        weight, source = model.head.weight, generator(request)
        path = {c: self.path(model, request, c) for c in request.forgotten_classes}  # all before the first cut
        for c, features in path.items():
            where = torch.zeros_like(weight, dtype=torch.bool)
            where[c if self.rows == "class" else slice(None), features] = True
            weight.copy_(torch.where(where, self.changed(weight, source), weight))
        cost.steps = 1
        return model

    def path(self, model, request, c: int) -> torch.Tensor:
        """The features (at most `cut` of them) that are most often relevant for images of class c."""
        of_class = np.flatnonzero(request.validation.y.cpu().numpy() == c)
        rows = drawn(request, of_class, self.images, VALIDATION)
        features = model.embed(request.validation.x[torch.from_numpy(rows).to(request.validation.x.device)])
        logits = model.head(features)
        z, k = logits.max(-1)
        relevance = features * model.head.weight[k] / (z + torch.where(z > 0, 0.1, -0.1))[:, None]
        width = relevance.shape[1]
        relevant = torch.stack([largest(r, round(self.analysed * width)) for r in relevance])
        often = relevant.sum(0)
        return (largest(often, round(self.cut * width)) & (often > 0)).nonzero().flatten()

    def changed(self, weight, source) -> torch.Tensor:
        if self.change == "zero":
            return torch.zeros_like(weight)
        noise = torch.randn(weight.shape, generator=source)
        if self.change == "laplace":  # the difference of two exponentials
            noise = torch.empty(2, *weight.shape).exponential_(generator=source)
            noise = noise[0] - noise[1]
        return weight + noise.to(weight)
