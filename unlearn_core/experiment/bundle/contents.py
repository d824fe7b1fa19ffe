"""Which results belong to a study, and how they lie in its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unlearn_core.data import DATASETS, kept
from unlearn_core.data.own import place_of
from unlearn_core.experiment.bank import bank_stability, parts_of
from unlearn_core.experiment.comparison import CEILING
from unlearn_core.experiment.embedded_images import Embedding, map_of
from unlearn_core.experiment.equal_retention import EqualRetention
from unlearn_core.experiment.forget_sets import KeptSet, names_of
from unlearn_core.experiment.landscape import landscapes
from unlearn_core.experiment.layers import LayerCka
from unlearn_core.experiment.memorized import bank_of
from unlearn_core.experiment.proxy_scores import stage
from unlearn_core.experiment.proxy_table import ProxyTable
from unlearn_core.experiment.shared_map import asked
from unlearn_core.experiment.stream import Stream
from unlearn_core.experiment.study import Study, searches
from unlearn_core.experiment.tiers import deepest
from unlearn_core.experiment.tiers.subject import Subject, subject_of_method
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue, Spec, key, params
from unlearn_core.proxies import PROXIES
from unlearn_core.result import Result
from unlearn_core.store import Store
from unlearn_core.training import Training

FORMAT = 1
MAPS = ("pca", "umap")
WEIGHTS = "weights.safetensors"  # most of a large net's results, and nothing that a page shows
DATA_FILES = ("about.json", kept.IMAGES)
ABOUT = ("name", "classes", "fingerprint", "train", "test", "shape")  # what is said of images that stay behind
LABEL_FILES = ("about.json", kept.LABELS)  # where the images are too large to go along


def named(folder: Path) -> str:
    """A result folder in a sentence."""
    return f"{folder.parent.name} {folder.name[:8]}"


def needed(study: OpenStudy) -> list[Result]:
    """The results without which a study cannot be looked at. Raises BadValue where one of them is missing."""
    spec, store = study.spec, study.store
    lines = study.table[["kind", "result"]].drop_duplicates()
    found = [study.result]
    found += [store.open("Training" if kind == "reference" else "Run", result) for kind, result in lines.to_numpy()]
    wanted: list[Spec] = [map_of(store, spec.training), Embedding(training=spec.training), spec.training]
    if spec.models:
        bank = bank_of(spec.training, spec.models, spec.stop_at)
        found.append(_there(store, bank))
        trained = int(bank_stability(found[-1])["members"].iloc[-1])
        wanted += [part for part in parts_of(bank) if part.first < trained]
    return list({r.folder: r for r in [*found, *(_there(store, each) for each in wanted)]}.values())


def _there(store: Store, spec: Spec) -> Result:
    if (result := store.find(spec)) is None:
        raise BadValue(f"The study is not whole: its {type(spec).__name__} {key(spec)[:8]} is missing.")
    return result


def welcome(study: OpenStudy) -> list[Result]:
    """What was made about a study later and is there: searches, proxies, equal retention, its layers and maps, the
    landscapes of its training, its forget set in several requests, audits of its methods, and sets that have a name.
    """
    store, spec = study.store, study.spec
    wanted: list[Spec] = [*searches(store, spec, study.forget).values()]
    wanted += [EqualRetention(study=spec), ProxyTable(study=spec), LayerCka(study=spec)]
    wanted += [result.spec() for result in landscapes(store, spec.bank)]
    wanted += [stream for r in store.results("Stream") if _asks_for(stream := r.spec(), study)]
    wanted += [store.open("KeptSet", kept).spec() for kept in names_of(store, spec.training.data)]
    wanted += [stage(spec.training, name) for name in PROXIES]
    for method in dict.fromkeys(study.table["method"]):
        audit = None if method == CEILING else deepest(store, subject_of_method(study, method))
        if audit is not None:
            made = audit.spec()
            wanted += [made, made.per_example, made.distribution]
    own = dict.fromkeys(study.table.loc[study.table["kind"] != "reference", "method"])
    wanted += [asked(study, method, kind) for method in own for kind in MAPS]
    return [result for result in map(store.find, dict.fromkeys(wanted)) if result is not None]


def _asks_for(stream: Stream, study: OpenStudy) -> bool:
    """Whether a stream asks for the study's own set, with the same models."""
    if belongs(stream, study.spec) and (stream.models, stream.stop_at) == (study.spec.models, study.spec.stop_at):
        return np.array_equal(np.sort(np.concatenate(stream.rows(len(study.labels)))), study.forget)
    return False


def belongs(spec: Spec, study: Study) -> bool:
    """Whether a result of this spec can be part of a study: it is about its training, or a set of its images."""
    if isinstance(spec, Study):
        return spec == study
    if isinstance(own := getattr(spec, "study", None), Study):
        return own == study
    if isinstance(subject := getattr(spec, "subject", None), Subject):
        return subject.training == study.training
    if isinstance(spec, KeptSet):
        return spec.data == study.training.data
    training = _training(spec)
    return training is not None and training.but(seed=0, without="") in (study.training, study.training.afresh)


def _training(spec: Spec) -> Training | None:
    """The training that a spec is about: itself, or the first one in it."""
    if isinstance(spec, Training):
        return spec
    inside = (getattr(spec, p.name) for p in params(type(spec)))
    return next(filter(None, (_training(each) for each in inside if isinstance(each, Spec))), None)


def has_images(store: Store, result: Result) -> bool:
    """Whether the images of a study's result are in the store, not only their labels, as where it came without them."""
    place = place_of(result.spec().training.data.name, store.root / "data")
    return place is None or kept.has_images(place)


def where_images_are(data: dict) -> str:
    """One sentence on where the images of a bundle come from, where `data` is what its sheet says of them."""
    name, row = data["name"], DATASETS.get(data["name"])
    if row is None and data["included"]:
        return f"The file holds your own images, {name}: pass it on only where they may go."
    if row is None:
        return (
            f"The images of {name} are too large for the file. Their labels go along, and grey squares stand for them "
            "until you add your own copy under this name."
        )
    if row.fetch is None:
        return f"The images of {name} need no room in the file: they come with the program."
    return f"The images of {name} are not in the file: they are downloaded when the study is first opened."
