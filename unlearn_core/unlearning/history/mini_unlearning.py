from __future__ import annotations

import math

import torch

from unlearn_core.params import param, spec
from unlearn_core.unlearning.curvature import MeanLoss, statistics_untouched
from unlearn_core.unlearning.history.replayed import Replayed, count_replayed
from unlearn_core.unlearning.request import Batch


@spec
class MiniUnlearning(Replayed):
    """Carry the difference that the forget set made through the last steps of training, and add it to the weights.

    Step t had batch B_t and rate eta_t; R_t is B_t without the forget set, g the gradient of the mean CE. From u = 0
    and Delta = 0, k steps before the end: u <- momentum u + g(R_t) - g(B_t) + (H(R_t) + decay) Delta, then
    Delta <- Delta - eta_t u. The result is theta + Delta. With variant "scalar", Delta <- rho Delta - eta_t u takes the
    place of the Hessian and the decay. Where R_t is empty, its term is left out. Then, if asked, fine-tuning on the
    retain set.

    Source: Huang et al. (2024), "Machine Unlearning with Minimal Gradient Dependence for High Unlearning Ratios",
    arXiv:2406.16986.
    Departs from the paper: its algorithm was not at hand, so the recursion is assumed from its contraction argument.
    Gradients were not stored but are found by going through the training again.
    """

    title = "Mini-Unlearning"
    group = "gradient history"
    reconstruction = "Reconstruction: the recursion over the last training steps is assumed from the paper's argument."
    caution = (
        "The argument holds for convex losses; deep nets learn an image all through the training, so too little goes."
    )
    grid = {"share": (0.05, 0.3, 0.6, 0.8, 0.9, 1.0), "variant": ("hessian", "scalar"), "lr": (0.01, 0.1)}

    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
    share: float = param(1.0, 0.0, 1.0, help="share of the training steps followed, the last ones; at least one epoch")
    variant: str = param("hessian", choices=("hessian", "scalar"), help="curvature by Hessian products, or one factor")
    rho: float = param(0.95, 0.0, 1.0, help="scalar only: what is left of a difference after each step")

    def moved(self, request, cost):
        history, first, u, delta = request.history, None, None, None

        def watch(step, model, batch, rows) -> None:
            nonlocal first, u, delta
            gone, kept = count_replayed(cost, rows, request)
            if first is None:
                epoch = math.ceil((len(request.forget) + len(request.retain)) / len(gone))
                first = history.steps - max(round(self.share * history.steps), epoch)
                u, delta = (torch.zeros(sum(p.numel() for p in model.parameters())).to(batch.x.device) for _ in "ud")
            if step < first:
                return
            u = history.momentum * u + self.pull(model, batch, gone, kept, delta, cost)
            if self.variant == "hessian":
                u = u + history.weight_decay * delta
                delta = delta - history.rate(step) * u
            else:
                delta = self.rho * delta - history.rate(step) * u

        end = history.replay(watch)
        return delta, end

    def pull(self, model, batch, gone, kept, delta, cost) -> torch.Tensor:
        """(P,) g(R) - g(B), and H(R) Delta where the variant asks for it; rows in neither set are left out of both."""
        if not kept.any():
            return torch.zeros_like(delta)
        both, retained = (Batch(batch.x[where], batch.y[where]) for where in (kept | gone, kept))
        found, n = torch.zeros_like(delta), len(retained.y)
        hessian, forgets = self.variant == "hessian", bool(gone.any())
        with statistics_untouched(model):
            loss = MeanLoss(model)
            if hessian:
                slope, found = loss.gradient_and_product(retained, delta)
                cost.retain_gradients += 2 * n
            elif forgets:
                slope = loss.gradient(retained)
                cost.retain_gradients += n
            if forgets:
                found = found + slope - loss.gradient(both)
                cost.forget_gradients += int(gone.sum())
                cost.retain_gradients += n
        return found
