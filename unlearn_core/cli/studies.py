"""example, study, forecast, compare, suggest, proxies: one forget set, many ways to forget it, over seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import unlearn_core.cli.paper as paper
from unlearn_core.cli.frame import StoreOption, answer, existing_store, obtain, open_store, say, show
from unlearn_core.cli.options import read_spec
from unlearn_core.params import BadValue, plain


def example(
    models: Annotated[
        int, typer.Option(help="Members of the bank that memorization is estimated from; 0 = no bank.")
    ] = 64,
    seeds: Annotated[int, typer.Option(help="How many original models are unlearned.")] = 5,
    store: StoreOption = None,
) -> None:
    """Run the example study, about a minute on two processor cores; a second run only reads what the first one made."""
    from unlearn_core import experiment

    _report(open_store(store), experiment.example(models=models, seeds=seeds))


def study(
    source: Annotated[
        str | None,
        typer.Argument(
            help="File of a study (JSON, or a report), the key of a finished one, or paper: all of the paper's."
        ),
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Print the study as JSON instead: a file, a key, or the word example."),
    ] = None,
    models: Annotated[
        int | None, typer.Option(help="Members of the bank, in place of the study's own; 0 = no bank.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.safetensors",
            help="Weights of a model you trained, which is the original then; it must have the study's architecture.",
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="study paper: a built-in dataset, or what to call that of --data.")] = (
        "CIFAR-10"
    ),
    data: Annotated[
        Path | None, typer.Option(help="study paper: your copy of the images, a folder or a parquet file.")
    ] = None,
    scale: Annotated[str, typer.Option(help="study paper: small (two processor cores) or full (a GPU).")] = "small",
    seeds: Annotated[int, typer.Option(min=2, help="study paper: how many original models are unlearned.")] = 3,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Stop after so many minutes; the same command goes on from there.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Run a study. To write one, start from study --show example | python -m json.tool > study.json."""
    if (source is None) == (show is None):
        raise BadValue("Give the JSON file of a study, or --show example to get one to start from.")
    root = open_store(store)
    if source == "paper":
        paper.run(root, dataset, data, scale, seeds, budget_minutes)
        return
    spec = _study(root, show or source)
    if models is not None:
        spec = spec.but(models=models)
    if weights is not None:
        spec = spec.but(training=_with_weights(root, spec.training, weights))
    if show is not None:
        answer(plain(spec))
    else:
        _report(root, spec, budget_minutes)


def _with_weights(store, training, weights: Path):
    from unlearn_core.experiment.own_weights import keep

    digest = keep(store, training.afresh, weights).digest
    if training.weights not in ("", digest):
        raise BadValue(f"The study names another original: {weights} does not hold the weights that it was made with.")
    return training.but(weights=digest)


def _study(store, source: str):
    from unlearn_core.experiment import Study, example
    from unlearn_core.result import KEY

    if source == "example":
        return example()
    if KEY.fullmatch(source):
        return store.open("Study", source).spec()
    return read_spec(Path(source), Study)


def _report(store, spec, minutes: float | None = None) -> None:
    from unlearn_core.experiment import OpenStudy
    from unlearn_core.experiment.rehearsal import rehearse

    if store.find(spec) is None:
        rehearse(store, spec)  # a request that cannot be met should not first cost a bank
    result, cached = obtain(store, spec, minutes)
    summary = result.json("summary")
    if summary["bank_warning"]:
        say(summary["bank_warning"])
    _table(OpenStudy(store, result), err=True)
    answer(summary | {"study": result.key, "cached": cached})


