"""leaderboard, defaults: all algorithms beside each other, and the search for their settings; algorithms check, list:
files of one's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import JsonOption, StoreOption, answer, open_store, progress, say, show
from unlearn_core.cli.options import row_of

COLUMNS = ("algorithm", "best", "defaults", "group_tow", "with_defaults")
app = typer.Typer(no_args_is_help=True, help="Your own algorithms: files in the folder UNLEARN_ALGORITHMS.")


@app.command("check")
def check_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python file that defines one algorithm.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print no table.")] = False,
) -> None:
    """Run a file, and try on a small net what every algorithm promises; status 1 where a promise is not kept.

    The file is code: it runs with all your rights. It need not lie in the folder UNLEARN_ALGORITHMS.
    """
    from unlearn_core.params import BadValue
    from unlearn_core.unlearning import ALGORITHMS, BUILT_IN
    from unlearn_core.unlearning.check import check
    from unlearn_core.unlearning.own import load

    own = load(file.expanduser().resolve(), {name: ALGORITHMS[name] for name in BUILT_IN})
    if own.algorithm is None:
        raise BadValue(own.fault)
    found = []
    for each in check(own.algorithm):
        say(f"{'kept' if each.held else 'BROKEN':6} {each.promise}")
        found.append(vars(each))
    if not as_json:
        show([line for line in found if not line["held"]], False, nothing="No fault was found.", err=True)
    broken = sum(not line["held"] for line in found)
    answer(
        {"algorithm": own.name, "title": own.algorithm.title, "sha256": own.digest, "broken": broken, "checks": found}
    )
    if broken:
        raise typer.Exit(1)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the files of your folder: the name of the algorithm in each, or why it was not loaded."""
    from unlearn_core.params import BadValue
    from unlearn_core.unlearning import OWN, OWN_FAULT

    if OWN_FAULT:
        raise BadValue(OWN_FAULT)
    rows = [
        {
            "file": str(own.file),
            "algorithm": own.name if own.algorithm else "",
            "title": own.algorithm.title if own.algorithm else "",
            "sha256": own.digest[:12],
            "fault": own.fault,
        }
        for own in OWN
    ]
    show(rows, as_json, nothing="There are none: set UNLEARN_ALGORITHMS to a folder with a Python file for each.")


def leaderboard(
    seeds: Annotated[int, typer.Option(min=1, help="How many original models are unlearned.")] = 5,
    store: StoreOption = None,
) -> None:
    """Run all algorithms with their defaults on three tasks: a random tenth of digits, one class, all wrong labels."""
    from unlearn_core.experiment.leaderboard import leaderboard

    root = open_store(store)
    with progress() as tell:
        found = leaderboard(root, seeds, tell)
    answer(found)


def defaults(
    algorithm: Annotated[list[str] | None, typer.Option(help="Which; may be repeated. All unless told.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print no table.")] = False,
    store: StoreOption = None,
) -> None:
    """Search for the settings of algorithms that serve best on digits, on models and forget sets of their own."""
    from unlearn_core.experiment.leaderboard import best_defaults
    from unlearn_core.unlearning import ALGORITHMS

    names = algorithm or list(ALGORITHMS)
    for name in names:
        row_of(ALGORITHMS, name, "algorithm")
    root = open_store(store)
    with progress() as tell:
        found = best_defaults(root, names, tell)
    if not as_json:
        show(
            [line | {k: _words(line[k]) for k in ("best", "defaults")} for line in found],
            False,
            nothing="",
            columns=COLUMNS,
            err=True,
        )
        say("Scores are group ToW, the mean over the tasks that an algorithm is for.")
    answer({"algorithms": found})


def _words(settings: dict) -> list[str]:
    return [f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()]
