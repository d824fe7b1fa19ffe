"""What algorithms that edit weights at one go share: how much a weight matters, and noise on some of the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import param
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.distances import symmetric_kl
from unlearn_core.unlearning.draws import ALL, FORGET, generator, shuffled
from unlearn_core.unlearning.gradients import flat, largest, named_parts
from unlearn_core.unlearning.request import Batch, Request


@dataclass(frozen=True, kw_only=True)
class Perturbation(GradientUnlearner):
    """Noise on the share of the weights with the highest scores; then, if asked, repair by

        loss = CE(retain) + hold * J(model, original; forget),   J = symmetric KL divergence.

    An algorithm says the scores.
    """

    walk = "paired"
    grid = {"share": (0.01, 0.03, 0.1), "sigma": (1.0, 3.0, 6.0, 10.0), "lr": (0.01, 0.1)}

    share: float = param(0.03, 0.0, 1.0, help="share of the weights that get noise")
    sigma: float = param(6.0, 0.0, 100.0, help="size of the noise")
    unit: str = param(
        "layer", choices=("layer", "absolute"), help="sigma in standard deviations of the layer, or as is"
    )
    among: str = param("model", choices=("model", "layer"), help="the share of the whole model, or of each layer")
    biases: bool = param(False, help="whether biases and normalisation may get noise too")
    hold: float = param(0.1, -10.0, 10.0, help="weight of staying close on the forget set; below 0 it pushes away")
    epochs: int = param(1, 0, 200, help="passes over the retain set for repair; 0 = none")

    def scores(self, original, request: Request, cost) -> dict[str, torch.Tensor]:
        """Parameter name -> a score for each of its weights; the highest are chosen."""
        raise NotImplementedError

    def loss(self, model, original, step):
        with torch.no_grad():
            teacher = original(step.forget.x)
        apart = symmetric_kl(model(step.forget.x), teacher)
        return F.cross_entropy(model(step.retain.x), step.retain.y) + self.hold * apart

    def chosen(self, original, request: Request, cost) -> dict[str, torch.Tensor]:
        """Parameter name -> bool: which weights get noise. Parameters that may not get any are left out."""
        scores = self.scores(original, request, cost)
        scores = {name: s for name, s in scores.items() if self.biases or s.dim() > 1}
        groups = [[name] for name in scores] if self.among == "layer" else [list(scores)]
        chosen = {}
        for names in groups:
            values = flat(scores[name] for name in names)
            parts = largest(values, round(self.share * len(values))).split([scores[name].numel() for name in names])
            chosen |= {name: part.view_as(scores[name]) for name, part in zip(names, parts, strict=True)}
        return chosen

    def begin(self, model, original, request, cost):
        source, parameters = generator(request), dict(model.named_parameters())
        chosen = self.chosen(original, request, cost)
        with torch.no_grad():
            for name, where in chosen.items():
                p = parameters[name]
                unit = p.std() if self.unit == "layer" else 1.0
                noise = torch.randn(p.shape, generator=source).to(p) * unit * self.sigma
                p.copy_(torch.where(where, p + noise, p))


@dataclass(frozen=True, kw_only=True)
class Dampening(Unlearner):
    """Where importance I_f > alpha I_D, theta <- theta * min(1, lambda I_D / I_f). An algorithm says the importance."""

    grid = {"alpha": (2.0, 3.0, 5.0, 7.0, 10.0, 12.0, 15.0, 20.0, 30.0, 100.0), "dampening": (0.3, 1.0)}

    alpha: float = param(20.0, 0.0, 1e9, help="how many times as important for the forget set a weight must be")
    dampening: float = param(1.0, 0.0, 100.0, help="lambda: how much of a shrunk weight is left; 0 = nothing")
    batch: int = param(128, 1, 8192, help="images whose gradient is taken together")

    def importance(self, model, batches: list[Batch]) -> torch.Tensor:
        """(P,) at least 0: how much each weight matters for these images."""
        raise NotImplementedError

    def run(self, model, original, request, cost):
        both = np.sort(np.r_[request.forget, request.retain])
        model.eval()
        forget = self.importance(model, shuffled(request, request.forget, self.batch, FORGET))
        all_data = self.importance(model, shuffled(request, both, self.batch, ALL))
        # A comparison with NaN is false: what cannot be compared becomes NaN and is seen, not left alone.
        factor = torch.where(forget <= self.alpha * all_data, 1.0, (self.dampening * all_data / forget).clamp(max=1))
        with torch.no_grad():
            for p, part in zip(model.parameters(), named_parts(model, factor).values(), strict=True):
                p.mul_(part)
        cost.steps, cost.forget_gradients, cost.retain_gradients = 1, 2 * len(request.forget), len(request.retain)
        return model
