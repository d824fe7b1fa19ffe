"""Results on disk, addressed by the spec that made them.

    ROOT/results/<Kind>/<key>/   whole results (result.py)     ROOT/staging/      results being written
    ROOT/locks/                  one lock a result             ROOT/quarantine/   damaged results
    ROOT/unfinished/             trainings to go on with

A result appears whole or not at all: it is written in staging, flushed, the manifest last, and renamed into place.
Another value is another spec is another key, so nothing is ever invalidated. There is no pickle anywhere.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from unlearn_core import disk, room
from unlearn_core.disk import StoreError, below, flush, plainly, write_whole
from unlearn_core.params import BadValue, Spec, key, plain
from unlearn_core.provenance import provenance
from unlearn_core.result import KEY, Draft, Result, checksums, find_fault, set_aside

LAYOUT = 1
HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:40]
ABROAD = 24 * 3600.0  # seconds in which another machine writes its next file into a folder of staging
FORSAKEN = 30 * 24 * 3600.0  # seconds after which nobody is taken to come back to a training


def default_root() -> Path:
    """The folder of a store that nobody named: UNLEARN_STORE, or one of the user's own."""
    return Path(os.environ.get("UNLEARN_STORE") or platformdirs.user_data_path("unlearning-workbench") / "store")


def is_store(folder: Path) -> bool:
    """Whether somebody has begun a store there."""
    return (folder.expanduser() / "layout.json").is_file()


