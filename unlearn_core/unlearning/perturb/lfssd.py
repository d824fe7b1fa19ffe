from __future__ import annotations

import torch

from unlearn_core.params import param, spec
from unlearn_core.unlearning.gradients import importances
from unlearn_core.unlearning.perturb.perturbation import Dampening


@spec
class LFSSD(Dampening):
    """SSD without labels: shrink the weights to which the logits are far more sensitive on the forget set.

    I = mean over batches of | gradient of mean ||logits||^2 |, in eval mode: I_f over the forget set, I_D over both
    sets. Where I_f > alpha I_D: theta <- theta * min(1, lambda I_D / I_f).

    Source: Foster, Schoepf, Brintrup (2024), "Loss-Free Machine Unlearning", arXiv:2402.19308.
    Departs from the paper: the gradients are those of batches, so the batch size matters.
    """

    title = "Loss-free SSD"
    group = "perturb weights"
    needs = ("retain", "forget")

    dampening: float = param(0.3, 0.0, 100.0, help="lambda: how much of a shrunk weight is left; 0 = nothing")
    alpha: float = param(2.0, 0.0, 1e9, help="how many times as important for the forget set a weight must be")

    def importance(self, model, batches):
        return importances(model, batches, lambda logits, _: logits.square().sum(-1).mean(), torch.abs)
