"""Stacked training of nets that are nothing but linear layers and ReLU, with the gradients written out.

Automatic differentiation spends more than half of such a step on writing gradients down and reading them again. Here
each weight is updated by the very product that is its gradient.
"""

from __future__ import annotations

import torch
from torch import nn

from unlearn_core.models import Classifier


def layers_of(model: Classifier) -> list[str] | None:
    """The names of the linear layers of flatten -> linear -> ReLU -> ... -> linear, in order; None for other nets."""
    *body, _ = named = [*model.trunk.named_children(), ("head", model.head)]
    kinds = [type(layer) for _, layer in named]
    if not body or kinds[0] is not nn.Flatten or kinds[1:] != [nn.Linear, nn.ReLU] * (len(body) // 2) + [nn.Linear]:
        return None
    return [f"trunk.{name}" for name, layer in body if type(layer) is nn.Linear] + ["head"]


class DenseSteps:
    """Steps of SGD on the cross-entropy of M stacked nets; changes `params` in place."""

    def __init__(self, params: dict[str, torch.Tensor], layers: list[str], momentum: float, weight_decay: float):
        self.weights = [params[f"{name}.weight"].detach() for name in layers]
        self.biases = [params[f"{name}.bias"].detach().unsqueeze(1) for name in layers]
        self.momentum, self.weight_decay = momentum, weight_decay
        self.velocity = {id(p): torch.zeros_like(p) for p in self.weights + self.biases} if momentum else {}

    def __call__(self, x: torch.Tensor, y: torch.Tensor, lr: float) -> torch.Tensor:
        """One step on images (M, B, D), normalised, with labels (M, B); returns the logits (M, B, K) before it."""
        inputs = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(torch.baddbmm(bias, inputs[-1], weight.transpose(1, 2)).relu_())
        # Classes before images: the softmax then runs along memory, 20 times faster than over each image by itself.
        logits = torch.baddbmm(self.biases[-1].transpose(1, 2), self.weights[-1], inputs[-1].transpose(1, 2))
        # The gradient of the mean cross-entropy by the logits.
        out = logits.softmax(1)
        out.scatter_add_(1, y.unsqueeze(1), out.new_full((1, 1, 1), -1.0).expand(len(y), 1, y.shape[1]))
        out = out.mul_(1 / y.shape[1]).transpose(1, 2)
        for weight, bias, given in zip(self.weights[::-1], self.biases[::-1], inputs[::-1], strict=True):
            before = torch.ops.aten.threshold_backward(torch.bmm(out, weight), given, 0) if given is not x else None
            self._move_weight(weight, out, given, lr)
            self._move_bias(bias, out, lr)
            out = before
        return logits.transpose(1, 2)

    def _move_weight(self, weight, out, given, lr: float) -> None:
        if not self.momentum:
            weight.baddbmm_(out.transpose(1, 2), given, beta=1 - lr * self.weight_decay, alpha=-lr)
            return
        velocity = self.velocity[id(weight)]
        velocity.baddbmm_(out.transpose(1, 2), given, beta=self.momentum)
        if self.weight_decay:
            velocity.add_(weight, alpha=self.weight_decay)
        weight.add_(velocity, alpha=-lr)

    def _move_bias(self, bias, out, lr: float) -> None:
        move = out.sum(1, keepdim=True)
        if self.weight_decay:
            move.add_(bias, alpha=self.weight_decay)
        if self.momentum:
            move = self.velocity[id(bias)].mul_(self.momentum).add_(move)
        bias.add_(move, alpha=-lr)
