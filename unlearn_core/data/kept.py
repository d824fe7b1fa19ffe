"""A whole dataset as a folder: images.safetensors and about.json. It appears whole or not at all.

Where a study came in a file and its images did not, labels.safetensors lies there in the place of the images: grey
squares stand for them until a person adds the same images under the same name.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from unlearn_core.data.images import DataError, Images, Source, fingerprint
from unlearn_core.disk import flush
from unlearn_core.params import BadValue

IMAGES, LABELS = "images.safetensors", "labels.safetensors"


def prepare(shelf: Path) -> None:
    """Make the folder that holds datasets. Raises DataError when nothing can be written there."""
    try:
        shelf.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(shelf, error) from error
    if not os.access(shelf, os.W_OK):
        raise DataError(f"The data folder {shelf} cannot be written to.")


def write(place: Path, source: Source, about: dict) -> str:
    """Write a dataset to `place` and return its fingerprint.

    Raises BadValue when the place is taken and DataError when it cannot be written.
    """
    digest = fingerprint(source.classes, source.train, source.test)
    about = about | {"classes": list(source.classes), "fingerprint": digest}
    parts = {"train_x": source.train.x, "train_y": source.train.y, "test_x": source.test.x, "test_y": source.test.y}
    _place(place, IMAGES, parts, about)
    return digest


def write_labels(place: Path, train: torch.Tensor, test: torch.Tensor, about: dict) -> None:
    """Write the labels alone of a dataset whose images are elsewhere; `about` has its classes, shape and fingerprint.

    Raises as `write` does.
    """
    _place(place, LABELS, {"train_y": train, "test_y": test}, about | {"classes": list(about["classes"])})


def has_images(place: Path) -> bool:
    """Whether the images are there, not only their labels."""
    return not (place / LABELS).exists()


def labels(place: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """(n,) and (n_test,) int64 labels, whether the images are there or not. Raises DataError where they are damaged."""
    try:
        with safe_open(place / (IMAGES if has_images(place) else LABELS), "pt") as parts:
            return parts.get_tensor("train_y"), parts.get_tensor("test_y")
    except (OSError, SafetensorError) as error:
        raise DataError(damaged(place)) from error


def _place(place: Path, file: str, parts: dict, about: dict) -> None:
    staging = place.with_name(f".staging.{uuid.uuid4().hex[:8]}")
    prepare(place.parent)
    try:
        with FileLock(place.parent / ".lock"):
            # Whoever holds the lock is the only writer, so what lies in staging was left by one that died.
            for left in place.parent.glob(".staging.*"):
                shutil.rmtree(left, ignore_errors=True)
            _free(place, about)
            try:
                staging.mkdir()
                (staging / file).write_bytes(save({k: v.contiguous() for k, v in parts.items()}))
                (staging / "about.json").write_text(json.dumps(about, indent=1, allow_nan=False))
                for written in (*staging.iterdir(), staging):
                    flush(written)
                if place.exists():  # its labels alone, which count until the images lie whole beside them
                    os.replace(staging / file, place / file)
                    flush(place)
                    (place / LABELS).unlink()
                    os.replace(staging / "about.json", place / "about.json")
                    flush(place)
                else:
                    os.rename(staging, place)
                flush(place.parent)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise _unwritable(place.parent, error) from error


def _free(place: Path, wanted: dict) -> None:
    """Raises BadValue unless a dataset may be written to this place."""
    if not place.exists():
        return
    if has_images(place):
        raise BadValue(f"There is already a dataset called {place.name}; choose another name.")
    if about(place)["fingerprint"] != wanted["fingerprint"]:
        raise BadValue(
            f"A recorded study has images called {place.name}, and these are others: choose another name, or add the "
            "same ones."
        )


def about(place: Path) -> dict:
    """The about.json of a dataset. Raises DataError when it cannot be read."""
    try:
        found = json.loads((place / "about.json").read_text())
        return found | {"classes": tuple(found["classes"]), "fingerprint": str(found["fingerprint"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(damaged(place)) from error


def read(place: Path) -> Source:
    """The dataset at `place`, checked against its own fingerprint, which labels alone cannot be. Raises DataError when
    it is damaged.
    """
    sheet = about(place)
    if not has_images(place):
        shape = [int(side) for side in sheet["shape"]]
        grey = [torch.full((1, *shape), 128, dtype=torch.uint8).expand(len(y), *shape) for y in labels(place)]
        return Source(sheet["classes"], *map(Images, grey, labels(place)))
    try:
        part = load_file(place / IMAGES)
        train, test = Images(part["train_x"], part["train_y"]), Images(part["test_x"], part["test_y"])
    except (OSError, SafetensorError, KeyError) as error:
        raise DataError(damaged(place)) from error
    if fingerprint(sheet["classes"], train, test) != sheet["fingerprint"]:
        raise DataError(damaged(place))
    return Source(sheet["classes"], train, test)


def damaged(place: Path) -> str:
    """The sentence for a dataset that cannot be read."""
    return f"The dataset {place.name} is damaged on disk; delete the folder {place} and add it again."


def _unwritable(shelf: Path, error: Exception) -> DataError:
    # safetensors wraps the operating system's error in one of its own and keeps only the text.
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    reason = "the disk is full" if full else getattr(error, "strerror", None) or str(error)
    return DataError(f"The dataset cannot be written to {shelf}: {reason}.")
