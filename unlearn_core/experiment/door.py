"""The one door to every result: every page, command and job goes through `fulfil`.

A stage is a spec and a function that writes its result. Each stage, in a file of its own, enters itself in MAKERS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unlearn_core.engines import engine
from unlearn_core.params import BadValue, Spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Result
from unlearn_core.store import Store

MAKERS: dict[type[Spec], Callable[[Store, Spec, Tell], Result]] = {}
# Kinds that many of are made faster together than one after the other.
TOGETHER: dict[type[Spec], Callable[[Store, Sequence[Spec], Tell], list[Result]]] = {}


def fulfil_together(store: Store, specs: Sequence[Spec], tell: Tell = silent) -> list[Result]:
    """The results of specs of one kind and one dataset, in order, in this process."""
    kind = type(specs[0])
    return TOGETHER[kind](store, specs, tell) if kind in TOGETHER else [fulfil(store, spec, tell) for spec in specs]


def fulfil(store: Store, spec: Spec, tell: Tell = silent) -> Result:
    """The result of a spec, found in the store or made now, with everything it needs made before it. Raises BadValue
    for a spec that no result is made of.
    """
    if (found := store.find(spec)) is not None:
        return found
    if type(spec) not in MAKERS:
        raise BadValue(f"{type(spec).__name__} is not a kind of result, so nothing can be made of it.")
    with engine():  # the same workers for all that it needs
        return MAKERS[type(spec)](store, spec, tell)
