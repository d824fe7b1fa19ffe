"""jobs: long work in its own process, which goes on when this one ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import JsonOption, StoreOption, answer, existing_store, open_store, show
from unlearn_core.cli.options import read_spec
from unlearn_core.params import BadValue

app = typer.Typer(no_args_is_help=True, help="Long work in its own process.")

Key = Annotated[str, typer.Argument(help="Key of the job: see jobs list.")]
COLUMNS = ("key", "title", "state", "stage", "share", "seconds", "message")


def _row(job) -> dict:
    return vars(job) | {"stage": job.stage, "share": job.share if job.active else None}


@app.command("list")
def list_(as_json: JsonOption = False, store: StoreOption = None) -> None:
    """List all jobs, the last submitted first."""
    from unlearn_core import jobs

    rows = [_row(job) for job in jobs.listing(existing_store(store))]
    show(rows, as_json, nothing="There are no jobs in this store yet.", columns=COLUMNS)


@app.command()
def start(
    file: Annotated[Path, typer.Argument(help="JSON file of what is to be made, such as a study.")],
    store: StoreOption = None,
) -> None:
    """Start a job; one that is under way already is joined."""
    from unlearn_core import jobs
    from unlearn_core.experiment import Study
    from unlearn_core.experiment.door import MAKERS
    from unlearn_core.experiment.rehearsal import rehearse

    root, spec = open_store(store), read_spec(file)
    if type(spec) not in MAKERS:
        raise BadValue(f"A {type(spec).__name__} is not something that a job can make.")
    if isinstance(spec, Study):
        rehearse(root, spec)
    answer(_row(jobs.find(root, jobs.submit(root, spec))))


@app.command("show")
def show_(key: Key, store: StoreOption = None) -> None:
    """Show one job: its state, how far it is, and why it failed."""
    from unlearn_core import jobs

    answer(_row(jobs.find(existing_store(store), key)))


@app.command()
def cancel(key: Key, store: StoreOption = None) -> None:
    """Stop a job; what it had finished stays."""
    from unlearn_core import jobs

    answer(_row(jobs.cancel(existing_store(store), key)))


@app.command()
def resume(key: Key, store: StoreOption = None) -> None:
    """Start a stopped job again; it goes on from what is kept."""
    from unlearn_core import jobs

    root = existing_store(store)
    answer(_row(jobs.find(root, jobs.resume(root, key))))


@app.command()
def remove(key: Key, store: StoreOption = None) -> None:
    """Move the record of a job that is not under way to the trash; its results stay."""
    from unlearn_core import jobs

    root = existing_store(store)
    jobs.forget_job(root, key)
    answer({"removed": key})
