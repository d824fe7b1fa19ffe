"""Draws that come out the same on every machine and with every release of the libraries.

Rows are ordered by raw numbers of a counter-based generator, whose stream NumPy promises never to change (the streams
of `shuffle` and `choice` may). Each purpose has a stream of its own, so one seed serves all draws.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stratified(labels: np.ndarray, n: int, seed: int, purpose: str) -> np.ndarray:
    """n row numbers, ascending, in which every class has its share of n to within one image."""
    # Largest remainder in whole numbers: exact, and ties go to the lower class.
    share, remainder = np.divmod(np.bincount(labels) * n, len(labels))
    share[np.argsort(-remainder, kind="stable")[: n - share.sum()]] += 1
    order = np.lexsort((_raw(len(labels), seed, purpose), labels))
    ordered = labels[order]
    place_in_class = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return np.sort(order[place_in_class < share[ordered]])


def wrong_labels(labels: np.ndarray, share: float, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels (N,) with round(share * N) of them replaced, and which ones (N,) bool.

    Every image is equally likely to be chosen, and then every class but its own.
    """
    n = len(labels)
    raw = _raw(2 * n, seed, "wrong labels")
    rows = np.argsort(raw[:n], kind="stable")[: round(share * n)]
    step = 1 + (raw[n:][rows] % np.uint64(classes - 1)).astype(np.int64)
    noisy, wrong = labels.copy(), np.zeros(n, bool)
    noisy[rows] = (labels[rows] + step) % classes
    wrong[rows] = True
    return noisy, wrong


def _raw(n: int, seed: int, purpose: str) -> np.ndarray:
    key = np.frombuffer(hashlib.sha256(f"{purpose}/{seed}".encode()).digest()[:16], "<u8")
    return np.random.Philox(key=key).random_raw(n)
