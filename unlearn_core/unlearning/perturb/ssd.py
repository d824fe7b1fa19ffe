from __future__ import annotations

import torch
from torch.nn import functional as F

from unlearn_core.params import spec
from unlearn_core.unlearning.gradients import importances
from unlearn_core.unlearning.perturb.perturbation import Dampening


@spec
class SSD(Dampening):
    """Shrink the weights that matter far more for the forget set than for all data, once and without training.

    I = mean over batches of (gradient of CE)^2, in eval mode: I_f over the forget set, I_D over both sets. Where
    I_f > alpha I_D: theta <- theta * min(1, lambda I_D / I_f).

    Source: Foster, Schoepf, Brintrup (2024), "Fast Machine Unlearning Without Retraining Through Selective Synaptic
    Dampening", arXiv:2308.07707.
    Departs from the paper: squared are the gradients of batches, as in its code, so the batch size matters.
    """

    title = "SSD"
    group = "perturb weights"

    def importance(self, model, batches):
        return importances(model, batches, F.cross_entropy, torch.square)
