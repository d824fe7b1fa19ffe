"""What earlier jobs took against what was foreseen for them, and a forecast corrected by that."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from statistics import median, stdev

from unlearn_core.job import Expected, Job

LAST = 20  # jobs that are asked, the newest: the program and the machine change
ENOUGH = 3  # of them tell how far such forecasts are off


def corrected(e: Expected, jobs: Iterable[Job]) -> Expected:
    """A forecast by what jobs that were foreseen in the same way (`how`) took against it, newest first: the seconds
    times the middle of took / foreseen, both as they were before any correction. From three jobs on the range is where
    one more lies with chance 0.9 by their spread; fewer move the middle alone, and the range holds the uncorrected one
    too.
    """
    off = list(islice(_ratios(e.how, jobs), LAST))
    if not off or not e.how:
        return e
    middle = median(off)
    seconds, fastest, slowest = e.seconds * middle, e.fastest * min(1.0, middle), e.slowest * max(1.0, middle)
    if len(off) >= ENOUGH:
        fastest, slowest = seconds / (factor := _spread(off)), seconds * factor
    return replace(e, seconds=seconds, fastest=fastest, slowest=slowest, factor=middle, jobs=len(off))


def _ratios(how: str, jobs: Iterable[Job]) -> Iterable[float]:
    """What each finished job took, as a multiple of its uncorrected forecast."""
    for job in jobs:
        e = job.expected
        if job.state == "done" and job.worked and e is not None and e.how == how and e.seconds and e.factor:
            yield job.worked * e.factor / e.seconds


def _spread(off: list[float]) -> float:
    """The factor within which one more lies with chance 0.9 of the middle, going by Student's t of the logarithms."""
    from scipy.special import stdtrit  # a tenth of a second that the process of a job need not spend

    logs = [math.log(each) for each in off]
    return math.exp(float(stdtrit(len(off) - 1, 0.95)) * stdev(logs) * math.sqrt(1 + 1 / len(off)))
