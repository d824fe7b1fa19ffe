"""Results on disk, addressed by the spec that made them.

    ROOT/results/<Kind>/<key>/   spec.json, arrays and weights (safetensors), tables (parquet), manifest.json
    ROOT/staging/                results being written; ROOT/locks/  one lock a result; ROOT/quarantine/  damaged
    results; ROOT/unfinished/    trainings to go on with

A result appears whole or not at all: it is written in staging, flushed, the manifest last, and renamed into place.
Another value is another spec is another key, so nothing is ever invalidated. There is no pickle anywhere.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from unlearn_core import room
from unlearn_core.params import BadValue, Spec, build, canonical, key, plain
from unlearn_core.provenance import provenance

LAYOUT = 1
KEY = re.compile(r"[0-9a-f]{32}")
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # no separator, no "..", nothing hidden
HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:40]
ABROAD = 24 * 3600.0  # seconds in which another machine writes its next file into a folder of staging
FORSAKEN = 30 * 24 * 3600.0  # seconds after which nobody is taken to come back to a training
LOOK_AGAIN = 1.0  # seconds that whoever finds a damaged result waits for its lock


def default_root() -> Path:
    """The folder of a store that nobody named: UNLEARN_STORE, or one of the user's own."""
    return Path(os.environ.get("UNLEARN_STORE") or platformdirs.user_data_path("unlearning-workbench") / "store")


def is_store(folder: Path) -> bool:
    """Whether somebody has begun a store there."""
    return (folder.expanduser() / "layout.json").is_file()


def below(root: str | Path, *names: str) -> Path:
    """The path of these names below a folder: the one way from what a person or a file named to a place on the disk.

    Raises BadValue where one of them is no plain name, so that it leads nowhere else. Links that somebody laid in the
    folder itself are followed: it is theirs.
    """
    for name in names:
        if not isinstance(name, str) or not PLAIN.fullmatch(name):
            raise BadValue(f"{str(name)[:40]!r} is not a name that a file or a folder can have here.")
    return Path(root, *names)


class StoreError(RuntimeError):
    """The store cannot do what was asked; the message is one sentence fit for the screen."""


# What the system says where a process, not the file, is at fault: no reason to set a result aside.
NOT_OF_A_RESULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.ESTALE}
# What the system says of a disk, whatever file it says it of: full, over quota, broken, read-only, gone.
OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS, errno.ESTALE}


