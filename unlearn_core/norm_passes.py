"""Passes over the memory of a batch norm in bfloat16, compiled. Each does all that can be done while a number is read.

Activations are (n, k, 64) uint16: the bits of bfloat16 numbers, channels last, in lanes of 64. Where there are more
channels than lanes, k lanes hold those of one pixel; where there are fewer, a lane holds several pixels. What belongs
to a channel is (k, 64) float32, laid out the same. Sums are float64 of float32 sums of 256 rows, so that the length of
a batch costs no precision; those of the rows from one of `edges` to the next are added to total, (parts, 2, k, 64).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

LANES = 64
BLOCK = 256  # rows whose sums are float32
ZERO = np.float32(0)


def _compiled(function: Callable) -> Callable:
    """Compiled once a machine where there is a folder for it, else once a process; other threads run meanwhile.
    A number that is none stays none, so that a training that has diverged is seen to have.
    """
    how = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return njit(cache=True, **how)(function)
    except RuntimeError:  # no folder can be written to
        return njit(**how)(function)


def numbers(bits: np.ndarray) -> np.ndarray:
    """float32 of the bits of bfloat16 numbers."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


@_compiled
def _number(bits):
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@_compiled
def _bits(number):
    """The nearest bfloat16, of two the even one."""
    bits = np.float32(number).view(np.uint32)
    odd = np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(1))
    return np.uint16(np.uint32(np.uint32(bits + np.uint32(0x7FFF)) + odd) >> np.uint32(16))


@_compiled
def moments(x, shift, edges, total):
    """The sums of x - shift and of its squares."""
    _, k, _ = x.shape
    for part in range(len(edges) - 1):
        for first in range(edges[part], edges[part + 1], BLOCK):
            sums = np.zeros((2, k, LANES), np.float32)
            for row in range(first, min(first + BLOCK, edges[part + 1])):
                for j in range(k):
                    for i in range(LANES):
                        value = _number(x[row, j, i]) - shift[j, i]
                        sums[0, j, i] += value
                        sums[1, j, i] += value * value
            total[part] += sums


@_compiled
def scaled(x, by, least, out):
    """out = by[0] x + by[1], and nothing below `least`."""
    n, k, _ = x.shape
    for row in range(n):
        for j in range(k):
            for i in range(LANES):
                value = _number(x[row, j, i]) * by[0, j, i] + by[1, j, i]
                out[row, j, i] = _bits(least if value < least else value)


@_compiled
def joined(x, plus, by, out):
    """out = by[0] x + by[1] + plus, and nothing below 0."""
    n, k, _ = x.shape
    for row in range(n):
        for j in range(k):
            for i in range(LANES):
                value = _number(x[row, j, i]) * by[0, j, i] + by[1, j, i] + _number(plus[row, j, i])
                out[row, j, i] = _bits(ZERO if value < ZERO else value)


@_compiled
def slopes(x, grad, by, least, edges, total):
    """The sums of the gradient, and of it times x, where by[0] x + by[1] is above `least`."""
    _, k, _ = x.shape
    for part in range(len(edges) - 1):
        for first in range(edges[part], edges[part + 1], BLOCK):
            sums = np.zeros((2, k, LANES), np.float32)
            for row in range(first, min(first + BLOCK, edges[part + 1])):
                for j in range(k):
                    for i in range(LANES):
                        value, slope = _number(x[row, j, i]), _number(grad[row, j, i])
                        slope = ZERO if value * by[0, j, i] + by[1, j, i] <= least else slope
                        sums[0, j, i] += slope
                        sums[1, j, i] += slope * value
            total[part] += sums


@_compiled
def parted(x, grad, out, masked, edges, total):
    """As `slopes`, where `out`, which `joined` made, is above 0; the gradient there is left in `masked`."""
    _, k, _ = x.shape
    for part in range(len(edges) - 1):
        for first in range(edges[part], edges[part + 1], BLOCK):
            sums = np.zeros((2, k, LANES), np.float32)
            for row in range(first, min(first + BLOCK, edges[part + 1])):
                for j in range(k):
                    for i in range(LANES):
                        value, slope = _number(x[row, j, i]), _number(grad[row, j, i])
                        slope = ZERO if _number(out[row, j, i]) <= ZERO else slope
                        masked[row, j, i] = _bits(slope)
                        sums[0, j, i] += slope
                        sums[1, j, i] += slope * value
            total[part] += sums


@_compiled
def returned(x, grad, by, least, out):
    """out = by[2] grad + by[3] x + by[4], with grad 0 where by[0] x + by[1] is not above `least`."""
    n, k, _ = x.shape
    for row in range(n):
        for j in range(k):
            for i in range(LANES):
                value, slope = _number(x[row, j, i]), _number(grad[row, j, i])
                slope = ZERO if value * by[0, j, i] + by[1, j, i] <= least else slope
                out[row, j, i] = _bits(by[2, j, i] * slope + by[3, j, i] * value + by[4, j, i])
