"""The paper's study in numbers, as plain JSON: read from the store, computed nowhere else."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pandas as pd

from unlearn_core.evaluation import over_seeds
from unlearn_core.evaluation.seeds import paired_difference, values_of
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.paper import BESIDE, NAMES, made
from unlearn_core.experiment.paper_trends import trends
from unlearn_core.experiment.search import brief
from unlearn_core.experiment.stream import opened as opened_stream
from unlearn_core.experiment.study_table import ORIGINAL, RETRAINED
from unlearn_core.params import build
from unlearn_core.rum import PARTS
from unlearn_core.store import Result, Store

METRICS = ("tow", "group_tow", "tow_mia", "lira_auc", "attack_auc")
SPLITS = ("forget", "retain", "test")
# Steps that are studies, each with a table of its own.
TABLES = tuple(name for name in NAMES if name not in BESIDE[4:])


def numbers(store: Store, scale: str) -> dict:
    """All that docs/paper.md says of one scale; {} where nothing of it was run."""
    found = made(store, scale)
    studies = {name: OpenStudy(store, found[name]) for name in TABLES if name in found}
    if not studies:
        return {}
    mix = studies[NAMES[0]]
    said = {
        "setting": _setting(mix),
        "steps": {name: result.key for name, result in found.items()},
        "work": _work(store),
        "sets": {name: _set(study) for name, study in studies.items()},
        "trends": [
            {
                "name": t.name,
                "title": t.title,
                "measured": t.measured,
                "lines": {n: vars(e) for n, e in t.lines.items()},
            }
            | {"verdicts": t.verdicts()}
            for t in trends(studies)
        ],
    }
    if "cheaper scores" in found:
        said["scores"] = _scores(found["cheaper scores"])
    if "searched plans" in found:
        said["search"] = _search(found["searched plans"])
    if "requests in a row" in found:
        said["requests"] = _requests(found["requests in a row"])
    return _finite(said)


def _setting(study: OpenStudy) -> dict:
    """What was trained, on what, how well it fits, and how reliable the memorization scores are."""
    training, manifest = study.spec.training, study.run_result(ORIGINAL, 0).manifest()
    original = study.table[study.table["method"] == ORIGINAL]
    return {
        "dataset": training.data.name,
        "train": len(study.labels),
        "validation": len(study.data.validation.y),
        "test": len(study.data.test.y),
        "classes": list(study.classes),
        "training": {
            k: getattr(training, k) for k in ("model", "width", "epochs", "lr", "batch", "augment", "precision")
        },
        "seeds": study.spec.seeds,
        "models": study.spec.models,
        "fitted": study.summary["bank_fitted"],
        "stability": study.stability.iloc[-1].to_dict(),
        "accuracy": {s: vars(over_seeds(values_of(original[f"{s}_accuracy"]))) for s in SPLITS},
        "made": {k: manifest[k] for k in ("device_name", "threads", "versions")},
    }


def _set(study: OpenStudy) -> dict:
    """One study: its forget set, what retraining reads, and every method against it, all over seeds."""
    rows, table = study.forget, study.table.sort_values("seed")
    # A control that is the plan itself is the same runs once more, and is left out.
    runs = table.groupby("method", sort=False)["result"].agg(tuple).drop_duplicates()
    by = {name: table[table["method"] == name] for name in runs.index}
    about = {center: study.about(rows, center).entanglement for center in ("all", "midpoint")}
    lines = {}
    for name, group in by.items():
        line = {"title": group["title"].iloc[0], "kind": group["kind"].iloc[0]}
        line |= {m: vars(over_seeds(values_of(group[m]))) for m in METRICS}
        line |= {f"{s}_accuracy": vars(over_seeds(values_of(group[f"{s}_accuracy"]))) for s in SPLITS}
        line |= {f"{s}_gap": _gap(group, by[RETRAINED], f"{s}_accuracy") for s in (*SPLITS, *PARTS)}
        line |= {"seconds": float(group["seconds"].mean()), "diverged": int(group["diverged_at"].notna().sum())}
        lines[name] = line
    return {
        "images": len(rows),
        "memorization": float(study.memorization.scores[rows].mean()),
        "entanglement": {c: {"score": e.score, "share_of_random": e.share_of_random} for c, e in about.items()},
        "parts": {name: len(part) for name, part in study.parts.items()},
        "learning_rates": study.summary["learning_rates"],
        "methods": lines,
    }


def _gap(own: pd.DataFrame, retrained: pd.DataFrame, column: str) -> dict:
    return vars(paired_difference(values_of(own[column]), values_of(retrained[column])))


def _scores(result: Result) -> list[dict]:
    """Cheaper scores beside the exact ones, a line each."""
    return result.table().rename_axis("score").reset_index().to_dict("records")


def _search(result: Result) -> dict:
    """What was found among how many plans, and the single algorithm that the best were held against."""
    summary = result.json("summary")
    plans = [build(plan["plan"]) for plan in summary["plans"]]
    return {
        "trials": summary["trials"],
        "plans": [
            {part: brief(getattr(plan, part)) for part in PARTS} | {k: line[k] for k in ("confirmed", "tuning")}
            for plan, line in zip(plans, summary["plans"], strict=True)
        ],
        "single": {"title": brief(build(summary["single"]["unlearner"])), "confirmed": summary["single"]["confirmed"]},
        "ceiling": summary["ceiling"],
    }


def _requests(result: Result) -> dict:
    """Requests one after the other: how each set moved, and who was newly exposed."""
    stream = opened_stream(result)
    return {
        "summary": stream.summary,
        "forget_accuracy": stream.over_requests("forget_accuracy").to_dict("records"),
        "drift": stream.drift("forget_accuracy").to_dict("records"),
    }


WORK = (
    "Training",
    "BankPart",
    "Tuning",
    "PlanTrial",
    "Run",
    "Embedding",
    "Map",
    "Curvature",
    "Holdout",
)  # what takes time


def _work(store: Store) -> dict:
    """Seconds of all results of each kind, added up, and how many; `wall` runs from the first to the last of them, so
    it counts the time in which nothing ran. The store is taken to hold this study alone.
    """
    found = {kind: [result.manifest() for result in store.results(kind)] for kind in WORK if kind in store.kinds()}
    ended = sorted((datetime.fromisoformat(m["created"]), m["seconds"]) for each in found.values() for m in each)
    return {
        "kinds": {k: {"results": len(each), "seconds": sum(m["seconds"] for m in each)} for k, each in found.items()},
        "wall": (ended[-1][0] - ended[0][0]).total_seconds() + ended[0][1],
    }


def _finite(value):
    """The same with None for every number that JSON cannot say, and plain Python types."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
