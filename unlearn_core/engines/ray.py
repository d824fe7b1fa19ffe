"""The machines of a Ray cluster: the one at RAY_ADDRESS, or one that is started on this machine and stopped again."""

from __future__ import annotations

import os
import sys
from typing import Any

from unlearn_core.engines.base import RESTARTS, EngineError, Function, Workers, attempt
from unlearn_core.params import BadValue

TOLD = ("UNLEARN_DEVICE", "UNLEARN_ALGORITHMS")  # of the environment: what workers on other machines go by too
OBJECT_STORE = 100_000_000  # bytes: only specs and keys pass through it


class Ray(Workers):
    """Tasks as Ray tasks with one CPU each, and one GPU where the cluster has GPUs.

    All are given to Ray at once, unless `workers` says how many: machines may join while it works, and it starts the
    tasks of dead workers and of removed machines again. Raises BadValue where the package is missing, EngineError
    where the cluster does not answer.
    """

    def __init__(self, workers: int | None):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise BadValue("The engine ray needs one package more: python -m pip install -e '.[ray]'.") from error
        self.ray = ray
        self.connected_here = not ray.is_initialized()
        if self.connected_here:
            self._connect()
        there = ray.cluster_resources()
        gpus = 1 if there.get("GPU") and os.environ.get("UNLEARN_DEVICE") != "cpu" else 0
        super().__init__(workers or max(1, int(there.get("GPU" if gpus else "CPU", 1))), workers or sys.maxsize)
        # Ray would end a process that used a GPU after one task, and the next would import torch again: max_calls=0.
        told = {name: os.environ[name] for name in TOLD if name in os.environ}
        about = {"runtime_env": {"env_vars": told}} if told else {}
        self.remote = ray.remote(num_cpus=1, num_gpus=gpus, max_calls=0, max_retries=RESTARTS, **about)(attempt)

    def _connect(self) -> None:
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if address := os.environ.get("RAY_ADDRESS"):
            try:
                self.ray.init(address, **quiet)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise EngineError(f"The Ray cluster at {address} does not answer.") from error
        else:
            self.ray.init("local", include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)

    def begin(self, function: Function, task: Any) -> Any:
        return self.remote.remote(function, task)

    def ended(self, handles: list, seconds: float) -> list:
        return self.ray.wait(handles, timeout=seconds)[0]

    def result(self, handle: Any) -> Any:
        try:
            return self.ray.get(handle)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:  # Ray has started it again as often as it may
            raise EngineError.lost() from error

    def abandon(self, handles: list) -> None:
        for handle in handles:
            self.ray.cancel(handle, force=True)

    def close(self) -> None:
        if self.connected_here:
            self.ray.shutdown()
