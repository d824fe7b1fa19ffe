"""Row numbers in few characters, for an address. Nothing in a code unfolds to more than its letters say bit by bit, so
one from a stranger costs no more than reading it.

A code is "~" and base64url: a byte with two numbers of bits, then a bit that says whether row 0 is named, then the
lengths of the runs of rows that are named and not named, in turns, up to the last row that is named. A length less one
is told by Rice's code: its upper part in ones and a zero, then its lower bits, as many as the byte says for its turn.
Ones fill the last byte.
"""

from __future__ import annotations

import base64
import re

import numpy as np

from unlearn_core.params import BadValue

MARK = "~"  # begins no list of rows, and an address holds it as it is
LONGEST = 4000  # characters that are read
_LETTERS = re.compile(r"[A-Za-z0-9_-]{2,}", re.ASCII)
_UNREADABLE = BadValue("its code of row numbers is damaged.")


def is_code(text: str) -> bool:
    return text.startswith(MARK)


def least(rows: np.ndarray) -> int:
    """As many characters or more has the code of these sorted rows: told without making it."""
    return (2 * int(np.count_nonzero(np.diff(rows) != 1)) + 1) // 6


def encode(rows: np.ndarray) -> str:
    """The code of one or more row numbers, sorted, none twice."""
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    begins, ends = rows[starts], rows[np.r_[starts[1:], len(rows)] - 1] + 1
    lengths = np.diff(np.column_stack([begins, ends]).ravel(), prepend=0)
    named = int(begins[0] == 0)
    lengths = lengths[named:] - 1
    low = [_low(lengths[turn::2]) for turn in (0, 1)]
    parts = [f"{low[0]:04b}{low[1]:04b}{named}"]
    for i, length in enumerate(lengths.tolist()):
        k = low[i % 2]
        parts.append("1" * (length >> k) + "0" + (f"{length & ((1 << k) - 1):0{k}b}" if k else ""))
    bits = "".join(parts)
    bits += "1" * (-len(bits) % 8)
    return MARK + base64.urlsafe_b64encode(int(bits, 2).to_bytes(len(bits) // 8, "big")).decode().rstrip("=")


def decode(code: str, n: int) -> np.ndarray:
    """(k,) int64, sorted. Raises BadValue where it is no code, or names a row that is not below n."""
    text = code.removeprefix(MARK)
    if not is_code(code) or len(code) > LONGEST or not _LETTERS.fullmatch(text) or len(text) % 4 == 1:
        raise _UNREADABLE
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"
    low, named, at, row, runs = (int(bits[:4], 2), int(bits[4:8], 2)), bits[8:9] == "1", 9, 0, []
    while (zero := bits.find("0", at)) >= 0:
        k = low[(len(runs)) % 2]
        if zero + 1 + k > len(bits):
            raise _UNREADABLE
        length = ((zero - at) << k) + int(bits[zero + 1 : zero + 1 + k] or "0", 2) + 1
        if row + length > n:
            raise BadValue(f"its code names rows that do not exist: the training images are numbered 0 to {n - 1}.")
        runs.append((row, row + length))
        row, at = row + length, zero + 1 + k
    chosen = runs[0 if named else 1 :: 2]
    # What is left are the ones that fill a byte; the last run is one of rows that are named.
    if len(bits) - at > 7 or not chosen or chosen[-1] != runs[-1]:
        raise _UNREADABLE
    return np.concatenate([np.arange(first, end) for first, end in chosen]).astype(np.int64)


def _low(lengths: np.ndarray) -> int:
    """With how many lower bits these lengths less one take least."""
    return min(range(16), key=lambda k: int((lengths >> k).sum()) + k * len(lengths))
