"""Many small nets as one: parameters with a leading member axis, one pass for all members.

`torch.func.vmap` runs any net so. A few layers get a rule of their own here, because vmap's is slow: gradients in the
layout of the weights, and convolution and pooling with the channels of all members side by side, channels last. Each
member's numbers are those it would have alone, up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

# A step of one member with fewer operations than this leaves the device idle, so that members gain by going together.
# CPU: at 4 and 18 million (the nets for digits) stacks were 8 and 3 times faster than the usual way, at some ten
# thousand million (residual nets on 32x32 images) slower; between the two nothing was measured. GPU: reckoned from the
# time that a kernel takes to start, not measured.
STACK_BELOW = {"cpu": 2e8, "cuda": 2e10}


def work_per_step(model: nn.Module, batch: torch.Tensor) -> float:
    """Operations of one training step of `model` on a batch (B, C, H, W): three times those of a forward pass, whose
    linear and convolutional layers alone count.
    """
    # By hand: torch's own counter, as its tensors without memory, loads the compiler of a process first, for seconds.
    net, done = copy.deepcopy(model).eval(), []
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.register_forward_hook(lambda layer, _, out: done.append(2 * out.numel() * layer.weight[0].numel()))
    with torch.no_grad():
        net(batch[:1])
    return 3.0 * sum(done) * len(batch)


def pays(model: nn.Module, batch: torch.Tensor) -> bool:
    """Whether copies of `model` train faster together than one after the other, by the work of one step."""
    device = next(model.parameters()).device.type
    return work_per_step(model, batch) < STACK_BELOW.get(device, STACK_BELOW["cpu"])


def bytes_per_member(model: nn.Module, batch: torch.Tensor) -> int:
    """Memory of one more member: weights with gradients, momentum and a copy, and what a step keeps for backward."""
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    # Twice what is kept: the gradients of activations on their way back.
    return 4 * weights + 2 * kept_bytes(model, batch)[0]


def kept_bytes(model: nn.Module, batch: torch.Tensor) -> tuple[int, int]:
    """What a step of `model` on a batch (B, C, H, W) keeps for its way back, in bytes, and the largest piece of it.
    What lies in one place of memory counts once, and the weights do not.
    """
    net = copy.deepcopy(model)
    places = {p.untyped_storage()._cdata for p in net.parameters()}
    pieces = []

    def see(tensor):
        place = tensor.untyped_storage()
        if place._cdata not in places:
            places.add(place._cdata)
            pieces.append(place)  # held, so that no other comes to lie there
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        net.train()(batch)
    sizes = [place.nbytes() for place in pieces]
    return sum(sizes), max(sizes, default=0)


def stacked_state(models: Sequence[nn.Module]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(parameters, buffers) of equal nets, each with a leading member axis; kernels lie channels last."""
    params, buffers = stack_module_state(list(models))
    return {k: _channels_last(p) for k, p in params.items()}, buffers


def _channels_last(p: torch.Tensor) -> torch.Tensor:
    if p.dim() != 5:
        return p
    return p.detach().permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3).requires_grad_(p.requires_grad)


def skeleton(model: nn.Module) -> nn.Module:
    """A copy of the net whose layers know how to run stacked; its own weights are never read."""
    copied = copy.deepcopy(model)
    for module in copied.modules():
        # A stand-in is the layer with another forward, so the names of all parameters stay. Layers with options that it
        # does not know are left to vmap.
        if getattr(module, "padding_mode", "zeros") == "zeros" and not getattr(module, "return_indices", False):
            module.__class__ = _STAND_IN.get(type(module), type(module))
    return copied


def call(net: nn.Module, params: dict, buffers: dict, x: torch.Tensor) -> torch.Tensor:
    """The skeleton as one member, with weights from outside: what vmap runs."""
    return functional_call(net, (params, buffers), (x,))


class _Embedding(nn.Module):
    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net.embed(x)


def embed(net: nn.Module, params: dict, buffers: dict, x: torch.Tensor) -> torch.Tensor:
    """The features that the head of such a member reads."""
    held = ({f"net.{name}": value for name, value in tensors.items()} for tensors in (params, buffers))
    return functional_call(_Embedding(net), tuple(held), (x,))


# -- layers ------------------------------------------------------------------------------------------------------------


