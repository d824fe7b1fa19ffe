from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner, Rows
from unlearn_core.unlearning.distances import kl
from unlearn_core.unlearning.draws import RETAIN, VALIDATION, generator
from unlearn_core.unlearning.layers import layers, start_afresh
from unlearn_core.unlearning.schedules import cosine


@spec
class KDE(GradientUnlearner):
    """Draw the first and the last layer anew and let the original teach them: first on validation images, then on the
    retain set.

    `warm_up` passes over the validation images with loss = KL_T; then `epochs` passes over the retain set with
    loss = CE + KL_T + CE_T. KL_T = KL(softmax(original / T) || softmax(student / T)), without a factor T^2; CE_T is the
    cross-entropy between the same two. The rate of the second stage falls along a cosine, epoch by epoch.

    Source: sixth place of the NeurIPS 2023 challenge; recipe as in Cadet et al. (2024), "Deep Unlearn: Benchmarking
    Machine Unlearning", arXiv:2410.01276. Settings there, for a ResNet-18: 3 and 3 epochs, rates 0.0009 and 0.001,
    weight decay 0.0005.
    Departs from the source: the first layer is a fully connected one where a net has no convolution. One optimiser, so
    momentum goes on from the first stage to the second.
    """

    title = "KDE"
    group = "2023 challenge"
    scope = "samples"
    needs = ("retain", "labels", "validation")
    grid = GradientUnlearner.grid | {"epochs": (3, 6, 10)}

    epochs: int = param(10, 1, 200, help="passes over the retain set")
    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
    warm_up: int = param(3, 0, 200, help="passes over the validation images before")
    warm_rate: float = param(0.9, 0.0, 100.0, help="rate of the warm-up, as a multiple of lr")
    temperature: float = param(5.0, 0.1, 50.0, help="temperature T of the distillation")

    def begin(self, model, original, request, cost):
        for use, layer in enumerate((next(iter(layers(model).values())), model.head)):
            start_afresh(layer, generator(request, use))

    def loss(self, model, original, step):
        x, y = step.validation or step.retain
        student = model(x)
        with torch.no_grad():
            teacher = original(x)
        distance = kl(teacher, student, self.temperature) / self.temperature**2
        if step.phase == "warm up":
            return distance
        soft = F.cross_entropy(student / self.temperature, (teacher / self.temperature).softmax(-1))
        return F.cross_entropy(student, y) + distance + soft

    def epoch_rows(self, request, epoch):
        unseen = np.arange(len(request.validation.y))
        for warm in range(self.warm_up if epoch == 0 else 0):
            for rows in self.batches(unseen, request.seed, warm, VALIDATION):
                yield Rows(None, None, rows, "warm up")
        for rows in self.batches(request.retain, request.seed, epoch, RETAIN):
            yield Rows(None, rows, phase=str(epoch))

    def rate(self, phase, number, total):
        factor = self.warm_rate if phase == "warm up" else cosine(int(phase) / self.epochs)
        return self.lr * factor

    def steps_in(self, request):
        return super().steps_in(request) + self.warm_up * -(-len(request.validation.y) // self.batch)
