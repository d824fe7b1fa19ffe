"""What a store holds, in lists: the finished studies, and how much of which kind of result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from unlearn_core import room
from unlearn_core.disk import StoreError
from unlearn_core.result import KEY, Result, says_when
from unlearn_core.store import Store

# What lists read in the summary of a study, and what pages and reports read beside it: the name, and what it is there.
LISTED = {"forget": int, "tow": dict}
SUMMARY = LISTED | {
    "seconds": dict,
    "bank_models": int,
    "bank_warning": (str, type(None)),
    "parts": dict,
    "accuracy": dict,
    "learning_rates": dict,
    "at_grid_edge": list,
    "plans_against_best_single": list,
}


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
    """All finished studies, the newest first, from their small files alone; one that goes meanwhile is left out, and so
    is one that does not say what is listed.
    """
    return list(filter(None, (_there(_line, result) for result in store.results("Study"))))


def whole_studies(store: Store) -> Iterator[Result]:
    """The finished studies that say all that is asked of one, the newest first."""
    return (result for result in store.results("Study") if _there(_says_all, result))


def fault(result: Result, read: dict = SUMMARY) -> str | None:
    """What is missing in the summary or the manifest of a study, or is of another kind than it should be; None where
    nothing of what is `read` is. Raises StoreError where the study is gone.
    """
    try:
        summary, manifest = result.json("summary"), result.manifest()
    except (OSError, ValueError, RecursionError):
        summary = manifest = None
    if not isinstance(summary, dict):
        return "its summary cannot be read"
    if not says_when(manifest):
        return "its manifest does not say when it was made"
    if lacks := next((name for name in read if name not in summary), None):
        return f"{lacks} is missing in its summary"
    wrong = [name for name, kind in read.items() if not isinstance(summary[name], kind)]
    if not wrong and read is SUMMARY:
        told = (part.get("memorization") if isinstance(part, dict) else None for part in summary["parts"].values())
        numbers = {"parts": told, "seconds": summary["seconds"].values()}
        wrong = [name for name, of in numbers.items() if not all(type(n) in (int, float) for n in of)]
    return f"{wrong[0]} in its summary is not as this program writes it" if wrong else None


def _there(read: Callable, result: Result) -> Any:
    with suppress(StoreError):
        return read(result)
    return None


@lru_cache(maxsize=100_000)  # a store hands out the same result while its files are the same
def _line(result: Result) -> Listed | None:
    if fault(result, LISTED) is not None:
        return None
    spec, summary = result.spec(), result.json("summary")
    of = spec.training.data.name, summary["forget"], spec.seeds
    created, methods = result.manifest()["created"], len(summary["tow"])
    return Listed(result.key, spec.name, created, *of, methods, bool(spec.training.weights))


@lru_cache(maxsize=100_000)
def _says_all(result: Result) -> bool:
    return fault(result) is None


def contents(store: Store) -> pd.DataFrame:
    """What the store holds: kind, results (how many) and megabytes, the largest first."""
    lines = []
    for kind in store.kinds():
        held = [size for name, size in room.sizes(store.root / "results" / kind).items() if KEY.fullmatch(name)]
        if held:
            lines.append({"kind": kind, "results": len(held), "megabytes": sum(held) / 1e6})
    table = pd.DataFrame(lines, columns=["kind", "results", "megabytes"])
    return table.sort_values("megabytes", ascending=False, ignore_index=True)
