"""bundle: a finished study as one file, out of one store and into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, open_store, say
from unlearn_core.cli.studies import KeyArgument, open_study

app = typer.Typer(no_args_is_help=True, help="A finished study as one file, out of one store and into another.")


@app.command("export")
def export_(
    study: KeyArgument = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="The .zip file to write.")] = None,
    weights: Annotated[
        bool,
        typer.Option(help="With the models' weights; without them it is smaller, and nothing can be run from it."),
    ] = True,
    at_most: Annotated[
        float | None, typer.Option(metavar="MB", min=0, help="Refuse to write a file that is larger than this.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a study with every result that is needed to look at it."""
    from unlearn_core.experiment.bundle import export
    from unlearn_core.params import BadValue

    if out is None:
        raise BadValue("Say where the study is to be written: -o study.zip.")
    found = open_study(store, study)
    written = export(found.store, found.key, out, weights, None if at_most is None else at_most * 1e6)
    say(written.images)
    answer({"study": found.key, "written": str(out)} | vars(written))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .zip file that bundle export wrote.")],
    store: StoreOption = None,
) -> None:
    """Check a file and place its study in the store, marked as recorded; a file with any fault places nothing."""
    from unlearn_core.experiment import OpenStudy
    from unlearn_core.experiment.bundle import import_bundle, recorded

    root = open_store(store)
    study = import_bundle(root, file)
    found = OpenStudy.open(root, study)
    answer({"study": study, "name": found.spec.name, "recorded": recorded(root, study) is not None})
