"""The table of docs/failure_modes.md names tests that there are; and the failures that have no other place."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from unlearn_core import jobs
from unlearn_core.data import Data
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.stages import refuse
from unlearn_core.params import BadValue, key
from unlearn_core.store import StoreError, find_fault
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs" / "failure_modes.md").read_text()
NAMED = re.findall(r"\| `([\w/]+\.py)::(\w+)` \|", TABLE)
QUICK = Training(data=Data(train=120, test=60), width=8, epochs=1)


def test_every_line_of_the_table_names_a_test():
    lines = [line for line in TABLE.splitlines() if line.startswith("| ")][2:]
    assert len(lines) == len(NAMED) >= 22


@pytest.mark.parametrize("file, name", NAMED, ids=lambda part: part)
def test_the_named_test_is_there(file, name):
    found = {f.name for f in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(f, ast.FunctionDef)}
    assert name in found


def test_images_that_were_left_out_cannot_be_forgotten(store):
    with pytest.raises(BadValue, match="Row 3 was left out of the training"):
        refuse(store, QUICK.but(without="3-5"), np.array([3, 7]), FineTune())


def test_a_job_that_has_no_room_is_not_begun(store, monkeypatch):
    monkeypatch.setattr(jobs, "free_megabytes", lambda root: 10.0)
    with pytest.raises(StoreError, match="This needs about 1,000 MB, and 10 MB are left on the disk of the store"):
        jobs.submit(store, QUICK, jobs.Expected(1.0, 1.0, 1.0, megabytes=1000.0))
    assert jobs.listing(store) == []


@pytest.mark.parametrize("days", [-400, 400])
def test_the_clock_may_jump(store, days, monkeypatch):
    result = fulfil(store, QUICK)
    job = jobs.submit(store, QUICK)
    now = jobs.time.time()
    monkeypatch.setattr(jobs.time, "time", lambda: now + days * 86_400)
    (found,) = jobs.listing(store)
    assert found.state == "done" and found.seconds >= 0
    assert jobs.submit(store, QUICK) == job == key(QUICK) and fulfil(store, QUICK).folder == result.folder
    assert find_fault(result.folder, deep=True) is None
    assert jobs.listing(store)[0].seconds >= 0
