"""What a finished study measured of its single algorithms, part by part: read once, for what to run on a part is asked
of every stored study on the same images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from unlearn_core.evaluation import tow
from unlearn_core.experiment.listed import whole_studies
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, RETRAINED
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.result import Result
from unlearn_core.rows import pack
from unlearn_core.store import Store
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original

NEWEST = 200  # studies that are asked; with more than these a page would wait for the reading

# What was forgotten from an original model: the keys of that model and of the one retrained without it, and the part.
Case = tuple[str, str, str]


@dataclass(frozen=True)
class Measured:
    """One stored run on one part: what was forgotten from which model, the key of the run, its ToW with the part in
    the place of the forget set, and its seconds.
    """

    case: Case
    run: str
    tow: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Voice:
    """What one study says. `means` are the mean scores of the parts of its set; `lost` whether the set takes most of a
    class; `unlearners` the methods that forgot the whole set by one algorithm, doing nothing among them; `runs` what
    each of these, and retraining again, came to on each part.
    """

    key: str
    created: str
    lost: bool
    means: dict[str, float]
    unlearners: dict[str, Unlearner]
    runs: dict[tuple[str, str], tuple[Measured, ...]]


def voices(finished: OpenStudy) -> Iterator[Voice]:
    """The newest studies, at most NEWEST, that may speak for this one: on the same images, with scores of the same
    kind, and with sets that leave most of each class.
    """
    data, scored = finished.spec.training.data, bool(finished.spec.models)
    alike = (
        voice(finished) if result.key == finished.key else _of_another(finished.store, result)
        for result in whole_studies(finished.store)
        if (spec := result.spec()).training.data == data and bool(spec.models) == scored
    )
    return islice((each for each in alike if not each.lost), NEWEST)


@lru_cache(maxsize=5 * NEWEST)  # a store hands out the same result while its files are the same
def _of_another(store: Store, result: Result) -> Voice:
    return voice(OpenStudy(store, result))


def voice(study: OpenStudy) -> Voice:
    """What one study says."""
    methods = dict.fromkeys(study.table.loc[study.table["kind"] == "single", "method"])
    unlearners = {ORIGINAL: Original()} | dict(zip(methods, study.spec.unlearners, strict=True))
    taken, of_all = (np.bincount(y, minlength=len(study.classes)) for y in (study.labels[study.forget], study.labels))
    lines = {(line["method"], line["seed"]): line for line in study.table.to_dict("records")}
    return Voice(
        study.key,
        study.result.manifest()["created"],
        bool(np.any(2 * taken > of_all)),
        {part: about["memorization"] for part, about in study.summary["parts"].items()},
        unlearners,
        {
            (method, part): _runs(study, lines, method, part)
            for method in (*unlearners, CEILING)
            for part in study.parts
        },
    )


def _runs(study: OpenStudy, lines: dict[tuple[str, int], dict], method: str, part: str) -> tuple[Measured, ...]:
    """Of a study whose table has these lines, by method and seed."""
    names = {"forget": f"{part}_accuracy", "retain": "retain_accuracy", "test": "test_accuracy"}
    rows, given = pack(study.parts[part]), study.spec.training.weights
    found = []
    for seed in range(study.spec.seeds):
        own, goal = (lines[name, seed] for name in (method, RETRAINED))
        reached = tow({k: own[column] for k, column in names.items()}, {k: goal[column] for k, column in names.items()})
        if reached is not None:
            # A given original is one model, kept once for each seed.
            case = given or lines[ORIGINAL, seed]["result"], goal["result"], rows
            found.append(Measured(case, own["result"], reached, 0.0 if method == ORIGINAL else float(own["seconds"])))
    return tuple(found)
