"""What the process of a job does: wait for the machine, make the result, say how far it is and how it ended."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import platformdirs
from filelock import FileLock, Timeout

from unlearn_core import jobs, room
from unlearn_core.disk import StoreError, plainly, write_whole
from unlearn_core.engines import EngineError, engine, machine
from unlearn_core.job import STARTS
from unlearn_core.job_process import read_record, shares_card, write_worker
from unlearn_core.params import BadValue, build
from unlearn_core.store import Store

EXPERIMENT = "unlearn_core.experiment"  # what makes results
# Kinds of many short tasks that somebody waits for: their workers load what they need while this process does.
SHORT = {"TryEverything"}
WRITE_EVERY = 0.2  # seconds between two writes of progress
YIELDS = 0.25  # seconds that one who let another go first waits until it asks again
PATIENCE = 40  # times that the same one is let go first: who does not take a free machine for so long hangs


class Reporter:
    """A `tell` that writes a job's progress to its folder, a few times a second."""

    def __init__(self, store: Store, job: str):
        self.file = store.root / "jobs" / job / "progress.json"
        self.stages: dict[str, float] = {}
        self.stage, self.since, self.written = "", time.perf_counter(), 0.0
        self.done, self.round = 0, self.since  # how far the stage was, and when it began or began over
        self.began: float | None = None  # when it had the machine

    def __call__(self, stage: str, done: float, total: int) -> None:
        now = time.perf_counter()
        changed = stage != self.stage
        if self.stage:
            self.stages[self.stage] += now - self.since
        if changed:  # the stage of now stands last, also where it was before
            self.stages[stage] = self.stages.pop(stage, 0.0)
        if changed or done < self.done:
            self.round = self.since if done else now
        if self.began is None:
            self.began = time.time()
        self.stage, self.since, self.done = stage, now, done
        if changed or done == total or now - self.written > WRITE_EVERY:
            self.written = now
            stages = [(name, seconds) for name, seconds in self.stages.items()]
            about = {"begun": True, "stages": stages, "done": done, "total": total, "lasted": now - self.round}
            about |= {"written": time.time(), "began": self.began}
            with suppress(OSError):  # hours of work are worth more than a line about how far they are
                write_whole(self.file, json.dumps(about))


def work(root: str, job: str) -> None:
    """Carry out a job in this process: wait for the machine, make the result, write how it ended."""
    store = Store(root)
    try:
        # Whoever looks whether the job runs holds its lock for a moment, so once is not enough.
        with plainly(store.root), store.lock(f"job-{job}").acquire(timeout=1):
            write_worker(store, job, os.getpid())
            with _turn(store, job):
                with suppress(OSError):
                    store.sweep()
                _carry_out(store, job)
    except Timeout:
        return  # another process has this job already
    except Exception as error:
        with suppress(OSError):  # where even that cannot be written, it stopped without a word
            jobs.end(store, job, "failed", plain_sentence(error), traceback.format_exc())
        raise


@contextmanager
def _turn(store: Store, job: str) -> Iterator[None]:
    """The machine, or the card that this job is given, once this job has it and none that was submitted earlier waits
    for it.

    Whoever asks first when it is free gets a lock, so its order is nobody's: one who has it and finds an earlier one
    waiting lets it go. Only who has it looks at the others, so while one works, the rest cost next to nothing, and
    what one is let go first is counted in moments in which it could have had the machine.
    """
    let_go: Counter[str] = Counter()
    while True:
        with store.lock(f"machine-{machine.card()}" if machine.card() else "machine"):
            hang = {other for other, times in let_go.items() if times >= PATIENCE}
            if (first := _who_goes_first(store, job, hang)) is None:
                with _this_machine():
                    yield
                return
        let_go[first] += 1
        time.sleep(YIELDS)


@contextmanager
def _this_machine() -> Iterator[None]:
    """Held by one job at a time of all stores that its user has on this machine; of jobs that are given single cards
    (UNLEARN_DEVICE=cuda:1), by one for each card. Work that is sent to a cluster takes its turns there; where the lock
    cannot be had, stores do not wait for each other.
    """
    lock = None
    if os.environ.get("UNLEARN_ENGINE") not in ("ray", "slurm"):
        with suppress(OSError):
            # In a container there is no folder of a session; that another is taken tells a reader of the log nothing.
            with warnings.catch_warnings(action="ignore"):
                folder = platformdirs.user_runtime_path("unlearning-workbench", ensure_exists=True)
            lock = FileLock(folder / (f"card-{card}.lock" if (card := machine.card()) else "machine.lock"))
            lock.acquire()
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _who_goes_first(store: Store, job: str, hang: set[str]) -> str | None:
    """Of the living jobs for the same card that have not worked yet and do not hang, the one submitted first, where
    that was before this one; of the same moment, the lesser key.
    """
    if (mine := jobs.get(store, job)) is None:
        return None
    earlier = []
    for folder in (store.root / "jobs").iterdir():
        if folder.name not in (job, *hang) and not (folder / "outcome.json").exists():  # most of the others have ended
            other = jobs.get(store, folder.name)
            waits = other is not None and other.state in ("starting", "queued") and shares_card(store, other.key)
            if waits and (other.submitted, other.key) < (mine.submitted, mine.key):
                earlier.append((other.submitted, other.key))
    return min(earlier)[1] if earlier else None


def _carry_out(store: Store, job: str) -> None:
    tell = Reporter(store, job)
    tell(STARTS, 0, 0)
    try:
        asked, before = read_record(store, job, "job.json")["spec"], room.results(store.root)
        with _warm_workers() if asked["spec"] in SHORT else nullcontext():
            # It imports torch: seconds that a queued job need not have spent.
            importlib.import_module(EXPERIMENT).fulfil(store, build(asked), tell)
    except Exception as error:
        jobs.end(store, job, "failed", plain_sentence(error), traceback.format_exc())
    else:
        jobs.end(store, job, "done", "Finished.", megabytes=_added(store, before))


@contextmanager
def _warm_workers() -> Iterator[None]:
    with engine() as workers:
        workers.warm((EXPERIMENT,))
        yield


def _added(store: Store, before: dict) -> float | None:
    """By how many megabytes the results of the store grew meanwhile; None where the disk does not say."""
    with suppress(OSError):
        return sum(size for place, size in room.results(store.root).items() if place not in before) / 1e6
    return None


def plain_sentence(error: BaseException) -> str:
    """An error as one sentence for the screen."""
    if isinstance(error, (BadValue, StoreError, EngineError)) or type(error).__name__ == "DataError":
        return str(error)
    if isinstance(error, MemoryError) or ("torch" in sys.modules and _out_of_memory(error)):
        return "There was not enough memory; choose a smaller model, a smaller batch or fewer images."
    return f"The work stopped with an error ({type(error).__name__}); what was finished is kept."


def _out_of_memory(error: BaseException) -> bool:
    from unlearn_core.stacking import out_of_memory  # imports torch

    return out_of_memory(error)


if __name__ == "__main__":
    if os.environ.get("UNLEARN_ENGINE") == "slurm":  # the others' tasks end with this process
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("cancelled"))
    work(sys.argv[1], sys.argv[2])
