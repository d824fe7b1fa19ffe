"""Long work in its own process: one detached process and one folder a job; what is true is read from the disk and the
locks.

A job makes the result of one spec, and is named by its key, so whoever asks for the same thing twice meets the same
job. Killing a job loses nothing that was finished, because results appear whole or not at all: cancelling is killing,
and resuming is starting again.

    ROOT/jobs/<key>/   job.json (what, when, at what cost)   worker.json (which process)   progress.json   outcome.json
                       log.txt
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from unlearn_core import job_process, room, trash
from unlearn_core.disk import StoreError, free_megabytes, plainly, write_whole
from unlearn_core.engines import machine
from unlearn_core.job import ACTIVE, ENDED, Expected, Job
from unlearn_core.job_process import read_record
from unlearn_core.params import BadValue, Spec, build, key, plain
from unlearn_core.result import KEY, find_fault
from unlearn_core.store import Store

STARTING = 30.0  # seconds that whoever submits a job may take to write down its process
GRACE = 10.0  # seconds that one whose tasks are jobs of a cluster has to take them back
WAITING = "Waiting until another job on this machine is finished."
STARTED_AGAIN = "Somebody started this job again meanwhile: it goes on."
DAMAGED = (
    "The record of what it makes, job.json, is damaged: cancel or remove it, and start the work again where it was "
    "asked for."
)
GONE = "Its result was damaged and set aside, or removed; starting it again makes it anew."


def submit(store: Store, spec: Spec, expected: Expected | None = None, by: str = "local") -> str:
    """Start a job for this spec and return its key; one that is under way already is joined, a stopped one goes on.

    `expected`, what is left to do will cost, is kept with the job. Raises StoreError where it needs more room than the
    disk has left, or than the store may take.
    """
    about = {"by": by} | ({"expected": vars(expected)} if expected else {})
    return _begin(store, key(spec), plain(spec), about, expected.megabytes if expected else 0.0)


def asked(store: Store, job: str) -> Spec | None:
    """The spec that a job fulfils; None where this version of the program cannot read it."""
    with suppress(BadValue, KeyError):
        found = build(read_record(store, job, "job.json")["spec"])
        return found if isinstance(found, Spec) else None
    return None


def resume(store: Store, job: str) -> str:
    """Start a stopped job again; it goes on from what is kept. Raises StoreError for a key that names no job, and where
    what it still needs has no room.
    """
    found, about = find(store, job), read_record(store, job, "job.json")
    worked = found.worked
    if not about:  # removed between the two looks, or damaged
        raise StoreError(DAMAGED) if found.message == DAMAGED else _no_job(job)
    if worked is None:  # it did not come to its turn, but an earlier attempt may have
        worked = about.get("before", 0.0)
    left = _still_needed(store, found, about)
    kept = {"expected": about["expected"], "before": worked, "left": left} if "expected" in about else {}
    return _begin(store, job, about["spec"], kept | {"by": about.get("by", "local")}, left)


def _still_needed(store: Store, job: Job, about: dict) -> float:
    """The megabytes that a stopped job still has to write: what was foreseen, less the results that came while it had
    the machine.
    """
    foreseen = job.expected.megabytes if job.expected else 0.0
    left = about.get("left") if type(about.get("left")) in (int, float) else foreseen
    progress = read_record(store, job.key, "progress.json")
    if not (began := progress.get("began")):
        return left
    ended, came = job.submitted + job.seconds, 0
    for place, size in room.results(store.root).items():
        with suppress(FileNotFoundError):
            came += size * (began <= place.stat().st_mtime <= ended)
    return min(foreseen, max(0.0, left - came / 1e6))


def _room(store: Store, megabytes: float) -> None:
    """Raises StoreError where so much more cannot be kept."""
    left = free_megabytes(store.root)
    if megabytes > left:
        raise StoreError(
            f"This needs about {megabytes:,.0f} MB, and {left:,.0f} MB are left on the disk of the store: "
            "make room first."
        )
    if full := room.too_full(store.root, megabytes * 1e6):
        raise StoreError(full)


def _begin(store: Store, job: str, spec: dict, about: dict, megabytes: float = 0.0) -> str:
    folder = store.root / "jobs" / job
    with plainly(store.root), store.lock(f"submit-{job}"):
        if (there := get(store, job, held=True)) is not None and there.active:
            return job
        if not (made := _result_exists(store, job, spec)):
            _room(store, megabytes)
        folder.mkdir(exist_ok=True)
        if died := _died(store, job, there):
            about = about | {"died": died}
        # First, so that whoever looks before the process is written down sees a job of now, which is being started.
        write_whole(folder / "job.json", json.dumps({"spec": spec, "submitted": time.time()} | about))
        for stale in ("progress.json", "worker.json", "outcome.json"):
            (folder / stale).unlink(missing_ok=True)
        if made:
            end(store, job, "done", "The result was there already.")
        else:
            _start(store, job)
    return job


def _died(store: Store, job: str, there: Job | None) -> int:
    """How often in a row the process of this job stopped without a word."""
    if there is None or there.state != "interrupted" or read_record(store, job, "outcome.json"):
        return 0
    before = read_record(store, job, "job.json").get("died", 0)
    return before + 1 if isinstance(before, int) else 1


def _result_exists(store: Store, job: str, spec: dict) -> bool:
    return find_fault(store.root / "results" / spec["spec"] / job) is None


def _start(store: Store, job: str) -> None:
    folder = store.root / "jobs" / job
    with (folder / "log.txt").open("ab") as log:
        process = _process(
            [sys.executable, "-m", "unlearn_core.job_work", str(store.root), job],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {machine.HALVINGS: str(read_record(store, job, "job.json").get("died", 0))},
            cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
        )
    job_process.write_worker(store, job, process.pid)


def _process(command: list[str], **about) -> subprocess.Popen:
    try:
        return subprocess.Popen(command, **about)  # noqa: S603
    except OSError as error:
        raise StoreError(f"The process for this job cannot be started: {error.strerror}.") from error


def find(store: Store, job: str, *, held: bool = False) -> Job:
    """A job as it stands. Raises StoreError for a key that names none, or whose record cannot be read. `held`: the
    caller has the lock of those who start it, so nobody else does.
    """
    try:
        found = _find(store, job, held)
        if _sound(found):
            return found
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, BadValue):
            raise
    raise StoreError(f"The record of the job {job[:8]} is damaged.")


def _sound(job: Job) -> bool:
    """Whether what the files of a job say is of the kind that it should be: a person may have edited them."""
    texts = (job.kind, job.title, job.state, job.message, job.detail, *(name for name, _ in job.stages))
    cost = {} if job.expected is None else dict(vars(job.expected))
    texts += (cost.pop("how", ""),)
    unsaid = (n or 0.0 for n in (job.worked, job.megabytes, job.lasted))
    numbers = (job.submitted, job.seconds, job.done, job.total, *unsaid, *cost.values())
    numbers += tuple(seconds for _, seconds in job.stages)
    sane = all(type(n) in (int, float) and 0 <= n < 1e15 for n in numbers)
    return sane and all(isinstance(text, str) for text in texts)


def _find(store: Store, job: str, held: bool) -> Job:
    about = read_record(store, job, "job.json") if KEY.fullmatch(job) else {}
    if damaged := not about:
        if not KEY.fullmatch(job) or "born" not in (worker := read_record(store, job, "worker.json")):
            raise _no_job(job)
        about = {"spec": {"spec": "Job", "name": "A job whose record is damaged"}, "submitted": worker["born"]}
    progress, outcome = read_record(store, job, "progress.json"), _outcome(store, job)
    locked = not outcome and store.is_locked(f"job-{job}")
    if not outcome and not locked:
        outcome = _outcome(store, job)  # it may have ended between the two looks
    spec = about["spec"]
    stages = tuple((name, seconds) for name, seconds in progress.get("stages", []))
    state, message = _state(store, job, about, progress, outcome, locked, held)
    if state == "interrupted" and not outcome and _outcome(store, job):
        return _find(store, job, held)  # it ended between the last looks
    ended = outcome.get("ended") or (time.time() if state in ACTIVE else progress.get("written", about["submitted"]))
    return Job(
        key=job,
        kind=spec["spec"],
        title=spec.get("name") or spec["spec"],
        state=state,
        submitted=about["submitted"],
        seconds=max(0.0, ended - about["submitted"]),
        stages=stages,
        done=progress.get("done", 0),
        total=progress.get("total", 0),
        message=DAMAGED if damaged else message,
        detail=outcome.get("detail", ""),
        worked=about.get("before", 0.0) + max(0.0, ended - progress["began"]) if progress.get("began") else None,
        expected=_expected(about),
        by=str(about.get("by", "local")),
        megabytes=None if about.get("before") else outcome.get("megabytes"),
        lasted=progress.get("lasted"),
    )


def _outcome(store: Store, job: str) -> dict:
    """How a job ended, {} where it did not, or what is written is nothing that a job says."""
    found = read_record(store, job, "outcome.json")
    return found if found.get("state") in ENDED and isinstance(found.get("message"), str) else {}


def get(store: Store, job: str, *, held: bool = False) -> Job | None:
    """The job of this key as it stands, or None; it reads the folder of this one only."""
    with suppress(StoreError):
        return find(store, job, held=held)
    return None


def _no_job(job: str) -> StoreError:
    return StoreError(f"There is no job {job[:40]!r}.")


def _expected(about: dict) -> Expected | None:
    with suppress(KeyError, TypeError):  # nobody said, or another version of the program did
        return Expected(**about["expected"])
    return None


def _state(
    store: Store, job: str, about: dict, progress: dict, outcome: dict, locked: bool, held: bool
) -> tuple[str, str]:
    if outcome:
        if outcome["state"] == "done" and not (store.root / "results" / about["spec"]["spec"] / job).is_dir():
            return "interrupted", GONE
        return outcome["state"], outcome["message"]
    if locked:
        return ("running", "") if progress.get("begun") else ("queued", WAITING)
    if _result_exists(store, job, about["spec"]):
        return "done", "The result was there already."
    if _starts(store, job, about, held):
        return "starting", "The process is starting."
    why = "The disk is full, so the process" if free_megabytes(store.root) < 1 else "The process"
    return (
        "interrupted",
        f"{why} stopped without a word; what was finished is kept, and resuming goes on from there, "
        "with fewer models side by side in case memory was short.",
    )


def _starts(store: Store, job: str, about: dict, held: bool) -> bool:
    # The process is written down before whoever starts it lets go of their lock, so it is looked for afterwards. As
    # long as it lives nothing has stopped, however slow the machine.
    submitting = not held and time.time() - about["submitted"] < STARTING and store.is_locked(f"submit-{job}")
    return submitting or job_process.worker(store, job) is not None


def listing(store: Store) -> list[Job]:
    """All jobs, the last submitted first."""
    return sorted(_all(store), key=lambda job: job.submitted, reverse=True)


def _all(store: Store) -> Iterator[Job]:
    for folder in (store.root / "jobs").iterdir():
        with suppress(StoreError):
            stamps = _stamps(store, folder)
            yield find(store, folder.name) if stamps is None else _ended(store, folder, stamps)


def _stamps(store: Store, folder: Path) -> tuple | None:
    """When the records of a job that has ended were written, and whether there is a result of its key; None for one
    that has not ended.
    """
    try:
        asked, ended = ((folder / name).stat().st_mtime_ns for name in ("job.json", "outcome.json"))
    except OSError:
        return None
    return asked, ended, (store.root / "results" / _kind(store, folder.name, asked) / folder.name).is_dir()


@lru_cache(maxsize=10_000)
def _kind(store: Store, job: str, written: int) -> str:
    """What its record, written then, asks for: looking for its result among all kinds takes a millisecond a job."""
    return find(store, job).kind


@lru_cache(maxsize=10_000)  # a list of jobs is asked for every second while one is under way
def _ended(store: Store, folder: Path, stamps: tuple) -> Job:
    return find(store, folder.name)


def cancel(store: Store, job: str) -> Job:
    """Stop a job now. What it had finished stays; returns the job as it then is. Raises StoreError where it goes on: it
    runs on another machine, or somebody started it again meanwhile.
    """
    if find(store, job).active:
        worker = read_record(store, job, "worker.json")
        if job_process.worker(store, job) is None:  # it may be just being started
            with plainly(store.root), store.lock(f"submit-{job}"):
                worker = read_record(store, job, "worker.json")
        if (host := worker.get("host", platform.node())) != platform.node():
            raise StoreError(f"This job runs on the machine {host}: cancel it there.")
        if (process := job_process.worker(store, job)) is not None:
            job_process.stop(store, job, process, GRACE if worker.get("engine") == "slurm" else 0.0)
        with plainly(store.root), store.lock(f"submit-{job}"):
            # The job may have ended between the look and the kill; what it said then stands.
            if not read_record(store, job, "outcome.json"):
                if not job_process.same(worker, read_record(store, job, "worker.json")):
                    raise StoreError(STARTED_AGAIN)
                if job_process.held(store, job) if process is None else job_process.alive(process):
                    raise StoreError("This job could not be stopped: it goes on.")
                end(store, job, "cancelled", "Cancelled. What was finished is kept.")
    return find(store, job)


def forget_job(store: Store, job: str, by: str = "local") -> None:
    """Put the record of a job that is not under way into the trash; its results stay."""
    find(store, job)  # a key of no job is no name for a lock
    with (
        plainly(store.root),
        store.lock(f"submit-{job}"),
    ):  # or it could be started anew between the look and the removal
        if (found := find(store, job, held=True)).active:
            raise StoreError("This job is still under way: cancel it first.")
        trash.move(store, "Job", found.title, [f"jobs/{job}"], by=by, held=True)


def end(store: Store, job: str, state: str, message: str, detail: str = "", megabytes: float | None = None) -> None:
    """Write how a job ended; `megabytes` is what it left on the disk."""
    about = {"state": state, "message": message, "detail": detail, "ended": time.time()}
    about |= {} if megabytes is None else {"megabytes": megabytes}
    write_whole(store.root / "jobs" / job / "outcome.json", json.dumps(about))
