"""A person's folder or file -> the images in it, whatever layout it has."""

from __future__ import annotations

import os
from pathlib import Path

from unlearn_core.data.image_folder import entries, image_folder, text
from unlearn_core.data.items import Found
from unlearn_core.data.parquet import parquet
from unlearn_core.params import BadValue


def find(source: Path) -> Found:
    """The images of a folder of class folders, of a parquet file, or of a folder with train*.parquet and test*.parquet.

    Raises BadValue for anything else.
    """
    source = Path(os.path.realpath(Path(source).expanduser()))
    if source.is_dir():
        files = [Path(e.path) for e in entries(source, source) if e.is_file() and e.name.lower().endswith(".parquet")]
        return _parquet_folder(files) if files else image_folder(source)
    if not source.is_file():
        raise BadValue(f"There is no folder or file {source}.")
    if source.suffix.lower() != ".parquet":
        raise BadValue(f"{source.name} is neither a folder nor a .parquet file.")
    return parquet([source], [])


def _parquet_folder(files: list[Path]) -> Found:
    train = [f for f in files if f.name.startswith("train")] or (files if len(files) == 1 else [])
    test = [f for f in files if f.name.startswith("test") and f not in train]
    if not train:
        raise BadValue("The folder holds parquet files, but none whose name begins with 'train'.")
    left_out = [(text(f.name), "neither train nor test") for f in files if f not in train + test]
    return parquet(train, test)._replace(left_out=left_out)
