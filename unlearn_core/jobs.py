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
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import psutil
from filelock import Timeout

from unlearn_core import engines, room, trash
from unlearn_core.disk import StoreError, free_megabytes, plainly, write_whole
from unlearn_core.engines import machine
from unlearn_core.hindsight import corrected
from unlearn_core.job import ACTIVE, STARTS, Expected, Job
from unlearn_core.params import BadValue, Spec, build, key, plain
from unlearn_core.result import KEY, find_fault
from unlearn_core.store import Store

STARTING = 30.0  # seconds a new process may take until it holds its lock
GRACE = 10.0  # seconds that one whose tasks are jobs of a cluster has to take them back
START = 4.0  # seconds that it takes, until jobs of this store have said
WAITING = "Waiting until another job on this machine is finished."
STARTED_AGAIN = "Somebody started this job again meanwhile: it goes on."
GONE = "Its result was damaged and set aside, or removed; starting it again makes it anew."


def submit(store: Store, spec: Spec, expected: Expected | None = None, by: str = "local") -> str:
    """Start a job for this spec and return its key; one that is under way already is joined, a stopped one goes on.

    `expected`, what is left to do will cost, is kept with the job. Raises StoreError where it needs more room than the
    disk has left, or than the store may take.
    """
    about = {"by": by} | ({"expected": vars(expected)} if expected else {})
    return _begin(store, key(spec), plain(spec), about, expected.megabytes if expected else 0.0)


def foreseen(store: Store, alone: Expected, workers: int = 1, device: str = "cpu") -> Expected:
    """What a job may take from when it has the machine, where its work alone may take `alone` with so many `workers`,
    corrected by what jobs that were foreseen in the same way took.

    To the work comes the start of its process, and of its workers where there are several; both are slower where
    other programs have the CPUs now. They may stop or stay: the least goes by an idle machine, the most by one as busy
    as now, the likely by the middle. Nothing to do takes nothing.
    """
    if not alone.slowest:
        return alone
    found = listing(store)
    others = machine.load() - _own_load(found)
    slow = machine.crowded(workers, others) if device == "cpu" else 1.0
    starts = [spent for job in found for name, spent in job.stages if name == STARTS and job.stage != STARTS]
    start = min(starts, default=START) * (2 if workers > 1 else 1)  # the quickest: others were on a busy machine
    now = replace(
        alone,
        seconds=(alone.seconds + start) * (1 + slow) / 2,
        fastest=alone.fastest + start,
        slowest=(alone.slowest + start) * slow,
    )
    return corrected(now, found)


def _own_load(found: list[Job]) -> float:
    """What the load of the last minute holds of jobs of this store. They take turns, so none is in the way of a new
    one: neither that which runs, nor those that have just ended.
    """
    now, most = time.time(), engines.at_once()
    ended = ((job.worked, now - job.submitted - job.seconds) for job in found if job.worked and not job.active)
    running = most if any(job.state == "running" for job in found) else 0
    return running + sum(machine.still_counted(most, worked, since) for worked, since in ended)


def before(store: Store) -> tuple[int, tuple[float, float] | None]:
    """How many jobs of its card go before one that is submitted now, for they take turns, and how many seconds they
    may take, least and most; None where that is not known of all of them.
    """
    waits = []
    for other in listing(store):
        if other.active and shares_card(store, other.key):
            e = other.expected
            waits.append(other.left if other.state == "running" else None if e is None else (e.fastest, e.slowest))
    if not waits or None in waits:
        return len(waits), None
    return len(waits), (sum(least for least, _ in waits), sum(most for _, most in waits))


def asked(store: Store, job: str) -> Spec | None:
    """The spec that a job fulfils; None where this version of the program cannot read it."""
    with suppress(BadValue, KeyError):
        found = build(read_record(store, job, "job.json")["spec"])
        return found if isinstance(found, Spec) else None
    return None


def resume(store: Store, job: str) -> str:
    """Start a stopped job again; it goes on from what is kept. Raises StoreError for a key that names no job."""
    worked, about = find(store, job).worked, read_record(store, job, "job.json")
    if not about:  # removed between the two looks
        raise _no_job(job)
    if worked is None:  # it did not come to its turn, but an earlier attempt may have
        worked = about.get("before", 0.0)
    kept = {"expected": about["expected"], "before": worked} if "expected" in about else {}
    return _begin(store, job, about["spec"], kept | {"by": about.get("by", "local")})


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
    write_worker(store, job, process.pid)


def _process(command: list[str], **about) -> subprocess.Popen:
    try:
        return subprocess.Popen(command, **about)  # noqa: S603
    except OSError as error:
        raise StoreError(f"The process for this job cannot be started: {error.strerror}.") from error


def write_worker(store: Store, job: str, pid: int) -> None:
    """Write down which process does the work of a job."""
    # The time of birth tells this process from a later one with the same number. A process that is not written down is
    # at work all the same, and it writes this again itself.
    with suppress(psutil.NoSuchProcess, OSError):
        born = psutil.Process(pid).create_time()
        about = {"pid": pid, "born": born, "host": platform.node(), "engine": os.environ.get("UNLEARN_ENGINE", "")}
        about |= {"card": machine.card()}
        write_whole(store.root / "jobs" / job / "worker.json", json.dumps(about))


