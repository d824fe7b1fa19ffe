"""Whatever the disk refuses and wherever a process dies: one sentence, nothing lost, nothing half, and it goes on."""

import json
import os
import subprocess
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from engine_tasks import make_on_a_failing_disk

from unlearn_core.disk import StoreError
from unlearn_core.engines.local import Local
from unlearn_core.result import find_fault
from unlearn_core.store import Store

TESTS = Path(__file__).parent
# Scenario -> how many points it has at least: fewer would say that the hook no longer sees what happens.
POINTS = {
    "make a result": 25,
    "make good a damaged result": 30,
    "submit a job": 15,
    "do the work of a job": 40,
    "cancel a job": 10,
    "resume a job": 20,
    "remove a job": 12,
    "remove a study and undo it": 40,
    "empty the trash": 20,
    "import over a lighter result": 40,
}
LAST = 45  # points of a worker that makes a result, and some more


def program(*command: str, seconds: int = 240) -> dict:
    """Run a program of this folder that forks, and return what it prints."""
    run = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=TESTS,
        env=os.environ | {"PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1", "UNLEARN_ENGINE": "here"},
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("how", ["error", "full", "kill"])
@pytest.mark.parametrize("scenario", POINTS)
def test_at_every_step(scenario, how, tmp_path):
    found = program("faults.py", scenario, how, str(tmp_path))
    assert found["wrong"] == []
    assert found["points"] >= POINTS[scenario]


@pytest.mark.parametrize("how", ["error", "full", "kill"])
def test_at_every_step_of_a_worker(how, tmp_path):
    """A disk that fails under a worker of the engine, or a worker that dies, at each point of making a result: one
    sentence, or the task is done again by itself; the other tasks are done, and asked again all are.
    """
    tasks, came = [(str(tmp_path / f"{at:02d}"), at, how) for at in range(1, LAST + 1)], {}
    with closing(Local(2)) as workers, nullcontext() if how == "kill" else pytest.raises(StoreError):
        for index, reached in workers.map(make_on_a_failing_disk, tasks):
            came[index] = reached
    found = [_found(Path(root)) for root, *_ in tasks]
    assert all(found[index] == ["whole"] for index in came)
    assert all(set(each) <= {"whole"} for each in found)  # nothing half, whatever failed
    assert came[LAST - 1] is False  # the last points are past the end: no point was left out
    assert len(came) == LAST if how == "kill" else len(came) < LAST
    with closing(Local(2)) as workers:
        assert len(list(workers.map(make_on_a_failing_disk, tasks))) == LAST
    assert all(_found(Path(root)) == ["whole"] for root, *_ in tasks)


def _found(root: Path) -> list[str]:
    """Each result of a store: whole, or what is wrong with it; no lock is left."""
    store = Store(root)
    assert not any(store.is_locked(lock.stem) for lock in (root / "locks").glob("*.lock"))
    return [find_fault(folder, deep=True) or "whole" for folder in (root / "results").glob("*/*")]


def test_the_life_of_jobs_in_any_order(tmp_path):
    found = program("job_life.py", str(tmp_path), "25")
    assert min(found[what] for what in ("killed", "finished", "cancelled", "damaged")) > 5, found
