from __future__ import annotations

import torch
from torch import nn

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import FORGET, RETAIN, generator
from unlearn_core.unlearning.gradients import batch_gradients, flat, largest, named_parts
from unlearn_core.unlearning.layers import layers
from unlearn_core.unlearning.request import fetch
from unlearn_core.unlearning.schedules import epoch_of


@spec
class MSG(GradientUnlearner):
    """Draw anew the weights whose gradients are smallest, and let the others learn slowly while fine-tuning.

    g = sum of batch gradients of CE on as many retain images as there are to forget, minus the same on the forget set.
    In each convolution the `share` of weights with the smallest |g| start afresh (Kaiming normal, fan out); then
    fine-tuning on the retain set, in which the gradients of that convolution's other weights count `slow` times. The
    rate rises epoch by epoch to the middle and falls again.

    Source: second place of the NeurIPS 2023 challenge; recipe as in Cadet et al. (2024), "Deep Unlearn: Benchmarking
    Machine Unlearning", arXiv:2410.01276. Settings there, for a ResNet-18: 5 epochs, rate 0.001, weight decay 0.0005.
    Departs from the source: in a net without convolutions, all weight layers but the head take their place. Gradients
    are those of the original in eval mode.
    """

    title = "MSG"
    group = "2023 challenge"
    scope = "samples"
    grid = GradientUnlearner.grid | {"share": (0.1, 0.3, 0.6)}

    epochs: int = param(5, 1, 200, help="passes over the retain set")
    lr: float = param(0.3, 1e-7, 10.0, log=True, help="learning rate")
    share: float = param(0.6, 0.0, 1.0, help="share of each layer's weights that start afresh")
    slow: float = param(0.1, 0.0, 1.0, help="how much the gradients of the other weights count")

    def context(self, model, original, request, cost):
        """(weights, factor of their gradients) of each layer, after some have started afresh."""
        found, source, factors = self.gradients(original, request, cost), generator(request), []
        convolutions = layers(model, nn.Conv2d) or {n: m for n, m in layers(model).items() if m is not model.head}
        for name, layer in convolutions.items():
            w, scores = layer.weight, -found[f"{name}.weight"].abs().flatten()
            fresh = largest(scores, round(self.share * len(scores))).view_as(w)
            drawn = nn.init.kaiming_normal_(torch.empty(w.shape), mode="fan_out", nonlinearity="relu", generator=source)
            with torch.no_grad():
                w.copy_(torch.where(fresh, drawn.to(w), w))
            factors.append((w, torch.where(fresh, 1.0, self.slow)))
        return factors

    def gradients(self, original, request, cost):
        """name -> the sum of batch gradients on some of the retain set, minus that on the forget set."""
        drawn = torch.randperm(len(request.retain), generator=generator(request, 1))[: len(request.forget)]
        total = 0.0
        for sign, rows, stream in ((1, request.retain[drawn.numpy()], RETAIN), (-1, request.forget, FORGET)):
            batches = (fetch(request.x, request.y, part) for part in self.batches(rows, request.seed, 0, stream))
            for size, gradient in batch_gradients(original, batches):
                total = total + sign * flat(gradient)
                cost.retain_gradients += size if sign > 0 else 0
                cost.forget_gradients += size if sign < 0 else 0
        return named_parts(original, total)

    def backward(self, model, original, step):
        loss = super().backward(model, original, step)
        for weight, factor in step.context:
            weight.grad.mul_(factor)
        return loss

    def rate(self, phase, number, total):
        epoch, peak = epoch_of(number, total, self.epochs) + 1, (self.epochs + 1) // 2
        return self.lr * min(epoch / peak, (self.epochs + 1 - epoch) / (self.epochs + 1 - peak))
