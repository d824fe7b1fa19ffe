"""What the algorithms that follow a change of the training data by its influence share: what changes, and how the
gradient of the training loss changes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from unlearn_core.params import BadValue, param
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.curvature import MeanLoss
from unlearn_core.unlearning.request import Batch, Request, fetch

AT_ONCE = 1024  # images in one pass


@dataclass(frozen=True, kw_only=True)
class DataChange(Unlearner):
    """The forget images Z become Z~: nothing, the same with corrected labels, or the same with a masked square."""

    change: str = param(
        "delete",
        choices=("delete", "correct labels", "mask features"),
        help="what becomes of the forget set: left out, other labels, or a square in the middle painted over",
    )
    region: float = param(0.5, 0.0, 1.0, help="side of the masked square, as a share of the image's; for masking only")
    weights: str = param("all", choices=("all", "last layer"), help="which weights move")

    def refuse(self, request):
        super().refuse(request)
        if self.change == "correct labels" and (lack := request.lacks("corrected")) is not None:
            raise BadValue(f"{self.title} needs {lack}.")

    def mean_loss(self, model) -> MeanLoss:
        """The training loss as a function of the weights that move."""
        head = {id(p) for p in model.head.parameters()}
        names = [name for name, p in model.named_parameters() if self.weights == "all" or id(p) in head]
        return MeanLoss(model.eval(), names)

    def gradient_change(self, loss: MeanLoss, request: Request, cost) -> torch.Tensor:
        """G / n: how the gradient of the mean loss over all n training images changes; G = sum over Z~ - sum over Z."""
        total = 0.0
        for before, after in self.changes(loss.model, request):
            total = total - loss.gradient(before) * len(before.y)
            if after is not None:
                total = total + loss.gradient(after) * len(after.y)
            cost.forget_gradients += len(before.y) * (1 if after is None else 2)
        return total / (len(request.forget) + len(request.retain))

    def changes(self, model, request: Request) -> Iterator[tuple[Batch, Batch | None]]:
        """The images to change and what they become (None: nothing), in batches."""
        for start in range(0, len(request.forget), AT_ONCE):
            rows = request.forget[start : start + AT_ONCE]
            batch = fetch(request.x, request.y, rows)
            if self.change == "correct labels":
                yield batch, fetch(request.x, request.corrected, rows)
            elif self.change == "mask features":
                yield batch, Batch(self.masked(batch.x, model.mean), batch.y)
            else:
                yield batch, None

    def masked(self, x: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
        """Images in [0, 1] with the square in the middle in this colour (C, 1, 1), the mean of all images."""
        x = x.float() / 255 if x.dtype == torch.uint8 else x.clone()
        sides = [round(self.region * side) for side in x.shape[2:]]
        (top, left), (high, wide) = ((side - s) // 2 for side, s in zip(x.shape[2:], sides, strict=True)), sides
        x[:, :, top : top + high, left : left + wide] = colour
        return x

    @torch.no_grad()
    def move(self, model, by: dict[str, torch.Tensor]) -> None:
        parameters = dict(model.named_parameters())
        for name, part in by.items():
            parameters[name].add_(part)
