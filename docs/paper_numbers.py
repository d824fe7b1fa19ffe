"""The paper's study in numbers, as plain JSON: read from the store, computed nowhere else."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pandas as pd

from unlearn_core.evaluation import over_seeds
from unlearn_core.evaluation.seeds import paired_difference, values_of
from unlearn_core.experiment import OpenStudy, comparison, fulfil
from unlearn_core.experiment.bank import bank_sums
from unlearn_core.experiment.paper import LENGTHS, NAMES, STUDIES, made
from unlearn_core.experiment.paper_lines import on_first
from unlearn_core.experiment.paper_trends import trends
from unlearn_core.experiment.search import brief
from unlearn_core.experiment.stream import opened as opened_stream
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, RETRAINED
from unlearn_core.memorization import stability
from unlearn_core.params import build
from unlearn_core.result import Result
from unlearn_core.rum import PARTS
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning.perturb.woodfisher import WoodFisher

METRICS = ("tow", "group_tow", "tow_mia", "lira_auc")
SPLITS = ("forget", "retain", "test")


def numbers(store: Store, scale: str) -> dict:
    """All that docs/paper.md says of one scale; {} where nothing of it was run."""
    found = made(store, scale)
    studies = {name: OpenStudy(store, found[name]) for name in STUDIES if name in found}
    if not studies:
        return {}
    mix = studies[NAMES[0]]
    said = {
        "setting": _setting(mix),
        "steps": {name: result.key for name, result in found.items()},
        "work": _work(store, mix.spec.training),
        "sets": {name: _set(study) for name, study in studies.items()},
        "trends": [
            {
                "name": t.name,
                "title": t.title,
                "measured": t.measured,
                "lines": {n: vars(e) for n, e in t.lines.items()},
            }
            | {"verdicts": t.verdicts()}
            for t in trends(store, found)
        ],
    }
    if {"memorization low", "other low set"} <= studies.keys():
        said["other set"] = _other_set(studies["memorization low"], studies["other low set"])
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
    sums = bank_sums(fulfil(study.store, study.spec.bank))
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
        "memorization": _memorization(study),
        "epochs": sorted({u.epochs for u in study.spec.unlearners if hasattr(u, "epochs")}),
        "plan": {part: getattr(study.spec.plans[0], part).title for part in PARTS},
        "stability": study.stability.iloc[-1].to_dict() | {"overlap": stability(sums.count, sums.right).overlap},
        "accuracy": {s: vars(over_seeds(values_of(original[f"{s}_accuracy"]))) for s in SPLITS},
        "influence": _influence(study),
        "made": {k: manifest[k] for k in ("device_name", "threads", "versions")},
    }


def _influence(study: OpenStudy) -> dict:
    """The length of influence unlearning's step, the least and the most that were tried, and whether it is one."""
    chosen = next(u.alpha for u in study.spec.unlearners if isinstance(u, WoodFisher))
    tried = [each.alpha for each in LENGTHS]
    return {"alpha": chosen, "tried": [min(tried), max(tried)], "at_edge": chosen in (min(tried), max(tried))}


def _other_set(low: OpenStudy, other: OpenStudy) -> dict:
    """How many images the two low sets share, and what the models that forgot the other one read on the first."""
    return {"shared": len(np.intersect1d(low.forget, other.forget)), "on_first": on_first(low, other)}


