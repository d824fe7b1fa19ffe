from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import start_afresh


@spec
class BoundaryExpand(GradientUnlearner):
    """Send the forget set to a class of its own, then take that class away: the head gets one more output, loss =
    CE(forget, that output), and at the end it is cut off.

    Source: Chen et al. (2023), "Boundary Unlearning: Rapid Forgetting of Deep Networks via Shifting the Decision
    Boundary", arXiv:2303.11570.
    """

    title = "Boundary Expand"
    group = "relabel"
    scope = "classes"
    walk = "forget"
    needs = ("forget", "labels")
    grid = {"lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)}

    lr: float = param(0.001, 1e-7, 10.0, log=True, help="learning rate")
    bn: str = param("frozen", choices=("train", "frozen"), help="whether BatchNorm statistics follow the batches")

    def begin(self, model, original, request, cost):
        old = model.head
        _resize(model, old.out_features + 1)
        start_afresh(model.head, generator(request))
        with torch.no_grad():
            for name, p in old.named_parameters():
                getattr(model.head, name)[: old.out_features] = p

    def labels(self, request, epoch):
        y = request.y.clone()
        y[torch.from_numpy(request.forget).to(y.device)] = request.classes
        return y

    def loss(self, model, original, step):
        return F.cross_entropy(model(step.forget.x), step.forget.y)

    def end(self, model, request):
        _resize(model, model.head.out_features - 1)


def _resize(model, outputs: int) -> None:
    """Give the head so many outputs: the first of those that it has, and zeros for new ones."""
    head = copy.deepcopy(model.head)
    for name, p in list(head.named_parameters()):
        kept = p.detach()[:outputs]
        setattr(head, name, nn.Parameter(torch.cat([kept, p.new_zeros(outputs - len(kept), *p.shape[1:])])))
    head.out_features = outputs
    model.head = head
