"""Stacked nets that are nothing but linear layers and ReLU, with the way forward and back written out.

Automatic differentiation spends more than half of such a step on writing gradients down and reading them again. Here
whoever walks back may add each gradient to where it belongs by the very product that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from unlearn_core.models import Classifier


def layers_of(model: nn.Module) -> list[str] | None:
    """The names of the linear layers of flatten -> linear -> ReLU -> ... -> linear, in order; None for other nets."""
    if not isinstance(model, Classifier) or not isinstance(model.trunk, nn.Sequential):
        return None
    *body, _ = named = [*model.trunk.named_children(), ("head", model.head)]
    kinds = [type(layer) for _, layer in named]
    if not body or kinds[0] is not nn.Flatten or kinds[1:] != [nn.Linear, nn.ReLU] * (len(body) // 2) + [nn.Linear]:
        return None
    if any(layer.bias is None for _, layer in named if type(layer) is nn.Linear):
        return None
    return [f"trunk.{name}" for name, layer in body if type(layer) is nn.Linear] + ["head"]


def flat(model: Classifier, x: torch.Tensor) -> torch.Tensor:
    """(..., D) what the first linear layer reads, from images (..., C, H, W) uint8 or in [0, 1]."""
    x = x.float() / 255 if x.dtype == torch.uint8 else x
    return ((x - model.mean) / model.std).flatten(-3)


class Layer(NamedTuple):
    """One linear layer on the way back. The gradient of its weights (M, O, I) is out^T given, of its biases out.sum(1).

    `out` (M, B, O) is the gradient of the loss by what it gave, `given` (M, B, I) what it was given.
    """

    name: str
    out: torch.Tensor
    given: torch.Tensor


class DenseNets:
    """M nets with the parameters `params` (name -> (M, ...)), which may change between two passes."""

    def __init__(self, params: dict[str, torch.Tensor], layers: list[str]):
        self.layers = layers
        self.weights = [params[f"{name}.weight"].detach() for name in layers]
        self.biases = [params[f"{name}.bias"].detach() for name in layers]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits (M, B, K) of x (M, B, D), and what each layer was given."""
        inputs = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(torch.baddbmm(bias.unsqueeze(1), inputs[-1], weight.transpose(1, 2)).relu_())
        # Classes before images in memory: a softmax over them then runs along memory, 20 times faster.
        logits = torch.baddbmm(self.biases[-1].unsqueeze(2), self.weights[-1], inputs[-1].transpose(1, 2))
        return logits.transpose(1, 2), inputs

    def backward(self, out: torch.Tensor, inputs: list[torch.Tensor]) -> Iterator[Layer]:
        """The layers from the last to the first, given the gradient (M, B, K) of the loss by the logits.

        The weights of a layer may be changed as soon as it was yielded.
        """
        for name, weight, given in zip(self.layers[::-1], self.weights[::-1], inputs[::-1], strict=True):
            before = None
            if given is not inputs[0]:
                before = torch.bmm(out, weight)
                torch.ops.aten.threshold_backward.grad_input(before, given, 0, grad_input=before)
            yield Layer(name, out, given)
            out = before


def slopes(shares: torch.Tensor, y: torch.Tensor, weight: float | torch.Tensor) -> torch.Tensor:
    """The slopes by the logits of the cross-entropies of labels y (M, B), each times `weight`, a number or (M, 1, 1).
    `shares` (M, K, B) are the probabilities, and written over.
    """
    shares.scatter_add_(1, y.unsqueeze(1), shares.new_full((1, 1, 1), -1.0).expand(len(y), 1, y.shape[1]))
    return shares.mul_(weight)


class DenseSteps:
    """Steps of SGD on the mean cross-entropy of each of M nets; changes `params` in place. Neighbours that share a
    learning rate are one of `alike`.
    """

    def __init__(
        self,
        params: dict[str, torch.Tensor],
        layers: list[str],
        momentum: float,
        weight_decay: float,
        alike: Sequence[slice] = (slice(None),),
    ):
        self.nets, self.momentum, self.weight_decay = DenseNets(params, layers), momentum, weight_decay
        self.alike = alike
        self.params = {name: p.detach() for name, p in params.items()}
        self.velocity = {name: torch.zeros_like(p) for name, p in self.params.items()} if momentum else {}

    def __call__(self, x: torch.Tensor, y: torch.Tensor, rates: Sequence[float]) -> torch.Tensor:
        """One step on images (M, B, D) with labels (M, B), a learning rate for each of `alike`; returns the logits
        (M, B, K) before it.
        """
        logits, inputs = self.nets.forward(x)
        out = slopes(logits.transpose(1, 2).softmax(1), y, 1 / y.shape[1])
        for layer in self.nets.backward(out.transpose(1, 2), inputs):
            self._move_weight(f"{layer.name}.weight", layer, rates)
            self._move_bias(f"{layer.name}.bias", layer.out.sum(1), rates)
        return logits

    def _move_weight(self, name: str, layer: Layer, rates: Sequence[float]) -> None:
        weight, out = self.params[name], layer.out.transpose(1, 2)
        if not self.momentum:
            for of, lr in zip(self.alike, rates, strict=True):
                _add_product(weight[of], out[of], layer.given[of], beta=1 - lr * self.weight_decay, alpha=-lr)
            return
        velocity = self.velocity[name]
        velocity.baddbmm_(out, layer.given, beta=self.momentum)
        if self.weight_decay:
            velocity.add_(weight, alpha=self.weight_decay)
        for of, lr in zip(self.alike, rates, strict=True):
            weight[of].add_(velocity[of], alpha=-lr)

    def _move_bias(self, name: str, move: torch.Tensor, rates: Sequence[float]) -> None:
        bias = self.params[name]
        if self.weight_decay:
            move.add_(bias, alpha=self.weight_decay)
        if self.momentum:
            move = self.velocity[name].mul_(self.momentum).add_(move)
        for of, lr in zip(self.alike, rates, strict=True):
            bias[of].add_(move[of], alpha=-lr)


def _add_product(to: torch.Tensor, first: torch.Tensor, second: torch.Tensor, **scaled: float) -> None:
    """`to.baddbmm_`, which rounds a single product otherwise than one of several: so it gets a twin."""
    if len(to) > 1:
        to.baddbmm_(first, second, **scaled)
    else:
        to.copy_(torch.baddbmm(*(x.repeat(2, 1, 1) for x in (to, first, second)), **scaled)[:1])
