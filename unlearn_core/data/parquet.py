"""Parquet in the layout of the data hubs: `image` is a struct {bytes, path}, `label` a whole number or a text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unlearn_core.data.decode import MEMORY_LIMIT
from unlearn_core.data.items import Found, Item
from unlearn_core.params import BadValue

COLUMNS = ["image", "label"]
TEXT = ("string", "large_string", "string_view")
# A small file cannot unfold into a huge table: images hardly shrink, and few are told twice.
RATIO = 50  # bytes of a table for each byte of its file
SMALL = 50_000_000  # bytes that any table may have
PER_ROW = 8  # bytes of the file at least, once there are more than a few rows; the smallest image has three times that
FEW = 10_000
CHUNK = 64  # rows that are unfolded between two looks at how large the table has become
SHOWN = 80  # characters of a text from the file in a message


class TooLarge(BadValue):
    """A table that takes far more room than its file."""


class _Table(NamedTuple):
    file: str
    images: list[bytes | None]
    paths: list[str | None]
    labels: list[int] | list[str]
    names: list[str] | None


def parquet(train: list[Path], test: list[Path]) -> Found:
    """All rows of these files, in order.

    The classes of text labels are those texts, by name. Classes of whole numbers are called as the schema's metadata
    says, or else as the folders in the paths if these agree with the labels one to one, or else 'class 0', 'class 1'...

    Raises BadValue for a file that is no such parquet file, and for labels that are missing, out of range or of another
    kind.
    """
    tables = [_read(file) for file in train + test]
    classes = _classes(tables, len(train))
    number = {name: k for k, name in enumerate(classes)}
    items = [
        [
            Item(f"{t.file} row {row}" + (f" ({_shown(path)})" if path else ""), _label(t, row, label, number), image)
            for row, (image, path, label) in enumerate(zip(t.images, t.paths, t.labels, strict=True))
        ]
        for t in tables
    ]
    n = len(train)
    return Found(classes, [i for part in items[:n] for i in part], [i for part in items[n:] for i in part], [])


def _read(file: Path) -> _Table:
    try:
        with pq.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            _check_columns(file.name, schema)
            table = _unfolded(file, opened)
        images, labels = table["image"], table["label"]
        if pa.types.is_dictionary(labels.type):
            labels = labels.cast(labels.type.value_type)
        position = images.type.get_field_index("path")
        has_path = position >= 0 and _is_one_of(images.type.field(position).type, *TEXT)
        paths = pc.struct_field(images, "path").to_pylist() if has_path else [None] * len(images)
        found = _Table(
            file.name, pc.struct_field(images, "bytes").to_pylist(), paths, labels.to_pylist(), _names(schema)
        )
    except BadValue:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadValue(f"{file.name} cannot be read as a parquet file ({_shown(error)}).") from error
    for row, label in enumerate(found.labels):
        if label is None:
            raise BadValue(f"{file.name} row {row} has no label.")
    return found


def _unfolded(file: Path, opened: pq.ParquetFile) -> pa.Table:
    """The two columns."""
    length, rows = file.stat().st_size, opened.metadata.num_rows
    if rows > max(FEW, length / PER_ROW):
        raise BadValue(f"{file.name} tells of {rows:,} rows, too many for a file of {length:,} bytes.")
    schema = pa.schema([opened.schema_arrow.field(name) for name in COLUMNS])
    return pa.Table.from_batches(list(batches(file, opened, COLUMNS)), schema)


def batches(file: Path, opened: pq.ParquetFile, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of these columns, of all by default, a few at a time. What a file says of its own size may be wrong, so
    it is stopped where it becomes too large. Raises TooLarge.
    """
    length = file.stat().st_size
    groups = [opened.metadata.row_group(i).total_byte_size for i in range(opened.metadata.num_row_groups)]
    most = min(MEMORY_LIMIT, max(SMALL, RATIO * length))
    wrong = TooLarge(
        f"{file.name} holds more than {most / 1e9:.2g} GB, the most for a file of {length:,} bytes; use fewer images."
    )
    if sum(groups) > most:
        raise wrong
    size = 0
    # No image is larger than a group, but a few bytes may tell it in every row: so many rows have room together.
    together = max(1, min(CHUNK, most // max([1, *groups])))
    for part in opened.iter_batches(together, columns=columns):
        size += part.nbytes
        if size > most:
            raise wrong
        yield part


def _shown(text: object) -> str:
    """A text from the file on one line, cut where it is long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."


def _check_columns(file: str, schema: pa.Schema) -> None:
    for column in COLUMNS:
        if schema.names.count(column) != 1:
            has = _shown(", ".join(schema.names)) or "none"
            raise BadValue(f"{file} needs the columns 'image' and 'label'; it has {has}.")
    image, label = schema.field("image").type, schema.field("label").type
    position = image.get_field_index("bytes") if pa.types.is_struct(image) else -1
    if position < 0 or not _is_one_of(image.field(position).type, "binary", "large_binary"):
        raise BadValue(
            f"The column 'image' of {file} must hold image files as a struct with the field 'bytes', "
            f"not {_shown(image)}."
        )
    if pa.types.is_dictionary(label):
        label = label.value_type
    if not pa.types.is_integer(label) and not _is_one_of(label, *TEXT):
        raise BadValue(f"The labels of {file} must be whole numbers or texts, not {_shown(label)}.")


def _is_one_of(kind: pa.DataType, *names: str) -> bool:
    return str(kind) in names


def _names(schema: pa.Schema) -> list[str] | None:
    """The class names that the data hub keeps in the schema's metadata, or None where there are none."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    proper = isinstance(names, list) and all(isinstance(n, str) for n in names) and len(set(names)) == len(names)
    return names if proper else None


def _classes(tables: list[_Table], n_train: int) -> tuple[str, ...]:
    train = tables[:n_train]
    if len({isinstance(label, str) for t in tables for label in t.labels}) > 1:
        raise BadValue("Some parquet files have labels that are texts and others whole numbers.")
    if len({tuple(t.names) for t in tables if t.names is not None}) > 1:
        raise BadValue("The parquet files do not name their classes alike.")
    distinct = {label for t in train for label in t.labels}
    if any(isinstance(label, str) for label in distinct):
        return tuple(sorted(distinct))
    if (names := next((t.names for t in tables if t.names is not None), None)) is not None:
        return tuple(names)
    top = max(distinct, default=-1)
    if len(distinct) <= top:
        missing = next(k for k in range(top) if k not in distinct)
        raise BadValue(
            f"The labels go up to {top}, but no training image has label {missing}; they must be 0, 1, 2 and so on."
        )
    return _names_from_paths(tables) or tuple(f"class {k}" for k in range(top + 1))


def _names_from_paths(tables: list[_Table]) -> tuple[str, ...] | None:
    """Folder names such as the 'cat' of 'cat/0001.jpg', if each label has one of its own; else None."""
    pairs = {
        (label, PurePath(path or "").parent.name) for t in tables for path, label in zip(t.paths, t.labels, strict=True)
    }
    names = tuple(name for _, name in sorted(pairs))
    one_to_one = sorted(label for label, _ in pairs) == list(range(len(pairs))) and len(set(names)) == len(names)
    return names if one_to_one and "" not in names else None


def _label(table: _Table, row: int, label: int | str, number: dict[str, int]) -> int:
    if isinstance(label, str):
        if label in number:
            return number[label]
        raise BadValue(f"The test images have a class {_shown(label)!r} that the training images do not have.")
    if 0 <= label < len(number):
        return label
    raise BadValue(f"{table.file} row {row} has label {label}, but the labels must be 0 to {len(number) - 1}.")
