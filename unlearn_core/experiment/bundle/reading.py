"""A file -> a study of a store.

A file that comes from elsewhere is believed in nothing: names, kinds, sizes, checksums and specs are checked in a
folder aside before anything is placed, and the study itself is placed last, so it is there whole or not at all. What
the checks cannot tell is whether the numbers were ever measured: checksums find damage, not invention.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow
import pyarrow.parquet
import torch
from safetensors import SafetensorError, safe_open

from unlearn_core import room
from unlearn_core.arrivals import LOCK
from unlearn_core.data import DATASETS, kept
from unlearn_core.data.images import DataError
from unlearn_core.data.own import NAME, place_of
from unlearn_core.data.parquet import TooLarge, batches
from unlearn_core.disk import StoreError, below, digest_of
from unlearn_core.experiment.bundle.contents import (
    ABOUT,
    DATA_FILES,
    FORMAT,
    LABEL_FILES,
    WEIGHTS,
    belongs,
    named,
    needed,
)
from unlearn_core.experiment.bundle.placing import publish
from unlearn_core.experiment.forget_sets import sane_name
from unlearn_core.experiment.listed import fault
from unlearn_core.experiment.recorded import RECORDED
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.kinds import CARRIED
from unlearn_core.params import BadValue, build, key
from unlearn_core.result import KEY, Result, find_fault, says_when
from unlearn_core.store import Store

MOST_BYTES = 8 << 30  # of all files together, unpacked
MOST_FILES = 100_000
RATIO = 50  # arrays shrink to two thirds; what shrinks this far is no study
MOST_TEXT = 16 << 20  # bytes of one JSON file
MOST_NAMES = 10_000  # of forget sets
MOST_CELLS = 20_000_000  # of one table, which may be large without taking room in the file
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
TABLES_PACKED = {"SNAPPY", "UNCOMPRESSED"}
FILE = re.compile(r"[A-Za-z0-9_-]+\.(json|safetensors|parquet)")


def import_bundle(store: Store, source: str | Path | BinaryIO) -> str:
    """Place the study of a file in a store, marked as recorded, and return its key; a study that is there stays as it
    is. `source` is a path or an open file.

    Raises BadValue, one plain sentence, for a file that is not whole, not a study, or holds anything else, and
    StoreError where the store has no room; then nothing was placed.
    """
    try:
        held = store.lock(LOCK).acquire()
    except OSError as error:
        raise StoreError(f"The store cannot be written to: {error.strerror}.") from error
    with held:
        aside = store.aside(LOCK)
        try:
            with _opened(source) as archive:
                members = _checked_names(archive)
                size = sum(info.file_size for name, info in members.items() if name.startswith("results/"))
                if full := room.too_full(store.root, size):
                    raise StoreError(full)
                sheet = _sheet(archive, members)
                staged = Store(aside)
                for each, digest in sheet["results"].items():
                    _unpack_result(archive, members, each, digest, staged)
                _unpack_images(archive, members, sheet["data"], aside)
            if members:
                raise _bad(f"it holds a file that belongs to nothing, {_shown(next(iter(members)))}")
            study = _whole(staged, sheet["study"])
            _check_images(store, study, sheet["data"])
            publish(store, staged, study, sheet)
        except OSError as error:
            raise StoreError(f"The study cannot be placed in the store: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    with suppress(OSError):
        store.sweep()  # what made room for a fuller one
    return study.key


def _bad(what: str) -> BadValue:
    return BadValue(f"This file cannot be imported: {what}.")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:57]}...")


@contextmanager
def _opened(source: str | Path | BinaryIO) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong with its bytes becomes one sentence."""
    if isinstance(source, (str, Path)) and not Path(source).is_file():
        raise BadValue(f"There is no file {source}.")
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, (BadValue, StoreError)):
            raise
        raise _bad("it is damaged, cut off, or no .zip file") from error


