"""What workers carry out in tests of engines, of lost work and of clusters: found again by name in another process.

Without torch, so that a worker has begun at once; a task that needs more imports it itself.
"""

import os
import signal
import sys
import time
from pathlib import Path

from unlearn_core.engines import engine
from unlearn_core.engines.here import Here
from unlearn_core.params import BadField
from unlearn_core.progress import silent


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


class Crew(Here):
    """So many workers as far as anyone can see, and the tasks that they were given; this process does the work."""

    tasks: list[list[dict]]

    def __init__(self, workers):
        self.at_once, self.tasks = workers, []

    def map(self, function, tasks, tell=silent, halves=None):
        self.tasks.append(list(tasks))
        return super().map(function, self.tasks[-1], tell)


def describe(task, tell):
    with engine() as inside:
        names = "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"
        return os.getpid(), type(inside).__name__, *(os.environ.get(name) for name in names)


def meet(task, tell):
    """Wait until two workers have such a task."""
    Path(task, str(os.getpid())).touch()
    until(lambda: len(list(Path(task).iterdir())) == 2)
    return describe(task, tell)


def threads(task, tell):
    import torch

    return torch.get_num_threads()


def halves(task, tell):
    for done in range(5):
        tell("counting", done, 4)
        time.sleep(0.3)
    return 2 * task


def sleep(task, tell):
    Path(task, str(os.getpid())).touch()
    time.sleep(60)


def die(task, tell):
    """Leave a mark and be killed, as often as the task says; then come back with the number of marks."""
    folder, times = task
    marks = len(list(Path(folder).iterdir()))
    if marks < times:
        Path(folder, str(marks)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return marks


class Particular(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fail(task, tell):
    if task == "field":
        raise BadField("lr", "must be at least 0, not -1.")
    if task == "particular":
        raise Particular(1, 2)
    if task == "file":
        open("/no/such/file")  # noqa: SIM115
    return task


def make_marked(task, tell):
    """make(), with a mark in a folder for each process that is in the middle of it."""
    from unlearn_core.experiment.spread import make

    mark = Path(task["marks"], str(os.getpid()))

    def told(stage, done, total):
        if 0 < done < total:
            mark.touch()
        tell(stage, done, total)

    try:
        return make(task, told)
    finally:
        mark.unlink(missing_ok=True)


def heavy(task: dict, tell) -> list[int]:
    """Write down what was done; more than `most` at once do not fit, and the system kills the process."""
    if len(task["specs"]) > task["most"]:
        os.kill(os.getpid(), signal.SIGKILL)
    for spec in task["specs"]:
        with (Path(task["store"]) / f"{spec}").open("a") as file:
            file.write("done ")
    return task["specs"]


def make_on_a_failing_disk(task: tuple[str, int, str], tell) -> bool:
    """Make a result in a store, the first time with a fault at one of its points; whether it came to that point."""
    from faults import TINY, fulfil, inject

    from unlearn_core.store import Store

    root, at, how = task
    before = Path(root).with_name(f"tried-{at}")
    reached = inject(Path(root), at, how) if not before.exists() else bool
    before.touch()
    store = Store(root)
    fulfil(store, TINY)
    return reached()


def loaded(name, tell):
    """(this process, whether it has loaded a module of this name), a moment later, so that all workers are at it."""
    time.sleep(0.3)
    return os.getpid(), name in sys.modules


def origin(name, tell):
    """(the process that this one was made from, what the environment says under this name)."""
    time.sleep(0.1)
    return os.getppid(), os.environ.get(name)
