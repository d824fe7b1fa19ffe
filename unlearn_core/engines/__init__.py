"""Where work is spread over processes and machines.

An engine carries out one function on many tasks: `engine.map(function, tasks, tell)` yields (index, result) as results
come in. Only small plain values pass through it, such as keys and specs; what is made goes to the store, so an engine
never holds a result that could be lost.

    base.py     what all engines share: starting tasks, starting lost ones again, errors, progress
    here.py     one task after the other, in this process
    local.py    processes of this machine, one for each CPU or GPU
    ray.py      the machines of a Ray cluster
    slurm.py    jobs of a Slurm cluster
    machine.py  how many workers this machine carries

The environment chooses: UNLEARN_ENGINE is here, local (unless told), ray or slurm; UNLEARN_WORKERS is how many tasks
are under way at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from unlearn_core.engines.base import Engine, EngineError
from unlearn_core.engines.machine import workers
from unlearn_core.params import BadValue


def _here(workers: int | None) -> Engine:
    from unlearn_core.engines.here import Here

    return Here()


def _local(workers: int | None) -> Engine:
    from unlearn_core.engines.local import local

    return local(workers)


def _ray(workers: int | None) -> Engine:
    from unlearn_core.engines.ray import Ray

    return Ray(workers)


def _slurm(workers: int | None) -> Engine:
    from unlearn_core.engines.slurm import Slurm

    return Slurm(workers)


# How each engine is made, given the number of workers that was asked for, or None.
ENGINES: dict[str, Callable[[int | None], Engine]] = {"here": _here, "local": _local, "ray": _ray, "slurm": _slurm}

_open: ContextVar[Engine | None] = ContextVar("open engine", default=None)


@contextmanager
def engine() -> Iterator[Engine]:
    """The engine that the environment asks for, closed at the end.

    Inside another `engine()` it is that one again: whoever opens it around many calls keeps its workers warm. Raises
    BadValue where the environment asks for something that is not there.
    """
    if (outer := _open.get()) is not None:
        yield outer
        return
    made = _made()
    token = _open.set(made)
    try:
        yield made
    finally:
        _open.reset(token)
        made.close()


def at_once() -> int:
    """How many tasks a process of its own would have under way, as far as that is known without beginning any."""
    name, wanted = _name(), _workers()
    if name == "here":
        return 1
    return wanted or (workers() if name == "local" else 1)


def _made() -> Engine:
    return ENGINES[_name()](_workers())


def _name() -> str:
    name = os.environ.get("UNLEARN_ENGINE") or "local"
    if name not in ENGINES:
        raise BadValue(f"UNLEARN_ENGINE is {name!r}; it can be {', '.join(ENGINES)}.")
    return name


def _workers() -> int | None:
    text = os.environ.get("UNLEARN_WORKERS")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise BadValue(f"UNLEARN_WORKERS is {text!r}; it should be a whole number of at least 1.")
    return int(text)


__all__ = ["ENGINES", "Engine", "EngineError", "at_once", "engine"]
