"""A person's own images, taken in: which files were asked for, and what was found in them.

The images become a dataset under a name (data/own.py). The result here is the record of that: it stays when the dataset
is removed, and taking the same files in once more is another import, with a record of its own.
"""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

from unlearn_core.data import Imported, add, own
from unlearn_core.data.images import fingerprint
from unlearn_core.data.kept import has_images
from unlearn_core.data.own import asked_by, check, free_place, place_of, read
from unlearn_core.data.sources import listing, real
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.own_images import Overview, overview, reasons_of
from unlearn_core.params import BadValue, Spec, key, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store


@spec
class AddedImages(Spec):
    """One import of images. Files that changed since are another one: `listing` says which files were asked for."""

    name: str = param(help="what the dataset is called")
    source: str = param(help="folder or parquet file")
    listing: str = param(help="checksum of the names, sizes and times of its files")
    test_share: float = param(0.2, 0.0, 0.5, help="share that becomes the test part, where there is none")
    size: int = param(0, 0, 1024, help="side in pixels that every image is resized to; 0 = as they are")
    seed: int = param(0, help="seed of the draw of the test part")
    again: int = param(0, 0, help="how many imports of the same had a dataset that was removed since")


def ask(
    store: Store, source: Path, name: str, *, test_share: float = 0.2, size: int | None = None, seed: int = 0
) -> AddedImages:
    """The import of a folder or a parquet file as it is now; no image is opened yet. The same as long as it is under
    way, for whoever asks.

    Raises BadValue for what can be refused at once: a name that cannot be had, a value out of range, a source where
    there is nothing to read.
    """
    check(test_share, size)
    root = store.root / "data"
    before = asked_by(name, root)
    if not before or store.kind_of(before):
        free_place(name, root)
    wanted = AddedImages(
        name=name,
        source=str(real(source)),
        listing=listing(source),
        test_share=test_share,
        size=size or 0,
        seed=seed,
    )
    wanted = next(w for w in (wanted.but(again=n) for n in count()) if store.find(w) is None)
    if key(wanted) != before:  # else it was stopped when all was read, and only the record is missing
        free_place(name, root)
    return wanted


def _added(store: Store, wanted: AddedImages, tell: Tell) -> Result:
    root, began = store.root / "data", time.perf_counter()
    if asked_by(wanted.name, root) != key(wanted):
        add(
            Path(wanted.source),
            wanted.name,
            root,
            test_share=wanted.test_share,
            seed=wanted.seed,
            size=wanted.size or None,
            listed=wanted.listing,
            asked=key(wanted),
            tell=tell,
        )
    tell("looking for problems", 0, 1)
    found = overview(store, wanted.name)

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - began
        draft.json("about", vars(found.about) | {"problems": found.problems})
        draft.table(found.classes)

    return store.remember(wanted, make)


def found_in(result: Result) -> Overview:
    """What an import found, as it was recorded."""
    about = result.json("about")
    problems = tuple(about.pop("problems"))
    skipped = tuple(map(tuple, about["skipped"]))
    about |= {"skipped": skipped, "classes": tuple(about["classes"]), "shape": tuple(about["shape"])}
    return Overview(Imported(**about), result.table(), problems, skipped, reasons_of(skipped))


def once(store: Store, source: Path, name: str, tell: Tell) -> Imported:
    """The images of a source under a name: as they were added before, or added now. The same files are known by their
    names, sizes and times; where those changed, as in a copy of the files, by what is in them. Raises BadValue where
    the name belongs to other images.
    """
    root = store.root / "data"
    there = {mine.name: mine for mine in own(root)}.get(name)
    if there is None or not has_images(place_of(name, root)):
        return found_in(fulfil(store, ask(store, source, name), tell)).about
    asked = listing(source)
    for result in store.results("AddedImages"):
        about, wanted = found_in(result).about, result.spec()
        if about.name == name and there.fingerprint == about.fingerprint and wanted.listing == asked:
            return about
    images, _ = read(source, listed=asked, tell=tell)
    if fingerprint(images.classes, images.train, images.test) == there.fingerprint:
        return there
    raise BadValue(f"{name} are other images than those at {source}. Use another store, or the same images.")


def added(store: Store) -> list[Overview]:
    """What was found in each dataset that was taken in here and is still there, the newest first."""
    there = {mine.name: mine.fingerprint for mine in own(store.root / "data")}
    found: dict[str, Overview] = {}
    for result in store.results("AddedImages"):
        one = found_in(result)
        if there.get(one.about.name) == one.about.fingerprint:
            found.setdefault(one.about.name, one)
    return list(found.values())


MAKERS[AddedImages] = _added
