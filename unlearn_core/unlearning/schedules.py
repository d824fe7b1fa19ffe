"""How a learning rate changes over a run."""

from __future__ import annotations

import math


def cosine(share: float) -> float:
    """The factor at this share of the way: 1 at the start, falling to 0 at the end along half a cosine."""
    return (1 + math.cos(math.pi * share)) / 2


def epoch_of(number: int, total: int, epochs: int) -> int:
    """The epoch, from 0, of step `number` out of `total`, where all epochs have equally many steps."""
    return number * epochs // total
