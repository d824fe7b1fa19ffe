"""What a store holds, in lists: the finished studies, and how much of which kind of result."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from unlearn_core import room
from unlearn_core.disk import StoreError
from unlearn_core.result import KEY, Result
from unlearn_core.store import Store


@dataclass(frozen=True)
class Listed:
    """One finished study in a list."""

    key: str
    name: str
    created: str
    dataset: str
    forget: int
    seeds: int
    methods: int
    given: bool  # whether the original is a model from elsewhere


def studies(store: Store) -> list[Listed]:
    """All finished studies, the newest first, from their small files alone; one that goes meanwhile is left out."""
    return list(filter(None, map(_there, store.results("Study"))))


def _there(result: Result) -> Listed | None:
    with suppress(StoreError):
        return _line(result)
    return None


@lru_cache(maxsize=100_000)  # a store hands out the same result while its files are the same
def _line(result: Result) -> Listed:
    spec, summary = result.spec(), result.json("summary")
    created, methods = result.manifest()["created"], len(summary["tow"])
    of = spec.training.data.name, summary["forget"], spec.seeds
    return Listed(result.key, spec.name, created, *of, methods, bool(spec.training.weights))


def contents(store: Store) -> pd.DataFrame:
    """What the store holds: kind, results (how many) and megabytes, the largest first."""
    lines = []
    for kind in store.kinds():
        held = [size for name, size in room.sizes(store.root / "results" / kind).items() if KEY.fullmatch(name)]
        if held:
            lines.append({"kind": kind, "results": len(held), "megabytes": sum(held) / 1e6})
    table = pd.DataFrame(lines, columns=["kind", "results", "megabytes"])
    return table.sort_values("megabytes", ascending=False, ignore_index=True)
