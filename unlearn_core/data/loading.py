"""Data (spec) -> load() -> Dataset: which images a study uses, and how they are split."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

import unlearn_core.data.kept as kept
from unlearn_core.data.builtin import DATASETS
from unlearn_core.data.images import Dataset, Images
from unlearn_core.data.own import own, place_of
from unlearn_core.data.splits import stratified, wrong_labels
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell, silent


@spec
class Data(Spec):
    """Which images are used, and the one seed of everything that is drawn from them.

    There is no other split seed: a second one for some users of a split (as in published code) makes them work on other
    training images than the model was trained on.
    """

    name: str = param("digits", help="a built-in dataset or the name of an imported one")
    fingerprint: str = param(
        "", help="imported data only: the fingerprint that its images must have; empty accepts any"
    )
    train: int = param(
        0, 0, help="use only this many training images, validation share included, drawn by class; 0 is all"
    )
    test: int = param(0, 0, help="use only this many test images, drawn by class; 0 is all")
    validation: float = param(
        0.1, 0.0, 0.5, help="share of the training images set apart for tuning and never trained on, drawn by class"
    )
    seed: int = param(0, 0, help="seed of the splits, of the smaller draws and of the wrong labels")

    def counts(self, images: int) -> tuple[int, int]:
        """Of so many training images of a dataset: how many are to be trained on, and how many are set apart."""
        used = min(self.train or images, images)
        apart = round(self.validation * used)
        return used - apart, apart


def load(data: Data, root: Path, tell: Tell = silent) -> Dataset:
    """The dataset of a spec. `root` is the folder of downloads and imported sets; the last few datasets stay in memory.

    Raises BadValue for an unknown name, other pixels than the fingerprint says, or more images than there are, and
    DataError when a download fails or the files are damaged.
    """
    root = Path(root).expanduser().resolve()
    if (row := DATASETS.get(data.name)) is not None:
        if data.fingerprint:
            raise BadValue(f"{data.name} is built in and takes no fingerprint.")
        if row.fetch is not None:
            row.fetch(root, tell)
        return _assembled(data, root)
    if (place := place_of(data.name, root)) is None:
        names = [*DATASETS, *(i.name for i in own(root))]
        raise BadValue(f"There is no dataset called {data.name!r}; there are {', '.join(names)}.")
    found = kept.about(place)["fingerprint"]
    if data.fingerprint not in ("", found):
        raise BadValue(
            f"The dataset {data.name} holds other images than expected: its fingerprint begins with {found[:12]}, "
            f"not with {data.fingerprint[:12]}."
        )
    # The fingerprint on disk is part of what is remembered: the name may have been given to other images meanwhile.
    return _assembled(data.but(fingerprint=found), root, grey=not kept.has_images(place))


@lru_cache(maxsize=4)
def _assembled(data: Data, root: Path, grey: bool = False) -> Dataset:
    row = DATASETS.get(data.name)
    classes, train, test = kept.read(root / "own" / data.name) if row is None else row.load(root, data.seed)
    train = _fewer(train, data.train, data.seed, "training", data.name)
    test = _fewer(test, data.test, data.seed, "test", data.name)
    labels = train.y.numpy()
    apart = stratified(labels, data.counts(len(labels))[1], data.seed, "validation")
    validation, train = train.take(apart), train.take(np.setdiff1d(np.arange(len(labels)), apart))
    labels = train.y.numpy()
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
        raise BadValue(
            f"Class {classes[int(counts.argmin())]!r} has no training image left; use more training images or a "
            "smaller validation share."
        )
    if row is None or not row.wrong:
        return Dataset(data.name, classes, train, validation, test, grey=grey)
    noisy, wrong = wrong_labels(labels, row.wrong, len(classes), data.seed)
    relabelled = Images(train.x, train.y.new_tensor(noisy))
    return Dataset(data.name, classes, relabelled, validation, test, mislabelled=wrong, true_labels=labels)


def _fewer(images: Images, n: int, seed: int, part: str, name: str) -> Images:
    if not n:
        return images
    if n > len(images.y):
        raise BadValue(f"{name} has {len(images.y)} {part} images, so {n} cannot be used.")
    return images.take(stratified(images.y.numpy(), n, seed, f"fewer {part}"))
