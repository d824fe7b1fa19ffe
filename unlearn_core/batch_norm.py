"""Batch norm of a training step on a CPU, together with the sum and the ReLU after it.

A net trained in bfloat16 waits for the memory between its convolutions. torch goes over an activation three times for
batch norm, once more for the sum with a shortcut and once for the ReLU, and again for each on the way back. Here it is
two passes each way: one for the sums over the batch, one for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from types import ModuleType

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

LANES = 64  # of norm_passes, which is imported where it is needed only
NOTHING, BELOW_ALL = np.float32(0), np.float32(-np.inf)  # nothing of the output is below it, with ReLU and without
PARTS, ROWS = 16, 4096  # so many parts at most, of so many rows of lanes at least, are summed up on their own


def fits(x: torch.Tensor, layer: nn.Module) -> bool:
    """Whether `normed` can do this: batch norm in training of (N, C, H, W) bfloat16 on a CPU, channels last, where C
    divides 64 or 64 divides C.
    """
    return (
        isinstance(layer, nn.BatchNorm2d)
        and layer.training
        and layer.affine
        and layer.track_running_stats
        and layer.momentum is not None
        and x.device.type == "cpu"
        and x.dtype == torch.bfloat16
        and torch.is_grad_enabled()
        and x.is_contiguous(memory_format=torch.channels_last)
        and (x.shape[1] % LANES == 0 or LANES % x.shape[1] == 0)
        and x.numel() > x.shape[1]
        and x.numel() % LANES == 0
    )


def normed(
    x: torch.Tensor, layer: nn.BatchNorm2d, relu: bool = False, plus: torch.Tensor | None = None
) -> torch.Tensor:
    """relu(layer(x) + plus), of the shape of x, for what `fits`; `plus` only together with `relu`. The running moments
    of the layer move as they do in `layer(x)`. Sums are float64, and do not depend on the number of threads.
    """
    if plus is not None:
        plus = plus.to(x.dtype).contiguous(memory_format=torch.channels_last)
    out, mean, var = _Normed.apply(x, layer.weight, layer.bias, plus, layer.eps, NOTHING if relu else BELOW_ALL)
    with torch.no_grad():
        layer.num_batches_tracked += 1
        count = x.numel() // x.shape[1]
        layer.running_mean.lerp_(mean, layer.momentum)
        layer.running_var.lerp_(var * (count / (count - 1)), layer.momentum)
    return out


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, plus, eps, least):  # noqa: ANN001, ANN205 - torch's own
        passes, bits, channels = _passes(), _bits(x), x.shape[1]
        count, first = x.numel() // channels, passes.numbers(bits.ravel()[:channels]).astype(np.float64)
        shift = _lanes(first)[0]  # near the mean, for the squares of what is far from 0 round away
        total, square = _sums(bits, channels, lambda edges, sums: passes.moments(bits, shift, edges, sums)) / count
        mean, var = first + total, np.maximum(square - total**2, 0)
        inverse = 1 / np.sqrt(var + eps)
        scale = weight.detach().numpy() * inverse
        offset = bias.detach().numpy() - mean * scale
        out, by = torch.empty_like(x), _lanes(scale, offset)
        made = _bits(out)
        if plus is None:
            _each(bits, lambda rows: passes.scaled(bits[rows], by, least, made[rows]))
        else:
            more = _bits(plus)
            _each(bits, lambda rows: passes.joined(bits[rows], more[rows], by, made[rows]))
        ctx.save_for_backward(x, *([] if plus is None else [out]))
        ctx.about = mean, inverse, scale, offset, least, by
        said = torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(var.astype(np.float32))
        ctx.mark_non_differentiable(*said)
        return out, *said

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):  # noqa: ANN001, ANN205 - torch's own
        x, *out = ctx.saved_tensors
        mean, inverse, scale, offset, least, by = ctx.about
        passes, bits, channels = _passes(), _bits(x), x.shape[1]
        given, plus = _bits(grad.contiguous(memory_format=torch.channels_last)), None
        if out:
            plus = torch.empty_like(x)
            ends, kept = _bits(out[0]), _bits(plus)
            sums = _sums(bits, channels, lambda edges, sums: passes.parted(bits, given, ends, kept, edges, sums))
            given, least = kept, BELOW_ALL
        else:
            sums = _sums(bits, channels, lambda edges, sums: passes.slopes(bits, given, by, least, edges, sums))
        by_bias, by_weight = sums[0], (sums[1] - mean * sums[0]) * inverse
        count, ours = x.numel() // channels, torch.empty_like(x)
        by_x = -scale * inverse * by_weight / count
        by, back = _lanes(scale, offset, scale, by_x, -scale * by_bias / count - by_x * mean), _bits(ours)
        _each(bits, lambda rows: passes.returned(bits[rows], given[rows], by, least, back[rows]))
        by_weight, by_bias = (torch.from_numpy(each.astype(np.float32)) for each in (by_weight, by_bias))
        return ours, by_weight, by_bias, plus, None, None


def _passes() -> ModuleType:
    from unlearn_core import norm_passes  # imports numba, and compiles for seconds where nobody has yet

    return norm_passes


def _bits(x: torch.Tensor) -> np.ndarray:
    """The memory of (N, C, H, W), channels last, as (rows, k, 64) uint16."""
    flat = x.detach().permute(0, 2, 3, 1).reshape(-1, max(1, x.shape[1] // LANES), LANES)
    return flat.view(torch.uint16).numpy()


def _lanes(*values: np.ndarray) -> np.ndarray:
    """What belongs to each channel, each (C,), as (values, k, 64) float32."""
    channels = len(values[0])
    stacked = np.array(values, np.float32)[:, None]
    return np.broadcast_to(stacked, (len(values), max(1, LANES // channels), channels)).reshape(len(values), -1, LANES)


def _sums(bits: np.ndarray, channels: int, add: Callable) -> np.ndarray:
    """Two sums over all rows for each channel, (2, C) float64, of what add(edges, sums) adds for the parts between."""
    edges = _edges(len(bits))
    total = np.zeros((len(edges) - 1, 2, *bits.shape[1:]))
    _spread(lambda first, last: add(edges[first : last + 1], total[first:last]), len(total))
    return total.sum(0).reshape(2, -1, channels).sum(1)


def _each(bits: np.ndarray, do: Callable) -> None:
    edges = _edges(len(bits))
    _spread(lambda first, last: do(slice(edges[first], edges[last])), len(edges) - 1)


@cache
def _edges(rows: int) -> np.ndarray:
    """Where parts of so many rows begin and end, by the number of rows alone: so sums do not depend on the threads."""
    return np.linspace(0, rows, max(1, min(PARTS, rows // ROWS)) + 1).astype(np.int64)


def _spread(do: Callable, parts: int) -> None:
    """do(first, last) for all parts, by as many threads as torch has."""
    threads = min(torch.get_num_threads(), parts)
    if threads == 1:
        do(0, parts)
    else:
        shares = [parts * share // threads for share in range(threads + 1)]
        list(_threads(threads).map(do, shares[:-1], shares[1:]))


@lru_cache(maxsize=1)
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)
