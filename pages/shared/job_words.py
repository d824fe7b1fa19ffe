"""What a job is called where it is listed: the name that a person gave it, or what tells it from others of its kind."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

from pages.shared import state
from pages.shared.comparison_words import title_of
from unlearn_core import jobs
from unlearn_core.disk import StoreError
from unlearn_core.experiment import Landscape, SharedMap, Stream, Study
from unlearn_core.experiment.search import BestSoFar
from unlearn_core.job import Job
from unlearn_core.params import BadValue, Spec, key
from unlearn_core.store import Store


def title(job: Job) -> str:
    """Not yet escaped. A name that every job of the kind has says nothing, and what a spec asks for is said instead;
    its name stays, for it is part of its key.
    """
    return _told(state.store(), job.key) or job.title


@lru_cache(maxsize=10_000)  # a key stands for one spec
def _told(store: Store, job: str) -> str:
    spec = jobs.asked(store, job)
    if spec is None or getattr(spec, "name", "") != getattr(type(spec), "name", None):
        return ""
    return ", ".join([_what(spec), *_of(spec)])


def _what(spec: Spec) -> str:
    match spec:
        case SharedMap():
            return f"{spec.kind.upper()} map of {_method(spec.study, spec.method)}"
        case Stream():
            return f"{len(spec.requests)} requests in a row, {spec.unlearner.title}"
        case Landscape():
            return f"{spec.name} of {spec.sets} sets"
    return spec.name


def _of(spec: Spec) -> list[str]:
    """The study, the search or else the dataset that a spec is about."""
    if (study := getattr(spec, "study", None)) is not None:
        return [f"{study.name} #{key(study)[:4]}"]
    if isinstance(spec, BestSoFar):
        return [spec.search.name]
    training = getattr(spec, "training", None)
    return [] if training is None else [training.data.name]


def _method(study: Study, method: str) -> str:
    """The title of a method as its study has it; its short name where that is not here."""
    with suppress(BadValue, StoreError, KeyError):
        return title_of(state.opened(key(study)), method)
    return method
