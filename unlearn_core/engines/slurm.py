"""Jobs of a Slurm cluster, through submitit.

What a job asks for is said where Slurm reads it: SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT, SBATCH_GPUS and
the like. submitit passes tasks and results through files in a folder of the user's own, which nobody else may write to:
whoever could would run code as that user.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from unlearn_core.engines.base import EngineError, Function, Lost, Workers, attempt
from unlearn_core.params import BadValue

AT_ONCE = 32  # jobs in the queue, unless told
MINUTES = 60  # a job's time, unless SBATCH_TIMELIMIT says another
SECONDS = 1.0  # between two looks: each is a look at a shared disk for every job


class Slurm(Workers):
    """Each task as a job; one that was killed is submitted again. `cluster="local"` runs jobs on this machine.

    Raises BadValue where the package or Slurm is missing.
    """

    def __init__(self, workers: int | None, cluster: str = "slurm"):
        super().__init__(at_once=workers or AT_ONCE)
        try:
            import submitit
        except ImportError as error:
            raise BadValue("The engine slurm needs one package more: python -m pip install -e '.[slurm]'.") from error
        if cluster == "slurm" and not shutil.which("sbatch"):
            raise BadValue("There is no Slurm here: the command sbatch is missing; use UNLEARN_ENGINE=local.")
        home = Path.home() / ".unlearn-slurm"  # homes are what the machines of such a cluster share
        home.mkdir(mode=0o700, exist_ok=True)
        self.submitit, self.lost = submitit, False
        self.folder = Path(tempfile.mkdtemp(dir=home))
        self.executor = submitit.AutoExecutor(self.folder, cluster=cluster)
        self.executor.update_parameters(name="unlearn", timeout_min=MINUTES, cpus_per_task=1)

    def begin(self, function: Function, task: Any) -> Any:
        return self.executor.submit(Work(function, task))

    def ended(self, handles: list, seconds: float) -> list:
        if done := [job for job in handles if job.done()]:
            return done
        time.sleep(max(seconds, SECONDS))
        return []

    def result(self, handle: Any) -> Any:
        try:
            result, error = handle.result()
        except self.submitit.core.utils.FailedJobError as fault:
            self.lost = True
            raise EngineError(f"A job failed before it came to its task; its log is in {self.folder}.") from fault
        except self.submitit.core.utils.UncompletedJobError as fault:
            self.lost = True
            raise Lost from fault
        if error is not None:
            raise error
        return result

    def abandon(self, handles: list) -> None:
        for job in handles:
            job.cancel(check=False)

    def close(self) -> None:
        if not self.lost:  # else the logs say why
            shutil.rmtree(self.folder, ignore_errors=True)


class Work:
    """One task as submitit calls it, and calls it again where Slurm takes the machine away or the time is over."""

    def __init__(self, function: Function, task: Any):
        self.function, self.task = function, task

    def __call__(self) -> tuple[Any, Exception | None]:
        # submitit would hand an error on as text only.
        try:
            return attempt(self.function, self.task), None
        except Exception as error:
            return None, error

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
