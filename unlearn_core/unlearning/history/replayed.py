"""What the algorithms that go back through the training share: the weights that the history gives, then repair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from unlearn_core.params import param
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.gradients import flat
from unlearn_core.unlearning.request import Request


@dataclass(frozen=True, kw_only=True)
class Replayed(GradientUnlearner):
    """Moves the weights by what the history says; then, if asked, fine-tunes on the retain set."""

    needs = ("retain", "forget", "labels", "history")

    epochs: int = param(1, 0, 200, help="passes over the retain set for repair; 0 = none")

    def moved(self, request: Request, cost) -> tuple[torch.Tensor, torch.nn.Module]:
        """(P,) by how much the weights move, and the model at which the training ended that was gone through."""
        raise NotImplementedError

    def begin(self, model, original, request, cost):
        by, end = self.moved(request, cost)
        # A model that was trained beside others is rounded otherwise, so the two need not end at the same weights.
        apart = (vector(end) - vector(original)).norm() / vector(original).norm()
        cost.notes["replayed training ends apart by"] = float(apart)
        parts = by.split([p.numel() for p in model.parameters()])
        with torch.no_grad():
            for p, part in zip(model.parameters(), parts, strict=True):
                p.add_(part.view_as(p))


def vector(model: torch.nn.Module) -> torch.Tensor:
    """(P,) all weights of a model, a copy."""
    return flat(p.detach() for p in model.parameters())


def count_replayed(cost, rows, request: Request) -> tuple[torch.Tensor, torch.Tensor]:
    """(B,) bool each: which rows of a training batch are to be forgotten, and which to be kept. The passes are counted:
    going through the training again takes them.
    """
    rows = torch.as_tensor(rows).cpu().numpy()
    gone = np.isin(rows, request.forget)
    cost.forget_gradients += int(gone.sum())
    cost.retain_gradients += int((~gone).sum())
    return torch.from_numpy(gone), torch.from_numpy(np.isin(rows, request.retain))
