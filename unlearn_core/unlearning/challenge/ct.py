from __future__ import annotations

import math

import torch
from torch import nn

from unlearn_core.params import BadValue, param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.layers import layers
from unlearn_core.unlearning.schedules import cosine, epoch_of


@spec
class CT(GradientUnlearner):
    """Transpose every convolution kernel, swapping its rows and columns, and fine-tune on the retain set: loss = CE.

    The rate falls along a cosine, epoch by epoch. Kernels of one pixel stay as they are, and so do those that are not
    square.

    Source: fifth place of the NeurIPS 2023 challenge; recipe as in Cadet et al. (2024), "Deep Unlearn: Benchmarking
    Machine Unlearning", arXiv:2410.01276. Settings there, for a ResNet-18: 3 epochs, rate 0.001, weight decay 0.0005.
    Departs from the source: in a net without convolutions that begins with a fully connected layer on a square image,
    the weights of each of its units are a kernel as large as the image, and that is transposed.
    """

    title = "CT"
    group = "2023 challenge"
    scope = "samples"
    needs = ("retain", "labels")
    grid = GradientUnlearner.grid | {"epochs": (3, 10)}

    epochs: int = param(10, 1, 200, help="passes over the retain set")
    lr: float = param(0.3, 1e-7, 10.0, log=True, help="learning rate")

    @torch.no_grad()
    def begin(self, model, original, request, cost):
        kernels = [layer.weight for layer in layers(model, nn.Conv2d).values()] or [_first_as_kernels(model)]
        kernels = [w for w in kernels if w is not None and w.shape[2] == w.shape[3] > 1]
        if not kernels:
            raise BadValue(
                "CT has nothing to transpose: the model has no square kernels, and its images are not square."
            )
        for w in kernels:
            w.copy_(w.transpose(2, 3).clone())

    def rate(self, phase, number, total):
        return self.lr * cosine(epoch_of(number, total, self.epochs) / self.epochs)


def _first_as_kernels(model):
    """A view of the first fully connected layer as kernels (units, C, side, side); None where the images that it reads
    are not square.
    """
    w, channels = next(iter(layers(model).values())).weight, len(model.mean)
    side = math.isqrt(w.shape[1] // channels)
    return w.view(len(w), channels, side, side) if channels * side**2 == w.shape[1] else None
