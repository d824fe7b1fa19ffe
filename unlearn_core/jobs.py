"""Long work in its own process: one detached process and one folder a job; what is true is read from the disk and the
locks.

A job makes the result of one spec, and is named by its key, so whoever asks for the same thing twice meets the same
job. Killing a job loses nothing that was finished, because results appear whole or not at all: cancelling is killing,
and resuming is starting again.

    ROOT/jobs/<key>/   job.json (what, when)   worker.json (which process)   progress.json   outcome.json   log.txt
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
from filelock import Timeout

from unlearn_core.engines import EngineError
from unlearn_core.params import BadValue, Spec, build, key, plain
from unlearn_core.store import KEY, Store, StoreError, write_whole

WRITE_EVERY = 0.2  # seconds between two writes of progress
STARTING = 30.0  # seconds a new process may take until it holds its lock
ACTIVE = ("starting", "queued", "running")


@dataclass(frozen=True)
class Job:
    """What is known of a job now.

    `state`: starting, queued (another job has the machine), running, done, failed, cancelled, or interrupted (its
    process is gone and nothing was said: the machine went down, or it was killed). `message` is one sentence for the
    screen, `detail` the rest. `stages` lists (name, seconds so far) in the order in which they began; `done` of `total`
    is the progress of the last.
    """

    key: str
    kind: str
    title: str
    state: str
    submitted: float
    seconds: float
    stages: tuple[tuple[str, float], ...]
    done: int
    total: int
    message: str
    detail: str

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def stage(self) -> str:
        return self.stages[-1][0] if self.stages else ""

    @property
    def share(self) -> float | None:
        """How far the stage is, 0 to 1; None while that is not known."""
        return min(1.0, self.done / self.total) if self.total else None


def submit(store: Store, spec: Spec) -> str:
    """Start a job for this spec and return its key; one that is under way already is joined, a stopped one goes on."""
    return _begin(store, key(spec), plain(spec))


def resume(store: Store, job: str) -> str:
    """Start a stopped job again; it goes on from what is kept. Raises StoreError for a key that names no job."""
    find(store, job)
    return _begin(store, job, _read(store, job, "job.json")["spec"])


def _begin(store: Store, job: str, spec: dict) -> str:
    folder = store.root / "jobs" / job
    with store.lock(f"submit-{job}"):
        if folder.exists() and find(store, job).active:
            return job
        folder.mkdir(exist_ok=True)
        for stale in ("outcome.json", "progress.json", "worker.json"):
            (folder / stale).unlink(missing_ok=True)
        write_whole(folder / "job.json", json.dumps({"spec": spec, "submitted": time.time()}))
        if not _result_exists(store, job, spec):
            _start(store, job)
    return job


def _result_exists(store: Store, job: str, spec: dict) -> bool:
    return (store.root / "results" / spec["spec"] / job / "manifest.json").exists()


def _start(store: Store, job: str) -> None:
    folder = store.root / "jobs" / job
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "unlearn_core.jobs", str(store.root), job],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
        )
    _write_worker(store, job, process.pid)


def _write_worker(store: Store, job: str, pid: int) -> None:
    # The time of birth tells this process from a later one with the same number.
    with suppress(psutil.NoSuchProcess):
        born = psutil.Process(pid).create_time()
        write_whole(store.root / "jobs" / job / "worker.json", json.dumps({"pid": pid, "born": born}))


def _worker(store: Store, job: str) -> psutil.Process | None:
    about = _read(store, job, "worker.json")
    with suppress(psutil.Error, KeyError):
        process = psutil.Process(about["pid"])
        if abs(process.create_time() - about["born"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _read(store: Store, job: str, name: str) -> dict:
    try:
        found = json.loads((store.root / "jobs" / job / name).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def find(store: Store, job: str) -> Job:
    """A job as it stands. Raises StoreError for a key that names none."""
    about = _read(store, job, "job.json") if KEY.fullmatch(job) else {}
    if not about:
        raise StoreError(f"There is no job {job[:40]!r}.")
    progress, outcome = _read(store, job, "progress.json"), _read(store, job, "outcome.json")
    locked = not outcome and store.is_locked(f"job-{job}")
    if not outcome and not locked:
        outcome = _read(store, job, "outcome.json")  # it may have ended between the two looks
    spec = about["spec"]
    stages = tuple((name, seconds) for name, seconds in progress.get("stages", []))
    state, message = _state(store, job, about, progress, outcome, locked)
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
    )


def _state(store: Store, job: str, about: dict, progress: dict, outcome: dict, locked: bool) -> tuple[str, str]:
    if outcome:
        return outcome["state"], outcome["message"]
    if locked:
        return ("running", "") if progress.get("begun") else ("queued", "Waiting until another job is finished.")
    if _result_exists(store, job, about["spec"]):
        return "done", "The result was there already."
    if _worker(store, job) is not None and time.time() - about["submitted"] < STARTING:
        return "starting", "The process is starting."
    return (
        "interrupted",
        "The process stopped without a word; what was finished is kept, and resuming goes on from there.",
    )


def listing(store: Store) -> list[Job]:
    """All jobs, the last submitted first."""
    return sorted(_all(store), key=lambda job: job.submitted, reverse=True)


def _all(store: Store) -> Iterator[Job]:
    for folder in (store.root / "jobs").iterdir():
        with suppress(StoreError):
            yield find(store, folder.name)


def cancel(store: Store, job: str) -> Job:
    """Stop a job now. What it had finished stays; returns the job as it then is."""
    if find(store, job).active:
        process = _worker(store, job)
        if process is not None:
            family = [process, *process.children(recursive=True)]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            _until_gone(store, job, family)
        # The job may have ended between the look and the kill; what it said then stands.
        if not _read(store, job, "outcome.json"):
            _end(store, job, "cancelled", "Cancelled. What was finished is kept.")
    return find(store, job)


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


def forget_job(store: Store, job: str) -> None:
    """Remove the record of a job that is not under way; its results stay."""
    if find(store, job).active:
        raise StoreError("This job is still under way: cancel it first.")
    shutil.rmtree(store.root / "jobs" / job)


def _end(store: Store, job: str, state: str, message: str, detail: str = "") -> None:
    about = {"state": state, "message": message, "detail": detail, "ended": time.time()}
    write_whole(store.root / "jobs" / job / "outcome.json", json.dumps(about))


# -- in the worker's process -------------------------------------------------------------------------------------------


class Reporter:
    """A `tell` that writes a job's progress to its folder, a few times a second."""

    def __init__(self, store: Store, job: str):
        self.file = store.root / "jobs" / job / "progress.json"
        self.stages: dict[str, float] = {}
        self.stage, self.since, self.written = "", time.perf_counter(), 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.perf_counter()
        changed = stage != self.stage
        if self.stage:
            self.stages[self.stage] += now - self.since
        self.stages.setdefault(stage, 0.0)
        self.stage, self.since = stage, now
        if changed or done == total or now - self.written > WRITE_EVERY:
            self.written = now
            stages = [(name, seconds) for name, seconds in self.stages.items()]
            about = {"begun": True, "stages": stages, "done": done, "total": total, "written": time.time()}
            write_whole(self.file, json.dumps(about))


