from __future__ import annotations

import torch

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import NORMS, add_noise, layers, start_afresh
from unlearn_core.unlearning.schedules import epoch_of


@spec
class RNI(GradientUnlearner):
    """Draw the head anew, then fine-tune on the retain set a few parameter tensors at a time, with noise on some of
    them.

    In every epoch but the last `fine`, a random `share` of the parameter tensors trains together with those of
    BatchNorm, the others stand still; and from the second epoch on, `noised` of the share first get
    w += `noise` N(0, 1), unless an earlier epoch chose them. In the last `fine` epochs all train, in the very last at
    `last` times the rate. The loss is CE throughout.

    Source: seventh place of the NeurIPS 2023 challenge; recipe as in Cadet et al. (2024), "Deep Unlearn: Benchmarking
    Machine Unlearning", arXiv:2410.01276. Settings there, for a ResNet-18: 9 epochs, rate 0.0002, weight decay 0.0005,
    noise 0.04; 9 of its 22 tensors train, and 6 of them may be noised.
    Departs from the source: the numbers of tensors are shares, so that small nets have some left for later epochs. A
    tensor's momentum waits for the next epoch that chooses it.
    """

    title = "RNI"
    group = "2023 challenge"
    scope = "samples"
    needs = ("retain", "labels")
    grid = GradientUnlearner.grid | {"noise": (0.01, 0.04, 0.1)}

    lr: float = param(0.03, 1e-7, 10.0, log=True, help="learning rate")
    epochs: int = param(9, 1, 200, help="passes over the retain set")
    fine: int = param(4, 0, 200, help="how many of the last epochs train everything")
    share: float = param(0.41, 0.0, 1.0, help="share of the parameter tensors that train in the epochs before")
    noised: float = param(0.7, 0.0, 1.0, help="share of those that may get noise")
    noise: float = param(0.1, 0.0, 10.0, help="standard deviation of the noise")
    last: float = param(5.0, 0.0, 100.0, help="rate of the last epoch, as a multiple of lr")

    def begin(self, model, original, request, cost):
        start_afresh(model.head, generator(request))

    def context(self, model, original, request, cost):
        """(the tensors that train, those of them that get noise) of each epoch before the last `fine`, by name."""
        norms = {id(p) for norm in layers(model, NORMS).values() for p in norm.parameters()}
        names = [name for name, p in model.named_parameters() if id(p) not in norms]
        always, source = {name for name, _ in model.named_parameters()} - set(names), generator(request, 1)
        before, plan = set(), []
        for epoch in range(self.epochs - self.fine):
            chosen = [names[i] for i in torch.randperm(len(names), generator=source)]
            chosen = chosen[: max(1, round(self.share * len(names)))]
            noised = chosen[: max(1, int(self.noised * len(chosen)))] if epoch and self.noised else []
            plan.append((always | set(chosen), [name for name in noised if name not in before]))
            before |= set(chosen)
        return plan

    def between(self, model, request, epoch, context):
        parameters = dict(model.named_parameters())
        training, noised = context[epoch] if epoch < len(context) else (parameters, [])
        for name, p in parameters.items():
            p.requires_grad_(name in training)
        add_noise([parameters[name] for name in noised], self.noise, generator(request, 2 + epoch))

    def rate(self, phase, number, total):
        return self.lr * (self.last if epoch_of(number, total, self.epochs) == self.epochs - 1 else 1.0)
