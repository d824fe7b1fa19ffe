from __future__ import annotations

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.layers import only_last_blocks


@spec
class CFk(GradientUnlearner):
    """Fine-tune only the last layers on the retain set and let them forget: loss = CE(retain); all weights before the
    last k blocks stay as they are.

    Source: Goel et al. (2022), "Towards Adversarial Evaluations for Inexact Machine Unlearning", arXiv:2201.06640.
    Departs from the paper: k counts blocks of the net and leaves out its head, which always moves; one constant
    learning rate. A net of no more than k blocks moves as a whole, which is fine-tuning.
    """

    title = "CF-k"
    group = "retain set only"
    needs = ("retain", "labels")
    grid = GradientUnlearner.grid | {"k": (0, 1, 2)}

    lr: float = param(0.3, 1e-7, 10.0, log=True, help="learning rate")
    k: int = param(1, 0, 100, help="blocks before the head that may change; 0 = the head alone")
    bn: str = param("frozen", choices=("train", "frozen"), help="whether BatchNorm statistics follow the batches")

    def mask(self, original, request, cost):
        return only_last_blocks(original, self.k)
