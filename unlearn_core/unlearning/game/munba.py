from __future__ import annotations

import torch
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import random_labels

OPPOSED = 1e-3  # 1 + cosine below which there is no bargain


@spec
class Munba(GradientUnlearner):
    """Keeping and forgetting bargain over every step: g = a_r g_r + a_u g_u with the Nash solution a of G^T G a =
    1 / a, where g_r is the gradient of CE(retain), g_u that of CE(forget, random labels) and G = (g_r, g_u).

    With c the cosine of the two, a_r = 1 / (|g_r| sqrt(1 + c)) and a_u = 1 / (|g_u| sqrt(1 + c)). Where they are
    opposed (c = -1) no bargain exists and g = g_r + 0.1 g_u. The gradient is clipped to norm 1; a bargain has
    norm sqrt(2).

    Source: Wu & Harandi (2024), "MUNBa: Machine Unlearning via Nash Bargaining", arXiv:2411.15537.
    Departs from the paper: the closed form above, which is the same but stable where g_r and g_u are orthogonal; the
    forget set goes round for the whole pass over the retain set; no sharpness-aware steps.
    """

    title = "MUNBa"
    group = "game"
    walk = "paired"

    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate, which is the length of a step")
    exclude_true: bool = param(False, help="draw from the wrong labels only")

    def labels(self, request, epoch):
        return random_labels(request, epoch, self.exclude_true)

    def backward(self, model, original, step):
        parameters = [p for p in model.parameters() if p.requires_grad]
        losses = [F.cross_entropy(model(batch.x), batch.y) for batch in (step.retain, step.forget)]
        keep, forget = (torch.autograd.grad(loss, parameters) for loss in losses)
        a_keep, a_forget = bargain(keep, forget)
        for p, g_keep, g_forget in zip(parameters, keep, forget, strict=True):
            p.grad = a_keep * g_keep + a_forget * g_forget
        clip_grad_norm_(parameters, 1.0)
        return sum(losses)


def bargain(keep, forget) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights (a_r, a_u) of two gradients, each a list of tensors."""
    # In float64: the product of two short gradients is a number that float32 does not have.
    long_keep, long_forget = (
        torch.stack([g.double().square().sum() for g in side]).sum().sqrt() for side in (keep, forget)
    )
    product = torch.stack([(a.double() * b.double()).sum() for a, b in zip(keep, forget, strict=True)]).sum()
    room = 1 + product / (long_keep * long_forget)  # NaN where one of them is 0: no bargain either
    there_is = room > OPPOSED
    found = [
        torch.where(there_is, 1 / (length * room.sqrt()), other)
        for length, other in ((long_keep, 1.0), (long_forget, 0.1))
    ]
    return found[0].float(), found[1].float()
