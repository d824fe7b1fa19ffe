"""audit: what attacks find, on a finished study's models or, tier by tier, on one way of forgetting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import JsonOption, StoreOption, answer, obtain, open_store, say, show
from unlearn_core.cli.options import row_of
from unlearn_core.cli.studies import open_study
from unlearn_core.params import BadValue, plain

COLUMNS = ("metric", "on", "by", "unlearned", "original", "retrained", "gap", "floor", "says")


def audit(
    source: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Key of an unlearned model or a study; else the newest study.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="Method of the study: see compare.")] = None,
    tier: Annotated[
        int | None,
        typer.Option(
            help="How deep: 0 one seed, 1 all numbers, 2 single images, 3 many models; without it one attack."
        ),
    ] = None,
    attack: Annotated[str | None, typer.Option(help="Without --tier: one of list attacks that gives scores.")] = None,
    part: Annotated[str, typer.Option(help="Without --tier: all, or a third: low, medium, high.")] = "all",
    seeds: Annotated[int, typer.Option(help="Models of each kind, from tier 1 on.")] = 5,
    shadows: Annotated[int, typer.Option(help="Shadow models of tier 2, a multiple of three.")] = 48,
    deletions: Annotated[int, typer.Option(help="Images of tier 2 that are deleted each by itself.")] = 100,
    models: Annotated[int, typer.Option(help="Models of each kind of tier 3.")] = 64,
    cost: Annotated[bool, typer.Option("--cost", help="Only say what the tier will cost here.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write audit.json and the tables as parquet files here.")
    ] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Does anything give the forgotten images away? Attacks and metrics beside the original and retrained models."""
    if tier is None:
        if cost or out:
            raise BadValue("--cost and --out belong to an audit by tiers; say how deep by --tier.")
        _one_attack(store, source, method, attack, part)
        return
    if attack is not None or part != "all":
        raise BadValue("--attack and --part belong to an audit without --tier.")
    from unlearn_core.experiment.tiers import Audit
    from unlearn_core.experiment.tiers.cost import cost as cost_of

    root = open_store(store)
    subject, name = _subject(root, source, method)
    counts = {"seeds": seeds, "shadows": shadows, "deletions": deletions, "models": models}
    wanted = Audit(name=f"Audit of {name}", subject=subject, tier=tier, **counts)
    expected = cost_of(root, wanted)
    say(_cost_in_words(tier, expected))
    if cost:
        answer({"tier": tier} | vars(expected))
        return
    result, cached = obtain(root, wanted)
    table = result.table()
    lines = json.loads(table.to_json(orient="records", double_precision=15))
    if not as_json:
        show([line | {"by": line["by"] or ""} for line in lines], False, nothing="", columns=COLUMNS, err=True)
    summary = result.json("summary") | {"audit": result.key, "cached": cached}
    if out is not None:
        summary |= {"written": _write(out, result, summary, lines)}
    answer(summary | {"lines": lines} if as_json else summary)


def _subject(root, source: str | None, method: str | None):
    """What is audited and what it is called."""
    from unlearn_core.experiment.tiers.subject import subject_of_method, subject_of_run
    from unlearn_core.experiment.unlearned_models import Run
    from unlearn_core.result import KEY

    if source is not None and KEY.fullmatch(source) and root.kind_of(source) == Run.__name__:
        if method is not None:
            raise BadValue("A single unlearned model has no methods; leave --method out.")
        run = root.open("Run", source).spec()
        return subject_of_run(run), run.unlearner.title
    study = open_study(root.root, source)
    if method is None:
        raise BadValue("Say which method of the study by --method; compare lists them.")
    row_of(dict.fromkeys(study.table["method"]), method, "method in this study")
    return subject_of_method(study, method), study.means("tow").loc[method, "title"]


def _cost_in_words(tier: int, cost) -> str:
    if not cost.trainings + cost.runs + cost.reused:
        return f"Tier {tier} was audited already."
    said = f"Tier {tier} asks for {cost.trainings} models trained from scratch and {cost.runs} unlearned ones"
    said += f"; {cost.reused} more are there already." if cost.reused else "."
    if cost.seconds is None:
        return f"{said} How long that takes is not known: no model of this kind was ever made in this store."
    more = f", and {', '.join(cost.unknown)}, which was never done here" if cost.unknown else ""
    return f"{said} Estimate: {cost.seconds:.0f} s and {cost.megabytes:.0f} MB{more}."


def _write(folder: Path, result, summary: dict, lines: list[dict]) -> list[str]:
    """The whole audit as files of its own; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {name: value for name, value in result.manifest().items() if name != "files"}
    whole = summary | {"made": made, "spec": plain(result.spec()), "lines": lines}
    (folder / "audit.json").write_text(json.dumps(whole, indent=1, allow_nan=False))
    written = ["audit.json"]
    for file in sorted(result.folder.glob("*.parquet")):
        (folder / file.name).write_bytes(file.read_bytes())
        written.append(file.name)
    return written


def _one_attack(store: Path | None, study: str | None, method: str | None, attack: str | None, part: str) -> None:
    """Attack a method's models, the original and two retrained ones."""
    from unlearn_core.experiment import audit as attacks
    from unlearn_core.experiment.verdicts import judge

    found = open_study(store, study)
    if method is None:
        raise BadValue("Say which method of the study by --method; compare lists them.")
    row_of(dict.fromkeys(found.table["method"]), method, "method in this study")
    statistic = attack or attacks.default_statistic(found)
    row_of(attacks.STATISTICS, statistic, "attack on single images")
    verdict = judge(found, method, statistic, part)
    sides = {
        "method": verdict.audited,
        "original": verdict.original,
        "retrained": verdict.retrained,
        "retrained_again": verdict.again,
    }
    answer(
        {
            "study": found.key,
            "method": method,
            "attack": statistic,
            "part": part,
            "forget": len(verdict.audited.rows),
            "unseen": verdict.audited.unseen,
            "auc": {name: vars(side.success) for name, side in sides.items()},
            "tpr_at_1_fpr": {name: vars(side.found_at(0.01)) for name, side in sides.items()},
            # Differences in AUC to the retrained models, with the half widths of their intervals.
            "auc_above_retrained": vars(verdict.apart),
            "original_above_retrained": vars(verdict.power),
            "noise_floor": vars(verdict.floor),
            "differs_from_retrained": verdict.side != 0,
            "attack_has_power": verdict.has_power,
        }
    )
