"""What an algorithm is asked: which images to forget, which to keep, and what else it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent

# Everything an algorithm can need, and what is said where it is not there.
NEEDS = {
    "retain": "images to keep",
    "forget": "images to forget",
    "labels": "their labels",
    "classes": "a forget set of whole classes",
    "validation": "validation images, which nobody was trained on",
    "recipe": "the recipe of the original model",
    "history": "the training history of the original model",
    "corrected": "corrected labels",
}


class Batch(NamedTuple):
    """Images x (B, C, H, W), uint8 or float in [0, 1], and the labels y (B,) to learn from."""

    x: torch.Tensor
    y: torch.Tensor


class Fresh(NamedTuple):
    """A model trained from scratch, and how much training that was."""

    model: torch.nn.Module
    steps: int
    gradients: int


class Recipe(Protocol):
    """Trains a model for each seed on these rows as the original was trained: from fresh weights, or from those of
    `start`; for the original's epochs, or for so many. Several seeds at once take less time than one after the other.
    """

    def __call__(
        self,
        rows: np.ndarray,
        seeds: Sequence[int],
        tell: Tell = silent,
        start: torch.nn.Module | None = None,
        epochs: int | None = None,
    ) -> Iterator[Fresh]: ...


@dataclass(frozen=True)
class History:
    """How the original was trained: `steps` steps of SGD at learning rates `rate(step)`, steps counted from 0.

    `replay(watch)` goes through the training again and returns the model at its end. Before each step it calls
    watch(step, model, batch, rows): the model as the step finds it, the batch, and its training rows (B,).
    """

    steps: int
    momentum: float
    weight_decay: float
    rate: Callable[[int], float]
    replay: Callable[[Callable[[int, torch.nn.Module, Batch, np.ndarray], None]], torch.nn.Module]


@dataclass(frozen=True)
class Request:
    """Which of the training images x (n, C, H, W) uint8 with labels y (n,) to forget and which to keep.

    `forget` and `retain` are sorted row numbers without overlap; rows in neither are left alone (parts that RUM forgot
    before). `after(name, model)` is called after each step of an algorithm that has steps. `validation` are images that
    no model was trained on; `corrected` (n,) the labels as they should have been. Raises BadValue where a set is empty,
    names a row twice or one that does not exist.
    """

    x: torch.Tensor
    y: torch.Tensor
    forget: np.ndarray
    retain: np.ndarray
    classes: int
    seed: int = 0
    tell: Tell = silent
    after: Callable[[str, torch.nn.Module], None] = lambda name, model: None
    recipe: Recipe | None = None
    validation: Batch | None = None
    history: History | None = None
    corrected: torch.Tensor | None = None

    def __post_init__(self):
        if self.y.dtype != torch.int64 or len(self.y) != self.x.shape[0]:
            raise BadValue("Each image needs one label, a whole number of 64 bits.")
        if len(self.forget) == 0:
            raise BadValue("The forget set is empty: choose at least one image.")
        if len(self.retain) == 0:
            raise BadValue("No images are left to keep.")
        for name, rows in (("forget", self.forget), ("retain", self.retain)):
            if rows.min() < 0 or rows.max() >= len(self.y):
                raise BadValue(f"The {name} set names a row that does not exist.")
            if len(np.unique(rows)) != len(rows):
                raise BadValue(f"The {name} set names a row twice.")
        if len(np.intersect1d(self.forget, self.retain)):
            raise BadValue("An image cannot be both forgotten and kept.")

    @property
    def forgotten_classes(self) -> list[int]:
        """The classes of the forget set, ascending."""
        return self.y[torch.from_numpy(self.forget).to(self.y.device)].unique().tolist()

    @property
    def split_classes(self) -> list[int]:
        """Classes of which some images are forgotten and others kept, ascending."""
        kept = set(self.y[torch.from_numpy(self.retain).to(self.y.device)].unique().tolist())
        return [c for c in self.forgotten_classes if c in kept]

    def lacks(self, need: str) -> str | None:
        """Why a need of NEEDS is not met, as the end of a sentence; None where it is. A need that is called as a field
        of the request is met where that is not None.
        """
        if need == "classes" and (torn := self.split_classes):
            named = ", ".join(map(str, torn[:5])) + (f" and {len(torn) - 5} more" if len(torn) > 5 else "")
            return f"{NEEDS[need]}; this one leaves images of class {named} among those to keep"
        if getattr(self, need, True) is None:
            return f"{NEEDS[need]}, and there is none here"
        return None


def fetch(x: torch.Tensor, y: torch.Tensor, rows: np.ndarray | None) -> Batch | None:
    """These rows of images x (n, C, H, W) with labels y (n,)."""
    if rows is None:
        return None
    index = torch.from_numpy(rows).to(x.device)
    return Batch(x[index], y[index])
