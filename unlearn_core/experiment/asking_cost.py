"""What it takes to ask the models of a finished study once more: mixed back to equal retention, layer by layer, or on
one map. Nothing is trained for these, so the work is how many images go through models.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from unlearn_core.experiment.equal_retention import EqualRetention
from unlearn_core.experiment.layers import LayerCka
from unlearn_core.experiment.shared_map import SharedMap
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.models import new_model
from unlearn_core.params import Spec
from unlearn_core.store import Result
from unlearn_core.unlearning.layers import layers
from unlearn_core.unlearning.mixing import GRID, HALVINGS, NORMS

MAP_MODELS = 4  # the original, the method, and two retrained models
PASSES_OF_TRAINING = 3  # a step forwards and back, in passes forwards
SEEN_ENOUGH = 20


def asking_seconds(study: OpenStudy, asked: Spec) -> float | None:
    """Seconds of work for one of the three, by results of its kind for models like these; where none was made yet, by
    how fast these models learned. None where neither tells: a UMAP takes longer than asking models does.
    """
    like = [result.manifest()["seconds"] / _images(*about) for result, about in _alike(study, asked)]
    if like:
        return float(median(like)) * _images(study, asked)
    if getattr(asked, "kind", "") == "umap":
        return None
    references = study.table[study.table["method"].isin(["retrained", "retrained-again"])]
    training = study.spec.training
    passes = PASSES_OF_TRAINING * training.epochs * len(study.labels)
    return float(references["seconds"].mean()) / passes * _images(study, asked)


def _alike(study: OpenStudy, asked: Spec) -> Iterator[tuple[Result, tuple[OpenStudy, Spec]]]:
    """The newest few results of the kind with their own study and spec, of models of the same recipe."""
    found = 0
    for result in study.store.results(type(asked).__name__):
        spec = result.spec()
        same = spec.study.training.afresh == study.spec.training.afresh
        if same and getattr(spec, "kind", "") == getattr(asked, "kind", ""):
            own = study.store.find(spec.study)
            if own is not None:
                yield result, (OpenStudy(study.store, own), spec)
                found += 1
        if found == SEEN_ENOUGH:
            return


def _images(study: OpenStudy, asked: Spec) -> int:
    """How many images go through a model, all models together."""
    lines, data = study.table, study.data
    models = len(lines[["method", "seed"]].drop_duplicates())
    if isinstance(asked, LayerCka):
        return models * (min(asked.images, len(study.forget)) + min(asked.images, len(data.test.y)))
    if isinstance(asked, SharedMap):
        return MAP_MODELS * study.spec.seeds * len(data.train.y)
    if isinstance(asked, EqualRetention):
        mixed = len(lines.loc[lines["kind"] != "reference", ["method", "seed"]].drop_duplicates())
        every = sum(len(part.y) for part in (data.train, data.validation, data.test))
        search = len(data.validation.y) + (len(study.target.retain) if _has_batch_norm(study) else 0)
        return mixed * len(asked.retentions) * ((GRID + HALVINGS) * search + every)
    raise TypeError(f"The work of {type(asked).__name__} is not known here.")


def _has_batch_norm(study: OpenStudy) -> bool:
    training = study.spec.training
    return bool(layers(new_model(training.model, study.data, 0, training.width), NORMS))
