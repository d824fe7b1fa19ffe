"""What earlier jobs took against what was foreseen for them, and a forecast corrected by that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from statistics import median, stdev
from typing import NamedTuple

from unlearn_core.job import Expected, Job

LAST = 20  # jobs that are asked, the newest: the program and the machine change
ENOUGH = 3  # of them tell how far such forecasts are off
LIKE = 4.0  # the factor by which the forecasts of jobs of like size differ at most: a long job is off by other things


def corrected(e: Expected, jobs: Iterable[Job]) -> Expected:
    """A forecast by what jobs that were foreseen in the same way (`how`) took against it, newest first: the seconds
    times the middle of took / foreseen, both as they were before any correction. Those of like size are asked, by what
    was foreseen; where there are none, all. From three jobs on the range is where one more lies with chance 0.9 by
    their spread; fewer move the middle alone, and the range holds the uncorrected one too.
    """
    if not e.how or not e.seconds:
        return e
    seen = list(_seen(e.how, jobs))
    alike = [took for took in seen if 1 / LIKE <= took.foreseen / e.seconds <= LIKE]
    off = [took.seconds / took.foreseen for took in (alike or seen)[:LAST]]
    if not off:
        return e
    middle = median(off)
    seconds, fastest, slowest = e.seconds * middle, e.fastest * min(1.0, middle), e.slowest * max(1.0, middle)
    if len(off) >= ENOUGH:
        fastest, slowest = seconds / (factor := _spread(off)), seconds * factor
    return replace(e, seconds=seconds, fastest=fastest, slowest=slowest, factor=middle, jobs=len(off))


class _Took(NamedTuple):
    """Seconds that a finished job took, and those of its forecast before any correction."""

    seconds: float
    foreseen: float


def _seen(how: str, jobs: Iterable[Job]) -> Iterator[_Took]:
    for job in jobs:
        e = job.expected
        if job.state == "done" and job.worked and e is not None and e.how == how and e.seconds and e.factor:
            yield _Took(job.worked, e.seconds / e.factor)


def _spread(off: list[float]) -> float:
    """The factor within which one more lies with chance 0.9 of the middle, going by Student's t of the logarithms."""
    from scipy.special import stdtrit  # a tenth of a second that the process of a job need not spend

    logs = [math.log(each) for each in off]
    return math.exp(float(stdtrit(len(off) - 1, 0.95)) * stdev(logs) * math.sqrt(1 + 1 / len(off)))
