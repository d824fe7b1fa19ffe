"""Images in class folders: <class>/* or train/<class>/* and test/<class>/*."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from unlearn_core.data.items import Found, Item
from unlearn_core.params import BadValue

# Files that a desktop puts beside images and does not show.
UNSEEN = ("thumbs.db", "desktop.ini")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def image_folder(top: Path) -> Found:
    """All files in the class folders, classes by name and then files by name; none is opened yet.

    Raises BadValue for a link that leaves the folder and for a test class that the training images lack.
    """
    shown = entries(top, top)
    folders = {e.name: e for e in shown if e.is_dir()}
    if "train" not in folders or not ("test" in folders or _folders(folders["train"], top)):
        classes, left_out = _classes(top, top)
        return Found(tuple(classes), _items(top, classes), [], left_out)
    train, left_out = _classes(Path(folders["train"].path), top)
    test, more = _classes(Path(folders["test"].path), top) if "test" in folders else ({}, [])
    left_out += more + [(text(e.name), "neither train nor test") for e in shown if e.name not in ("train", "test")]
    if unknown := [name for name in test if name not in train]:
        raise BadValue(f"The test images have a class {unknown[0]!r} that the training images do not have.")
    # A class keeps its number in the test part even where that part has no image of an earlier class.
    return Found(tuple(train), _items(top, train), _items(top, {k: test.get(k, []) for k in train}), left_out)


def entries(folder: Path, top: Path) -> list[os.DirEntry]:
    """What a folder shows, by name. A link that leaves `top` is refused: it could show any file of the machine."""
    try:
        with os.scandir(folder) as all_entries:
            shown = [e for e in all_entries if not e.name.startswith(".") and e.name.lower() not in UNSEEN]
    except OSError as error:
        raise BadValue(f"The folder {folder} cannot be read: {error.strerror}.") from error
    for entry in shown:
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(top):
            name = text(os.path.relpath(entry.path, top))
            raise BadValue(f"{name} is a link that leaves the folder; put the file itself there.")
    return sorted(shown, key=lambda e: e.name)


def text(name: str) -> str:
    """A file name as text that can be shown on one line and stored: bytes that are no UTF-8, and characters that
    control a screen, become the replacement character.
    """
    return CONTROL.sub("\ufffd", os.fsencode(name).decode("utf-8", "replace"))


def _folders(folder: os.DirEntry, top: Path) -> bool:
    return any(e.is_dir() for e in entries(Path(folder.path), top))


def _classes(folder: Path, top: Path) -> tuple[dict[str, list[os.DirEntry]], list[tuple[str, str]]]:
    """The files of each class folder, and the loose files beside the class folders."""
    shown = entries(folder, top)
    _refuse_twins(text(e.name) for e in shown if e.is_dir())
    loose = [(text(os.path.relpath(e.path, top)), "not inside a class folder") for e in shown if not e.is_dir()]
    return {text(e.name): entries(Path(e.path), top) for e in shown if e.is_dir()}, loose


def _refuse_twins(names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise BadValue(f"{times} class folders are called {name!r}.")


def _items(top: Path, classes: dict[str, list[os.DirEntry]]) -> list[Item]:
    return [
        Item(text(os.path.relpath(e.path, top)), label, Path(e.path))
        for label, files in enumerate(classes.values())
        for e in files
    ]
