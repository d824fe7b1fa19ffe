from __future__ import annotations

from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner


@spec
class NegGradPlus(GradientUnlearner):
    """Ascend on the forget set while holding the retain set: loss = alpha CE(retain) - (1 - alpha) CE(forget).

    Source: Kurmanji et al. (2023), "Towards Unbounded Machine Unlearning", arXiv:2302.09880.
    Departs from the paper: each round through the forget set within an epoch has its own order (the released code
    replays one).
    """

    title = "NegGrad+"
    group = "push away"
    walk = "paired"

    lr: float = param(0.03, 1e-7, 10.0, log=True, help="learning rate")
    epochs: int = param(5, 1, 200, help="passes over the data")
    alpha: float = param(0.95, 0.0, 1.0, help="weight of the retain loss; 1 is plain fine-tuning")

    def loss(self, model, original, step):
        retain = F.cross_entropy(model(step.retain.x), step.retain.y)
        return self.alpha * retain - (1 - self.alpha) * F.cross_entropy(model(step.forget.x), step.forget.y)