def forecast(
    file: Annotated[Path, typer.Argument(help="JSON file of the study that is to be run.")],
    like: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY_KEY", help="A finished study with the same training and bank; else the newest such."
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Say what a study will cost, from what a finished one took; nothing is run.

    Where no study with the same training and bank is finished, the cost goes by the speed of any that is, roughly.
    """
    from unlearn_core.experiment import Study
    from unlearn_core.experiment.first_cost import first_cost
    from unlearn_core.experiment.forecast import forecast
    from unlearn_core.experiment.forecast import like as newest

    planned, root = read_spec(file, Study), existing_store(store)
    finished = open_study(store, like) if like else newest(root, planned)
    if finished is not None:
        answer({"like": finished.key} | vars(forecast(finished, planned)))
    elif (first := first_cost(root, planned)) is not None:
        answer(vars(first))
    else:
        raise BadValue("No study is finished in this store, so nothing tells what one costs here.")


# -- a finished study --------------------------------------------------------------------------------------------------

KeyArgument = Annotated[str | None, typer.Argument(metavar="STUDY_KEY", help="Which study; the newest unless told.")]
INTERVALS = ("group_tow", "tow", "lira_auc")
COLUMNS = ("method", "kind", *INTERVALS, "forget_accuracy", "retain_accuracy", "test_accuracy", "seconds")


def compare(
    study: KeyArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that was measured as one JSON object.")] = False,
    store: StoreOption = None,
) -> None:
    """All methods of a finished study beside each other: means with 95 % intervals over seeds, and seconds per run."""
    found = open_study(store, study)
    if as_json:
        answer({"study": found.key, "methods": _lines(found)})
    else:
        _table(found)


def _table(study, err: bool = False) -> None:
    lines = _lines(study)
    for line in lines:
        line |= {name: _with_interval(line[name], line[f"{name}_half_width"]) for name in INTERVALS}
    show(lines, False, nothing="", columns=COLUMNS, err=err)


def _with_interval(mean: float | None, half_width: float | None) -> str | None:
    return None if mean is None else f"{mean:.3f}" if half_width is None else f"{mean:.3f} ± {half_width:.3f}"


def suggest(study: KeyArgument = None, store: StoreOption = None) -> None:
    """What stored runs suggest for each part of a finished study's forget set, and what that rests on."""
    from unlearn_core.experiment.advice import advice, unfit
    from unlearn_core.rum import Plan

    found = open_study(store, study)
    misfits, scores = unfit(found, Plan(), found.forget), found.memorization.scores
    parts = {part: rows for part, rows in found.refine(Plan(), found.forget).items() if len(rows)}
    told = {part: advice(found, float(scores[rows].mean()), tuple(misfits[part])) for part, rows in parts.items()}
    answer(
        {"study": found.key, "parts": {part: {n: _plain(v) for n, v in vars(a).items()} for part, a in told.items()}}
    )


def _plain(value: object) -> object:
    from unlearn_core.evaluation import Estimate
    from unlearn_core.params import Spec, plain

    return plain(value) if isinstance(value, Spec) else vars(value) if isinstance(value, Estimate) else value


EQUAL_COLUMNS = ("method", "retention", "alpha", "forget_accuracy", "group_tow", "lira_auc")


def calibrate(
    study: KeyArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that was measured as one JSON object.")] = False,
    store: StoreOption = None,
) -> None:
    """Methods at equal retention: each mixed with its original until it keeps the same share of accuracy (UWC)."""
    from unlearn_core.experiment import EqualRetention
    from unlearn_core.experiment.equal_retention import means

    found = open_study(store, study)
    result, _ = obtain(found.store, EqualRetention(study=found.spec))
    table = result.table()
    if as_json:
        answer({"study": found.key, "lines": _records(table)})
        return
    columns = {metric: means(table, metric) for metric in EQUAL_COLUMNS[3:]}
    lines = _records(columns["forget_accuracy"][["method", "retention", "alpha"]])
    for name, column in columns.items():
        for line, mean, half in zip(lines, column["mean"], column["half_width"], strict=True):
            line[name] = _with_interval(*(None if v is None or v != v else v for v in (mean, half)))
    show(lines, False, nothing="", columns=EQUAL_COLUMNS)


PROXY_COLUMNS = ("score", "correlation", "overlap", "seconds", "share_of_bank", "group_tow", "difference")


def proxies(
    study: KeyArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that was measured as one JSON object.")] = False,
    store: StoreOption = None,
) -> None:
    """Cheaper scores beside exact memorization: how alike they rank the images, their seconds, and RUM cut by each."""
    from unlearn_core.experiment import ProxyTable

    found = open_study(store, study)
    result, _ = obtain(found.store, ProxyTable(study=found.spec))
    lines = _records(result.table())
    if not found.spec.models:
        say("No bank of models was trained, so there is no exact score to hold these against.")
    if as_json:
        answer({"study": found.key, "scores": lines} | result.json("about"))
        return
    for line in lines:
        line |= {name: _with_interval(line[name], line[f"{name}_half_width"]) for name in ("group_tow", "difference")}
    show(lines, False, nothing="", columns=PROXY_COLUMNS)


def open_study(store: Path | None, key: str | None):
    from unlearn_core.experiment import OpenStudy, studies

    root = existing_store(store)
    if key is None:
        key = next((listed.key for listed in studies(root)), None)
    if key is None:
        raise BadValue("There is no finished study in this store yet; run example or study.")
    return OpenStudy.open(root, key)


def _lines(study) -> list[dict]:
    """One line per method with all that was measured; None where nothing could be."""
    from unlearn_core.experiment.comparison import everything

    return _records(everything(study))


def _records(table) -> list[dict]:
    return json.loads(table.reset_index().to_json(orient="records", double_precision=15))