@contextmanager
def plainly(root: Path) -> Iterator[None]:
    """Whatever the disk refuses inside becomes one sentence, whatever file the disk says it of. Raises StoreError; what
    else goes wrong with files of other folders passes.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"The disk is full: {free_megabytes(root):.0f} MB are left in the store."
        elif error.errno in OF_A_DISK or str(error.filename).startswith(str(root)):
            said = f"The store cannot be written to: {error.strerror}."
        else:
            raise
        raise StoreError(said) from error


class Result:
    """One whole result folder, read-only. Whoever reads it when it was removed or set aside meanwhile is told so by a
    StoreError.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._spec: Spec | None = None

    @property
    def key(self) -> str:
        return self.folder.name

    def manifest(self) -> dict:
        """Versions, seconds, device and checksums: where the result came from, not what it is."""
        with self._there():
            return json.loads((self.folder / "manifest.json").read_text())

    def undisturbed(self) -> float:
        """The seconds of its manifest without those in which other programs had the CPU: what runs when a job is
        foreseen is reckoned with then. A GPU is not shared out like that, and earlier versions did not say.
        """
        about = self.manifest()
        return about["seconds"] * (1 - about.get("waited", 0.0) * (about.get("device") == "cpu"))

    def spec(self) -> Spec:
        """What made it. Raises BadValue where this version of the program cannot read it, or would make it anew: then
        whatever is asked of the spec would be of another result.
        """
        if self._spec is None:
            with self._there():
                spec = build(json.loads((self.folder / "spec.json").read_text()))
            if not isinstance(spec, Spec) or key(spec) != self.key:
                raise BadValue(
                    f"{self.folder.parent.name} {self.key[:8]} cannot be read: another version of the program made it, "
                    "and this version keeps its settings under another key."
                )
            self._spec = spec
        return self._spec

    @property
    def lacks(self) -> tuple[str, ...]:
        """Files that were left out when the result came here in a file, to save room."""
        return tuple(self.manifest().get("lacks", ()))

    def arrays(self, name: str = "arrays") -> dict[str, np.ndarray]:
        try:
            with self._there(), self._as_written():
                return load_file(self.folder / f"{name}.safetensors")
        except FileNotFoundError as error:
            if f"{name}.safetensors" not in self.lacks:
                raise
            raise StoreError(
                f"{self.folder.parent.name} {self.key[:8]} came in a file without its {name}, so nothing can be made "
                "from it. Work on its study in another store, where it is made anew."
            ) from error

    def table(self, name: str = "table") -> pd.DataFrame:
        with self._there(), self._as_written():
            return pd.read_parquet(self.folder / f"{name}.parquet")

    def json(self, name: str) -> dict:
        with self._there(), self._as_written():
            return json.loads((self.folder / f"{name}.json").read_text())

    @contextmanager
    def _there(self) -> Iterator[None]:
        """A file that the result never had is another matter than a result that is gone."""
        try:
            yield
        except FileNotFoundError as error:
            if self.folder.is_dir():
                raise
            raise StoreError(
                f"{self.folder.parent.name} {self.key[:8]} was removed or set aside while it was needed: start again, "
                "and it is made anew; the rest is kept."
            ) from error

    @contextmanager
    def _as_written(self) -> Iterator[None]:
        """What cannot be read because its bytes are others than were written is set aside, and made anew when it is
        asked for again.
        """
        try:
            yield
        except FileNotFoundError:
            raise
        except (ValueError, NotImplementedError, SafetensorError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the system's, not that of a reader of files
                raise
            if find_fault(self.folder, deep=True) is None:
                raise
            aside = self.folder.parents[1].name == "results" and Store(self.folder.parents[2]).set_aside(
                self.folder, partial(find_fault, deep=True)
            )
            done = "was found damaged and is set aside: start again, and it is made anew" if aside else "is damaged"
            raise StoreError(f"{self.folder.parent.name} {self.key[:8]} {done}; the rest is kept.") from error


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
        if not place.is_dir() or (find_fault(place) is not None and not self.set_aside(place, held=held)):
            return None
        return Result(place) if place.is_dir() else None

    def set_aside(
        self,
        place: Path,
        look: Callable[[Path], str | None] | None = None,
        *,
        lock: str | None = None,
        held: bool = False,
    ) -> bool:
        """Move a damaged folder to quarantine with a note of what is wrong with it: of what `look` says once nobody
        else can write there, for somebody may have made it good since. Its `lock` is that of its name unless told;
        `held`: the caller has it, or nobody can. Returns whether nothing damaged is there now: a store that cannot be
        written to cannot be tidied, whoever has the lock may be about to do it, and somebody may have been faster.
        """
        target = self.root / "quarantine" / f"{place.name}.{uuid.uuid4().hex[:8]}"
        # Waited for in vain, it is left: whoever asks may have another lock, for which the holder of this one waits.
        with (
            suppress(OSError, Timeout),
            nullcontext() if held else self.lock(lock or place.name).acquire(timeout=LOOK_AGAIN),
        ):
            if (fault := (look or find_fault)(place)) is None:
                return True
            os.rename(place, target)
            if not target.is_symlink():  # which leads into another store, and that stays as it is
                write_whole(target / "fault.txt", fault)
        return not place.exists()

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
        return FileLock(below(self.root, "locks", f"{name}.lock"))

    def is_locked(self, name: str) -> bool:
        """Whether a living process holds this lock. Nothing is written, so that a store on a full disk and one that may
        only be read can be looked at, and two who look at once do not see each other.
        """
        try:
            handle = os.open(self.lock(name).lock_file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # what FileLock takes, shared with others who look
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def _make(self, spec: Spec, make: Callable[[Draft], None], device: str | Callable[[], dict]) -> Result:
        place, staging = self._place(spec), self.root / "staging" / f"{key(spec)}.{uuid.uuid4().hex[:8]}@{HOST}"
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
        with suppress(OSError, Timeout), self.lock(result_key).acquire(timeout=0):
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


def find_fault(place: Path, *, deep: bool = False) -> str | None:
    """What is wrong with a result folder, or None. Sizes always; the checksums of all files when `deep`. Raises
    StoreError where this process may not look, or cannot for want of memory or of open files.
    """
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
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if getattr(error, "errno", None) in NOT_OF_A_RESULT:
            raise StoreError(f"The store cannot be read: {error.strerror}.") from error
        return f"{type(error).__name__}: {error}"
    return None


def checksums(folder: Path) -> dict[str, tuple[int, str]]:
    return {p.name: (p.stat().st_size, digest_of(p)) for p in sorted(folder.iterdir())}


def digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(file: Path, content: str | bytes) -> None:
    """Replace a file so that a reader sees the old content or the new one, never a part."""
    aside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)
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
    "below",
    "canonical",
    "default_root",
    "find_fault",
    "key",
    "plainly",
    "write_whole",
]
