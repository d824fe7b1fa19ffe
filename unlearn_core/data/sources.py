"""A person's folder or file -> the images in it, whatever layout it has."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from unlearn_core.data.image_folder import entries, image_folder, text
from unlearn_core.data.items import Found, check_classes
from unlearn_core.data.parquet import parquet
from unlearn_core.params import BadValue

LONGEST = 300  # characters of a path in a message


def find(source: Path) -> Found:
    """The images of a folder of class folders, of a parquet file, or of a folder with train*.parquet and test*.parquet.

    Raises BadValue for anything else.
    """
    source = real(source)
    if source.is_dir():
        files = _tables(source)
        return _parquet_folder(files) if files else image_folder(source)
    return parquet([_table(source)], [])


def listing(source: Path) -> str:
    """A checksum, 64 hex digits, of which files `find` looks at: their names, sizes and times of last change. None is
    opened. Raises BadValue where there are none, and where a folder of images has too few of them.
    """
    source = real(source)
    if not source.is_dir():
        return _digest(source.parent, [_table(source)])
    if files := _tables(source):
        return _digest(source, files)
    found = image_folder(source)
    check_classes(found.classes, found.train)
    beside = (f"{name}: {reason}" for name, reason in found.left_out)
    return _digest(source, [item.encoded for item in found.train + found.test], beside)


def real(source: Path) -> Path:
    """The folder or file itself, links and ~ followed. Raises BadValue where there is none."""
    named = text(str(source)[:LONGEST])
    try:
        found = Path(os.path.realpath(Path(source).expanduser()))
        if found.exists():
            return found
    except PermissionError as error:
        raise BadValue(f"{named} cannot be read: {error.strerror}.") from error
    except (OSError, RuntimeError, ValueError):  # too long, of nobody's home, with a character that no name has
        pass
    raise BadValue(f"There is no folder or file {named}.")


def _tables(folder: Path) -> list[Path]:
    return [Path(e.path) for e in entries(folder, folder) if e.is_file() and e.name.lower().endswith(".parquet")]


def _table(file: Path) -> Path:
    if not file.is_file():
        raise BadValue(f"There is no folder or file {file}.")
    if file.suffix.lower() != ".parquet":
        raise BadValue(f"{file.name} is neither a folder nor a .parquet file.")
    return file


def _digest(top: Path, files: Iterable[Path], beside: Iterable[str] = ()) -> str:
    found = hashlib.sha256()
    for file in files:
        try:
            about = file.stat()
            seen = f"{about.st_size} {about.st_mtime_ns}"
        except OSError:  # a link to nothing: named among the files that were not used
            seen = "-"
        found.update(os.fsencode(file.relative_to(top)) + f"\0{seen}\0".encode())
    for line in beside:
        found.update(line.encode() + b"\0")
    return found.hexdigest()


def _parquet_folder(files: list[Path]) -> Found:
    train = [f for f in files if f.name.startswith("train")] or (files if len(files) == 1 else [])
    test = [f for f in files if f.name.startswith("test") and f not in train]
    if not train:
        raise BadValue("The folder holds parquet files, but none whose name begins with 'train'.")
    left_out = [(text(f.name), "neither train nor test") for f in files if f not in train + test]
    return parquet(train, test)._replace(left_out=left_out)
