"""Row numbers as text and as checked arrays. A training row's number is an image's identity everywhere."""

from __future__ import annotations

import re

import numpy as np

from unlearn_core.params import BadValue

MOST = 10_000_000  # training images that there may be
_PART = re.compile(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*")


def pack(rows) -> str:
    """Sorted row numbers as text, runs shortened: [3, 7, 8, 9] -> "3,7-9". The one spelling of a set of rows."""
    rows = np.unique(np.asarray(rows, dtype=np.int64))
    if len(rows) == 0:
        return ""
    breaks = np.flatnonzero(np.diff(rows) != 1)
    starts, ends = rows[np.r_[0, breaks + 1]], rows[np.r_[breaks, len(rows) - 1]]
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def unpack(text: str, n: int) -> np.ndarray:
    """The row numbers of a text such as "3,7-9": (k,) int64, sorted. Raises BadValue where it is not one, or a row is
    not below n.
    """
    found, named = [], 0
    for part in text.split(",") if text.strip() else []:
        match = _PART.fullmatch(part)
        if match is None:
            if not part.strip():
                raise BadValue("There is no row number between two commas, or before or after one.")
            raise BadValue(f"{part.strip()[:40]!r} is not a row number or a range such as 7-9.")
        first = int(match[1])
        last = int(match[2] or first)
        if last < first:
            raise BadValue(f"The range {first}-{last} runs backwards.")
        if last >= n:
            raise BadValue(f"Row {last} does not exist: the training images are numbered 0 to {n - 1}.")
        found.append(np.arange(first, last + 1))
        named += len(found[-1])
        if named > n:  # one is named twice, and a short text can name all rows a thousand times
            break
    rows = np.concatenate(found) if found else np.zeros(0, np.int64)
    if len(np.unique(rows)) != len(rows):
        values, counts = np.unique(rows, return_counts=True)
        raise BadValue(f"Row {values[counts > 1][0]} is named twice.")
    return np.sort(rows).astype(np.int64)


def check_forget(rows: np.ndarray, n: int) -> np.ndarray:
    """The rows, if they can be forgotten: at least one, and at least one other stays. Raises BadValue otherwise."""
    if len(rows) == 0:
        raise BadValue("The forget set is empty: choose at least one image.")
    if len(rows) >= n:
        raise BadValue("The forget set holds all training images: leave at least one to keep.")
    return rows


def others(rows: np.ndarray, n: int) -> np.ndarray:
    """(n - len(rows),) the rows not named, sorted."""
    keep = np.ones(n, bool)
    keep[rows] = False
    return np.flatnonzero(keep)
