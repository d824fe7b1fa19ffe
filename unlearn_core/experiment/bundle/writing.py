"""A study of a store -> one file."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save

from unlearn_core.data import DATASETS, kept
from unlearn_core.data.own import place_of
from unlearn_core.disk import StoreError, flush
from unlearn_core.experiment.bundle.contents import (
    ABOUT,
    DATA_FILES,
    FORMAT,
    LABEL_FILES,
    WEIGHTS,
    named,
    needed,
    welcome,
    where_images_are,
)
from unlearn_core.experiment.forget_sets import names_of
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.result import Result, find_fault
from unlearn_core.store import Store

IMAGES_BYTES = 64 << 20  # a person's own images go along up to this size


@dataclass(frozen=True)
class Exported:
    """What was written: the number of results, the bytes of the file, and one sentence on where its images are."""

    results: int
    bytes: int
    images: str


def export(store: Store, study_key: str, path: str | Path, weights: bool = True, most: float | None = None) -> Exported:
    """Write a finished study to one .zip file, whole or not at all; a file of this name is replaced. Without the
    models' `weights` it is smaller: all of it can be looked at, but nothing run from it. `most` is how many bytes it
    may have, for a way on which only small files can go.

    Raises StoreError where there is no such study or the file cannot be written, and BadValue where a result it needs
    is missing or damaged or the file would be larger than `most`.
    """
    path, study = Path(path), OpenStudy.open(store, study_key)
    found = list({r.folder: r for r in [*needed(study), *welcome(study)]}.values())
    for result in found:
        if (fault := find_fault(result.folder, deep=True)) is not None:
            raise BadValue(f"The study cannot be written to a file: {named(result.folder)} is damaged ({fault}).")
        try:
            result.spec()  # nobody could import what this version cannot read
        except BadValue as error:
            raise BadValue(f"The study cannot be written to a file: {error}") from error
    images, data = _images(store, study)
    manifests = {f"{r.folder.parent.name}/{r.key}": _manifest(r, weights) for r in found}
    there = {each: hashlib.sha256(manifest).hexdigest() for each, manifest in manifests.items()}
    names = names_of(store, study.spec.training.data)
    sheet = {
        "format": FORMAT,
        "study": study.key,
        "name": study.spec.name,
        "results": there,
        "data": data,
        "names": {kept: about for kept, about in names.items() if f"KeptSet/{kept}" in there},
    }
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            archive.writestr("bundle.json", json.dumps(sheet, indent=1))
            for result, (each, manifest) in zip(found, manifests.items(), strict=True):
                archive.writestr(f"results/{each}/manifest.json", manifest)
                for name in json.loads(manifest)["files"]:
                    archive.write(result.folder / name, f"results/{each}/{name}")
            for name, content in images.items():
                if isinstance(content, Path):
                    archive.write(content, f"data/{name}")
                else:
                    archive.writestr(f"data/{name}", content)
        if most is not None and (size := aside.stat().st_size) > most:
            less = " Without the models' weights it is smaller." if weights else ""
            raise BadValue(f"The file would take {size / 1e6:.1f} MB, more than the {most / 1e6:g} that it may.{less}")
        flush(aside)
        os.replace(aside, path)
    except OSError as error:
        raise StoreError(f"The file {path} cannot be written: {error.strerror}.") from error
    finally:
        aside.unlink(missing_ok=True)
    return Exported(len(found), path.stat().st_size, where_images_are(data))


def _manifest(result: Result, weights: bool) -> bytes:
    """The manifest as it lies there or, without the weights, one that says that they were left out."""
    as_it_lies = (result.folder / "manifest.json").read_bytes()
    manifest = json.loads(as_it_lies)
    if weights or WEIGHTS not in manifest["files"]:
        return as_it_lies
    del manifest["files"][WEIGHTS]
    return json.dumps(manifest | {"lacks": [WEIGHTS]}, indent=1).encode()


def _images(store: Store, study: OpenStudy) -> tuple[dict[str, Path | bytes], dict]:
    """What goes along of a person's own images, by file name, and what is said of the dataset: the images where they
    are small enough, else their labels.
    """
    name = study.spec.training.data.name
    if name in DATASETS:
        return {}, {"name": name, "fingerprint": "", "included": False}
    place = place_of(name, store.root / "data")
    if place is None:
        raise BadValue(f"The images of {name} are not in this store, so the study cannot be written to a file.")
    about = kept.about(place)
    data = {"name": name, "fingerprint": about["fingerprint"], "included": False, "labels": False}
    files = [place / file for file in DATA_FILES]
    if kept.has_images(place) and sum(file.stat().st_size for file in files) <= IMAGES_BYTES:
        return {file.name: file for file in files}, data | {"included": True}
    train, test = kept.labels(place)
    said = {key: about[key] for key in ABOUT}  # and no path of this machine
    content = json.dumps(said).encode(), save({"train_y": train, "test_y": test})
    return dict(zip(LABEL_FILES, content, strict=True)), data | {"labels": True}
