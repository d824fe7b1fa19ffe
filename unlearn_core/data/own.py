"""A person's own datasets: checked and decoded once, kept under a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unlearn_core.data import kept
from unlearn_core.data.builtin import DATASETS
from unlearn_core.data.decode import decode
from unlearn_core.data.images import DataError, Images, Source
from unlearn_core.data.items import Item
from unlearn_core.data.sources import find
from unlearn_core.data.splits import stratified
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Imported:
    """One of a person's datasets. `skipped` pairs each file that was not used with the reason; shape is (C,H,W)."""

    name: str
    classes: tuple[str, ...]
    train: int
    test: int
    shape: tuple[int, int, int]
    fingerprint: str
    skipped: tuple[tuple[str, str], ...]


def place_of(name: str, root: Path) -> Path | None:
    """The folder of one's own dataset of this name, or None. A name that cannot be one never touches the disk."""
    place = Path(root) / "own" / name if NAME.fullmatch(name) else None
    return place if place is not None and place.is_dir() else None


def own(root: Path) -> list[Imported]:
    """All imported datasets, by name. A damaged one is left out; loading it says what is wrong."""
    shelf, found = Path(root) / "own", []
    for place in sorted(shelf.iterdir()) if shelf.is_dir() else []:
        if place_of(place.name, root):
            try:
                found.append(_imported(place))
            except DataError:
                continue
    return found


def add(
    source: Path,
    name: str,
    root: Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    size: int | None = None,
    tell: Tell = silent,
) -> Imported:
    """Import a folder of images or a parquet file under a name, whole or not at all.

    Where the source has no test part, `test_share` of the images becomes one (stratified, drawn with `seed`). `size`
    resizes every image to size x size pixels. Damaged images are skipped and listed if they are at most one in a
    hundred. Files that are no images and do not end like one, such as notes.txt, are skipped and listed too, however
    many there are.

    Raises BadValue for a source, a name or a value that cannot be used, DataError when `root` cannot be written.
    """
    if not NAME.fullmatch(name):
        raise BadValue(f"{name!r} cannot be a name: use at most 40 letters, digits, - and _, a letter or digit first.")
    if name.lower() in {known.lower() for known in DATASETS}:
        raise BadValue(f"{name} is the name of a dataset that the program has already; choose another name.")
    if not 0 < test_share <= 0.5:
        raise BadValue(f"The test share must be more than 0 and at most 0.5, not {test_share:g}.")
    if size is not None and not 1 <= size <= 1024:
        raise BadValue(f"The size must be at least 1 and at most 1024 pixels, not {size}.")
    place = Path(root) / "own" / name
    kept.prepare(place.parent)
    if place.exists():
        raise BadValue(f"There is already a dataset called {name}; choose another name.")

    found = find(source)
    _check_classes(found.classes, found.train)
    items = found.train + found.test
    decoded = decode([i.name for i in items], [i.encoded for i in items], size, tell)
    good = [item for item, usable in zip(items, decoded.good, strict=True) if usable]
    n_train = int(decoded.good[: len(found.train)].sum())
    _check_classes(found.classes, good[:n_train])
    labels = np.array([i.label for i in good], np.int64)
    whole = Images(torch.from_numpy(decoded.x), torch.from_numpy(labels))
    if found.test:
        parts = Images(whole.x[:n_train], whole.y[:n_train]), Images(whole.x[n_train:], whole.y[n_train:])
    else:
        test = stratified(labels, round(test_share * len(labels)), seed, "own test")
        parts = whole.take(np.setdiff1d(np.arange(len(labels)), test)), whole.take(test)
    if not len(parts[1].y):
        raise BadValue("No test image is left; give a larger test share or more images.")

    tell("write the dataset", 0, 1)
    skipped = decoded.skipped + found.left_out
    about = {"name": name, "skipped": skipped, "train": len(parts[0].y), "test": len(parts[1].y)}
    kept.write(place, Source(found.classes, *parts), about | {"shape": list(whole.x.shape[1:])})
    tell("write the dataset", 1, 1)
    return _imported(place)


def _check_classes(classes: tuple[str, ...], items: Sequence[Item]) -> None:
    if not items:
        raise BadValue("There are no images in class folders here, such as cat/0001.png or train/cat/0001.png.")
    if len(classes) < 2:
        raise BadValue(f"At least two classes are needed; there is only {classes[0]!r}.")
    counts = np.bincount([i.label for i in items], minlength=len(classes))
    few = int(counts.argmin())
    if counts[few] < 2:
        raise BadValue(f"Each class needs at least two training images; class {classes[few]!r} has {counts[few]}.")


def _imported(place: Path) -> Imported:
    sheet = kept.about(place)
    try:
        fields = {field: sheet[field] for field in Imported.__dataclass_fields__}
        shape, skipped = tuple(sheet["shape"]), tuple(map(tuple, sheet["skipped"]))
    except (KeyError, TypeError) as error:
        raise DataError(kept.damaged(place)) from error
    return Imported(**fields | {"shape": shape, "skipped": skipped})
