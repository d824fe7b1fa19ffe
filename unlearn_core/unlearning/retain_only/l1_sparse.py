from __future__ import annotations

from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner


@spec
class L1Sparse(GradientUnlearner):
    """Fine-tune towards sparse weights: loss = CE(retain) + alpha (1 - t / E) sum |theta|, t = epoch, E = epochs.

    The penalty covers all parameters, biases and BatchNorm included, and fades linearly.

    Source: Jia et al. (2023), "Model Sparsity Can Simplify Machine Unlearning", arXiv:2304.04934.
    Departs from the paper: no pruning before, as in the "sparsity-aware" form.
    """

    title = "L1-sparse"
    group = "retain set only"
    needs = ("retain", "labels")

    lr: float = param(0.3, 1e-7, 10.0, log=True, help="learning rate")
    alpha: float = param(5e-4, 0.0, 0.1, log=True, help="weight of the L1 penalty at the start")

    def loss(self, model, original, step):
        size = sum(p.abs().sum() for p in model.parameters())
        return F.cross_entropy(model(step.retain.x), step.retain.y) + self.alpha * (1 - step.of) * size
