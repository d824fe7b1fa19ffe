"""stream: a finished study's forget set as several requests in a row, and what becomes of the earlier ones."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, obtain, open_store
from unlearn_core.cli.frame import show as show_table
from unlearn_core.cli.options import row_of
from unlearn_core.params import BadValue

SETS = ("request", "set", "model", "images", "forget_accuracy", "attack_auc", "lira_auc")
MOVED = ("set", "request", "gap_at_once", "gap", "drift", "noise_floor", "q", "drifts", "resurges", "remembered")
# Columns that are shown without an interval, and their names in the table of drifts.
PLAIN = {"gap_at_once": "gap_at_once", "gap": "gap", "noise_floor": "floor", "q": "q"}
WORDS = {
    "forget_accuracy": "accuracy on the forgotten images",
    "attack_auc": "the confidence attack's AUC",
    "lira_auc": "the likelihood-ratio attack's AUC",
}


def stream(
    method: Annotated[str, typer.Option(help="A single algorithm of the study, or one of list algorithms.")],
    study: Annotated[
        str | None, typer.Option(metavar="KEY-OR-NAME", help="A finished study; the newest unless told.")
    ] = None,
    requests: Annotated[int, typer.Option(help="Into how many requests its forget set is dealt.")] = 4,
    seeds: Annotated[int, typer.Option(help="How many original models are unlearned.")] = 5,
    deal: Annotated[int, typer.Option(help="Seed of the deal.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that was measured as one JSON object.")] = False,
    store: StoreOption = None,
) -> None:
    """Forget a study's images in several requests, and measure all earlier ones again after each.

    Says whether forgotten images come back (resurgence), who else becomes exposed (the onion effect), and the cost.
    """
    from unlearn_core.experiment.stream import METRICS, Stream, deal_requests, opened

    root = open_store(store)
    found = _study(root, study)
    unlearner = _unlearner(found, method)
    spec = Stream(
        name=f"{unlearner.title}, {requests} requests in a row",
        training=found.spec.training,
        requests=deal_requests(found.forget, requests, deal),
        unlearner=unlearner,
        seeds=seeds,
        models=found.spec.models,
        stop_at=found.spec.stop_at,
    )
    result, cached = obtain(root, spec)
    done = opened(result)
    metrics = METRICS if spec.models else METRICS[:2]
    drifts = {metric: json.loads(done.drift(metric).to_json(orient="records")) for metric in metrics}
    if as_json:
        lines = json.loads(done.table.to_json(orient="records", double_precision=15))
        exposed = json.loads(done.exposed.to_json(orient="records", double_precision=15))
        head = {"study": found.key, "stream": result.key, "cached": cached}
        answer(head | done.summary | {"drift": drifts, "lines": lines, "newly_exposed": exposed})
        return
    show_table(_sets(done, metrics), False, nothing="", columns=SETS if spec.models else SETS[:-1])
    for metric in metrics:
        typer.echo(f"{WORDS[metric][0].upper()}{WORDS[metric][1:]}, after later requests:")
        lines = [_with_intervals(line) for line in drifts[metric]]
        show_table(lines, False, nothing="", columns=MOVED)
    for sentence in sentences(done.summary, drifts):
        typer.echo(sentence)


def _study(store, named: str | None):
    from unlearn_core.experiment import OpenStudy, studies

    listed = studies(store)
    if not listed:
        raise BadValue("There is no finished study in this store yet; run example or study.")
    if named is None:
        return OpenStudy.open(store, listed[0].key)
    for one in listed:
        if named in (one.key, one.name):
            return OpenStudy.open(store, one.key)
    names = ", ".join(dict.fromkeys(one.name for one in listed))
    raise BadValue(f"There is no finished study called {named[:60]!r}; there are {names}.")


def _unlearner(study, method: str):
    """The algorithm with the settings that the study chose for it; one that it did not run has its defaults."""
    from unlearn_core.unlearning import ALGORITHMS

    kinds = dict(zip(study.table["method"], study.table["kind"], strict=True))
    if kinds.get(method) in ("plan", "control"):
        raise BadValue(f"{method} is a plan; a stream runs one algorithm for every request.")
    if kinds.get(method) == "single":
        return study.run_result(method, 0).spec().unlearner
    return row_of(ALGORITHMS, method, "algorithm")()


def _sets(done, metrics) -> list[dict]:
    means = {metric: done.over_requests(metric) for metric in metrics}
    first = means[metrics[0]]
    lines = []
    for at, (request, number, kind) in enumerate(first[["request", "set", "kind"]].itertuples(index=False)):
        line = {"request": request, "set": number, "model": kind, "images": done.summary["images"][number - 1]}
        lines.append(line | {m: _interval(*means[m].loc[at, ["mean", "half_width"]]) for m in metrics})
    return lines


def _with_intervals(line: dict) -> dict:
    plain = {to: _interval(line[name], None) for to, name in PLAIN.items()}
    return line | {"drift": _interval(line["drift"], line["half_width"])} | plain


def _interval(mean: float | None, half: float | None) -> str | None:
    if mean is None or mean != mean:
        return None
    text = f"{round(mean, 3) + 0.0:.3f}"  # no minus before a zero
    return text if half is None or half != half else f"{text} ± {half:.3f}"


# -- in words ----------------------------------------------------------------------------------------------------------


def sentences(summary: dict, drifts: dict[str, list[dict]]) -> list[str]:
    """What a stream found, a sentence for each question."""
    found = [_moved(metric, lines) for metric, lines in drifts.items()]
    found += [_onion(summary, line) for line in summary["onion"] if line["models"] == "unlearned"]
    found.append("Of the images that are named newly exposed a share of at most 5 % is expected to be chance.")
    cost = summary["cost"]
    per, each = cost["unlearning"], cost["retraining_all"] / len(cost["retraining"])
    times = "" if cost["speedup"] is None else f", {cost['speedup']:.2g} times as long"
    found.append(f"Cost: {per:.2g} s to unlearn a request, {each:.2g} s to retrain instead{times}.")
    if summary["diverged"]:
        where = ", ".join(map(str, summary["diverged"]))
        found.append(f"Of the unlearned models those of seed {where} diverged; their last finite state was measured.")
    return found


def _moved(metric: str, lines: list[dict]) -> str:
    drifting, back = ([line for line in lines if line[name]] for name in ("drifts", "resurges"))
    text = f"Drift by {WORDS[metric]}: {len(drifting)} of {len(lines)} readings moved beyond retraining's own changes"
    if back:
        worst = max(back, key=lambda line: line["back"])
        nearer = sum(line["remembered"] is True for line in back)
        text += (
            f"; resurgence in {len(back)}, most in set {worst['set']} after request {worst['request']}"
            f" ({worst['back']:.3f} towards the original); {nearer} of them now surely nearer to it than retraining"
        )
        text += "; the rest make up for being forgotten too much" if nearer < len(back) else ""
    elif all(line["resurges"] is None for line in lines):
        text += "; nothing was forgotten by this measure, so nothing can come back"
    else:
        text += "; no resurgence"
    return f"{text}. Corrected for {len(lines)} tests."


def _onion(summary: dict, line: dict) -> str:
    over = "the whole stream" if line["request"] - line["since"] > 1 else f"request {line['request']}"
    retrained, beyond = (
        next(
            other
            for other in summary["onion"]
            if other["models"] == name and (other["since"], other["request"]) == (line["since"], line["request"])
        )
        for name in ("retrained", "beyond-retraining")
    )
    crossed = (
        "" if line["crossed"] is None else f", of which {line['crossed']} now look like members and did not before"
    )
    score = "likelihood ratio" if summary["score"] == "lira" else "confidence"
    return (
        f"Onion, {over}: by {score} {line['exposed']} of {line['tested']:,} images nobody asked to forget are newly "
        f"exposed (median rise {line['median_rise']:.3g}){crossed}; by retraining {retrained['exposed']} "
        f"({retrained['median_rise']:.3g}), {line['also_retrained']} by both; {beyond['exposed']} rise more than by "
        "retraining."
    )
