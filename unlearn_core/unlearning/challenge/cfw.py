from __future__ import annotations

import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import add_noise, layers
from unlearn_core.unlearning.schedules import cosine, epoch_of


@spec
class CFW(GradientUnlearner):
    """Confuse, fine-tune, weaken: noise on the first layer, fine-tuning on the retain set, and a little noise once more
    before the last epoch.

    w += `confuse` N(0, 1) at the start and w += `weaken` N(0, 1) before the last epoch, for the weights and biases of
    the first layer; loss = CE in which each class counts n / (K n_c), n_c its retain images. The rate falls along a
    cosine, epoch by epoch.

    Source: third place of the NeurIPS 2023 challenge; recipe as in Cadet et al. (2024), "Deep Unlearn: Benchmarking
    Machine Unlearning", arXiv:2410.01276. Settings there, for a ResNet-18: 4 epochs, rate 0.0007, weight decay 0.0005,
    noise 0.6 and 0.005.
    Departs from the source: the first layer is a fully connected one where a net has no convolution. Class weights
    weigh each image of a batch; there they multiply the mean of the batch.
    """

    title = "CFW"
    group = "2023 challenge"
    scope = "samples"
    needs = ("retain", "labels")
    grid = GradientUnlearner.grid | {"confuse": (0.1, 0.2, 0.4, 0.6)}

    epochs: int = param(4, 1, 200, help="passes over the retain set")
    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
    confuse: float = param(0.2, 0.0, 10.0, help="standard deviation of the noise at the start")
    weaken: float = param(0.005, 0.0, 10.0, help="standard deviation of the noise before the last epoch")

    def begin(self, model, original, request, cost):
        self._disturb(model, request, self.confuse, 0)

    def between(self, model, request, epoch, context):
        if epoch == self.epochs - 1:
            self._disturb(model, request, self.weaken, 1)

    def _disturb(self, model, request, scale, use):
        first = next(iter(layers(model).values()))
        add_noise(first.parameters(), scale, generator(request, use))

    def context(self, model, original, request, cost):
        """(K,) the weight of each class, 0 where none of its images is kept."""
        counts = request.y[torch.from_numpy(request.retain).to(request.y.device)].bincount(minlength=request.classes)
        there = counts > 0
        return torch.where(there, len(request.retain) / (there.sum() * counts.clamp(min=1)), 0.0)

    def loss(self, model, original, step):
        return F.cross_entropy(model(step.retain.x), step.retain.y, weight=step.context)

    def rate(self, phase, number, total):
        return self.lr * cosine(epoch_of(number, total, self.epochs) / self.epochs)
