"""A person's own datasets: checked and decoded once, kept under a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import unlearn_core.data.kept as kept
from unlearn_core.data.builtin import DATASETS
from unlearn_core.data.decode import decode
from unlearn_core.data.images import DataError, Images, Source
from unlearn_core.data.items import check_classes
from unlearn_core.data.sources import find, listing
from unlearn_core.data.splits import stratified
from unlearn_core.disk import below
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
    place = below(root, "own", name) if NAME.fullmatch(name) else None
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


def free_place(name: str, root: Path) -> Path:
    """The folder that a new dataset of this name will have. Raises BadValue for a name that it cannot have, or that
    another one has.
    """
    if not NAME.fullmatch(name):
        raise BadValue(f"{name!r} cannot be a name: use at most 40 letters, digits, - and _, a letter or digit first.")
    if name.lower() in {known.lower() for known in DATASETS}:
        raise BadValue(f"{name} is the name of a dataset that the program has already; choose another name.")
    place = below(root, "own", name)
    if place.exists() and kept.has_images(place):
        raise BadValue(f"There is already a dataset called {name}; choose another name.")
    return place


def check(test_share: float, size: int | None) -> None:
    """Raises BadValue for a share or a size that `add` does not take."""
    if not 0 < test_share <= 0.5:
        raise BadValue(f"The test share must be more than 0 and at most 0.5, not {test_share:g}.")
    if size is not None and not 1 <= size <= 1024:
        raise BadValue(f"The size must be at least 1 and at most 1024 pixels, not {size}.")


def asked_by(name: str, root: Path) -> str:
    """What was given to `add` as `asked` when it made the dataset of this name; "" where nothing was, or none is."""
    place = place_of(name, root)
    return "" if place is None else str(kept.about(place).get("asked", ""))


def add(
    source: Path,
    name: str,
    root: Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    size: int | None = None,
    listed: str = "",
    asked: str = "",
    tell: Tell = silent,
) -> Imported:
    """Import a folder of images or a parquet file under a name, whole or not at all.

    Where the source has no test part, `test_share` of the images becomes one (stratified, drawn with `seed`). `size`
    resizes every image to size x size pixels. Damaged images are skipped and listed if they are at most one in a
    hundred. Files that are no images and do not end like one, such as notes.txt, are skipped and listed too, however
    many there are. With `listed`, the source must be as `listing` said it to be, from before the first image is read
    until the last one was. `asked` is noted beside the dataset: see `asked_by`.

    Raises BadValue for a source, a name or a value that cannot be used, DataError when `root` cannot be written.
    """
    check(test_share, size)
    place = free_place(name, root)
    kept.prepare(place.parent)
    images, skipped = read(source, test_share=test_share, seed=seed, size=size, listed=listed, tell=tell)
    tell("writing the dataset", 0, 1)
    about = {"name": name, "skipped": skipped, "train": len(images.train.y), "test": len(images.test.y)}
    about |= {"shape": list(images.train.x.shape[1:])} | ({"asked": asked} if asked else {})
    kept.write(place, images, about)
    tell("writing the dataset", 1, 1)
    return _imported(place)


def read(
    source: Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    size: int | None = None,
    listed: str = "",
    tell: Tell = silent,
) -> tuple[Source, tuple[tuple[str, str], ...]]:
    """The images of a source as `add` takes them in, and what it leaves out with the reasons. Raises as `add` does."""
    check(test_share, size)
    tell("looking for images", 0, 1)
    _still(source, listed)
    found = find(source)
    check_classes(found.classes, found.train)
    items = found.train + found.test
    decoded = decode([i.name for i in items], [i.encoded for i in items], size, tell)
    good = [item for item, usable in zip(items, decoded.good, strict=True) if usable]
    n_train = int(decoded.good[: len(found.train)].sum())
    check_classes(found.classes, good[:n_train])
    labels = np.array([i.label for i in good], np.int64)
    whole = Images(torch.from_numpy(decoded.x), torch.from_numpy(labels))
    if found.test:
        parts = Images(whole.x[:n_train], whole.y[:n_train]), Images(whole.x[n_train:], whole.y[n_train:])
    else:
        test = stratified(labels, round(test_share * len(labels)), seed, "own test")
        parts = whole.take(np.setdiff1d(np.arange(len(labels)), test)), whole.take(test)
    if not len(parts[1].y):
        raise BadValue("No test image is left; give a larger test share or more images.")
    _still(source, listed)
    return Source(found.classes, *parts), decoded.skipped + found.left_out


def _still(source: Path, listed: str) -> None:
    if listed and listing(source) != listed:
        raise BadValue(
            "Files there were added, changed or removed since these images were asked for: add them again once that is "
            "over."
        )


def _imported(place: Path) -> Imported:
    sheet = kept.about(place)
    try:
        fields = {field: sheet[field] for field in Imported.__dataclass_fields__}
        shape, skipped = tuple(sheet["shape"]), tuple(map(tuple, sheet["skipped"]))
    except (KeyError, TypeError) as error:
        raise DataError(kept.damaged(place)) from error
    return Imported(**fields | {"shape": shape, "skipped": skipped})
