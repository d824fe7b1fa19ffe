"""Results on disk, addressed by the spec that made them.

    ROOT/results/<Kind>/<key>/   spec.json, arrays and weights (safetensors), tables (parquet), manifest.json
    ROOT/staging/                results being written; ROOT/locks/  one lock a result; ROOT/quarantine/  damaged
    results

A result appears whole or not at all: it is written in staging, flushed, the manifest last, and renamed into place.
Another value is another spec is another key, so nothing is ever invalidated. There is no pickle anywhere.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
from filelock import FileLock, Timeout
from safetensors.numpy import load_file, save

from unlearn_core.params import BadValue, Spec, build, canonical, key, plain

LAYOUT = 1
KEY = re.compile(r"[0-9a-f]{32}")
RECORDED = ("torch", "torchvision", "numpy", "scikit-learn", "umap-learn")


def default_root() -> Path:
    """The folder of a store that nobody named: UNLEARN_STORE, or one of the user's own."""
    return Path(os.environ.get("UNLEARN_STORE") or platformdirs.user_data_path("unlearning-workbench") / "store")


class StoreError(RuntimeError):
    """The store cannot do what was asked; the message is one sentence fit for the screen."""


class Result:
    """One whole result folder, read-only."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def key(self) -> str:
        return self.folder.name

    def manifest(self) -> dict:
        """Versions, seconds, device and checksums: where the result came from, not what it is."""
        return json.loads((self.folder / "manifest.json").read_text())

    def spec(self) -> Spec:
        return build(json.loads((self.folder / "spec.json").read_text()))

    def arrays(self, name: str = "arrays") -> dict[str, np.ndarray]:
        return load_file(self.folder / f"{name}.safetensors")

    def table(self, name: str = "table") -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def json(self, name: str) -> dict:
        return json.loads((self.folder / f"{name}.json").read_text())


class Draft:
    """A result being written; becomes visible only when it is whole."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.seconds: float | None = None  # set where the work was done before the draft was begun

    def arrays(self, name: str = "arrays", **arrays: np.ndarray) -> None:
        # safetensors writes the buffer as it lies in memory, so a transposed view must be copied first.
        whole = save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
        # Not save_file: the file it makes can be read by its owner only, and its errors hide the system's.
        (self.folder / f"{name}.safetensors").write_bytes(whole)

    def table(self, frame: pd.DataFrame, name: str = "table") -> None:
        frame.to_parquet(self.folder / f"{name}.parquet")

    def json(self, name: str, data: dict) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(data, indent=1, allow_nan=False))


