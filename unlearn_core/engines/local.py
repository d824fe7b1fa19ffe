"""Processes of this machine: one for each GPU, or for each CPU with one thread.

Each worker is a pool of one process, so that one that is killed takes only its own task down. Workers stay warm until
the engine is closed. Each holds one end of a pipe, its lifeline: when the other end is closed, or the process that held
it is gone, the worker ends at once, whatever it is doing. Nothing is half done then, because results appear whole or
not at all.

Where there is no GPU, Linux makes workers from a template: a process without threads or open files of anybody's that
loads what they need, torch above all, once for all of them. Elsewhere each loads it for itself, because the state of
CUDA and of the frameworks of macOS does not live through a fork.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, forkserver
from typing import Any

import unlearn_core.engines.machine as machine
from unlearn_core.engines.base import Engine, Function, Lost, NoStart, Workers, attempt
from unlearn_core.engines.here import Here

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
UNGUARDED = (
    "A worker ended with an error while it was starting, which is told above or in the log: a worker reads the script "
    'that began it once more, so a script must keep its work below `if __name__ == "__main__":`, or do without '
    "workers (UNLEARN_ENGINE=here)."
)


def local(workers: int | None) -> Engine:
    """So many workers of this machine, as many as it carries unless told; a single one is this process."""
    workers = workers or machine.workers()
    # A spawned process reads the main module again. In a thread of a server that module is a page.
    if workers == 1 or threading.current_thread() is not threading.main_thread():
        return Here()
    return Local(workers)


class Local(Workers):
    """Up to `workers` processes, each begun when it is first needed."""

    def __init__(self, workers: int):
        super().__init__(at_once=workers)
        self.gpus = machine.gpus()
        self.method = "forkserver" if sys.platform == "linux" and not self.gpus else "spawn"
        self.idle: list[Worker] = []
        self.busy: list[Worker] = []
        self.begun = False  # whether a worker has ever come as far as its task

    def begin(self, function: Function, task: Any) -> Worker:
        if self.method == "forkserver":
            self.warm((function.__module__,))
        worker = self.idle.pop() if self.idle else self._new_worker()
        self.busy.append(worker)
        try:
            worker.begin(function, task)
        except BrokenProcessPool:  # it was killed while it had nothing to do
            self.abandon([worker])
            return self.begin(function, task)
        return worker

    def warm(self, modules: tuple[str, ...]) -> None:
        if self.method == "forkserver":
            multiprocessing.set_forkserver_preload(list(modules))
            with _environment(ONE_THREAD):  # of those that are made from it
                forkserver.ensure_running()
            return
        while len(self.idle) + len(self.busy) < self.at_once:
            worker = self._new_worker()
            worker.begin(_load, modules)
            self.idle.append(worker)

    def _new_worker(self) -> Worker:
        """A worker for the GPU that the fewest have, where there are GPUs."""
        if not self.gpus:
            return Worker(self.method, ONE_THREAD)
        taken = [worker.gpu for worker in self.busy + self.idle]
        gpu = min(self.gpus, key=taken.count)
        threads = max(1, machine.cpus() // self.at_once)
        return Worker(self.method, {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": gpu}, gpu)

    def ended(self, handles: list[Worker], seconds: float) -> list[Worker]:
        done, _ = wait([worker.future for worker in handles], seconds, FIRST_COMPLETED)
        return [worker for worker in handles if worker.future in done]

    def result(self, handle: Worker) -> Any:
        error = handle.future.exception()
        self.begun = self.begun or any(worker.began.value for worker in self.busy)
        if isinstance(error, BrokenProcessPool):
            self.abandon([handle])
            # A signal is from outside. Where another worker has begun, the script is not at fault.
            if not self.begun and handle.exit_code() > 0:
                raise NoStart(UNGUARDED) from error
            raise Lost from error
        self.busy.remove(handle)
        self.idle.append(handle)
        return handle.future.result()

    def share(self, handle: Worker) -> float:
        return handle.share.value

    def abandon(self, handles: list[Worker]) -> None:
        for worker in handles:
            worker.lifeline.close()
        for worker in handles:
            worker.pool.shutdown()
            self.busy.remove(worker)

    def close(self) -> None:
        self.busy += self.idle
        self.idle = []
        self.abandon(list(self.busy))


class Worker:
    """One process, what it is told of its surroundings, and how far it is with its task."""

    def __init__(self, method: str, environment: dict[str, str], gpu: str | None = None):
        self.environment, self.gpu = dict(environment), gpu
        self.process, self.future = None, None
        context = multiprocessing.get_context(method)
        # Shared memory without a lock: a process that is killed while it writes leaves nothing locked.
        self.share, self.began = context.RawValue("d", 0.0), context.RawValue("b", 0)
        theirs, self.lifeline = context.Pipe(duplex=False)
        told = theirs, self.share, self.began, dict(os.environ) | self.environment
        self.pool = ProcessPoolExecutor(1, context, initializer=_start, initargs=told)

    def begin(self, function: Function, task: Any) -> None:
        self.share.value = 0.0
        # The process is begun by the first task. What it has to know before torch is imported must be there by then.
        with _environment(self.environment):
            others = multiprocessing.active_children()
            self.future = self.pool.submit(_carry_out, function, task)
        if self.process is None:
            self.process = next((p for p in multiprocessing.active_children() if p not in others), None)

    def exit_code(self) -> int:
        """How a process that is gone ended: below 0 by a signal; 0 also where nobody knows."""
        return (self.process and self.process.exitcode) or 0


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# -- in the worker's process -------------------------------------------------------------------------------------------


def _start(lifeline: connection.Connection, share: Any, began: Any, environment: dict[str, str]) -> None:
    global _share
    os.environ.clear()  # of the template, which may be older than what the environment says now
    os.environ.update(environment)
    _share, began.value = share, True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent answers it
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: connection.Connection) -> None:
    """End this process when nobody holds the other end any more, or the parent is gone."""
    connection.wait([lifeline, multiprocessing.parent_process().sentinel])
    os._exit(1)


def _load(modules: tuple[str, ...], tell: object) -> None:
    for name in modules:
        importlib.import_module(name)


def _carry_out(function: Function, task: Any) -> Any:
    def tell(stage: str, done: int, total: int) -> None:
        _share.value = done / total if total else 0.0

    return attempt(function, task, tell)
