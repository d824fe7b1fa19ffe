from __future__ import annotations

import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.gradients import flat, largest
from unlearn_core.unlearning.layers import layers


@spec
class PRMQ(GradientUnlearner):
    """Prune almost all weights, draw them anew, fine-tune to the labels and to how sure the original was, and round.

    The `share` of weights and biases of all layers with the smallest |w| is pruned: weights are drawn anew from
    U(-1, 1) / sqrt(fan in), biases become 0. Then loss = CE in which each class counts n_c^-0.1, n_c its retain images,
    + `match` mean (H(p) - H(p_original))^2, with H the entropy of an image's answer. In the end all parameters are
    rounded to half precision.

    Source: fourth place of the NeurIPS 2023 challenge; recipe as in Cadet et al. (2024), "Deep Unlearn: Benchmarking
    Machine Unlearning", arXiv:2410.01276. Settings there, for a ResNet-18: 3.2 epochs, rate 0.0005, weight decay
    0.0005, share 0.99.
    Departs from the source: whole epochs. BatchNorm statistics are not rounded.
    """

    title = "PRMQ"
    group = "2023 challenge"
    scope = "samples"
    needs = ("retain", "labels")
    grid = GradientUnlearner.grid | {"share": (0.9, 0.99)}

    epochs: int = param(3, 1, 200, help="passes over the retain set")
    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate")
    share: float = param(0.9, 0.0, 1.0, help="share of the weights and biases that are pruned")
    match: float = param(1.0, 0.0, 100.0, help="weight of being as sure as the original")
    round_off: bool = param(True, help="round the result to half precision")

    @torch.no_grad()
    def begin(self, model, original, request, cost):
        tensors = [p for layer in layers(model).values() for p in layer.parameters()]
        sizes = flat(p.abs() for p in tensors)
        pruned = largest(-sizes, round(self.share * len(sizes))).split([p.numel() for p in tensors])
        gone, source = {id(p): part.view_as(p) for p, part in zip(tensors, pruned, strict=True)}, generator(request)
        for layer in layers(model).values():
            w = layer.weight
            fresh = (2 * torch.rand(w.shape, generator=source) - 1) / w[0].numel() ** 0.5
            w.copy_(torch.where(gone[id(w)], fresh.to(w), w))
            if layer.bias is not None:
                layer.bias.masked_fill_(gone[id(layer.bias)], 0.0)

    def context(self, model, original, request, cost):
        """(K,) the weight of each class."""
        counts = request.y[torch.from_numpy(request.retain).to(request.y.device)].bincount(minlength=request.classes)
        return counts.clamp(min=1) ** -0.1

    def loss(self, model, original, step):
        logits = model(step.retain.x)
        with torch.no_grad():
            target = _entropy(original(step.retain.x))
        labels = F.cross_entropy(logits, step.retain.y, weight=step.context)
        return labels + self.match * F.mse_loss(_entropy(logits), target)

    @torch.no_grad()
    def end(self, model, request):
        if self.round_off:
            for p in model.parameters():
                p.copy_(p.half())


def _entropy(logits):
    """(B,) the entropy of each answer, in nats."""
    log_p = F.log_softmax(logits, -1)
    return -(log_p.exp() * log_p).sum(-1)
