from __future__ import annotations

import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner, Rows
from unlearn_core.unlearning.distances import kl
from unlearn_core.unlearning.draws import ALL, FORGET, RETAIN
from unlearn_core.unlearning.schedules import cosine


@spec
class FCS(GradientUnlearner):
    """Forget, contrast, strengthen: unlearn what the model says of the forget set, then push and repair in turns.

    One pass over the forget set with loss = KL(uniform || p). Then in each epoch one round over the forget set, beside
    each batch one of the retain set, with loss = -mean log softmax(Z_f Z_r^T / T) over all pairs, where Z are logits
    and those of the retain set stand still; and one pass over the retain set with loss = CE.

    Source: first place of the NeurIPS 2023 challenge; recipe as in Cadet et al. (2024), "Deep Unlearn: Benchmarking
    Machine Unlearning", arXiv:2410.01276. Settings there, for a ResNet-18: 8 epochs, batch 256, rates 0.005 (first
    pass), 0.0003 (push) and 0.004 (retain set, weight decay 0.01).
    Departs from the source: one optimiser, so momentum and weight decay go on from one kind of step to the next; the
    other rates are weights of the losses; that of the push falls epoch by epoch, along a cosine to 0.
    """

    title = "FCS"
    group = "2023 challenge"
    scope = "samples"
    grid = GradientUnlearner.grid | {"push": (0.03, 0.1, 0.3)}

    epochs: int = param(8, 1, 200, help="rounds of pushing away and repairing")
    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
    confuse: float = param(1.25, 0.0, 100.0, help="rate of the first pass over the forget set, as a multiple of lr")
    push: float = param(0.03, 0.0, 100.0, help="rate of the contrastive push at its start, as a multiple of lr")
    temperature: float = param(1.15, 0.1, 50.0, help="temperature T of the contrastive push")

    def loss(self, model, original, step):
        if step.phase == "retain":
            return F.cross_entropy(model(step.retain.x), step.retain.y)
        forget = model(step.forget.x)
        if step.phase == "confuse":
            return self.confuse * kl(torch.zeros_like(forget), forget)
        alike = forget @ model(step.retain.x).detach().T / self.temperature
        return -self.push * cosine(step.of) * F.log_softmax(alike, -1).mean()

    def epoch_rows(self, request, epoch):
        if epoch == 0:
            for forget in self.batches(request.forget, request.seed, 0, FORGET):
                yield Rows(forget, None, phase="confuse")
        forget = self.batches(request.forget, request.seed, epoch + 1, FORGET)
        beside = self.batches(request.retain, request.seed, epoch, ALL)
        for rows in zip(forget, beside, strict=False):  # the shorter of the two ends the round
            yield Rows(*rows, phase="push")
        for retain in self.batches(request.retain, request.seed, epoch, RETAIN):
            yield Rows(None, retain, phase="retain")

    def steps_in(self, request):
        forget, retain = (-(-len(rows) // self.batch) for rows in (request.forget, request.retain))
        return forget + self.epochs * (min(forget, retain) + retain)

    def context(self, model, original, request, cost):
        return cost

    def backward(self, model, original, step):
        if step.phase == "push":  # the retain images beside it go forward only
            step.context.retain_gradients -= len(step.retain.y)
        return super().backward(model, original, step)
