"""Two folders of one result beside each other: do arrays, tables and notes say the same, and to the bit?

What was measured while a result was made is left out: seconds, memory, and ratios of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unlearn_core.result import Result

# Where only rounding differs, numbers differ by at most this share of the largest among them; of answers that are yes
# or no, or counts, at most this share differ. Measured on a CPU: nets for digits trained alone and in stacks of 1 to
# 32, and with 1 and 2 threads, came to differ by 2e-8 to 1.3e-3 in their logits, and none changed its mind about an
# image; models of another seed differ by 0.3 to 0.6. But nothing bounds it: a residual net with BatchNorm differed by
# 0.48 after three epochs with one more thread, because a net that has not settled magnifies any rounding.
TOLERANCE = 0.01
MEASURED = {"speedup", "peak_megabytes", "share_of_bank"}


@dataclass(frozen=True)
class Difference:
    """One array, column or value that is not the same. `largest` is the largest absolute difference, None where the two
    are not of one shape and kind; `share` is what TOLERANCE bounds.
    """

    where: str
    largest: float | None = None
    share: float = math.inf

    @property
    def within(self) -> bool:
        return self.share <= TOLERANCE


@dataclass(frozen=True)
class Compared:
    """What differs, the furthest first, and what was left out because it is measured."""

    found: tuple[Difference, ...]
    left_out: tuple[str, ...]

    @property
    def verdict(self) -> str:
        if not self.found:
            return "same bits"
        return "within tolerance" if all(each.within for each in self.found) else "differs"


def compare(stored: Result, made: Result) -> Compared:
    """All that two results of one spec hold."""
    ours, theirs = (each.manifest()["files"] for each in (stored, made))
    found, left_out = [], []
    for name in sorted(ours | theirs):
        if name not in ours or name not in theirs:
            found.append(Difference(f"{name}, which only one of them has"))
        elif ours[name] != theirs[name]:
            found += _READ[Path(name).suffix](Path(name).stem, stored, made, left_out)
    found.sort(key=lambda each: -each.share)
    return Compared(tuple(found), tuple(dict.fromkeys(left_out)))


def _arrays(name: str, stored: Result, made: Result, left_out: list[str]) -> Iterator[Difference]:
    ours, theirs = stored.arrays(name), made.arrays(name)
    for each in sorted(ours | theirs):
        where = f"{name}: {each}"
        if each not in ours or each not in theirs:
            yield Difference(f"{where}, which only one of them has")
        elif ours[each].shape != theirs[each].shape or ours[each].dtype != theirs[each].dtype:
            yield Difference(f"{where}, in shape or kind")
        elif ours[each].tobytes() != theirs[each].tobytes():
            yield _apart(where, ours[each], theirs[each], np.max)


def _table(name: str, stored: Result, made: Result, left_out: list[str]) -> Iterator[Difference]:
    tables = [each.table(name) for each in (stored, made)]
    left_out += [f"{name}: {c}" for c in tables[0] if _measured(c)]
    ours, theirs = (table[[c for c in table if not _measured(c)]] for table in tables)
    if list(ours) != list(theirs) or len(ours) != len(theirs):
        yield Difference(f"{name}, in columns or lines")
        return
    if "metric" in ours:  # one number a line: some of these are measured too
        left_out += [f"{name}: {metric}" for metric in sorted(MEASURED & set(ours["metric"]))]
        ours, theirs = (table[~table["metric"].isin(MEASURED)] for table in (ours, theirs))
    if len(ours) != len(theirs):
        yield Difference(f"{name}, in columns or lines")
        return
    for column in ours:
        where, (a, b) = f"{name}: {column}", (table[column].to_numpy() for table in (ours, theirs))
        if a.dtype != b.dtype:
            yield Difference(f"{where}, in kind")
        elif a.dtype.kind not in "fiub":
            if [_text(value) for value in a] != [_text(value) for value in b]:
                yield Difference(where)
        elif a.tobytes() != b.tobytes():
            # The mean, because one image on the border moves a share by a whole step.
            yield _apart(where, a, b, np.mean)


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA else repr(value.tolist() if isinstance(value, np.ndarray) else value)


def _apart(where: str, a: np.ndarray, b: np.ndarray, together: Any) -> Difference:
    """How far two arrays of one shape and kind are apart; numbers that are no number stand in the same places."""
    if a.dtype.kind != "f":
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
        return Difference(where, float(apart.max()), float(np.mean(apart > 0)))
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(a)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(b[finite]).all():
        return Difference(f"{where}, in what is no finite number")
    apart, scale = np.abs(a - b)[finite], np.abs(a[finite]).max(initial=0.0)
    largest, typical = float(apart.max(initial=0.0)), float(together(apart)) if apart.size else 0.0
    return Difference(where, largest, float(typical / scale) if scale else math.inf if largest else 0.0)


def _json(name: str, stored: Result, made: Result, left_out: list[str]) -> Iterator[Difference]:
    yield from _values(name, stored.json(name), made.json(name), left_out)


def _values(where: str, a: Any, b: Any, left_out: list[str]) -> Iterator[Difference]:
    if isinstance(a, dict) and isinstance(b, dict):
        left_out += [f"{where}: {k}" for k in a if _measured(k)]
        for each in sorted({k for k in a | b if not _measured(k)}):
            if each in a and each in b:
                yield from _values(f"{where}: {each}", a[each], b[each], left_out)
            else:
                yield Difference(f"{where}: {each}, which only one of them has")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, pair in enumerate(zip(a, b, strict=True)):
            yield from _values(f"{where} {i}", *pair, left_out)
    elif a != b:
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (a, b))
        # Numbers beside each other in a note have no common scale; most of them are shares of 1.
        yield Difference(where, abs(a - b), abs(a - b) / max(1.0, abs(a))) if numbers else Difference(where)


def _measured(name: str) -> bool:
    return "seconds" in str(name) or name in MEASURED


_READ = {".safetensors": _arrays, ".parquet": _table, ".json": _json}
