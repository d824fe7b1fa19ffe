"""The datasets that ship with the program or are downloaded once: DATASETS."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch
from filelock import FileLock, Timeout

import unlearn_core.data.kept as kept
from unlearn_core.data.images import DataError, Images, Source
from unlearn_core.data.splits import stratified
from unlearn_core.progress import Tell

DIGITS_TEST = 397


@dataclass(frozen=True)
class Row:
    """One dataset: size is (training images, test images), shape (C,H,W); load(root, seed) returns a Source.

    fetch(root, tell) downloads it unless it is there; `wrong` is the share of training labels replaced by wrong ones.
    """

    title: str
    about: str
    size: tuple[int, int]
    shape: tuple[int, int, int]
    obtained: str
    load: Callable[[Path, int], Source]
    fetch: Callable[[Path, Tell], None] | None = None
    wrong: float = 0.0


def digits(root: Path, seed: int) -> Source:
    """1,400 training and 397 test images; the values 0..16 become round(value * 255 / 16), so no two values merge."""
    from sklearn.datasets import load_digits  # takes a second to import

    found = load_digits()
    values, labels = found.images.astype(np.int64), found.target.astype(np.int64)
    pixels = ((values * 255 + 8) // 16).astype(np.uint8)[:, None]
    whole = Images(torch.from_numpy(pixels), torch.from_numpy(labels))
    test = stratified(labels, DIGITS_TEST, seed, "digits test")
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Source(tuple(map(str, range(10))), whole.take(train), whole.take(test))


def _kept(name: str, root: Path, seed: int) -> Source:
    return kept.read(root / "builtin" / name)


def _fetch(name: str, kind: str, root: Path, tell: Tell) -> None:
    """Download a torchvision dataset once and keep its pixels; later runs read those and open no file of a stranger.

    The archives land where torchvision looks for them; it checks their MD5 sums and unpacks them. An archive that
    somebody put there by hand is used instead of a download.
    """
    place, folder = root / "builtin" / name, root / "downloads" / name
    if place.is_dir():
        return
    kept.prepare(folder)
    with _alone(folder, tell, name):
        if place.is_dir():
            return
        for url, file in _archives(kind, folder):
            if not file.exists():
                _download(url, file, partial(tell, f"download {name}"), name)
        tell(f"unpack {name}", 0, 1)
        try:
            source = _unpack(kind, folder)
        except (RuntimeError, OSError, ValueError, AssertionError) as error:
            raise DataError(
                f"The downloaded files of {name} are damaged; delete {folder} and load it again."
            ) from error
        kept.write(place, source, {"name": name})
        shutil.rmtree(folder, ignore_errors=True)
        tell(f"unpack {name}", 1, 1)


@contextmanager
def _alone(folder: Path, tell: Tell, name: str) -> Iterator[None]:
    """Only one process downloads a dataset; the others wait, and can be cancelled while they do."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    while True:
        try:
            with lock.acquire(timeout=0.5):
                yield
            return
        except Timeout:
            tell(f"wait for another download of {name}", 0, 1)


def _archives(kind: str, folder: Path) -> list[tuple[str, Path]]:
    """Where each file comes from and where torchvision expects it."""
    import torchvision.datasets as tv

    if kind == "SVHN":
        return [(url, folder / file) for url, file, _ in (tv.SVHN.split_list[s] for s in ("train", "test"))]
    if kind == "FashionMNIST":
        raw, mirror = folder / "FashionMNIST" / "raw", tv.FashionMNIST.mirrors[0]
        return [(mirror + file, raw / file) for file, _ in tv.FashionMNIST.resources]
    cls = getattr(tv, kind)
    return [(cls.url, folder / cls.filename)]


def _unpack(kind: str, folder: Path) -> Source:
    import torchvision.datasets as tv

    if kind == "SVHN":
        sets = [tv.SVHN(folder, split=s, download=True) for s in ("train", "test")]
        parts = [Images(torch.from_numpy(s.data), torch.from_numpy(s.labels)) for s in sets]
        return Source(tuple(map(str, range(10))), *parts)
    sets = [getattr(tv, kind)(folder, train=train, download=True) for train in (True, False)]
    if kind == "FashionMNIST":
        return Source(tuple(sets[0].classes), *(Images(s.data[:, None], s.targets) for s in sets))
    parts = [Images(torch.from_numpy(s.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(s.targets)) for s in sets]
    return Source(tuple(sets[0].classes), *parts)


def _download(url: str, file: Path, tell: Callable[[int, int], None], name: str) -> None:
    """Put one file in place, whole or not at all; tells bytes done and in all."""
    aside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The addresses are torchvision's constants, and the MD5 sum of what arrives is checked before use.
        with urllib.request.urlopen(url, timeout=30) as answer, aside.open("wb") as out:  # noqa: S310
            done, total = 0, int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(1 << 20):
                out.write(chunk)
                done += len(chunk)
                tell(done, max(total, done))
        if done < total:
            raise http.client.IncompleteRead(b"", total - done)
        os.replace(aside, file)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "the connection broke"
        reason = getattr(reason, "strerror", None) or reason
        raise DataError(
            f"{name} could not be downloaded from {urlsplit(url).hostname} ({reason}): "
            f"connect this machine to the internet, or put the file {file.name} into {file.parent}."
        ) from error
    finally:
        aside.unlink(missing_ok=True)


_ONCE = "downloaded on first use through torchvision"

DATASETS: dict[str, Row] = {
    # ships with scikit-learn
    "digits": Row(
        title="Digits",
        about="Handwritten digits, 8x8 pixels, gray: small enough for hundreds of models in a minute.",
        size=(1400, DIGITS_TEST),
        shape=(1, 8, 8),
        obtained="ships with scikit-learn",
        load=digits,
    ),
    "digits-noisy": Row(
        title="Digits with wrong labels",
        about="The same digits, but one training label in ten is wrong, and it is recorded which.",
        size=(1400, DIGITS_TEST),
        shape=(1, 8, 8),
        obtained="ships with scikit-learn",
        load=digits,
        wrong=0.1,
    ),
    # downloaded
    "CIFAR-10": Row(
        title="CIFAR-10",
        about="Photographs of ten kinds of animals and vehicles, 32x32 pixels, colour.",
        size=(50_000, 10_000),
        shape=(3, 32, 32),
        obtained=_ONCE,
        load=partial(_kept, "CIFAR-10"),
        fetch=partial(_fetch, "CIFAR-10", "CIFAR10"),
    ),
    "CIFAR-100": Row(
        title="CIFAR-100",
        about="Photographs of a hundred kinds of things, 32x32 pixels, colour.",
        size=(50_000, 10_000),
        shape=(3, 32, 32),
        obtained=_ONCE,
        load=partial(_kept, "CIFAR-100"),
        fetch=partial(_fetch, "CIFAR-100", "CIFAR100"),
    ),
    "SVHN": Row(
        title="SVHN",
        about="House numbers in street photographs, one digit each, 32x32 pixels, colour.",
        size=(73_257, 26_032),
        shape=(3, 32, 32),
        obtained=_ONCE,
        load=partial(_kept, "SVHN"),
        fetch=partial(_fetch, "SVHN", "SVHN"),
    ),
    "Fashion-MNIST": Row(
        title="Fashion-MNIST",
        about="Pieces of clothing from a shop's catalogue, 28x28 pixels, gray.",
        size=(60_000, 10_000),
        shape=(1, 28, 28),
        obtained=_ONCE,
        load=partial(_kept, "Fashion-MNIST"),
        fetch=partial(_fetch, "Fashion-MNIST", "FashionMNIST"),
    ),
}
