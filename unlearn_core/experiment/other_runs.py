"""Runs of other studies beside those of one: where all stands on the very same original and retrained models."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import numpy as np
import pandas as pd

from unlearn_core.evaluation import over_seeds, values_of
from unlearn_core.experiment.comparison import ranked
from unlearn_core.experiment.earlier_plans import forgotten
from unlearn_core.experiment.listed import whole_studies
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.result import Result
from unlearn_core.rows import pack
from unlearn_core.rum import Rum
from unlearn_core.store import Store

NEWEST = 200  # studies that are looked through; with many more a click would wait for them


@dataclass(frozen=True)
class Other:
    """Another finished study of the same images. `runs` pairs what a method of it is called here with its title, and
    `plans` are those of them that are plans; where none can stand beside this study's, `why` says so in a sentence.
    """

    key: str
    name: str
    why: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    plans: tuple[str, ...] = ()


def others(study: OpenStudy) -> list[Other]:
    """The other finished studies of a study's images among the NEWEST of the store, the oldest first. Runs that this
    study, or an older one of them, has too are left out: so what a run is called seldom changes when studies are added.
    """
    seen, found = set(_runs(study.store, study.result, study.spec.seeds)), []
    for result in reversed(list(islice(whole_studies(study.store), NEWEST))):
        if result.key == study.key or result.spec().training.data != study.spec.training.data:
            continue
        name = f"{result.spec().name} #{result.key[:4]}"
        if why := _refusal(study, result):
            found.append(Other(result.key, name, f"“{name}” {why}"))
            continue
        runs, plans = {}, []
        for results, (method, title, kind) in _runs(study.store, result, study.spec.seeds).items():
            if results not in seen:
                seen.add(results)
                runs[f"{method}@{result.key[:8]}"] = f"{title}, {name}"
                plans += [f"{method}@{result.key[:8]}"] if kind == "plan" else []
        found.append(Other(result.key, name, "", runs, tuple(plans)))
    return found


def other_plans(study: OpenStudy) -> pd.DataFrame:
    """The plans of other studies that can stand beside a study's, the closest to retraining first: `title`, and `mean`
    and `half_width` of group ToW over the study's seeds. What one plan did is not what plans do.
    """
    names = tuple(name for other in others(study) for name in other.plans)
    order = ranked(with_runs(study, names), "group_tow")
    return order.loc[order.index.isin(names), ["title", "mean", "half_width"]]


def plans_elsewhere(study: OpenStudy) -> pd.DataFrame:
    """The plans of a study's images that ran on its models, or on some of them, and yet cannot stand beside its own,
    the closest to retraining first: `tried` (True where everything was tried on the images, False in a study of fewer
    seeds), `seeds`, and `mean` and `half_width` of group ToW over these. What the study ran, or is in `other_plans`, is
    left out; a plan that ran in both ways counts once, as it was tried.
    """
    store, spec, forget = study.store, study.spec, pack(study.forget)
    names = [study.key, *(other.key for other in others(study) if other.plans)]
    seen = {run.unlearner for name in names for run in _plan_runs(OpenStudy.open(store, name)).values()}
    found: dict[Rum, dict] = {}
    for result in store.results("Attempt"):
        tried = result.spec()
        if (tried.training, tried.forget) != (spec.training, forget) or not isinstance(tried.unlearner, Rum):
            continue
        lines = result.table()
        told = over_seeds(values_of(lines.loc[lines["what"] == "method", "group_tow"]))
        line = {"tried": True, "seeds": tried.seeds, "mean": told.mean, "half_width": told.half_width}
        if tried.unlearner not in seen and tried.seeds > found.get(tried.unlearner, line | {"seeds": 0})["seeds"]:
            found[tried.unlearner] = line
    for result in islice(whole_studies(store), NEWEST):
        other = result.spec()
        same = (other.training, other.bank) == (spec.training, spec.bank) and other.seeds < spec.seeds
        if same and np.array_equal(forgotten(result), study.forget):
            opened = OpenStudy(store, result)
            for method, run in _plan_runs(opened).items():
                if run.unlearner not in seen | found.keys():
                    line = opened.means("group_tow").loc[method, ["mean", "half_width"]]
                    found[run.unlearner] = {"tried": False, "seeds": other.seeds, **line}
    table = pd.DataFrame(list(found.values()), columns=["tried", "seeds", "mean", "half_width"])
    return table.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def _plan_runs(study: OpenStudy) -> dict[str, Run]:
    """The first run of each plan and control of a study, which are runs of several steps."""
    methods = study.table.loc[study.table["kind"].isin(["plan", "control"]), "method"]
    return {method: study.run_result(method, 0).spec() for method in dict.fromkeys(methods)}


def _refusal(study: OpenStudy, result: Result) -> str:
    """Why the runs of a result cannot stand beside a study's, as the end of a sentence; empty where they can."""
    spec = result.spec()
    if spec.training != study.spec.training:
        return "trains its models in another way, so it has other original and retrained models."
    if not np.array_equal(forgotten(result), study.forget):
        return "forgets other images."
    if spec.bank != study.spec.bank:
        return "ranks the images by another bank of models, so its thirds and its attacks are others."
    if spec.seeds < study.spec.seeds:
        return (
            f"has {spec.seeds} seed{'s' * (spec.seeds > 1)} and this study {study.spec.seeds}: open that one, and pick "
            "runs of this one beside it."
        )
    return ""


@lru_cache(maxsize=256)  # a list of studies is drawn anew with every click
def _runs(store: Store, result: Result, seeds: int) -> dict[tuple, tuple[str, str, str]]:
    """The results of each method over so many seeds -> its name, title and kind; references are none."""
    table = OpenStudy(store, result).table
    run = table[(table["kind"] != "reference") & (table["seed"] < seeds)].sort_values("seed", kind="stable")
    groups = run.groupby("method", sort=False)
    return {tuple(group["result"]): (name, *group[["title", "kind"]].iloc[0]) for name, group in groups}


@lru_cache(maxsize=8)  # as many as studies are kept open; it has to stay one and the same, for others keep by it
def with_runs(study: OpenStudy, wanted: tuple[str, ...]) -> OpenStudy:
    """The study with the runs of `wanted` (names as in `others`) as further methods, over its own seeds. What it
    concluded by itself, its summary, stays its own.

    Raises BadValue with the reason where one of them cannot stand beside it.
    """
    if not wanted:
        return study
    known, tables = others(study), []
    for name in wanted:
        method, _, start = name.partition("@")
        other = next((o for o in known if start and o.key.startswith(start)), None)
        if other is None or (not other.why and name not in other.runs):
            raise BadValue(f"There is no further run {name} of these images.")
        if other.why:
            raise BadValue(other.why)
        table = OpenStudy.open(study.store, other.key).table
        own = table[(table["method"] == method) & (table["seed"] < study.spec.seeds)]
        tables.append(own.assign(method=name, title=other.runs[name]))
    joined = OpenStudy(study.store, study.result)
    # Before the study's own and plans last: a control belongs to the plan that it follows.
    tables.sort(key=lambda table: table["kind"].iloc[0] == "plan")
    joined.table = pd.concat([*tables, study.table], ignore_index=True)
    return joined
