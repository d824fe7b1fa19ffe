"""verify: whether a store is whole, and whether a result comes out the same when it is made again."""

from __future__ import annotations

from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, existing_store, progress, say, show
from unlearn_core.params import BadValue


def verify(
    result: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Make this result anew and compare; else check all.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every file: its checksum, and whether it opens.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="Set what is damaged aside, so that it is made anew when asked for.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    store: StoreOption = None,
) -> None:
    """Check that every result is whole, or make one anew and compare; status 1 where something is wrong."""
    if result is not None and (deep or mend):
        raise BadValue("--deep and --mend are about the whole store: leave the key out.")
    root = existing_store(store)
    if result is None:
        _look(root, deep, mend, as_json)
    else:
        _again(root, result)


def _again(root, result: str) -> None:
    from unlearn_core.experiment.again import verify as make_anew

    with progress() as tell:
        found = make_anew(root, result, tell)
    say(found["says"])
    answer(found)
    if found["verdict"] == "differs":
        raise typer.Exit(1)


def _look(root, deep: bool, mend: bool, as_json: bool) -> None:
    from unlearn_core.experiment.soundness import look

    with progress() as tell:
        found = look(root, deep=deep, mend=mend, tell=tell)
    if as_json:
        whole = {"whole": found.sound, "deep": deep, "mended": found.mended}
        answer(whole | {"results": found.kinds(), "faults": found.faults(), "locks": found.locks})
    else:
        show(found.kinds(), False, nothing="There are no results in this store yet.")
        if found.faults():
            show(found.faults(), False, nothing="")
        say(_sentence(found, mend))
    if not found.sound:
        raise typer.Exit(1)


def _sentence(found, mend: bool) -> str:
    wrong = len(found.damaged) + len(found.jobs)
    if not wrong:
        return "Everything is whole."
    if found.mended:
        return f"{wrong} set aside in the folder quarantine: results are made anew when they are asked for."
    if mend:
        return "Not all of it could be set aside: the store cannot be written to."
    return f"{wrong} damaged; verify --mend sets them aside, and results are made anew when they are asked for."
