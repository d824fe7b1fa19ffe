from __future__ import annotations

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import random_labels


@spec
class RandomLabel(GradientUnlearner):
    """Learn the retain set, and random labels on the forget set, drawn anew each epoch: loss = CE(retain and relabelled
    forget).

    Source: Golatkar et al. (2020), "Eternal Sunshine of the Spotless Net", arXiv:1911.04933; as run by Zhao et al.
    (2024), arXiv:2406.01257, where a random label may be the true one.
    Departs from the paper: nothing by default. `relabel=False` teaches the true labels, as the released code of
    arXiv:2406.01257 does by mistake on all data but CIFAR-10 and SVHN, to see what that error changes.
    """

    title = "Random-label"
    group = "relabel"
    walk = "all"

    lr: float = param(0.03, 1e-7, 10.0, log=True, help="learning rate")
    exclude_true: bool = param(False, help="draw from the wrong labels only")
    relabel: bool = param(True, later=True, help="without it the true labels are taught: an error of released code")

    def labels(self, request, epoch):
        return random_labels(request, epoch, self.exclude_true) if self.relabel else request.y
