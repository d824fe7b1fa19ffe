"""One result: a folder that is written whole, read, checked against its manifest, and set aside where it is damaged.

spec.json (what made it)   arrays and weights (safetensors)   tables (parquet)
manifest.json (written last: versions, seconds, device, size and checksum of every file)
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import Timeout
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from unlearn_core import disk
from unlearn_core.disk import StoreError, digest_of, write_whole
from unlearn_core.params import BadValue, Spec, build, key

KEY = re.compile(r"[0-9a-f]{32}")
LOOK_AGAIN = 1.0  # seconds that whoever finds a damaged result waits for its lock
# What the system says where a process, not the file, is at fault: no reason to set a result aside.
NOT_OF_A_RESULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.ESTALE}


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

    def written(self) -> Any:
        """What made it, as plain JSON, whatever version of the program wrote that."""
        with self._there():
            return json.loads((self.folder / "spec.json").read_text())

    def spec(self) -> Spec:
        """What made it. Raises BadValue where this version of the program cannot read it, or would make it anew: then
        whatever is asked of the spec would be of another result.
        """
        if self._spec is None:
            spec = build(self.written())
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
            aside = self.folder.parents[1].name == "results" and set_aside(
                self.folder.parents[2], self.folder, partial(find_fault, deep=True)
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


def says_when(manifest: object) -> bool:
    """Whether a manifest says when its result was made, and in how many seconds, as the store writes it."""
    times = (manifest.get("created"), manifest.get("seconds")) if isinstance(manifest, dict) else ()
    return [type(each) for each in times] in ([str, int], [str, float])


def set_aside(
    root: Path,
    place: Path,
    look: Callable[[Path], str | None] | None = None,
    *,
    lock: str | None = None,
    held: bool = False,
) -> bool:
    """Move a damaged folder of the store at `root` to quarantine with a note of what is wrong with it: of what `look`
    says once nobody else can write there, for somebody may have made it good since. Its `lock` is that of its name
    unless told; `held`: the caller has it, or nobody can. Returns whether nothing damaged is there now: a store that
    cannot be written to cannot be tidied, whoever has the lock may be about to do it, and somebody may have been
    faster.
    """
    target = root / "quarantine" / f"{place.name}.{uuid.uuid4().hex[:8]}"
    # Waited for in vain, it is left: whoever asks may have another lock, for which the holder of this one waits.
    with (
        suppress(OSError, Timeout),
        nullcontext() if held else disk.lock(root, lock or place.name).acquire(timeout=LOOK_AGAIN),
    ):
        if (fault := (look or find_fault)(place)) is None:
            return True
        os.rename(place, target)
        if not target.is_symlink():  # which leads into another store, and that stays as it is
            write_whole(target / "fault.txt", fault)
    return not place.exists()


def checksums(folder: Path) -> dict[str, tuple[int, str]]:
    return {p.name: (p.stat().st_size, digest_of(p)) for p in sorted(folder.iterdir())}
