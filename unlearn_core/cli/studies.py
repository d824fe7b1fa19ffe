"""example, study: one forget set, many ways to forget it, over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, obtain, open_store, say, show
from unlearn_core.cli.options import read_spec
from unlearn_core.params import BadValue, plain


def example(
    models: Annotated[int, typer.Option(help="Members of the bank that memorization is estimated from.")] = 64,
    seeds: Annotated[int, typer.Option(help="How many original models are unlearned.")] = 5,
    store: StoreOption = None,
) -> None:
    """Run the example study, about a minute on two processor cores; a second run only reads what the first one made."""
    from unlearn_core import experiment

    _report(open_store(store), experiment.example(models=models, seeds=seeds))


def study(
    source: Annotated[str | None, typer.Argument(help="JSON file of a study, or the key of a finished one.")] = None,
    show: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Print the study as JSON instead: a file, a key, or the word example."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Run a study. To write one, start from study --show example | python -m json.tool > study.json."""
    if (source is None) == (show is None):
        raise BadValue("Give the JSON file of a study, or --show example to get one to start from.")
    root = open_store(store)
    if show is not None:
        answer(plain(_study(root, show)))
    else:
        _report(root, _study(root, source))


def _study(store, source: str):
    from unlearn_core.experiment import Study, example
    from unlearn_core.store import KEY

    if source == "example":
        return example()
    if KEY.fullmatch(source):
        return store.open("Study", source).spec()
    return read_spec(Path(source), Study)


def _report(store, spec) -> None:
    result, cached = obtain(store, spec)
    summary = result.json("summary")
    if summary["bank_warning"]:
        say(summary["bank_warning"])
    lines = [
        {
            "method": name,
            **{f"{split}_accuracy": value for split, value in accuracy.items()},
            "ToW": summary["tow"].get(name),
            "group_ToW": summary["group_tow"].get(name),
            "attack_AUC": summary["intervals"]["attack_auc"][name]["mean"],
        }
        for name, accuracy in summary["accuracy"].items()
    ]
    show(lines, False, nothing="", err=True)
    answer(summary | {"study": result.key, "cached": cached})
