"""What the forms of SCRUB share: a student that obeys the original on the retain set and not on the forget set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from unlearn_core.params import param
from unlearn_core.unlearning.descent import GradientUnlearner, Rows
from unlearn_core.unlearning.distances import kl
from unlearn_core.unlearning.draws import FORGET, RETAIN


@dataclass(frozen=True, kw_only=True)
class Scrubbing(GradientUnlearner):
    """Passes over the forget set that push away from the original, and over the retain set that stay close to it."""

    epochs: int = param(8, 1, 200, help="passes over the data")
    max_epochs: int = param(4, 0, 200, help="epochs that begin by pushing away on the forget set")
    alpha: float = param(0.5, 0.0, 10.0, help="weight of staying close to the original on the retain set")
    gamma: float = param(1.0, 0.0, 10.0, help="weight of the labels on the retain set")
    temperature: float = param(4.0, 0.1, 50.0, help="temperature T of the distillation")

    def loss(self, model, original, step):
        x = step.retain.x if step.forget is None else step.forget.x
        student = model(x)
        with torch.no_grad():
            teacher = original(x)
        distance = kl(teacher, student, self.temperature)
        if step.forget is not None:
            return -distance
        return self.gamma * F.cross_entropy(student, step.retain.y) + self.alpha * distance

    def epoch_rows(self, request, epoch):
        if epoch < self.max_epochs:
            for forget in self.batches(request.forget, request.seed, epoch, FORGET):
                yield Rows(forget, None)
        for retain in self.batches(request.retain, request.seed, epoch, RETAIN):
            yield Rows(None, retain)

    def steps_in(self, request):
        per_pass = -(-len(request.forget) // self.batch)
        return super().steps_in(request) + min(self.max_epochs, self.epochs) * per_pass
