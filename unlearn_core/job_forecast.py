"""What a job is told before it starts: how long it may take, and how long it waits for its turn."""

from __future__ import annotations

import time
from dataclasses import replace

from unlearn_core import engines, jobs
from unlearn_core.engines import machine
from unlearn_core.hindsight import corrected
from unlearn_core.job import STARTS, Expected, Job
from unlearn_core.job_process import shares_card
from unlearn_core.store import Store

START = 4.0  # seconds that it takes, until jobs of this store have said


def foreseen(store: Store, alone: Expected, workers: int = 1, device: str = "cpu") -> Expected:
    """What a job may take from when it has the machine, where its work alone may take `alone` with so many `workers`,
    corrected by what jobs that were foreseen in the same way took.

    To the work comes the start of its process, and of its workers where there are several; both are slower where
    other programs have the CPUs now. They may stop or stay: the least goes by an idle machine, the most by one as busy
    as now, the likely by the middle. Nothing to do takes nothing.
    """
    if not alone.slowest:
        return alone
    found = jobs.listing(store)
    others = machine.load() - _own_load(found)
    slow = machine.crowded(workers, others) if device == "cpu" else 1.0
    start = _start(found, workers)
    now = replace(
        alone,
        seconds=(alone.seconds + start) * (1 + slow) / 2,
        fastest=alone.fastest + start,
        slowest=(alone.slowest + start) * slow,
    )
    return corrected(now, found)


def beyond(store: Store, whole: Expected, part: Expected, workers: int = 1, device: str = "cpu") -> float:
    """Seconds that the job of a `whole` work may take more than that of a `part` of it: of those that the whole is
    foreseen to take, the share that the rest of its work has. Both as the work alone may take, by the same rule.

    Two forecasts are no measure of it, for each may be corrected by other jobs, or have another start.
    """
    told = foreseen(store, whole, workers, device).seconds
    if not part.seconds:  # the job of the rest has a start of its own
        return told
    start = _start(jobs.listing(store), workers)
    return told * (whole.seconds - part.seconds) / (whole.seconds + start)


def _start(found: list[Job], workers: int) -> float:
    """The seconds that the process of a job, and its workers where there are several, take to start."""
    starts = [spent for job in found for name, spent in job.stages if name == STARTS and job.stage != STARTS]
    return min(starts, default=START) * (2 if workers > 1 else 1)  # the quickest: others were on a busy machine


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
    for other in jobs.listing(store):
        if other.active and shares_card(store, other.key):
            e = other.expected
            waits.append(other.left if other.state == "running" else None if e is None else (e.fastest, e.slowest))
    if not waits or None in waits:
        return len(waits), None
    return len(waits), (sum(least for least, _ in waits), sum(most for _, most in waits))
