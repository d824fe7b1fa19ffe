"""tune: a search for the RUM plan that suits a forget set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, obtain, open_store, say
from unlearn_core.cli.frame import show as show_table
from unlearn_core.cli.options import read_spec
from unlearn_core.params import BadValue, build, plain

COLUMNS = ("name", "low", "medium", "high", "order", "while_searching", "confirmed", "flattered_by")


def tune(
    source: Annotated[str | None, typer.Argument(help="JSON file of a search, or the key of a finished one.")] = None,
    show: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Print the search as JSON instead: a file, a key, or the word example."),
    ] = None,
    so_far: Annotated[bool, typer.Option("--so-far", help="Run nothing; show what was tried until now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print no table.")] = False,
    store: StoreOption = None,
) -> None:
    """Search for a better RUM plan. To write a search, start from tune --show example > search.json.

    Plans are tried on models that are never reported, and the best few are confirmed on those that are. A search that
    was stopped goes on where it stopped.
    """
    if (source is None) == (show is None):
        raise BadValue("Give the JSON file of a search, or --show example to get one to start from.")
    root = open_store(store)
    if show is not None:
        answer(plain(_search(root, show)))
    elif so_far:
        _so_far(root, _search(root, source), as_json)
    else:
        _report(root, _search(root, source), as_json)


def _search(store, source: str):
    from unlearn_core.experiment import PlanSearch
    from unlearn_core.result import KEY

    if source == "example":
        return PlanSearch(models=64, rates=(0.3, 1.0, 3.0))
    if KEY.fullmatch(source):
        return store.open("PlanSearch", source).spec()
    return read_spec(Path(source), PlanSearch)


def _report(store, search, as_json: bool) -> None:
    from unlearn_core.experiment.rehearsal import rehearse
    from unlearn_core.experiment.search import brief, words

    if store.find(search) is None:
        rehearse(store, search)  # a request that cannot be met should not first cost a bank
    result, cached = obtain(store, search)
    summary = result.json("summary")
    if not as_json:
        lines = [
            {"name": f"plan {i}"} | words(build(found["plan"])) | _scores(found)
            for i, found in enumerate(summary["plans"], 1)
        ]
        alone = brief(build(summary["single"]["unlearner"]))
        whole = {"low": alone, "medium": alone, "high": alone, "order": ""}
        lines.append({"name": "best single algorithm"} | whole | _scores(summary["single"]))
        ceiling = {"confirmed": _with_interval(summary["ceiling"])}
        lines.append(dict.fromkeys(COLUMNS, "") | {"name": "two retrained models"} | ceiling)
        show_table(lines, False, nothing="", columns=COLUMNS, err=True)
        say("Scores are group ToW; confirmed ones are of models that had no say in the choice, with 95 % intervals.")
    answer(summary | {"search": result.key, "cached": cached})


def _so_far(store, search, as_json: bool) -> None:
    from unlearn_core.experiment.search import ranked, trials_of

    table = trials_of(store, search)
    lines = ranked(table).head(search.best)[["trial", "low", "medium", "high", "order", "group_tow"]].to_dict("records")
    if not as_json:
        show_table(lines, False, nothing="Nothing was tried yet.", err=True)
    answer({"trials": len(table), "best": lines})


def _scores(found: dict) -> dict:
    confirmed = _with_interval(found["confirmed"])
    return {"while_searching": found["tuning"], "confirmed": confirmed, "flattered_by": found["optimism"]}


def _with_interval(found: dict) -> str:
    half = found["half_width"]
    return f"{found['mean']:.3f}" if half is None else f"{found['mean']:.3f} ± {half:.3f}"
