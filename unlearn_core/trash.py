"""What was removed, and the way back: nothing is gone before somebody empties the trash.

    ROOT/trash/<id>/   record.json (what, when, by whom) and the things themselves, each named by its place in the
                       store: results.Study.<key>, jobs.<key>, plans.<key>.json, data.own.<name>

The record is there before the first thing moves, and each thing moves by one renaming: the first one first, and last on
the way back. So a study that is in the store has all that it needs there, and whoever dies between two steps leaves an
entry that `restore` brings back whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from unlearn_core import room
from unlearn_core.disk import StoreError, below, flush, plainly, take, write_whole
from unlearn_core.result import KEY, find_fault, set_aside
from unlearn_core.store import Store

FOLDER = "trash"
RECORD = "record.json"
# Of what can be in it: the name there, of which the first points are the separators of its place.
THING = re.compile(
    r"results\.[A-Za-z_]\w*\.[0-9a-f]{32}|jobs\.[0-9a-f]{32}|plans\.[0-9a-f]{32}\.json|data\.own\.[A-Za-z0-9][\w-]{0,39}",
    re.ASCII,
)
DAY = 86_400  # seconds
IN_USE = "It is being written right now: wait until that is done."


@dataclass(frozen=True)
class Entry:
    """What was removed at once: its `kind` and `title` for the screen, when (seconds since 1970) and `by` whom, the
    places of its `things` in the store, their bytes, and a `note` where what was removed is no file.
    """

    id: str
    kind: str
    title: str
    removed: float
    by: str
    things: tuple[str, ...]
    bytes: int
    note: dict = field(default_factory=dict)

    @property
    def results(self) -> int:
        return sum(place.startswith("results/") for place in self.things)


@dataclass(frozen=True)
class Restored:
    """What came back: its title, and how many things; the places where something of that key was there again, which
    stays, and then what was removed stays in the trash; the places of what it rests on that is gone; and those where
    somebody was at work, so that what was removed could not come back yet.
    """

    title: str
    back: int
    there_again: tuple[str, ...]
    missing: tuple[str, ...]
    in_use: tuple[str, ...] = ()


def move(
    store: Store,
    kind: str,
    title: str,
    things: Sequence[str],
    *,
    rests_on: Sequence[str] = (),
    by: str = "local",
    held: bool = False,
) -> Entry:
    """Put these places of the store into the trash, as results/Run/<key>; one that is being written stays where it is.

    The first is what the others are there for. `rests_on`: what stays, and must be there when it comes back; `held`:
    the caller has the locks of all. Raises StoreError where the first is gone or being written, or the disk refuses;
    then everything is where it was.
    """
    about = {"kind": kind, "title": title, "by": by}
    with _alone(store):
        folder = _begin(store, about | {"first": things[0], "rests_on": list(rests_on)})
        try:
            for place in things:
                if not _carry(store, place, folder, held) and place == things[0]:
                    raise StoreError(IN_USE if (store.root / place).exists() else "It is not in this store any more.")
            for parent in {folder, *((store.root / place).parent for place in things)}:
                flush(parent)
        except BaseException:
            with suppress(OSError):
                for place in _backwards(folder, things[0]):
                    os.rename(_inside(folder, place), store.root / place)
                _close(folder)
            raise
        return _entry(folder)


def keep_note(store: Store, kind: str, title: str, note: dict, *, by: str = "local") -> Entry:
    """An entry for what is no file of its own; whoever asks then takes it away, and brings it back."""
    with _alone(store):
        return _entry(_begin(store, {"kind": kind, "title": title, "by": by, "note": note}))


def entries(store: Store) -> list[Entry]:
    """All that is in the trash, what was removed last first."""
    folders = (store.root / FOLDER).iterdir() if (store.root / FOLDER).is_dir() else ()
    found = [_entry(folder) for folder in folders if KEY.fullmatch(folder.name)]
    return sorted((e for e in found if e.things or e.note), key=lambda entry: (-entry.removed, entry.id))


def of_place(found: Iterable[Entry], place: str) -> Entry | None:
    """The entry that holds what lay at this place, the one removed last of several."""
    return next((entry for entry in found if place in entry.things), None)


def restore(store: Store, entry: str) -> Restored:
    """Bring the things of an entry back to their places, and what they rest on where that was removed meanwhile. Where
    something of that key is there again, it stays.

    Raises StoreError where there is no such entry, or the disk refuses; asked again, it goes on.
    """
    with _alone(store):
        folder = _folder(store, entry)
        record, found, kept, in_use = _record(folder), _entry(folder), [], []
        if not found.things:
            raise _none(entry)
        below_it = _rests_on(record)
        for place in below_it:
            if not (store.root / place).exists() and (other := of_place(entries(store), place)) is not None:
                _bring_back(store, place, store.root / FOLDER / other.id)
        for place in _backwards(folder, record.get("first")):
            if not (came := _bring_back(store, place, folder)):
                (in_use if came is None else kept).append(place)
        for parent in {folder, *((store.root / place).parent for place in found.things)}:
            flush(parent)
        if not kept and not in_use:
            _close(folder)
        missing = tuple(place for place in below_it if not (store.root / place).exists())
        back = len(found.things) - len(kept) - len(in_use)
        return Restored(found.title, back, tuple(kept), missing, tuple(in_use))


def drop(store: Store, entry: str) -> None:
    """Take one entry away for good; nothing happens where there is none."""
    with _alone(store):
        folder = below(store.root, FOLDER, entry)
        if folder.is_dir():
            _erase(store, folder)


def empty(store: Store, older_than: float = 0.0) -> tuple[int, int]:
    """Take all entries away for good, or those removed more than so many days ago, and what was set aside as damaged:
    how many, and their bytes.
    """
    count, size = 0, 0
    with _alone(store):
        for entry in older(entries(store), older_than):
            _erase(store, store.root / FOLDER / entry.id)
            count, size = count + 1, size + entry.bytes
        inside = room.sizes(store.root / "quarantine")
        for name, since in damaged(store).items():
            if not older_than or time.time() - since > older_than * DAY:
                _erase(store, store.root / "quarantine" / name)
                count, size = count + 1, size + inside.get(name, 0)
    return count, size


def damaged(store: Store) -> dict[str, float]:
    """Name -> since when (seconds since 1970) it lies in quarantine, of all that was found damaged and set aside."""
    found = {}
    for folder in (store.root / "quarantine").iterdir():
        with suppress(FileNotFoundError):  # it may be on its way out
            found[folder.name] = folder.lstat().st_mtime
    return found


def older(found: Iterable[Entry], days: float) -> list[Entry]:
    """Those that were removed more than so many days ago; all for 0."""
    return [entry for entry in found if not days or time.time() - entry.removed > days * DAY]


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """One at a time goes in or out, and what a killed one left that is nothing is taken away."""
    with plainly(store.root):
        (store.root / FOLDER).mkdir(exist_ok=True)
        with store.lock(FOLDER):
            for folder in (store.root / FOLDER).iterdir():
                if KEY.fullmatch(folder.name) and _is_nothing(folder):
                    shutil.rmtree(folder, ignore_errors=True)
            yield


def _is_nothing(folder: Path) -> bool:
    """Whether none of its things is left. A record that cannot be read may hold a note, which is all there is of it."""
    names = os.listdir(folder)
    if any(map(THING.fullmatch, names)):
        return False
    with suppress(StoreError):
        return RECORD not in names or "first" in _record(folder)
    return False


def _begin(store: Store, record: dict) -> Path:
    folder = below(store.root, FOLDER, uuid.uuid4().hex)
    try:
        folder.mkdir()
        write_whole(folder / RECORD, json.dumps(record | {"removed": time.time()}, indent=1))
        flush(folder)
        flush(folder.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _close(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # if it stays, there is nothing in it, and the next one tidies up


def _erase(store: Store, folder: Path) -> None:
    """Out of the trash at once and whole; what a killed one leaves in staging is swept from there."""
    gone = store.aside(FOLDER)
    os.utime(folder, follow_symlinks=False)  # a sweep on another machine goes by when it came there
    os.rename(folder, gone)
    gone.unlink() if gone.is_symlink() else shutil.rmtree(gone)


def _carry(store: Store, place: str, folder: Path, held: bool) -> bool:
    """Whether it was there, and nobody was writing it."""
    kind, _, name = place.partition("/")
    with suppress(FileNotFoundError, Timeout), nullcontext() if held else take(_lock(store, place)):
        if kind != "jobs" or not store.is_locked(f"job-{name}"):
            os.rename(store.root / place, _inside(folder, place))
            return True
    return False


def _bring_back(store: Store, place: str, folder: Path) -> bool | None:
    """Whether its place was free; a damaged result does not keep a whole one from it. None where somebody works there
    now.
    """
    target = store.root / place
    with suppress(Timeout), take(_lock(store, place)):
        if place.startswith("results/") and target.is_dir() and find_fault(target) is not None:
            set_aside(store.root, target, held=True)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(_inside(folder, place), target)
            return True
        return False
    return None


def _lock(store: Store, place: str) -> FileLock:
    """The lock of whoever writes there."""
    kind, *_, name = place.split("/")
    if kind == "data":
        return FileLock(store.root / "data" / "own" / ".lock")  # that of data/kept.py
    plan = f"plan-{name.partition('.')[0]}"
    return store.lock({"results": name, "jobs": f"submit-{name}", "plans": plan}[kind])


def _inside(folder: Path, place: str) -> Path:
    return below(folder, place.replace("/", "."))


def _things(folder: Path) -> list[str]:
    """The places of what lies in an entry. A name that this program does not give is left alone."""
    names = sorted(path.name for path in folder.iterdir() if THING.fullmatch(path.name))
    return [name.replace(".", "/", 2 if name.startswith(("results.", "data.")) else 1) for name in names]


def _backwards(folder: Path, first: object) -> list[str]:
    """What lies in an entry in the order of the way back: images before what was made of them, records of jobs after
    their results, and last of all what went first.
    """
    order = ("data", "results", "jobs", "plans").index
    return sorted(_things(folder), key=lambda place: (place == first, order(place.partition("/")[0])))


def _rests_on(record: dict) -> list[str]:
    said = record.get("rests_on")
    named = [place for place in said if isinstance(place, str)] if isinstance(said, list) else []
    return [place for place in named if place.count("/") < 3 and THING.fullmatch(place.replace("/", "."))]


def _record(folder: Path) -> dict:
    """What an entry says of itself. Raises StoreError where the system keeps that from this process, or the disk does:
    no reason to take it for an entry that says nothing.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}  # the things are there all the same, and say themselves where they belong
    except OSError as error:
        raise StoreError(f"The record of what was removed cannot be read: {error.strerror}.") from error
    return record if isinstance(record, dict) else {}


def _entry(folder: Path) -> Entry:
    things, size = (), 0
    try:
        record = _record(folder)
    except StoreError:  # the others can be seen and brought back all the same
        record = {"title": "Its record cannot be read now"}
    with suppress(FileNotFoundError):  # it may be on its way out
        things, inside = tuple(_things(folder)), room.sizes(folder)
        size = sum(inside.get(place.replace("/", "."), 0) for place in things)
    texts = {name: str(record.get(name, "")) for name in ("kind", "title", "by")}
    note, when = record.get("note"), record.get("removed")
    if type(when) not in (int, float) or not 0 <= when < 1e11:
        when = folder.stat().st_mtime if folder.exists() else 0.0
    title = texts["title"] or "Its record is damaged"
    return Entry(
        folder.name, texts["kind"], title, when, texts["by"], things, size, note if isinstance(note, dict) else {}
    )


def _folder(store: Store, entry: str) -> Path:
    folder = below(store.root, FOLDER, entry)
    if not KEY.fullmatch(entry) or not folder.is_dir():
        raise _none(entry)
    return folder


def _none(entry: str) -> StoreError:
    return StoreError(f"There is nothing {entry[:40]!r} in the trash.")