def shares_card(store: Store, job: str) -> bool:
    """Whether a job has the card, or the machine, that jobs of this process are given: then they take turns."""
    return read_record(store, job, "worker.json").get("card", "") == machine.card()


def _worker(store: Store, job: str) -> psutil.Process | None:
    about = read_record(store, job, "worker.json")
    with suppress(psutil.Error, KeyError):
        process = psutil.Process(about["pid"])
        if abs(process.create_time() - about["born"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def read_record(store: Store, job: str, name: str) -> dict:
    """A file in the folder of a job, {} where it is not there or damaged."""
    try:
        found = json.loads((store.root / "jobs" / job / name).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
    if not about:
        raise _no_job(job)
    progress, outcome = read_record(store, job, "progress.json"), read_record(store, job, "outcome.json")
    locked = not outcome and store.is_locked(f"job-{job}")
    if not outcome and not locked:
        outcome = read_record(store, job, "outcome.json")  # it may have ended between the two looks
    spec = about["spec"]
    stages = tuple((name, seconds) for name, seconds in progress.get("stages", []))
    state, message = _state(store, job, about, progress, outcome, locked, held)
    if state == "interrupted" and not outcome and read_record(store, job, "outcome.json"):
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
        message=message,
        detail=outcome.get("detail", ""),
        worked=about.get("before", 0.0) + max(0.0, ended - progress["began"]) if progress.get("began") else None,
        expected=_expected(about),
        by=str(about.get("by", "local")),
        megabytes=None if about.get("before") else outcome.get("megabytes"),
        lasted=progress.get("lasted"),
    )


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
    if time.time() - about["submitted"] < STARTING and _starts(store, job, held):
        return "starting", "The process is starting."
    why = "The disk is full, so the process" if free_megabytes(store.root) < 1 else "The process"
    return (
        "interrupted",
        f"{why} stopped without a word; what was finished is kept, and resuming goes on from there, "
        "with fewer models side by side in case memory was short.",
    )


def _starts(store: Store, job: str, held: bool) -> bool:
    # The process is written down before whoever starts it lets go of their lock, so it is looked for afterwards.
    return (not held and store.is_locked(f"submit-{job}")) or _worker(store, job) is not None


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
        written = tuple((folder / name).stat().st_mtime_ns for name in ("job.json", "outcome.json"))
    except OSError:
        return None
    return *written, store.kind_of(folder.name)


@lru_cache(maxsize=10_000)  # a list of jobs is asked for every second while one is under way
def _ended(store: Store, folder: Path, stamps: tuple) -> Job:
    return find(store, folder.name)


def cancel(store: Store, job: str) -> Job:
    """Stop a job now. What it had finished stays; returns the job as it then is. Raises StoreError where it goes on: it
    runs on another machine, or somebody started it again meanwhile.
    """
    if find(store, job).active:
        worker = read_record(store, job, "worker.json")
        if _worker(store, job) is None:  # it may be just being started
            with plainly(store.root), store.lock(f"submit-{job}"):
                worker = read_record(store, job, "worker.json")
        if (host := worker.get("host", platform.node())) != platform.node():
            raise StoreError(f"This job runs on the machine {host}: cancel it there.")
        if (process := _worker(store, job)) is not None:
            _stop(store, job, process, GRACE if worker.get("engine") == "slurm" else 0.0)
        with plainly(store.root), store.lock(f"submit-{job}"):
            # The job may have ended between the look and the kill; what it said then stands.
            if not read_record(store, job, "outcome.json"):
                if not _same(worker, read_record(store, job, "worker.json")):
                    raise StoreError(STARTED_AGAIN)
                if _held(store, job) if process is None else _alive(process):
                    raise StoreError("This job could not be stopped: it goes on.")
                end(store, job, "cancelled", "Cancelled. What was finished is kept.")
    return find(store, job)


def _stop(store: Store, job: str, process: psutil.Process, grace: float) -> None:
    """Kill a process and all that it started. Within so many seconds of grace it can end by itself."""
    family = [process]
    with suppress(psutil.Error):
        family += process.children(recursive=True)
    if grace:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
        psutil.wait_procs([process], timeout=grace)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    _until_gone(store, job, family)


def _held(store: Store, job: str) -> bool:
    """Whether a process still has the lock of this job; one that has just ended frees it a moment later."""
    try:
        with store.lock(f"job-{job}").acquire(timeout=1):
            return False
    except Timeout:
        return True


def _same(worker: dict, other: dict) -> bool:
    """Whether two looks at worker.json saw one process; it writes itself down after whoever started it did."""
    born, again = worker.get("born", 0.0), other.get("born", 0.0)
    return worker.get("pid") == other.get("pid") and abs(born - again) < 1


def _until_gone(store: Store, job: str, family: list[psutil.Process]) -> None:
    """Wait, at most two seconds, until these processes are dead and the kernel has freed their lock.

    A process that only its parent has not buried yet is dead; but its threads can hold the lock a moment longer.
    """
    until = time.monotonic() + 2
    while time.monotonic() < until and (any(map(_alive, family)) or store.is_locked(f"job-{job}")):
        time.sleep(0.02)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
