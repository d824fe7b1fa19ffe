"""Whether everything in a store is whole. Looking changes nothing; mending is asked for."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from unlearn_core.disk import StoreError
from unlearn_core.experiment.listed import fault as fault_of_study
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent
from unlearn_core.result import KEY, Result, find_fault, set_aside
from unlearn_core.store import Store


@dataclass
class Soundness:
    """What a look at a store found.

    `whole` and `other_version` count results by kind; the latter are whole, but this version of the program does not
    read them. `damaged` has (kind, key, what is wrong), `jobs` (key, what is wrong) of each record that cannot be read,
    `staging` the folders whose writers are gone, `locks` the number of lock files: without a holder they are harmless.
    `mended`: what is wrong was set aside.
    """

    whole: Counter = field(default_factory=Counter)
    other_version: Counter = field(default_factory=Counter)
    damaged: list[tuple[str, str, str]] = field(default_factory=list)
    jobs: list[tuple[str, str]] = field(default_factory=list)
    staging: list[str] = field(default_factory=list)
    locks: int = 0
    mended: bool = False

    @property
    def sound(self) -> bool:
        return self.mended or not (self.damaged or self.jobs)

    def kinds(self) -> list[dict]:
        """A line for each kind: `kind`, and how many `results` there are, `whole`, `damaged`, and of an
        `other_version`, which are whole too.
        """
        bad = Counter(kind for kind, _, _ in self.damaged)
        return [
            {
                "kind": kind,
                "results": self.whole[kind] + bad[kind],
                "whole": self.whole[kind],
                "damaged": bad[kind],
                "other_version": self.other_version[kind],
            }
            for kind in sorted(self.whole | bad)
        ]

    def faults(self) -> list[dict]:
        """A line for each thing that is wrong: `kind`, `key` and `fault`."""
        lines = [{"kind": kind, "key": key, "fault": fault} for kind, key, fault in self.damaged]
        lines += [{"kind": "job", "key": key, "fault": fault} for key, fault in self.jobs]
        return lines + [{"kind": "staging", "key": name, "fault": "its writer is gone"} for name in self.staging]


def look(store: Store, *, deep: bool = False, mend: bool = False, tell: Tell = silent) -> Soundness:
    """Check every result and the record of every job: sizes and keys, and when `deep` all checksums and that each file
    opens. When `mend`, what is damaged is moved to quarantine, so that it is made anew when it is asked for, and what
    killed writers left is removed.
    """
    found = Soundness(locks=sum(1 for _ in (store.root / "locks").glob("*.lock")))
    places = [place for kind in store.kinds() for place in sorted((store.root / "results" / kind).iterdir())]
    for done, place in enumerate(places):
        tell("results", done, len(places))
        kind = place.parent.name
        if not KEY.fullmatch(place.name):
            continue
        if (fault := _fault(place, deep)) is None:
            found.whole[kind] += 1
            found.other_version[kind] += not _readable(place)
        elif place.exists():  # else somebody else has just set it aside
            found.damaged.append((kind, place.name, " ".join(fault.split())))
    for folder in sorted((store.root / "jobs").iterdir()):
        locks = f"job-{folder.name}", f"submit-{folder.name}"  # at work, or about to begin
        if (fault := _job_fault(folder)) is not None and not any(_held(store, lock) for lock in locks):
            found.jobs.append((folder.name, fault))
    found.staging = [folder.name for folder in store.abandoned()]
    if mend:
        again = partial(_fault, deep=deep)
        gone = [set_aside(store.root, store.root / "results" / kind / key, again) for kind, key, _ in found.damaged]
        for name, _ in found.jobs:  # a folder that no job can have has no lock either
            lock, held = f"submit-{name}", not KEY.fullmatch(name)
            gone.append(set_aside(store.root, store.root / "jobs" / name, _job_fault, lock=lock, held=held))
        found.mended = all(gone)
        with suppress(OSError):
            store.sweep()
    return found


def _fault(place: Path, deep: bool) -> str | None:
    if (fault := find_fault(place, deep=deep)) is not None:
        return fault
    result = Result(place)
    try:
        kind = json.loads((place / "spec.json").read_text())["spec"]
        if kind != place.parent.name:
            return f"it is a {kind}"
        for name in result.manifest()["files"] if deep else ():
            {".safetensors": result.arrays, ".parquet": result.table, ".json": result.json}[Path(name).suffix](
                Path(name).stem
            )
        if kind == "Study" and _readable(place):
            return fault_of_study(result)
    except Exception as error:  # whatever a reader of arrays or tables makes of a damaged file
        return f"{type(error).__name__}: {error}"
    return None


def _readable(place: Path) -> bool:
    with suppress(BadValue, StoreError):  # of another version, or gone meanwhile
        return Result(place).spec() is not None
    return False


def _job_fault(folder: Path) -> str | None:
    try:
        about = json.loads((folder / "job.json").read_text())
        if not isinstance(about["spec"]["spec"], str) or not isinstance(about["submitted"], (int, float)):
            return "job.json does not say what the job makes, or since when"
    except FileNotFoundError:
        return "it has no job.json"
    except OSError as error:
        return f"job.json cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError):
        return "job.json is damaged"
    return None


def _held(store: Store, name: str) -> bool:
    """Whether a living process holds a lock. One that was never there is not made for the question."""
    try:
        return (store.root / "locks" / f"{name}.lock").exists() and store.is_locked(name)
    except (OSError, BadValue):
        return False
