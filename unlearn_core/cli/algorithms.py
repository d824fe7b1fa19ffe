"""leaderboard, defaults: all algorithms beside each other, and the search for their settings."""

from __future__ import annotations

from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, open_store, progress, say, show
from unlearn_core.cli.options import row_of

COLUMNS = ("algorithm", "best", "defaults", "group_tow", "with_defaults")


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
