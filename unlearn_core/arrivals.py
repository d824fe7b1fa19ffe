"""A result that was made elsewhere and checked -> its place in the store, and back out of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from unlearn_core.disk import flush
from unlearn_core.result import Result, find_fault, set_aside
from unlearn_core.store import Store

LOCK = "import"  # held while something arrives, so that a sweep leaves what is staged under this name alone


def place(store: Store, folder: Path) -> Callable[[], None] | None:
    """Rename a staged result into place; returns what takes it back. None where the store keeps the one that it has:
    unless that is damaged, or lacks files that this one has. One that lacks some lies in staging until the sweep, which
    puts it back where nothing has come into its place.

    Raises OSError for what the disk says; the store is as it was then.
    """
    target = store.root / "results" / folder.parent.name / folder.name
    before = store.aside(f"{LOCK}.{folder.name}")

    def take_back() -> None:
        if not folder.is_dir():  # it is in its place
            shutil.rmtree(target, ignore_errors=True)
        if before.is_dir():
            os.rename(before, target)

    with store.lock(folder.name):
        if target.is_dir() and find_fault(target) is not None:
            set_aside(store.root, target, held=True)
        there = target.is_dir()
        if there and find_fault(target) is None and set(Result(target).lacks) <= set(Result(folder).lacks):
            return None
        for file in (*folder.iterdir(), folder):
            flush(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if there:
            os.rename(target, before)
            os.utime(before)  # a sweep on another machine goes by when it came here
        try:
            os.rename(folder, target)
            flush(target.parent)
        except BaseException:
            take_back()
            raise
    return take_back
