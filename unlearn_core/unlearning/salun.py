from __future__ import annotations

import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.base import FORGET, GradientUnlearner, fetch, random_labels


@spec
class SalUn(GradientUnlearner):
    """Random-label, with only the weights that matter for the forget set allowed to change.

    saliency = | sum over forget batches of grad CE at the original, in eval mode |; the `share` largest over all
    weights may change.

    Source: Fan et al. (2024), "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency",
    arXiv:2310.12508.
    Departs from the paper: nothing by default. `keep="bottom"` selects the least salient weights, as the released code
    of arXiv:2406.01257 does by mistake, to see what that error changes.
    """

    title = "SalUn"
    group = "relabel"
    walk = "all"

    share: float = param(0.5, 0.0, 1.0, help="share of the weights that may change")
    keep: str = param("top", choices=("top", "bottom"), help="which end of the saliency; the paper means the top")
    exclude_true: bool = param(False, help="draw from the wrong labels only")

    def labels(self, request, epoch):
        return random_labels(request, epoch, self.exclude_true)

    def mask(self, original, request, cost):
        grads = [torch.zeros_like(p) for p in original.parameters()]
        original.requires_grad_(True)
        for rows in self.batches(request.forget, request.seed, 0, FORGET):
            batch = fetch(request, request.y, rows)
            loss = F.cross_entropy(original(batch.x), batch.y)
            for total, grad in zip(grads, torch.autograd.grad(loss, list(original.parameters())), strict=True):
                total += grad
            cost.forget_gradients += len(batch.y)
        original.requires_grad_(False)
        saliency = torch.cat([g.abs().flatten() for g in grads])
        chosen = torch.zeros_like(saliency, dtype=torch.bool)
        chosen[saliency.topk(round(self.share * len(saliency)), largest=self.keep == "top").indices] = True
        parts = chosen.split([g.numel() for g in grads])
        names = [name for name, _ in original.named_parameters()]
        return {n: part.view_as(g) for n, part, g in zip(names, parts, grads, strict=True)}
