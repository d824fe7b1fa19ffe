"""How files get onto a disk whole, and what a disk that refuses is said to have done."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock

from unlearn_core.params import BadValue

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # no separator, no "..", nothing hidden
# What the system says of a disk, whatever file it says it of: full, over quota, broken, read-only, gone.
OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS, errno.ESTALE}
LOOKED_AT = 0.2  # seconds after which whoever has a lock does more than look


class StoreError(RuntimeError):
    """The store cannot do what was asked; the message is one sentence fit for the screen."""


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


def below(root: str | Path, *names: str) -> Path:
    """The path of these names below a folder: the one way from what a person or a file named to a place on the disk.

    Raises BadValue where one of them is no plain name, so that it leads nowhere else. Links that somebody laid in the
    folder itself are followed: it is theirs.
    """
    for name in names:
        if not isinstance(name, str) or not PLAIN.fullmatch(name):
            raise BadValue(f"{str(name)[:40]!r} is not a name that a file or a folder can have here.")
    return Path(root, *names)


def lock(root: Path, name: str) -> FileLock:
    """The lock of this name in the store at `root`; the kernel frees it when its holder dies."""
    return FileLock(below(root, "locks", f"{name}.lock"))


def is_locked(root: Path, name: str) -> bool:
    """Whether a living process holds this lock. Nothing is written, so that a store on a full disk and one that may
    only be read can be looked at, and two who look at once do not see each other.
    """
    try:
        handle = os.open(lock(root, name).lock_file, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # what FileLock takes, shared with others who look
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def take(held: FileLock) -> AbstractContextManager:
    """Hold a lock, unless somebody else works under it: then Timeout is raised. Who only looks has it for a moment."""
    return held.acquire(timeout=LOOKED_AT, poll_interval=LOOKED_AT / 20)


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


def digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def free_megabytes(root: Path) -> float:
    return shutil.disk_usage(root).free / 1e6