class Store:
    """A folder of results. Several processes may use one store at once."""

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser().resolve()
        # Results that were listed, so that a list that is asked for again and again reads only what is new.
        self._listed: dict[Path, tuple[tuple | None, Result | None]] = {}
        try:
            for name in ("results", "staging", "locks", "quarantine", "jobs"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            layout = self.root / "layout.json"
            if not layout.exists():
                write_whole(layout, json.dumps({"layout": LAYOUT}))
            found = json.loads(layout.read_text())["layout"]
        except OSError as error:
            raise StoreError(f"The store folder cannot be used: {error.strerror} ({error.filename}).") from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise StoreError("The store's layout.json cannot be read; is this folder really a store?") from error
        if found != LAYOUT:
            has = json.dumps(found)[:40]
            raise StoreError(f"This store has layout {has}; this version of the program reads layout {LAYOUT}.")

    # -- reading ---------------------------------------------------------------------------------------------------

    def find(self, spec: Spec) -> Result | None:
        """The result of this spec, or None. A damaged one is moved to quarantine and counts as missing."""
        return self._open(self._place(spec))

    def open(self, kind: str, result_key: str) -> Result:
        """The result of a kind with this key. Raises StoreError when there is none."""
        if not KEY.fullmatch(result_key) or not kind.isidentifier():
            raise StoreError(f"{result_key[:40]!r} is not the key of a result.")
        result = self._open(below(self.root, "results", kind, result_key))
        if result is None:
            raise StoreError(f"There is no {kind} result {result_key} in this store.")
        return result

    def results(self, kind: str) -> Iterator[Result]:
        """All whole results of a kind that this version can read, newest first; others are left where they are."""
        return filter(_readable, self._whole(kind))

    def of_other_versions(self, kind: str) -> Iterator[Result]:
        """The whole results of a kind that only another version of the program can read, newest first."""
        return (result for result in self._whole(kind) if not _readable(result))

    def _whole(self, kind: str) -> Iterator[Result]:
        folder = self.root / "results" / kind
        ages: dict[Path, float] = {}
        for place in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):  # another process may be setting it aside
                if KEY.fullmatch(place.name):
                    ages[place] = place.stat().st_mtime
        for place in sorted(ages, key=ages.get, reverse=True):
            looks = _looks(place)
            known, result = self._listed.get(place, (None, None))
            if looks is None or looks != known:
                result = self._open(place)
                self._listed[place] = looks, result
            if result is not None:
                yield result

    def kind_of(self, result_key: str) -> str | None:
        """The kind of the result with this key; None where there is none."""
        if not KEY.fullmatch(result_key):
            return None
        return next((k for k in self.kinds() if (self.root / "results" / k / result_key).is_dir()), None)

    def kinds(self) -> list[str]:
        return sorted(p.name for p in (self.root / "results").iterdir() if p.is_dir())

    def _place(self, spec: Spec) -> Path:
        return self.root / "results" / type(spec).__name__ / key(spec)

    def _open(self, place: Path, held: bool = False) -> Result | None:
        if not place.is_dir() or (find_fault(place) is not None and not set_aside(self.root, place, held=held)):
            return None
        return Result(place) if place.is_dir() else None

    # -- writing ---------------------------------------------------------------------------------------------------

    def remember(
        self, spec: Spec, make: Callable[[Draft], None], *, device: str | Callable[[], dict] = "cpu"
    ) -> Result:
        """The result of this spec: found, or made once by `make(draft)`. A second process that asks waits for the
        first. `device` is what it is made on, or a function that says so, and more, when it was made.
        """
        if (found := self.find(spec)) is not None:
            return found
        with plainly(self.root), self.lock(key(spec)):
            if (found := self._open(self._place(spec), held=True)) is not None:
                return found
            return self._make(spec, make, device)

    def lock(self, name: str) -> FileLock:
        """A lock that the kernel frees when its holder dies."""
        return disk.lock(self.root, name)

    def is_locked(self, name: str) -> bool:
        """Whether a living process holds this lock. Nothing is written to find out."""
        return disk.is_locked(self.root, name)

    def aside(self, name: str) -> Path:
        """A new place in staging, under the lock of this name. It says on which machine it is used, so that a sweep on
        another one, which may not see the lock, leaves it alone.
        """
        place = below(self.root, "staging", f"{name}.{uuid.uuid4().hex[:8]}")
        return place.with_name(f"{place.name}@{HOST}")

    def _make(self, spec: Spec, make: Callable[[Draft], None], device: str | Callable[[], dict]) -> Result:
        place, staging = self._place(spec), self.aside(key(spec))
        try:
            staging.mkdir(parents=True)
            (staging / "spec.json").write_text(json.dumps(plain(spec), indent=1, allow_nan=False))
            started = time.perf_counter()
            draft = Draft(staging)
            make(draft)
            seconds = draft.seconds if draft.seconds is not None else time.perf_counter() - started
            manifest = provenance(device) | {"seconds": seconds, "files": checksums(staging)}
            write_whole(staging / "manifest.json", json.dumps(manifest, indent=1))
            for file in staging.iterdir():
                flush(file)
            flush(staging)
            if full := room.too_full(self.root, sum(file.stat().st_size for file in staging.iterdir())):
                raise StoreError(full)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.rename(staging, place)
            except OSError as error:
                # Locks do not reach across all shared disks: another machine made the same, and the first one stays.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or find_fault(place) is not None:
                    raise
            flush(place.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return Result(place)

    def sweep(self) -> int:
        """Remove what killed writers left in staging; returns how many folders went. A whole result that was to make
        room for a fuller one goes back where that never came. Trainings that nobody went on with in a month go too.
        """
        gone = 0
        for file in (self.root / "unfinished").glob("*"):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > FORSAKEN:
                    file.unlink()
        for folder in self.abandoned():
            result_key = folder.name.partition(".")[2].partition(".")[0]
            if KEY.fullmatch(result_key) and not self._put_back(folder, result_key):
                continue
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
        return gone

    def abandoned(self) -> list[Path]:
        """The folders in staging whose writers are gone. Not every disk that machines share tells one of the locks of
        another, so what another machine writes counts as its own for a day after its last file.
        """
        found = []
        for folder in sorted((self.root / "staging").iterdir()):
            name, _, host = folder.name.partition("@")
            with suppress(FileNotFoundError):  # it is finished meanwhile
                lately = time.time() - folder.stat().st_mtime < ABROAD
                if not self.is_locked(name.partition(".")[0]) and not (lately and host not in ("", HOST)):
                    found.append(folder)
        return found

    def _put_back(self, folder: Path, result_key: str) -> bool:
        """Whether it is back in its place, or something is there already; not while somebody writes there."""
        with suppress(OSError, Timeout), disk.take(self.lock(result_key)):
            with suppress(
                FileNotFoundError, ValueError, LookupError, TypeError
            ):  # a sweep that was killed left some of it
                place = below(self.root, "results", json.loads((folder / "spec.json").read_text())["spec"], result_key)
                if not place.exists():
                    os.rename(folder, place)
                    flush(place.parent)
                    self._open(place, held=True)
            return True
        return False


def _looks(place: Path) -> tuple | None:
    """What a folder of a result looks like from outside: while that stays, so does the answer whether it is whole."""
    try:
        with os.scandir(place) as files:
            return tuple(sorted((f.name, (s := f.stat()).st_size, s.st_mtime_ns) for f in files))
    except OSError:
        return None


def _readable(result: Result) -> bool:
    try:
        result.spec()
    except (BadValue, StoreError):  # made by another version of the program, or gone meanwhile
        return False
    return True
