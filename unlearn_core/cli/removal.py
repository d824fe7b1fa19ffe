"""remove and trash: a finished study out of the store, the way back, and away for good."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from unlearn_core.cli.frame import JsonOption, StoreOption, answer, existing_store, say, show

app = typer.Typer(no_args_is_help=True, help="What was removed, until the trash is emptied.")

COLUMNS = ("id", "kind", "title", "removed", "things", "megabytes")


def remove(
    study: Annotated[str, typer.Argument(metavar="KEY", help="Key of a finished study, or the word example.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go and what stays; move nothing.")] = False,
    store: StoreOption = None,
) -> None:
    """Move a finished study to the trash, with all that nothing else needs."""
    from unlearn_core import removal
    from unlearn_core.experiment import example
    from unlearn_core.params import key

    root, entry = existing_store(store), None
    study = key(example()) if study == "example" else study
    if dry_run:
        leaving = removal.plan(root, study)
    else:
        leaving, entry = removal.remove(root, study)
    say(leaving.says)
    answer(
        {
            "study": leaving.study,
            "name": leaving.name,
            "results": leaving.results,
            "kinds": leaving.kinds,
            "megabytes": leaving.bytes / 1e6,
            "stays": len(leaving.shared),
            "stays_megabytes": leaving.shared_bytes / 1e6,
            "needed_by": leaving.needed_by,
            "trash": entry and entry.id,
        }
    )


@app.command("list")
def list_(as_json: JsonOption = False, store: StoreOption = None) -> None:
    """List what is in the trash, what was removed last first."""
    from unlearn_core import trash

    rows = [
        {
            "id": entry.id,
            "kind": entry.kind,
            "title": entry.title,
            "removed": time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.removed)),
            "by": entry.by,
            "things": len(entry.things),
            "megabytes": entry.bytes / 1e6,
        }
        for entry in trash.entries(existing_store(store))
    ]
    show(rows, as_json, nothing="The trash is empty.", columns=COLUMNS)


@app.command()
def restore(
    entry: Annotated[str, typer.Argument(metavar="ID", help="What to bring back: see trash list.")],
    store: StoreOption = None,
) -> None:
    """Bring back what was removed; what was made anew meanwhile stays."""
    from unlearn_core import removal

    said = removal.restore(existing_store(store), entry)
    say(said)
    answer({"restored": entry, "says": said})


@app.command()
def empty(
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="DAYS", min=0, help="Only what was removed longer ago than this.")
    ] = 0.0,
    store: StoreOption = None,
) -> None:
    """Take what is in the trash, and what was set aside as damaged, away for good: this cannot be undone."""
    from unlearn_core import trash

    count, size = trash.empty(existing_store(store), older_than)
    answer({"emptied": count, "megabytes": size / 1e6})