def _set(study: OpenStudy) -> dict:
    """One study: its forget set, what retraining reads, and every method against it, all over seeds."""
    # Titles as the study gave them: its tables have the names of methods beside those that several plans share.
    rows, table = study.forget, study.result.table().sort_values("seed")
    same = comparison.twins(study)  # a control that is the plan itself is the same runs once more
    by = {name: group for name, group in table.groupby("method", sort=False) if name not in same}
    every = comparison.everything(study)
    about = {center: study.about(rows, center).entanglement for center in ("all", "midpoint")}
    lines = {}
    for name, group in by.items():
        line = {"title": group["title"].iloc[0], "kind": group["kind"].iloc[0]}
        line |= {m: vars(over_seeds(values_of(group[m]))) for m in METRICS}
        line |= {f"{s}_accuracy": vars(over_seeds(values_of(group[f"{s}_accuracy"]))) for s in SPLITS}
        line |= {f"{s}_gap": _gap(group, by[RETRAINED], f"{s}_accuracy") for s in (*SPLITS, *PARTS)}
        columns = (*METRICS, *(f"{s}_accuracy" for s in (*SPLITS, *PARTS)))
        line["each_seed"] = {column: values_of(group[column]) for column in columns}
        line |= {"seconds": float(every.loc[name, "seconds"]), "diverged": int(every.loc[name, "diverged"])}
        lines[name] = line
    return {
        "images": len(rows),
        "memorization": float(study.memorization.scores[rows].mean()),
        "memorization_sd": float(study.memorization.scores[rows].std(ddof=1)),
        "entanglement": {c: {"score": e.score, "share_of_random": e.share_of_random} for c, e in about.items()},
        "classes": np.bincount(study.labels[rows], minlength=len(study.classes)).tolist(),
        "at_edge": study.summary["at_grid_edge"],
        "retrained_retain": _lowest(by, "retain_accuracy"),
        "methods": lines,
    }


def _lowest(by: dict[str, pd.DataFrame], column: str) -> float:
    """The worst of all retrained models: one that does not fit its images is no reference."""
    return float(min(by[name][column].min() for name in (RETRAINED, CEILING)))


def _memorization(study: OpenStudy) -> dict:
    """How the scores of all training images lie; with few models many are equal."""
    scores = study.memorization.scores.round(9)
    return {
        "median": float(np.median(scores)),
        "highest": float(scores.max()),
        "at_highest": int((scores == scores.max()).sum()),
        "at_zero": int((scores == 0).sum()),
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
        "trials": summary["different"],
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
        "kept": {c: _after_all(stream.table, c) for c in ("retain_accuracy", "test_accuracy")},
        "drift": stream.drift("forget_accuracy").to_dict("records"),
    }


def _after_all(table: pd.DataFrame, column: str) -> dict[str, dict]:
    """A column after the last request, over seeds, for each kind of model."""
    last = table[table["request"] == table["request"].max()].drop_duplicates(["seed", "kind"])
    return {kind: vars(over_seeds(values_of(group[column]))) for kind, group in last.groupby("kind", sort=False)}


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


def _work(store: Store, training: Training) -> dict:
    """Seconds of all results of each kind that were made with nets of this training, added up, and how many; `wall` is
    how long it was from the first to the last of them. The store is taken to hold nothing else with these nets.
    """
    found = {kind: _made_with(store, kind, training) for kind in WORK if kind in store.kinds()}
    ended = [(datetime.fromisoformat(m["created"]).timestamp(), m["seconds"]) for each in found.values() for m in each]
    return {
        "kinds": {
            k: {"results": len(each), "seconds": sum(m["seconds"] for m in each)} for k, each in found.items() if each
        },
        "wall": wall(ended),
    }


def _made_with(store: Store, kind: str, training: Training) -> list[dict]:
    """The manifests of the results of a kind whose nets are trained this way, whatever their seeds and images."""
    specs = [(result, result.spec()) for result in store.results(kind)]
    own = [(result, spec if isinstance(spec, Training) else spec.training) for result, spec in specs]
    return [result.manifest() for result, its in own if its.but(seed=training.seed, without="") == training]


def wall(work: list[tuple[float, float]]) -> float:
    """Seconds from the start of the first piece of work to the end of the last, of pieces by when they ended and how
    many seconds they took: pauses are in it, and results that were made together end together.
    """
    return max(end for end, _ in work) - min(end - seconds for end, seconds in work) if work else 0.0


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
