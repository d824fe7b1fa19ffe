from __future__ import annotations

import torch

from unlearn_core.params import param, spec
from unlearn_core.unlearning.history.replayed import Replayed, count_replayed, vector


@spec
class Amnesiac(Replayed):
    """Take back every training step whose batch held an image to forget: theta - sum of those steps' updates.

    Then, if asked, fine-tuning on the retain set.

    Source: Graves, Nagisetty, Ganesh (2021), "Amnesiac Machine Learning", arXiv:2010.10981.
    Departs from the paper: the updates were not stored but are found by going through the training again, which costs
    as much as the training did.
    """

    title = "Amnesiac"
    group = "gradient history"
    caution = "For very few images only: with more, nearly every training step is taken back and little is left."

    epochs: int = param(3, 0, 200, help="passes over the retain set for repair; 0 = none")
    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")

    def moved(self, request, cost):
        taken, before = None, None

        def settle(model) -> None:
            nonlocal taken, before
            if before is not None:
                taken, before = taken + (vector(model) - before), None

        def watch(step, model, batch, rows) -> None:
            nonlocal taken, before
            taken = torch.zeros_like(vector(model)) if taken is None else taken
            settle(model)
            gone, _ = count_replayed(cost, rows, request)
            if gone.any():
                before = vector(model)

        end = request.history.replay(watch)
        settle(end)
        return -taken, end
