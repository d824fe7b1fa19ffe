from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.distil.mixture import Mixture
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.request import fetch
from unlearn_core.unlearning.schedules import epoch_of


@spec
class OracleMatching(Mixture):
    """Fine-tune towards the mean answer of models that were retrained without the forget set: loss = mean squared
    difference of the logits, on the forget set and three times as many retain images.

    Source: Georgiev et al. (2024), "Attribute-to-Delete: Machine Unlearning via Datamodel Matching", arXiv:2410.23232.
    Departs from the paper: the retain images are the same in all epochs; no pull towards the original weights.
    """

    title = "Oracle matching"
    group = "distil"
    needs = ("retain", "forget", "labels", "recipe")
    adam = True
    caution = (
        "A ceiling, no method: it trains several models without the forget set, each of which is the exact answer."
    )
    grid = {"lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)}

    epochs: int = param(5, 1, 200, help="passes over the data")
    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate; it shrinks to 0.95 of itself with each epoch")
    oracles: int = param(10, 1, 100, help="models that are retrained")

    def context(self, model, original, request, cost):
        """(n, C) the mean logits of the oracles, 0 for rows that are not looked at."""
        rows = np.sort(np.r_[request.forget, self.seen(request)])
        targets = original.mean.new_zeros(len(request.y), request.classes)
        seeds = torch.randint(2**31 - 1, (self.oracles,), generator=generator(request)).tolist()
        for oracle in request.recipe(request.retain, seeds, request.tell):
            cost.retain_gradients += oracle.gradients
            cost.notes["steps of the oracles"] = cost.notes.get("steps of the oracles", 0) + oracle.steps
            _add_logits(targets, oracle.model.eval(), request, rows)
        return targets / self.oracles

    def labels(self, request, epoch):
        """A row's label is its place among the targets."""
        return torch.arange(len(request.y), device=request.y.device)

    def loss(self, model, original, step):
        seen = [batch for batch in (step.forget, step.retain) if batch]
        x, rows = (torch.cat(parts) for parts in zip(*seen, strict=True))
        return F.mse_loss(model(x), step.context[rows])

    def rate(self, phase, number, total):
        return self.lr * 0.95 ** epoch_of(number, total, self.epochs)

    def kept(self, request):
        return min(3 * len(request.forget), len(request.retain))


@torch.no_grad()
def _add_logits(targets: torch.Tensor, oracle, request, rows: np.ndarray) -> None:
    for part in np.array_split(rows, -(-len(rows) // 256)):
        targets[torch.from_numpy(part).to(targets.device)] += oracle(fetch(request.x, request.y, part).x)
