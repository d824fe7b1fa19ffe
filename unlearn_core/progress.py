"""How far a long computation is, told to whoever asked for it.

A computation takes `tell`, a function of (stage, done, total), and calls it often. What it does with the call is the
caller's affair: a job writes a file, the command line draws a bar, a test collects. It may raise `Cancelled`, which is
how a computation is stopped: nothing between two calls is left half done, because results appear whole or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Tell = Callable[[str, float, int], None]


class Cancelled(Exception):
    """The one who asked does not want the result any more."""


def silent(stage: str, done: float, total: int) -> None:
    """Tell nobody."""


def until(tell: Tell, minutes: float | None) -> Tell:
    """`tell`, which cancels the work at its first call after so many minutes; None = never."""
    if minutes is None:
        return tell
    end = time.monotonic() + 60 * minutes

    def told(stage: str, done: float, total: int) -> None:
        tell(stage, done, total)
        if time.monotonic() > end:
            raise Cancelled

    return told


def in_steps(tell: Tell, count: int) -> Tell:
    """`tell` for a stage that makes so many things of about equal size: how far it is is told in these, 3.2 of 8,
    whatever it counts itself; of a single one the share that is done, of 1.
    """
    count = max(1, count)
    return lambda stage, done, total: tell(stage, round(count * done / total, 3) if total else 0, count)


def each_of(tell: Tell, count: int) -> list[Tell]:
    """A `tell` for each of several pieces of equal size that are done in any order; together they never fall."""
    shares, total = [0.0] * count, 0.0

    def of(piece: int) -> Tell:
        def told(stage: str, done: float, of: int) -> None:
            nonlocal total
            further = max(0.0, done / of - shares[piece]) if of else 0.0
            shares[piece], total = shares[piece] + further, total + further
            tell(stage, round(1000 * total), 1000 * count)

        return told

    return [of(piece) for piece in range(count)]
