"""How much room a store takes on the disk, and how much it may. What came or went since the last look is all that is
looked into again, for no result ever changes.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unlearn_core.params import BadValue

LIMIT = "UNLEARN_STORE_LIMIT"
TICK = 100_000_000  # nanoseconds in which two changes of a folder may bear the same time
SMALL = 1e5  # bytes that no digit is worth
# Folder -> when it was changed last, 0 where that was too short ago to tell, and the bytes of all that lies in it.
_seen: dict[Path, tuple[int, dict[tuple[str, int], int]]] = {}


@dataclass(frozen=True)
class Room:
    """Bytes that a store takes: results, images, and what was removed (trash) or set aside as damaged (quarantine).
    Locks, names and the records of jobs are not counted.
    """

    results: int
    images: int
    trash: int
    quarantine: int

    @property
    def used(self) -> int:
        return self.results + self.images + self.trash + self.quarantine


def taken(root: Path) -> Room:
    """What the store in this folder takes now."""
    trash = sum(sum(sizes(each).values()) for each in _inside(root / "trash"))
    return Room(sum(results(root).values()), size_of(root / "data"), trash, sum(sizes(root / "quarantine").values()))


def results(root: Path) -> dict[Path, int]:
    """Place -> bytes of every result of the store in this folder."""
    return {kind / name: size for kind in _inside(root / "results") for name, size in sizes(kind).items()}


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def limit() -> float | None:
    """The bytes that a store may take: UNLEARN_STORE_LIMIT in GB, None where it is not set. Raises BadValue."""
    if not (said := os.environ.get(LIMIT, "").strip()):
        return None
    with suppress(ValueError):
        if 0 < (gigabytes := float(said)) < math.inf:
            return gigabytes * 1e9
    raise BadValue(f"{LIMIT} must be a number of GB above 0, such as 20, not {said[:20]!r}.")


def too_full(root: Path, more: float = 0.0) -> str:
    """Why so many bytes more cannot be kept, one sentence; "" where they can. Raises BadValue where the limit is none.

    What others write at the same moment is not known, so they can end above the limit by what they write.
    """
    if (most := limit()) is None:
        return ""
    room = taken(root)
    if room.used + more <= most and room.used < most:
        return ""
    about = "about " if more >= SMALL else ""
    needs = f"This needs {about}{in_words(more)} more, and the store" if more else "The store"
    trash = f"{in_words(room.trash)} of them by the trash" if room.trash else "none of them by the trash"
    if room.quarantine:
        trash += f" and {in_words(room.quarantine)} by what was set aside as damaged"
    way = "empty the trash" if room.trash or room.quarantine else "remove studies and empty the trash"
    used = in_words(room.used)
    return f"{needs} may take {in_words(most)} ({LIMIT}), where {used} are used, {trash}: {way}, or raise the limit."


def sizes(folder: Path) -> dict[str, int]:
    """Name -> bytes of all that lies in a folder and is not hidden; what was there at the last look keeps its size,
    unless another thing has its name now. Links count for nothing: they lead to another store.
    """
    try:
        changed = folder.stat().st_mtime_ns  # before the look: what comes during it is seen at the next
        before, known = _seen.get(folder, (0, {}))
        if before != changed:
            with os.scandir(folder) as listed:
                there = [(entry.name, entry.inode()) for entry in listed if not entry.name.startswith(".")]
            known = {
                (name, it): known[name, it] if (name, it) in known else size_of(folder / name) for name, it in there
            }
            _seen[folder] = changed if time.time_ns() - changed > TICK else 0, known
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name: size for (name, _), size in known.items()}


def size_of(place: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    with suppress(OSError):  # it may be on its way out
        if place.is_symlink():
            return 0
        if not place.is_dir():
            return place.stat().st_size
        return sum(size_of(each) for each in place.iterdir())
    return 0


def in_words(size: float) -> str:
    """Bytes in words: less than 0.1 MB, 3.2 MB, 140 MB, 1.3 GB."""
    if size < SMALL:
        return "less than 0.1 MB" if size else "0 MB"
    if size < 999.5e6:
        return f"{size / 1e6:.1f} MB" if size < 99.95e6 else f"{size / 1e6:.0f} MB"
    return f"{size / 1e9:,.1f} GB"
