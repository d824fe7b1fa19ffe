"""Whatever an algorithm draws: a pure function of the request's seed and of what the numbers are for."""

from __future__ import annotations

import numpy as np
import torch

from unlearn_core.training import epoch_order
from unlearn_core.unlearning.request import Batch, Request, fetch

# Streams of epoch_order, so that no two uses of one seed draw the same numbers.
RETAIN, FORGET, ALL, LABELS, VALIDATION, NOISE = 101, 102, 103, 104, 105, 106


def drawn(request: Request, rows: np.ndarray, count: int, stream: int, turn: int = 0) -> np.ndarray:
    """So many of the rows, fewer where there are fewer, in an order drawn from the seed; each turn has its own."""
    return epoch_order(rows, request.seed, turn, stream)[:count]


def shuffled(request: Request, rows: np.ndarray, batch: int, stream: int) -> list[Batch]:
    """The images of these rows in batches, in an order drawn from the seed."""
    order = drawn(request, rows, len(rows), stream)
    return [fetch(request.x, request.y, order[i : i + batch]) for i in range(0, len(order), batch)]


def random_labels(request: Request, epoch: int, exclude_true: bool) -> torch.Tensor:
    """(n,) all labels, those of the forget set drawn uniformly anew for this epoch, from all classes or from the wrong
    ones.
    """
    rng = np.random.Generator(np.random.Philox(key=[request.seed, (LABELS << 32) | epoch]))
    rows = torch.from_numpy(request.forget).to(request.y.device)
    y = request.y.clone()
    if exclude_true:
        shift = torch.from_numpy(rng.integers(1, request.classes, len(rows))).to(y.device)
        y[rows] = (request.y[rows] + shift) % request.classes
    else:
        y[rows] = torch.from_numpy(rng.integers(0, request.classes, len(rows))).to(y.device)
    return y


def generator(request: Request, use: int = 0) -> torch.Generator:
    """A source of random numbers on the CPU, for whatever an algorithm draws; `use` keeps several draws apart."""
    seed = np.random.SeedSequence([request.seed, NOISE, use]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> 1))
