"""data add, data list, data check, data remove: a person's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import JsonOption, StoreOption, answer, existing_store, open_store, progress, say, show

app = typer.Typer(no_args_is_help=True, help="Your own datasets.")


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder of class folders, or a parquet file.")],
    name: Annotated[str, typer.Option(help="What the dataset is to be called.")],
    test_share: Annotated[float, typer.Option(help="Share set apart for testing, where there is no test part.")] = 0.2,
    size: Annotated[int | None, typer.Option(help="Resize every image to SIZE x SIZE pixels.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw of the test images.")] = 0,
    store: StoreOption = None,
) -> None:
    """Add a folder of images or a parquet file under a name.

    Damaged images are left out, at most one in a hundred. Other files, such as notes.txt, are left out and not counted.
    """
    root = open_store(store)
    from unlearn_core.experiment import fulfil
    from unlearn_core.experiment.added_images import ask, found_in

    with progress() as tell:
        wanted = ask(root, path, name, test_share=test_share, seed=seed, size=size)
        found = found_in(fulfil(root, wanted, tell))
    added = found.about
    _say_left_out(added.skipped)
    answer(vars(added))


@app.command("list")
def list_(as_json: JsonOption = False, store: StoreOption = None) -> None:
    """List your own datasets."""
    root = open_store(store).root / "data"
    from unlearn_core import data

    rows = [vars(i) | {"skipped": len(i.skipped)} for i in data.own(root)]
    show(rows, as_json, nothing="There are no datasets of your own in this store yet; add one with data add.")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Name of one of your own datasets.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print no table.")] = False,
    store: StoreOption = None,
) -> None:
    """What a dataset of yours holds: images of each class, copies, small classes, files that were left out."""
    root = open_store(store)
    from unlearn_core.experiment.own_images import overview

    found = overview(root, name)
    classes = found.classes.to_dict("records")
    if not as_json:
        show(classes, False, nothing="", err=True)
        for problem in found.problems:
            say(problem)
        _say_left_out(found.skipped)
    answer(
        {
            "name": name,
            "shape": found.about.shape,
            "classes": classes,
            "problems": found.problems,
            "skipped": len(found.skipped),
            "reasons": found.reasons,
        }
    )


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Name of one of your own datasets.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; move nothing.")] = False,
    store: StoreOption = None,
) -> None:
    """Move a dataset of yours to the trash, with all that was made of it. The files it was made from stay."""
    from unlearn_core import removal

    root, entry = existing_store(store), None
    if dry_run:
        leaving = removal.plan_images(root, name)
    else:
        leaving, entry = removal.remove_images(root, name)
    say(leaving.says)
    megabytes = leaving.bytes / 1e6
    answer(
        {"name": name, "results": leaving.results, "kinds": leaving.kinds, "megabytes": megabytes}
        | {"trash": entry and entry.id}
    )


def _say_left_out(skipped: tuple[tuple[str, str], ...]) -> None:
    from unlearn_core.data.left_out import named

    if skipped:
        say(f"Not used: {len(skipped):,} of the files.")
    for line in named(skipped):
        say(f"- {line}")
