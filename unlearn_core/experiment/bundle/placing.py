"""A study that passed every check -> its place in the store, whole or not at all."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable

from unlearn_core.arrivals import place as take_in
from unlearn_core.data import kept
from unlearn_core.disk import below, write_whole
from unlearn_core.experiment.forget_sets import bring_names
from unlearn_core.experiment.recorded import RECORDED
from unlearn_core.experiment.views import OpenStudy
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
            if (take_back := take_in(store, folder)) is not None:
                undo.append(take_back)
        bring_names(store, study.spec.training.data, sheet["names"])
    except BaseException:
        for take_back in reversed(undo):
            take_back()
        raise
