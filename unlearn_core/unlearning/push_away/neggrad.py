from __future__ import annotations

from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner


@spec
class NegGrad(GradientUnlearner):
    """Gradient ascent on the forget set: loss = -CE(forget). Unbounded: it damages the rest when the rate is too high.

    Source: Golatkar et al. (2020), "Eternal Sunshine of the Spotless Net", arXiv:1911.04933; Thudi et al. (2022),
    "Unrolling SGD", arXiv:2109.13398.
    """

    title = "NegGrad"
    group = "push away"
    walk = "forget"
    needs = ("forget", "labels")

    epochs: int = param(5, 1, 200, help="passes over the data")
    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate")
    bn: str = param("frozen", choices=("train", "frozen"), help="whether BatchNorm statistics follow the batches")

    def loss(self, model, original, step):
        return -F.cross_entropy(model(step.forget.x), step.forget.y)
