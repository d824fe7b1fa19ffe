"""What a dataset is once it is in memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from unlearn_core.disk import StoreError
from unlearn_core.params import BadValue


class DataError(StoreError):
    """A dataset cannot be had or is damaged; the message is one sentence fit for the screen."""


class Images(NamedTuple):
    """Images and their classes: x (N,C,H,W) uint8, y (N,) int64 in 0..K-1. Treated as read-only."""

    x: torch.Tensor
    y: torch.Tensor

    def take(self, rows: np.ndarray) -> Images:
        """These rows, in this order."""
        chosen = torch.from_numpy(rows)
        return Images(self.x[chosen], self.y[chosen])


class Source(NamedTuple):
    """A dataset as it came, before anything is drawn from it or set apart."""

    classes: tuple[str, ...]
    train: Images
    test: Images


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset ready for use; the three splits share no image.

    `mislabelled` (n_train,) bool says which training labels are known to be wrong, and `true_labels` (n_train,) int64
    what they should be; both are None where nobody recorded it. With `grey` only the labels are there, of a study that
    came in a file, and every pixel is the same.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    validation: Images
    test: Images
    mislabelled: np.ndarray | None = None
    true_labels: np.ndarray | None = None
    grey: bool = False

    def fingerprint(self) -> str:
        """SHA-256 over class names, pixels and labels of train, validation and test, in order: 64 hex digits."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.classes, self.train, self.validation, self.test)

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training images, in [0, 1]."""
        return self._moments[0]

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the training images, on the scale of [0, 1]."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self.grey:  # every model begins here, and none should see grey squares
            raise BadValue(
                f"Of {self.name} only the labels are in this store: add the same images under this name, then models "
                "can be trained and asked."
            )
        # A channel has 256 values, so its histogram gives both moments exactly without a copy of the pixels as floats.
        values = torch.arange(256, dtype=torch.float64) / 255
        means, stds = [], []
        for channel in self.train.x.unbind(1):
            share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
            means.append(float(share @ values))
            stds.append(float((share @ (values - means[-1]) ** 2).sqrt()))
        return tuple(means), tuple(stds)


def fingerprint(classes: tuple[str, ...], *parts: Images) -> str:
    """SHA-256 over the class names, then shape, pixels and labels of each part: 64 hex digits."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for x, y in parts:
        digest.update(json.dumps(list(x.shape)).encode())
        digest.update(x.contiguous().numpy().reshape(-1))
        digest.update(y.numpy().astype("<i8"))
    return digest.hexdigest()