class Store:
    """A folder of results. Several processes may use one store at once."""

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser().resolve()
        try:
            for name in ("results", "staging", "locks", "quarantine", "jobs"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            layout = self.root / "layout.json"
            if not layout.exists():
                write_whole(layout, json.dumps({"layout": LAYOUT}))
            found = json.loads(layout.read_text())["layout"]
        except OSError as error:
            raise StoreError(f"The store folder cannot be used: {error.strerror} ({error.filename}).") from error
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError("The store's layout.json cannot be read; is this folder really a store?") from error
        if found != LAYOUT:
            raise StoreError(f"This store has layout {found}; this version of the program reads layout {LAYOUT}.")

    # -- reading ---------------------------------------------------------------------------------------------------

    def find(self, spec: Spec) -> Result | None:
        """The result of this spec, or None. A damaged one is moved to quarantine and counts as missing."""
        return self._open(self._place(spec))

    def open(self, kind: str, result_key: str) -> Result:
        """The result of a kind with this key. Raises StoreError when there is none."""
        if not KEY.fullmatch(result_key) or not kind.isidentifier():
            raise StoreError(f"{result_key!r} is not the key of a result.")
        result = self._open(self.root / "results" / kind / result_key)
        if result is None:
            raise StoreError(f"There is no {kind} result {result_key} in this store.")
        return result

    def results(self, kind: str) -> Iterator[Result]:
        """All whole results of a kind that this version can read, newest first; others are left where they are."""
        folder = self.root / "results" / kind
        ages: dict[Path, float] = {}
        for place in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):  # another process may be setting it aside
                if KEY.fullmatch(place.name):
                    ages[place] = place.stat().st_mtime
        for place in sorted(ages, key=ages.get, reverse=True):
            if (result := self._open(place)) is not None and _readable(result):
                yield result

    def kinds(self) -> list[str]:
        return sorted(p.name for p in (self.root / "results").iterdir() if p.is_dir())

    def _place(self, spec: Spec) -> Path:
        return self.root / "results" / type(spec).__name__ / key(spec)

    def _open(self, place: Path) -> Result | None:
        if not place.is_dir():
            return None
        if (fault := find_fault(place)) is not None:
            target = self.root / "quarantine" / f"{place.name}.{uuid.uuid4().hex[:8]}"
            try:
                os.rename(place, target)
                write_whole(target / "fault.txt", fault)
            except OSError as error:
                # A read-only store cannot be tidied; the result is missing all the same, unless somebody else moved it.
                if error.errno not in (errno.ENOENT, errno.EROFS, errno.EACCES):
                    raise
            return None
        return Result(place)

    # -- writing ---------------------------------------------------------------------------------------------------

    def remember(self, spec: Spec, make: Callable[[Draft], None], *, device: str = "cpu") -> Result:
        """The result of this spec: found, or made once by `make(draft)`. A second process that asks waits for the
        first.
        """
        if (found := self.find(spec)) is not None:
            return found
        try:
            held = self.lock(key(spec)).acquire()
        except OSError as error:
            raise StoreError(f"The store cannot be written to: {error.strerror}.") from error
        with held:
            if (found := self.find(spec)) is not None:
                return found
            return self._make(spec, make, device)

    def lock(self, name: str) -> FileLock:
        """A lock that the kernel frees when its holder dies."""
        return FileLock(self.root / "locks" / f"{name}.lock")

    def is_locked(self, name: str) -> bool:
        """Whether a living process holds this lock."""
        lock = self.lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def _make(self, spec: Spec, make: Callable[[Draft], None], device: str) -> Result:
        place, staging = self._place(spec), self.root / "staging" / f"{key(spec)}.{uuid.uuid4().hex[:8]}"
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
            place.parent.mkdir(parents=True, exist_ok=True)
            os.rename(staging, place)
            flush(place.parent)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(
                    f"The disk is full: {free_megabytes(self.root):.0f} MB are left in the store."
                ) from error
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return Result(place)

    def sweep(self) -> int:
        """Remove what killed writers left in staging; returns how many folders went."""
        gone = 0
        for folder in (self.root / "staging").iterdir():
            if not self.is_locked(folder.name.split(".")[0]):
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
        return gone


def _readable(result: Result) -> bool:
    try:
        result.spec()
    except BadValue:  # made by another version of the program
        return False
    return True


def find_fault(place: Path, *, deep: bool = False) -> str | None:
    """What is wrong with a result folder, or None. Sizes always; the checksums of all files when `deep`."""
    try:
        files = json.loads((place / "manifest.json").read_text())["files"]
        spec = json.loads((place / "spec.json").read_text())
        text = json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)
        if hashlib.sha256(text.encode()).hexdigest()[:32] != place.name:
            return "spec.json does not belong to this key"
        for name, (size, digest) in files.items():
            if (place / name).stat().st_size != size:
                return f"{name} has another size than when it was written"
            if deep and digest_of(place / name) != digest:
                return f"{name} has other content than when it was written"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def checksums(folder: Path) -> dict[str, tuple[int, str]]:
    return {p.name: (p.stat().st_size, digest_of(p)) for p in sorted(folder.iterdir())}


def digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def provenance(device: str) -> dict:
    """What a result does not depend on in meaning but a reader may ask for."""
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": device,
        "versions": {name: version(name) for name in RECORDED},
    }


def write_whole(file: Path, text: str) -> None:
    """Replace a small file so that a reader sees the old text or the new one, never a part."""
    aside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        aside.write_text(text)
        flush(aside)
        os.replace(aside, file)
    finally:
        aside.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Ask the kernel to put a file or a folder on the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_megabytes(root: Path) -> float:
    return shutil.disk_usage(root).free / 1e6


__all__ = [
    "BadValue",
    "Draft",
    "Result",
    "Store",
    "StoreError",
    "canonical",
    "default_root",
    "find_fault",
    "key",
    "write_whole",
]
