"""What was found in a source: every image with its class, not yet decoded."""

from __future__ import annotations

from typing import NamedTuple

from unlearn_core.data.decode import Encoded


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
