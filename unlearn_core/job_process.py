"""The process that does the work of a job: written down, found again, and killed with all that it started."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress

import psutil
from filelock import Timeout

from unlearn_core.disk import write_whole
from unlearn_core.engines import machine
from unlearn_core.store import Store


def read_record(store: Store, job: str, name: str) -> dict:
    """A file in the folder of a job, {} where it is not there or damaged."""
    try:
        found = json.loads((store.root / "jobs" / job / name).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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


def worker(store: Store, job: str) -> psutil.Process | None:
    """The process that does the work of this job; None where it is gone, or runs on another machine."""
    about = read_record(store, job, "worker.json")
    with suppress(psutil.Error, KeyError):
        process = psutil.Process(about["pid"])
        if abs(process.create_time() - about["born"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def same(one: dict, other: dict) -> bool:
    """Whether two looks at worker.json saw one process; it writes itself down after whoever started it did."""
    born, again = one.get("born", 0.0), other.get("born", 0.0)
    return one.get("pid") == other.get("pid") and abs(born - again) < 1


def stop(store: Store, job: str, process: psutil.Process, grace: float) -> None:
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
    until_gone(store, job, family)


def until_gone(store: Store, job: str, family: list[psutil.Process]) -> None:
    """Wait, at most two seconds, until these processes are dead and the kernel has freed their lock.

    A process that only its parent has not buried yet is dead; but its threads can hold the lock a moment longer.
    """
    until = time.monotonic() + 2
    while time.monotonic() < until and (any(map(alive, family)) or store.is_locked(f"job-{job}")):
        time.sleep(0.02)


def held(store: Store, job: str) -> bool:
    """Whether a process still has the lock of this job; one that has just ended frees it a moment later."""
    try:
        with store.lock(f"job-{job}").acquire(timeout=1):
            return False
    except Timeout:
        return True


def alive(process: psutil.Process) -> bool:
    """Whether a process still does something; one that only waits to be buried does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
