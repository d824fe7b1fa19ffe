"""What a person's own dataset holds, as it was kept: what to look at before a study rests on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd

from unlearn_core.data import Imported, kept, own
from unlearn_core.data.own import place_of
from unlearn_core.params import BadValue
from unlearn_core.store import Store

FEW = 10  # training images of a class, below which a tenth for validation is hardly one


@dataclass(frozen=True)
class Overview:
    """`classes` has a line for each class: class, train, test (numbers of images). `problems` are sentences, the
    gravest first; `skipped` pairs a file that was not used with the reason, `reasons` counts them by reason.
    """

    about: Imported
    classes: pd.DataFrame
    problems: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    reasons: dict[str, int]


def overview(store: Store, name: str) -> Overview:
    """What the dataset of this name holds. Raises BadValue where there is none, DataError where it is damaged."""
    root = store.root / "data"
    about = next((found for found in own(root) if found.name == name), None)
    if about is None:
        raise BadValue(f"There is no dataset of your own called {name!r} in this store.")
    classes, train, test = kept.read(place_of(name, root))
    x, labels = [part.x.numpy() for part in (train, test)], [part.y.numpy() for part in (train, test)]
    counts = [np.bincount(y, minlength=len(classes)) for y in labels]
    table = pd.DataFrame({"class": list(classes), "train": counts[0], "test": counts[1]})
    problems = (*_copies(x, labels), *_few(table))
    return Overview(about, table, problems, about.skipped, reasons_of(about.skipped))


def reasons_of(skipped: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """How many files were not used for each reason, the commonest first."""
    return dict(Counter(why for _, why in skipped).most_common())


def _copies(x: list[np.ndarray], labels: list[np.ndarray]) -> list[str]:
    """Images that are there more than once, pixel for pixel."""
    train, test = ([blake2b(image.tobytes(), digest_size=16).digest() for image in part] for part in x)
    classes: dict[bytes, set[int]] = {}
    for digest, label in zip((*train, *test), np.concatenate(labels), strict=True):
        classes.setdefault(digest, set()).add(int(label))
    shared = len(set(train) & set(test))
    torn = sum(len(found) > 1 for found in classes.values())
    again = len(train) - len(set(train))
    found = []
    if shared:
        found.append(
            f"{_images(shared)} of the test part {_is(shared)} in the training part too: attacks and test accuracy "
            "take such images for unseen ones."
        )
    if torn:
        found.append(f"{_images(torn)} {_is(torn)} there with more than one label.")
    if again:
        found.append(
            f"{_images(again)} of the training part {_is(again)} a copy of another one there: forgetting one leaves "
            "its copy."
        )
    return found


def _few(table: pd.DataFrame) -> list[str]:
    found = []
    few = table.loc[table["train"] < FEW, "class"].tolist()
    if few:
        found.append(f"Fewer than {FEW} training images: {_listed(few)}. Leave such classes out, or add to them.")
    untested = table.loc[table["test"] == 0, "class"].tolist()
    if untested:
        found.append(f"No test image: {_listed(untested)}. Attacks have nothing unseen to compare them with.")
    return found


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