class _Rule(torch.autograd.Function):
    """A layer with a rule for vmap. Only stacks use it, so it needs no backward: the rule itself is differentiated."""

    plain = None

    @classmethod
    def forward(cls, *args):
        return cls.plain(*args)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass


def _leading(tensor: torch.Tensor, axis: int | None, size: int) -> torch.Tensor:
    """The tensor with its member axis in front; what all members share is repeated without a copy."""
    return tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)


def _beside_channels(x: torch.Tensor, axis: int | None, size: int) -> torch.Tensor:
    """(B, M C, H, W) channels last, from images (B, C, H, W) with a member axis of length M somewhere."""
    x = _leading(x, axis, size).movedim(0, 1)
    return x.flatten(1, 2).contiguous(memory_format=torch.channels_last)


class _Linears(torch.autograd.Function):
    """(M, B, I) x (M, O, I) + (M, O) -> (M, B, O)."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx, out):
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            torch.bmm(out, weight) if needs_x else None,
            torch.bmm(out.transpose(1, 2), x) if needs_weight else None,
            out.sum(1) if needs_bias else None,
        )


class _Linear(_Rule):
    plain = staticmethod(F.linear)

    @staticmethod
    def vmap(info, axes, x, weight, bias):
        members = info.batch_size
        x, weight = _leading(x, axes[0], members), _leading(weight, axes[1], members)
        bias = weight.new_zeros(weight.shape[:2]) if bias is None else _leading(bias, axes[2], members)
        together = _Linears.apply(x.reshape(members, -1, x.shape[-1]), weight, bias)
        return together.unflatten(1, x.shape[1:-1]), 0


class _Conv2d(_Rule):
    plain = staticmethod(F.conv2d)

    @staticmethod
    def vmap(info, axes, x, weight, bias, stride, padding, dilation, groups):
        members = info.batch_size
        weight = _leading(weight, axes[1], members)
        together = F.conv2d(
            _beside_channels(x, axes[0], members),
            weight.flatten(0, 1).contiguous(memory_format=torch.channels_last),
            None if bias is None else _leading(bias, axes[2], members).flatten(),
            stride,
            padding,
            dilation,
            groups * members,
        )
        return together.unflatten(1, (members, -1)), 1


class _MaxPool2d(_Rule):
    plain = staticmethod(F.max_pool2d)

    @staticmethod
    def vmap(info, axes, x, size, stride, padding, dilation, ceil_mode):
        together = _beside_channels(x, axes[0], info.batch_size)
        pooled = F.max_pool2d(together, size, stride, padding, dilation, ceil_mode)
        return pooled.unflatten(1, (info.batch_size, -1)), 1


PLAIN = {
    "weight": None,
    "size_average": None,
    "ignore_index": -100,
    "reduce": None,
    "reduction": "mean",
    "label_smoothing": 0.0,
}


class StackedLosses(TorchFunctionMode):
    """Within it the mean cross-entropy of a member is written for stacks, where torch's own is slow: classes before
    images, as the logits of dense nets lie.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        # torch passes options by name here, those too that the caller gave by place.
        plain = func is F.cross_entropy and all(kwargs.get(name, value) == value for name, value in PLAIN.items())
        if not plain or args[1].is_floating_point() or args[0].dim() != 2:
            return func(*args, **kwargs)
        logits, y = args
        looked_at = y != PLAIN["ignore_index"]
        said = logits.t().log_softmax(0).gather(0, torch.where(looked_at, y, 0)[None])[0]
        return -torch.where(looked_at, said, 0.0).sum() / looked_at.sum()


class _StackedLinear(nn.Linear):
    def forward(self, x):
        return _Linear.apply(x, self.weight, self.bias)


class _StackedConv2d(nn.Conv2d):
    def forward(self, x):
        return _Conv2d.apply(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class _StackedMaxPool2d(nn.MaxPool2d):
    def forward(self, x):
        return _MaxPool2d.apply(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


_STAND_IN = {nn.Linear: _StackedLinear, nn.Conv2d: _StackedConv2d, nn.MaxPool2d: _StackedMaxPool2d}


# What torch and CUDA say where memory is short; cuDNN finds no way to convolve where its workspace does not fit.
SHORT = ("allocate memory", "out of memory", "ALLOC_FAILED", "unable to find an engine")


def out_of_memory(error: Exception) -> bool:
    """Whether fewer members at once may do what this error says cannot be done."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(words in str(error) for words in SHORT)
