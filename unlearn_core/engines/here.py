"""One task after the other, in this process: what a single worker is, and what every worker does inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from unlearn_core.engines.base import Engine, Function, Halves, Progress, whole
from unlearn_core.progress import Cancelled, Tell, silent


class Here(Engine):
    """This process."""

    at_once = 1

    def map(
        self, function: Function, tasks: Iterable[Any], tell: Tell = silent, halves: Halves = whole
    ) -> Iterator[tuple[int, Any]]:
        tasks = list(tasks)
        progress, error = Progress(len(tasks), tell), None
        for index, task in enumerate(tasks):

            def told(stage: str, done: int, total: int, index: int = index) -> None:
                progress.reach(index, done / total if total else 0.0)
                progress.show()

            try:
                result = function(task, told)
            except Cancelled:
                raise
            except Exception as fault:
                error = error or fault
            else:
                progress.reach(index, 1.0)
                progress.show()
                yield index, result
        if error is not None:
            raise error

    def close(self) -> None:
        """There is nobody to let go."""
