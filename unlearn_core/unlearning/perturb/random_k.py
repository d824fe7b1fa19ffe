from __future__ import annotations

import torch

from unlearn_core.params import param, spec
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.perturb.perturbation import Perturbation


@spec
class RandomK(Perturbation):
    """Noise on weights drawn at random, then repair on the retain set.

    A share of the weights gets theta + N(0, sigma^2). Repair: loss = CE(retain) + hold * J(model, original; forget),
    J the symmetric KL divergence.

    Source: Zuo, Tang, Li, Datta (2024), "Machine unlearning through fine-grained model parameters perturbation",
    arXiv:2401.04385.
    Departs from the paper: its formulas were not at hand, so the noise in units of the layer's standard deviation and
    the repair over the whole retain set are assumed. Exactly the share is drawn. Biases and normalisation are left out
    unless asked.
    """

    title = "Random-k perturbation"
    group = "perturb weights"
    reconstruction = "Reconstruction: the size of the noise and the repair are assumed."

    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")

    def scores(self, original, request, cost):
        source = generator(request, use=1)
        return {name: torch.rand(p.shape, generator=source).to(p) for name, p in original.named_parameters()}
