"""Studies that came in a file: a note in their folder says so."""

from __future__ import annotations

import json

from unlearn_core.disk import below
from unlearn_core.result import KEY
from unlearn_core.store import Store

RECORDED = "recorded"  # the name of the note


def recorded(store: Store, study_key: str) -> dict | None:
    """When a study was imported from a file (`imported`, UTC); None for one that was run here."""
    if not KEY.fullmatch(study_key):
        return None
    note = below(store.root, "results", "Study", study_key, f"{RECORDED}.json")
    if not note.is_file():
        return None
    return json.loads(note.read_text())


def where_timed(store: Store, study_key: str) -> str:
    """Where the seconds that are known of a study were measured, inside a sentence: here, unless it came in a file."""
    return "here" if recorded(store, study_key) is None else "on the machine where it was made"