def work(root: str, job: str) -> None:
    """Carry out a job in this process: wait for the machine, make the result, write how it ended."""
    store = Store(root)
    try:
        # Whoever looks whether the job runs holds its lock for a moment, so once is not enough.
        with store.lock(f"job-{job}").acquire(timeout=1), store.lock("machine"):
            _write_worker(store, job, os.getpid())
            store.sweep()
            _carry_out(store, job)
    except Timeout:
        return  # another process has this job already


def _carry_out(store: Store, job: str) -> None:
    tell = Reporter(store, job)
    tell("starting", 0, 0)
    try:
        from unlearn_core.experiment import fulfil  # imports torch: seconds that a queued job need not have spent

        fulfil(store, build(_read(store, job, "job.json")["spec"]), tell)
    except Exception as error:
        _end(store, job, "failed", plain_sentence(error), traceback.format_exc())
    else:
        _end(store, job, "done", "Finished.")


def plain_sentence(error: BaseException) -> str:
    """An error as one sentence for the screen."""
    if isinstance(error, (BadValue, StoreError, EngineError)) or type(error).__name__ == "DataError":
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "There was not enough memory; choose a smaller model, a smaller batch or fewer images."
    return f"The work stopped with an error ({type(error).__name__}); what was finished is kept."


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2])
