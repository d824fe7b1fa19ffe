"""A study that passed every check -> its place in the store, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from unlearn_core.data import kept
from unlearn_core.disk import below, flush, write_whole
from unlearn_core.experiment.bundle.contents import LOCK
from unlearn_core.experiment.forget_sets import bring_names
from unlearn_core.experiment.recorded import RECORDED
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.result import Result, find_fault, set_aside
from unlearn_core.store import Store


def publish(store: Store, staged: Store, study: OpenStudy, sheet: dict) -> None:
    """Mark a staged study as recorded and rename every result into place, the study last, and give its sets their
    names. `sheet` is the checked bundle.json. Where something fails, what was placed is taken back.

    Raises OSError for what the disk says.
    """
    imported = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write_whole(study.result.folder / f"{RECORDED}.json", json.dumps({"imported": imported}))
    undo: list[Callable[[], None]] = []
    data = sheet["data"]
    try:
        place = below(store.root, "data", "own", data["name"])
        if data.get("included") and not place.exists():
            came = staged.root / "images" / "own"
            kept.write(place, kept.read(came), kept.about(came))
            undo.append(lambda: shutil.rmtree(place, ignore_errors=True))
        elif data.get("labels") and not place.exists():
            came = staged.root / "images" / "own"
            kept.write_labels(place, *kept.labels(came), kept.about(came) | {"skipped": []})
            undo.append(lambda: shutil.rmtree(place, ignore_errors=True))
        folders = [p for kind in staged.kinds() for p in (staged.root / "results" / kind).iterdir()]
        for folder in sorted(folders, key=lambda p: p.name == study.key):
            if (take_back := _place(store, folder)) is not None:
                undo.append(take_back)
        bring_names(store, study.spec.training.data, sheet["names"])
    except BaseException:
        for take_back in reversed(undo):
            take_back()
        raise


def _place(store: Store, folder: Path) -> Callable[[], None] | None:
    """Rename a staged result into place; returns what takes it back. None where the store keeps the one that it has:
    unless that is damaged, or lacks files that this one has. One that lacks some lies in staging until the sweep, which
    puts it back where nothing has come into its place.
    """
    target = store.root / "results" / folder.parent.name / folder.name
    before = store.root / "staging" / f"{LOCK}.{folder.name}.{uuid.uuid4().hex[:8]}"

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
        try:
            os.rename(folder, target)
            flush(target.parent)
        except BaseException:
            take_back()
            raise
    return take_back
