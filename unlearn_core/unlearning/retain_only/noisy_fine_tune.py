from __future__ import annotations

import math

from torch.nn.utils import clip_grad_norm_

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import add_noise


@spec
class NoisyFineTune(GradientUnlearner):
    """Fine-tune on the retain set with clipped gradients and noise, so that the walk loses its way back to the
    original: theta <- theta - lr clip(grad CE(retain)) + sqrt(2 lr) sigma N(0, 1).

    Source: the update of Chien et al. (2024), "Langevin Unlearning: A New Perspective of Noisy Gradient Descent for
    Machine Unlearning", arXiv:2401.10371.
    Departs from the paper: batches instead of the whole retain set; the gradient of a batch is clipped, not that of
    each image; the net is not convex and was not trained with noise. So nothing is certified.
    """

    title = "Noisy fine-tune"
    group = "retain set only"
    needs = ("retain", "labels")
    reconstruction = "Reconstruction: the source treats convex models; noise and clipping for nets are chosen here."
    caution = "Uncertified: the source's guarantee holds for convex models that were trained with noise."
    grid = GradientUnlearner.grid | {"sigma": (0.001, 0.003, 0.01, 0.03)}

    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
    momentum: float = param(0.0, 0.0, 0.999, help="momentum of SGD; above 0 it carries the noise of a step on")
    clip: float = param(1.0, 1e-3, 100.0, log=True, help="largest norm of a batch's gradient")
    sigma: float = param(0.03, 0.0, 1.0, help="size of the noise; 0 = none")

    def context(self, model, original, request, cost):
        return generator(request)

    def backward(self, model, original, step):
        loss = super().backward(model, original, step)
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        clip_grad_norm_(model.parameters(), self.clip)
        # The step multiplies what is here by the learning rate.
        add_noise(gradients, math.sqrt(2 / self.lr) * self.sigma, step.context)
        return loss
