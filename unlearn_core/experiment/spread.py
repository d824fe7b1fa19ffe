"""Many results at once, made by the workers that the environment asks for.

A worker gets the place of the store and the specs, and leaves what it makes in the store. Nothing else passes between
processes, so it is the same whether they are on one machine or on many that share the store's disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from unlearn_core.device import pick_device
from unlearn_core.disk import StoreError
from unlearn_core.engines import engine
from unlearn_core.params import Spec, build, plain
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Result
from unlearn_core.store import Store, is_store

# Operations that take about as long as a worker takes to start. CPU: nets for digits, stacked, make 5e10 a second, and
# a worker starts in about four. GPU: reckoned from its speed, not measured.
WORTH = {"cpu": 2e11, "cuda": 1e13}


def fulfil_all(store: Store, specs: Iterable[Spec], tell: Tell = silent, together: int = 1) -> list[Result]:
    """The results of these specs, in order: found in the store, or made now, several at once where there are workers.

    `together` neighbours, all of one kind, are one worker's task: more for models that train faster side by side.
    Calls tell("work", done, total). An error in one task does not stop the others. Raises it, or StoreError where
    workers do not share the store's disk.
    """
    specs = list(specs)
    missing = [spec for spec in dict.fromkeys(specs) if store.find(spec) is None]
    spread(store, [missing[i : i + together] for i in range(0, len(missing), together)], tell)
    return [found(store, spec) for spec in specs]


def still_to_make(store: Store, specs: Iterable[Spec]) -> int:
    """How many of these results are not there yet."""
    return sum(store.find(spec) is None for spec in dict.fromkeys(specs))


def spread(store: Store, groups: Iterable[Sequence[Spec]], tell: Tell = silent) -> None:
    """Make all of these specs, each group of one kind by one worker. A single group is made here."""
    tasks = [{"store": str(store.root), "specs": [plain(spec) for spec in group]} for group in groups if group]
    if len(tasks) == 1:
        make(tasks[0], tell)
    elif tasks:
        with engine() as workers:
            for _ in workers.map(make, tasks, tell, halves):
                pass


def shared_out(specs: Sequence[Spec], work: float, alone: bool = False) -> list[Sequence[Spec]]:
    """These specs as groups of neighbours: one for each worker that so many operations give enough to do, because what
    is made together gains by it. What gains nothing, being made `alone`, is parted as far as the work allows, so that
    less is lost where it is stopped.
    """
    count = (worth if alone else workers_for)(len(specs), work)
    size = -(-len(specs) // count)
    return [specs[i : i + size] for i in range(0, len(specs), size)]


def workers_for(pieces: int, work: float) -> int:
    """How many workers of the open engine so many operations in so many pieces give enough to do; at least 1."""
    if (most := worth(pieces, work)) == 1:
        return 1
    with engine() as workers:
        return min(most, workers.at_once)


def worth(pieces: int, work: float) -> int:
    """Into how many tasks work is parted at most, if each is to be worth the start of a worker; at least 1."""
    return max(1, min(pieces, int(work // WORTH.get(pick_device().type, WORTH["cpu"]))))


def halves(task: dict) -> list[dict]:
    """A task as two of half as many specs; one spec stays whole."""
    specs = task["specs"]
    middle = (len(specs) + 1) // 2
    return [task | {"specs": part} for part in (specs[:middle], specs[middle:]) if part]


def found(store: Store, spec: Spec) -> Result:
    """The result of a spec that was just made. Raises StoreError where a worker made it in another place."""
    if (result := store.find(spec)) is None:
        raise StoreError("Workers did not leave their results in this store; all machines must share its folder.")
    return result


def make(task: dict, tell: Tell) -> list[str]:
    """What a worker does: make the results of a task's specs in the store that it names. Returns their keys."""
    from unlearn_core.experiment.door import fulfil_together  # the stages themselves may spread their work

    root = Path(task["store"])
    if not is_store(root):  # Store() would begin an empty one that nobody looks into
        raise StoreError(f"The store {root} cannot be seen from a worker; all machines must share its folder.")
    specs = [build(spec) for spec in task["specs"]]
    return [result.key for result in fulfil_together(Store(root), specs, tell)]
