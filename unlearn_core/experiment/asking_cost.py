"""What it takes to ask the models of a finished study once more: mixed back to equal retention, layer by layer, or on
one map. Nothing is trained for these, so the work is how many images go through models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import pandas as pd

from unlearn_core.experiment.embedded_images import map_of
from unlearn_core.experiment.equal_retention import EqualRetention
from unlearn_core.experiment.layers import LayerCka
from unlearn_core.experiment.run_times import UNKNOWN, training_seconds
from unlearn_core.experiment.shared_map import SharedMap
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.models import new_model
from unlearn_core.params import Spec
from unlearn_core.unlearning.layers import layers
from unlearn_core.unlearning.mixing import GRID, HALVINGS, NORMS

MAP_MODELS = 4  # the original, the method, and two retrained models
PASSES_OF_TRAINING = 3  # a step forwards and back, in passes forwards
LOOK = 0.02  # seconds to read a small net and to reckon with its answers, however few images it is asked of
WRITING = 0.05  # seconds below which a result says how long it was written, as those of earlier versions do
FIRST = 5.0  # by what an estimate may be off where none was made yet
SEEN_ENOUGH = 20


@dataclass(frozen=True)
class AskingCost:
    """Seconds of work, which may be off by `factor` either way."""

    seconds: float
    factor: float


def asking_cost(study: OpenStudy, asked: Spec) -> AskingCost | None:
    """The work of one of WORK, by results of its kind for models like these; where none was made yet, by how fast
    these models learned, and a UMAP by what that of the original took besides. None for a UMAP where that does not
    tell.
    """
    work = WORK[type(asked)]
    looks, images = work(study, asked)
    like = [seconds / work(*about)[1] for seconds, about in _alike(study, asked)]
    if like:
        return AskingCost(float(median(like)) * images, UNKNOWN)
    plane = _plane(study) if getattr(asked, "kind", "") == "umap" else 0.0
    if plane is None:
        return None
    training = study.spec.training
    passes = PASSES_OF_TRAINING * training.epochs * len(study.labels)
    seconds = training_seconds(study) / passes * images + LOOK * looks
    return AskingCost(seconds + plane, FIRST)


def _plane(study: OpenStudy) -> float | None:
    """Seconds to lay the images out by UMAP under all models of one map, by what that of the original took; None where
    that is not here, or took no time that tells.
    """
    made = study.store.find(map_of(study.store, study.spec.training))
    if made is None or (seconds := made.undisturbed()) <= WRITING:
        return None
    return seconds * MAP_MODELS * len(study.data.train.y) / (len(study.data.train.y) + len(study.data.test.y))


def _alike(study: OpenStudy, asked: Spec) -> Iterator[tuple[float, tuple[OpenStudy, Spec]]]:
    """The seconds of the newest few results of the kind for models of the same recipe, their study and their spec."""
    found = 0
    for result in study.store.results(type(asked).__name__):
        spec, seconds = result.spec(), result.undisturbed()
        same = spec.study.training.afresh == study.spec.training.afresh and seconds > WRITING
        if same and getattr(spec, "kind", "") == getattr(asked, "kind", ""):
            own = study.store.find(spec.study)
            if own is not None:
                yield seconds, (OpenStudy(study.store, own), spec)
                found += 1
        if found == SEEN_ENOUGH:
            return


def _by_layer(study: OpenStudy, asked: LayerCka) -> tuple[int, int]:
    looks = _models(study.table)
    return looks, looks * sum(min(asked.images, n) for n in (len(study.forget), len(study.data.test.y)))


def _on_one_map(study: OpenStudy, asked: SharedMap) -> tuple[int, int]:
    looks = MAP_MODELS * study.spec.seeds
    return looks, looks * len(study.data.train.y)


def _mixed(study: OpenStudy, asked: EqualRetention) -> tuple[int, int]:
    data, looks = study.data, _models(study.table[study.table["kind"] != "reference"]) * len(asked.retentions)
    every = sum(len(part.y) for part in (data.train, data.validation, data.test))
    search = len(data.validation.y) + (len(study.target.retain) if _has_batch_norm(study) else 0)
    return looks, looks * ((GRID + HALVINGS) * search + every)


def _models(lines: pd.DataFrame) -> int:
    return len(lines[["method", "seed"]].drop_duplicates())


def _has_batch_norm(study: OpenStudy) -> bool:
    training = study.spec.training
    return bool(layers(new_model(training.model, study.data, 0, training.width), NORMS))


# How often a model is read or mixed, and how many images go through one, for each kind that asks models once more.
WORK: dict[type[Spec], Callable[[OpenStudy, Spec], tuple[int, int]]] = {
    LayerCka: _by_layer,
    SharedMap: _on_one_map,
    EqualRetention: _mixed,
}
