"""How far a long computation is, told to whoever asked for it.

A computation takes `tell`, a function of (stage, done, total), and calls it often. What it does with the call is the
caller's affair: a job writes a file, the command line draws a bar, a test collects. It may raise `Cancelled`, which is
how a computation is stopped: nothing between two calls is left half done, because results appear whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, int, int], None]


class Cancelled(Exception):
    """The one who asked does not want the result any more."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
