"""What was found in a source: every image with its class, not yet decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unlearn_core.data.decode import Encoded
from unlearn_core.params import BadValue


class Item(NamedTuple):
    """One image: what to call it in a message, its class, and its file or bytes."""

    name: str
    label: int
    encoded: Encoded


class Found(NamedTuple):
    """The images of a source. `test` is empty where the source has no test part of its own.

    `left_out` pairs what lay beside the images, and was not looked at, with the reason.
    """

    classes: tuple[str, ...]
    train: list[Item]
    test: list[Item]
    left_out: list[tuple[str, str]]


def check_classes(classes: tuple[str, ...], items: Sequence[Item]) -> None:
    """Raises BadValue unless these training images are of two classes at least, and two at least of each."""
    if not items:
        raise BadValue("There are no images in class folders here, such as cat/0001.png or train/cat/0001.png.")
    if len(classes) < 2:
        raise BadValue(f"At least two classes are needed; there is only {classes[0]!r}.")
    counts = np.bincount([i.label for i in items], minlength=len(classes))
    few = int(counts.argmin())
    if counts[few] < 2:
        raise BadValue(f"Each class needs at least two training images; class {classes[few]!r} has {counts[few]}.")