def _checked_names(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Name -> member, once no name leads elsewhere and all sizes are sane. Nothing has been unpacked yet."""
    infos, found = archive.infolist(), {}
    if "bundle.json" not in archive.namelist():  # before its other names: those of some other .zip file say nothing
        raise BadValue("This file is not a study of this program.")
    if len(infos) > MOST_FILES:
        raise _bad(f"it holds {len(infos):,} files, more than {MOST_FILES:,}")
    for info in infos:
        name, mode = info.filename, info.external_attr >> 16
        if name in found:
            raise _bad(f"it holds {_shown(name)} twice")
        if stat.S_ISLNK(mode) or name.endswith("/"):
            raise _bad(f"{_shown(name)} is a link or a folder, not a file")
        if info.flag_bits & 1:
            raise _bad("it is encrypted")
        if info.compress_type not in PACKED:  # others are unfolded whole, whatever size they say
            raise _bad(f"{_shown(name)} is packed in a way that this program does not use")
        if not _is_ours(name):
            raise _bad(f"{_shown(name)} is not a name that the store gives")
        if name.endswith(".json") and info.file_size > MOST_TEXT:
            raise _bad(f"{_shown(name)} is too large for a text")
        found[name] = info
    size, packed = (sum(getattr(i, s) for i in infos) for s in ("file_size", "compress_size"))
    if packed > archive.start_dir:
        raise _bad("its files lie over one another")
    if size > MOST_BYTES or size > RATIO * max(packed, 1):
        raise _bad(f"unpacked it would take {size / 1e6:,.0f} MB, too much for a file of {packed / 1e6:,.1f} MB")
    return found


def _is_ours(name: str) -> bool:
    parts = name.split("/")
    if parts[0] == "data":
        return len(parts) == 2 and parts[1] in {*DATA_FILES, *LABEL_FILES}
    if parts[0] != "results":
        return name == "bundle.json"
    if len(parts) != 4:
        return False
    return parts[1].isidentifier() and bool(KEY.fullmatch(parts[2]) and FILE.fullmatch(parts[3]))


def _take(archive: zipfile.ZipFile, members: dict, name: str, to: Path) -> None:
    """Unpack one member to a file, which the sizes that were checked hold to its length."""
    if (info := members.pop(name, None)) is None:
        raise _bad(f"{_shown(name)} is missing in it")
    to.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as stream, to.open("xb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)


def _read_json(text: bytes, what: str) -> dict:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(f"{what} cannot be read") from error
    if not isinstance(found, dict):
        raise _bad(f"{what} cannot be read")
    return found


def _sheet(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> dict:
    """bundle.json, with every field of the kind that it must be."""
    sheet = _read_json(archive.read(members.pop("bundle.json")), "its bundle.json")
    if sheet.get("format") != FORMAT:
        raise _bad(f"it has format {_shown(str(sheet.get('format')))}, and this version reads format {FORMAT}")
    study, results, data = sheet.get("study"), sheet.get("results"), sheet.get("data")
    says = isinstance(data, dict) and isinstance(data.get("name"), str) and isinstance(data.get("fingerprint"), str)
    if not (isinstance(study, str) and KEY.fullmatch(study) and isinstance(results, dict) and says):
        raise _bad("its bundle.json is not as this program writes it")
    if f"Study/{study}" not in results:
        raise _bad("the study itself is missing in it")
    _check_names(sheet.setdefault("names", {}), results)
    return sheet


def _check_names(names: dict, results: dict) -> None:
    """Raises BadValue unless these are names as people can give them, for sets that are in the file."""
    wrong = _bad("the names of forget sets in it are not as this program writes them")
    if not isinstance(names, dict) or len(names) > MOST_NAMES:
        raise wrong
    for each, about in names.items():
        if f"KeptSet/{each}" not in results or not isinstance(about, dict) or set(about) != {"name", "since"}:
            raise wrong
        name, since = about["name"], about["since"]
        if not isinstance(name, str) or type(since) not in (int, float) or not 0 <= since < 1e11:
            raise wrong
        try:
            same = sane_name(name) == name
        except BadValue as error:
            raise wrong from error
        if not same:
            raise wrong


def _unpack_result(archive: zipfile.ZipFile, members: dict, each: str, digest: str, staged: Store) -> None:
    """One result into the staged store: manifest first, then exactly the files that it names, then every check."""
    kind, _, name = each.partition("/")
    if not _is_ours(f"results/{each}/spec.json"):
        raise _bad(f"{_shown(each)} is not a name that the store gives")
    if kind not in CARRIED:
        raise _bad(f"it holds a {_shown(kind)}, which is no part of a study")
    place, said = below(staged.root, "results", kind, name), f"{kind} {name[:8]}"
    _take(archive, members, f"results/{each}/manifest.json", place / "manifest.json")
    if digest_of(place / "manifest.json") != digest:
        raise _bad(f"the manifest of {said} is not the one that was written")
    manifest = _read_json((place / "manifest.json").read_bytes(), f"the manifest of {said}")
    files = manifest.get("files")
    kept_back = {"manifest.json", f"{RECORDED}.json"}
    lacks = not isinstance(files, dict) or "spec.json" not in files or not says_when(manifest)
    if lacks or kept_back & set(files) or not _may_lack(manifest):
        raise _bad(f"the manifest of {said} is not as the store writes it")
    for file in files:
        _take(archive, members, f"results/{each}/{file}", below(place, file))
    if (fault := find_fault(place, deep=True)) is not None:
        raise _bad(f"{said} is damaged ({fault})")
    try:
        spec = build(_read_json((place / "spec.json").read_bytes(), f"the spec of {said}"))
    except BadValue as error:
        raise _bad(f"the spec of {said} cannot be used: {str(error).rstrip('.')}") from error
    if type(spec).__name__ != kind or key(spec) != name:
        raise _bad(f"the spec of {said} is not the one that its name stands for")
    for file in files:
        _readable(place / file, said)


def _may_lack(manifest: dict) -> bool:
    """Whether no file is left out, or the weights alone."""
    return "lacks" not in manifest or (manifest["lacks"] == [WEIGHTS] and WEIGHTS not in manifest["files"])


def _readable(file: Path, said: str) -> None:
    """Raises BadValue unless a file is what its name ends on."""
    fault = ""
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "np") as arrays:
                arrays.keys()
        elif file.suffix == ".parquet":
            fault = _fault_of_table(file)
        else:
            _read_json(file.read_bytes(), file.name)
    except (SafetensorError, pyarrow.ArrowException, ValueError, OSError) as error:
        if getattr(error, "errno", None) is not None:  # the disk's own; pyarrow says so of damage too
            raise
        raise _bad(f"{file.name} of {said} cannot be read") from error
    if fault:
        raise _bad(f"{file.name} of {said} is {fault}")


def _fault_of_table(file: Path) -> str:
    """What a table is that nothing may read whole; "" for one as the store writes it."""
    with pyarrow.parquet.ParquetFile(file) as opened:
        about, large = opened.metadata, "too large for a table"
        if about.num_rows * about.num_columns > MOST_CELLS:
            return large
        groups, columns = range(about.num_row_groups), range(about.num_columns)
        packed = {about.row_group(i).column(j).compression for i in groups for j in columns}
        # A list in one cell can be of any length, and other ways to pack unfold a few bytes to a page of any size.
        if any(map(pyarrow.types.is_nested, opened.schema_arrow.types)) or not packed <= TABLES_PACKED:
            return "not a table as this program writes it"
        try:
            for _ in batches(file, opened):
                pass
        except TooLarge:
            return large
    return ""


def _unpack_images(archive: zipfile.ZipFile, members: dict, data: dict, aside: Path) -> None:
    """The images that came along, checked against their own fingerprint and the one of the sheet; or their labels."""
    place = aside / "images" / "own"
    if data.get("labels") and not data.get("included"):
        _unpack_labels(archive, members, data, place)
    if not data.get("included"):
        return
    for file in DATA_FILES:
        _take(archive, members, f"data/{file}", place / file)
    try:
        images = kept.read(place)
        json.dumps(kept.about(place), allow_nan=False)  # as it will be written
    except (DataError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise _bad(f"the images of {_shown(data['name'])} in it are damaged") from error
    if not all(isinstance(name, str) for name in images.classes) or images.train.x.shape[1:] != images.test.x.shape[1:]:
        raise _bad(f"the images of {_shown(data['name'])} in it are no images")
    for x, y in (images.train, images.test):
        sound = (x.dtype, x.ndim, y.dtype, y.ndim) == (torch.uint8, 4, torch.int64, 1) and 0 < len(x) == len(y)
        if not sound or y.min() < 0 or y.max() >= len(images.classes):
            raise _bad(f"the images of {_shown(data['name'])} in it are no images")
    if kept.about(place)["fingerprint"] != data["fingerprint"]:
        raise _bad(f"the images of {_shown(data['name'])} in it are not those of the study")


def _unpack_labels(archive: zipfile.ZipFile, members: dict, data: dict, place: Path) -> None:
    """The labels of images that stayed behind: what they say of themselves is believed where it can be."""
    for file in LABEL_FILES:
        _take(archive, members, f"data/{file}", place / file)
    wrong = _bad(f"the labels of {_shown(data['name'])} in it are damaged")
    try:
        sheet, labels = kept.about(place), kept.labels(place)
        sides, counts, lengths = [*sheet["shape"]], [sheet["train"], sheet["test"]], [len(y) for y in labels]
    except (DataError, LookupError, TypeError, ValueError) as error:
        raise wrong from error
    classes = len(sheet["classes"])
    sound = (
        set(sheet) == set(ABOUT)
        and all(isinstance(name, str) for name in sheet["classes"])
        and all(type(n) is int for n in (*sides, *counts))
        and len(sides) == 3
        and min(sides) > 0
        and math.prod(sides) * sum(counts) <= MOST_BYTES
        and counts == lengths
        and all(y.dtype == torch.int64 and y.ndim == 1 and len(y) and 0 <= y.min() <= y.max() < classes for y in labels)
    )
    if not sound or (sheet["name"], sheet["fingerprint"]) != (data["name"], data["fingerprint"]):
        raise wrong


def _whole(staged: Store, study_key: str) -> OpenStudy:
    """The study in the staged store, once all it needs is there and nothing else is."""
    try:
        study = OpenStudy.open(staged, study_key)
        needed(study)
        if (wrong := fault(study.result)) is not None:
            raise BadValue(f"The study is not whole: {wrong}.")
    except (BadValue, StoreError) as error:
        raise _bad(f"the study in it is not whole: {_lower(str(error))}") from error
    except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise _bad("the table of the study in it is not as this program writes it") from error
    for kind in staged.kinds():
        for result in (staged.root / "results" / kind).iterdir():
            if not belongs(Result(result).spec(), study.spec):
                raise _bad(f"its {named(result)} belongs to another study")
    return study


def _lower(sentence: str) -> str:
    return sentence.rstrip(".").removeprefix("The study is not whole: ")


def _check_images(store: Store, study: OpenStudy, data: dict) -> None:
    """Raises BadValue where the study's images could not be had, or other images have their name here."""
    name, wanted = study.spec.training.data.name, study.spec.training.data.fingerprint
    if name != data["name"] or wanted not in ("", data["fingerprint"]):
        raise _bad("the images that it names are not those of its study")
    if name in DATASETS:
        if data.get("included") or data.get("labels"):
            raise _bad("it brings images under a name that the program has already")
        return
    if not NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{64}", data["fingerprint"]):
        raise _bad("the images that it names cannot be had")
    place = place_of(name, store.root / "data")
    if place is None and not data.get("included") and not data.get("labels"):
        raise BadValue(f"The images of this study are not in the file; add them under the name {name} first.")
    if place is not None and kept.about(place)["fingerprint"] != data["fingerprint"]:
        raise BadValue(f"This store has other images under the name {name}; import the study into another store.")
