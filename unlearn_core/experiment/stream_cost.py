"""What several requests in a row will cost at most before they are run, from what the runs of a finished study took."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn_core import engines
from unlearn_core.experiment.forecast import run_megabytes, size_of
from unlearn_core.experiment.stream import Stream
from unlearn_core.experiment.study_table import RETRAINED
from unlearn_core.experiment.views import OpenStudy


@dataclass(frozen=True)
class StreamCost:
    """Work at most, as if only the originals of the finished study were stored: `trainings` models from scratch, two
    for each request and seed and the missing originals; `runs`, each through all requests; `seconds` for both without
    the measuring, None where no such model was timed; and `megabytes` of disk.
    """

    trainings: int
    runs: int
    seconds: float | None
    megabytes: float


def stream_cost(finished: OpenStudy, method: str, asked: Stream) -> StreamCost:
    """The cost of a stream of the images and the recipe of a finished study, whose `method` is its algorithm."""
    requests, missing = len(asked.requests), max(0, asked.seeds - finished.spec.seeds)
    trainings = 2 * asked.seeds * requests + missing
    seconds = finished.table.groupby("method")["seconds"].mean()
    # Models of one request are trained together; the runs of all seeds go side by side.
    whole = trainings * seconds[RETRAINED] / min(engines.at_once(), requests)
    whole += asked.seeds * requests * seconds[method]
    megabytes = trainings * size_of(finished.run_result(RETRAINED, 0)) + asked.seeds * run_megabytes(
        finished, asked.plan
    )
    return StreamCost(trainings, asked.seeds, float(whole) if whole > 0 else None, megabytes)  # NaN is not above 0
