"""What all engines share: lost tasks are started again, errors kept until the rest is done, progress is told.

An engine of its own says how one task is begun and how its end is noticed; the order of things is here.
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from unlearn_core.progress import Tell, silent

Function = Callable[[Any, Tell], Any]
Halves = Callable[[Any], list]  # a task as smaller ones that together are the same

LOOK_EVERY = 0.2  # seconds between two looks at tasks under way
RESTARTS = 3  # how often a task whose worker died is started again
UNITS = 1000  # steps of progress that a task counts


class EngineError(RuntimeError):
    """Work could not be carried out where it was sent; the message is one sentence fit for the screen."""

    @classmethod
    def lost(cls) -> EngineError:
        return cls(
            f"A worker was stopped from outside {RESTARTS + 1} times at the same task, perhaps for want of memory; "
            "fewer workers (UNLEARN_WORKERS) need less, and what was finished is kept."
        )


class NoStart(EngineError):
    """No worker can be started, so no other task needs to be tried."""


class Lost(Exception):
    """The worker of a task died, so the task can be started again."""


def whole(task: Any) -> list:
    """A task that cannot be parted."""
    return [task]


class Engine(ABC):
    """Carries out one function on many tasks, `at_once` of them at a time."""

    at_once: int

    def warm(self, modules: tuple[str, ...]) -> None:  # noqa: B027 - not every engine can
        """Have workers load these modules while something else is done, where they are begun before they have work."""

    @abstractmethod
    def map(
        self, function: Function, tasks: Iterable[Any], tell: Tell = silent, halves: Halves = whole
    ) -> Iterator[tuple[int, Any]]:
        """(index of the task, function(task, tell)) as results come in, in any order.

        `function` stands at the top of a module; tasks and results are small plain values. `tell` hears ("work", done,
        total) over all tasks: how far tasks under way are where the engine can know it, else the finished ones. An
        error in one task does not stop the others: the first one is raised when they are done. Raises EngineError for
        a task whose workers were killed again and again, and at once where none can be started. Whoever stops taking
        results stops the work.

        `halves` parts a task whose worker was killed, for a system that is short of memory kills the largest process;
        the result of a task that was parted is that of the part that was done last.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the workers go."""


class Workers(Engine):
    """An engine that sends tasks away. A handle is what it knows a begun task by.

    `given`: how many tasks may be given away at a time, where whoever takes them keeps those that must wait.
    """

    def __init__(self, at_once: int, given: int | None = None):
        self.at_once, self.given = at_once, given or at_once

    def map(
        self, function: Function, tasks: Iterable[Any], tell: Tell = silent, halves: Halves = whole
    ) -> Iterator[tuple[int, Any]]:
        waiting, running, more = deque((index, task, 0) for index, task in enumerate(tasks)), {}, Counter()
        progress, error = Progress(len(waiting), tell), None
        try:
            while waiting or running:
                while waiting and len(running) < self.given:
                    index, task, lost = waiting.popleft()
                    running[self.begin(function, task)] = index, task, lost
                for handle in self.ended(list(running), LOOK_EVERY):
                    index, task, lost = running.pop(handle)
                    try:
                        result = self.result(handle)
                    except Lost:
                        if lost < RESTARTS:
                            parts = halves(task)
                            more[index] += len(parts) - 1
                            waiting.extendleft((index, part, lost + 1) for part in reversed(parts))
                        else:
                            error = error or EngineError.lost()
                    except NoStart:
                        raise
                    except Exception as fault:
                        error = error or fault
                    else:
                        more[index] -= 1
                        if more[index] < 0:
                            progress.reach(index, 1.0)
                            yield index, result
                for handle, (index, _, _) in running.items():
                    if not more[index]:
                        progress.reach(index, self.share(handle))
                progress.show()
        finally:
            if running:
                self.abandon(list(running))
        if error is not None:
            raise error

    @abstractmethod
    def begin(self, function: Function, task: Any) -> Any:
        """Start a task and return its handle."""

    @abstractmethod
    def ended(self, handles: list, seconds: float) -> list:
        """Those of these tasks that have ended; waits for the first about so many seconds."""

    @abstractmethod
    def result(self, handle: Any) -> Any:
        """What an ended task gave. Raises its error, or Lost."""

    def share(self, handle: Any) -> float:
        """How far a task under way is, 0 to 1; 0 where that is not known."""
        return 0.0

    @abstractmethod
    def abandon(self, handles: list) -> None:
        """Stop these tasks: nobody wants their results any more."""


class Progress:
    """How far all tasks together are; it never falls, not even where a task starts again."""

    def __init__(self, tasks: int, tell: Tell):
        self.shares, self.tell = [0.0] * tasks, tell
        self.show()

    def reach(self, index: int, share: float) -> None:
        self.shares[index] = max(self.shares[index], min(1.0, share))

    def show(self) -> None:
        # Also where nothing has changed: one who does not want the result any more says so when told.
        self.tell("work", round(UNITS * sum(self.shares)), UNITS * len(self.shares))


# -- in the worker's process -------------------------------------------------------------------------------------------


def attempt(function: Function, task: Any, tell: Tell = silent) -> Any:
    """Carry out a task in a worker. Its errors reach the other process as they are."""
    os.environ["UNLEARN_ENGINE"] = "here"  # a worker that asks for an engine works by itself
    try:
        return function(task, tell)
    except Exception as error:
        raise portable(error) from error


def portable(error: Exception) -> Exception:
    """A copy of the error, or of the nearest kind of it that another process can rebuild.

    A copy is made the way an error is sent: by calling its class with `args`. A class whose constructor takes something
    else cannot be made so, and would take the worker's connection down on arrival.
    """
    for kind in type(error).__mro__:
        with suppress(Exception):
            return copy.copy(error if kind is type(error) else kind(str(error)))
    return RuntimeError(str(error))
