from __future__ import annotations

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import FORGET, random_labels
from unlearn_core.unlearning.gradients import batch_gradients, flat, largest, named_parts
from unlearn_core.unlearning.request import fetch


@spec
class SalUn(GradientUnlearner):
    """Random-label, with only the weights that matter for the forget set allowed to change.

    saliency = | sum over forget batches of grad CE at the original, in eval mode |; the `share` largest over all
    weights may change.

    Source: Fan et al. (2024), "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency",
    arXiv:2310.12508.
    Departs from the paper: nothing by default. `keep="bottom"` selects the least salient weights, as the released code
    of arXiv:2406.01257 does by mistake, and `relabel=False` teaches the true labels, as that code does on all data but
    CIFAR-10 and SVHN: to see what these errors change.
    """

    title = "SalUn"
    group = "relabel"
    walk = "all"

    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
    share: float = param(0.5, 0.0, 1.0, help="share of the weights that may change")
    keep: str = param("top", choices=("top", "bottom"), help="which end of the saliency; the paper means the top")
    exclude_true: bool = param(False, help="draw from the wrong labels only")
    relabel: bool = param(True, later=True, help="without it the true labels are taught: an error of released code")

    def labels(self, request, epoch):
        return random_labels(request, epoch, self.exclude_true) if self.relabel else request.y

    def mask(self, original, request, cost):
        batches = [fetch(request.x, request.y, r) for r in self.batches(request.forget, request.seed, 0, FORGET)]
        saliency = 0.0
        for size, gradient in batch_gradients(original, batches):
            saliency = saliency + flat(gradient)
            cost.forget_gradients += size
        saliency = saliency.abs() if self.keep == "top" else -saliency.abs()
        return named_parts(original, largest(saliency, round(self.share * len(saliency))))
