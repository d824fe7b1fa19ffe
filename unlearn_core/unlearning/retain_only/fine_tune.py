from __future__ import annotations

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner


@spec
class FineTune(GradientUnlearner):
    """Go on training on the retain set and let the rest fade: loss = CE(retain).

    Source: the baseline of Golatkar et al. (2020), "Eternal Sunshine of the Spotless Net", arXiv:1911.04933.
    Departs from the paper: nothing; once the training loss is zero it hardly moves the model, whoever runs it.
    """

    title = "Fine-tune"
    group = "retain set only"
    needs = ("retain", "labels")

    lr: float = param(0.3, 1e-7, 10.0, log=True, help="learning rate")
