from __future__ import annotations

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import last_blocks, only_last_blocks, start_afresh


@spec
class EUk(GradientUnlearner):
    """Start the last layers afresh and train only them on the retain set: loss = CE(retain); all weights before the
    last k blocks stay as they are, though BatchNorm statistics follow the batches everywhere.

    Source: Goel et al. (2022), "Towards Adversarial Evaluations for Inexact Machine Unlearning", arXiv:2201.06640.
    Departs from the paper: k counts blocks of the net and leaves out its head, which always starts afresh; one constant
    learning rate; BatchNorm statistics follow the batches, for fresh layers have none of their own. A net of no more
    than k blocks starts afresh as a whole, which is training from scratch.
    """

    title = "EU-k"
    group = "retain set only"
    needs = ("retain", "labels")
    grid = GradientUnlearner.grid | {"k": (0, 1, 2)}

    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
    k: int = param(1, 0, 100, help="blocks before the head that start afresh; 0 = the head alone")

    def mask(self, original, request, cost):
        return only_last_blocks(original, self.k)

    def begin(self, model, original, request, cost):
        chosen, draws = last_blocks(model, self.k), generator(request)
        for name, module in model.named_modules():
            if any(f"{name}.{own}" in chosen for own, _ in module.named_parameters(recurse=False)):
                start_afresh(module, draws)
