"""The table of docs/failure_modes.md names tests that there are; and the failures that have no other place."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from unlearn_core import jobs
from unlearn_core.data import Data
from unlearn_core.disk import StoreError
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.unlearned_models import refuse
from unlearn_core.job import Expected
from unlearn_core.params import BadValue, key
from unlearn_core.result import find_fault
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs" / "failure_modes.md").read_text()
NAMED = re.findall(r"\| `([\w/]+\.py)::(\w+)` \|", TABLE)
# The test of each line, in order: a line that goes, or names another test, is a change to be made here too.
HELD = (
    "test_damage_is_put_aside_and_made_good",
    "test_a_damaged_record_is_no_worse_than_none",
    "test_a_run_that_diverges_stops_at_its_last_finite_state",
    "test_mistakes_are_named_in_one_short_sentence",
    "test_images_that_were_left_out_cannot_be_forgotten",
    "test_a_whole_class_can_be_forgotten",
    "test_a_source_that_is_no_dataset_is_refused_in_one_sentence",
    "test_a_file_beyond_the_limit_is_refused_before_it_is_read",
    "test_too_large_a_set_is_refused_before_anything_is_decoded",
    "test_a_bomb",
    "test_a_damaged_image_becomes_a_reason_and_never_an_exception",
    "test_a_file_that_is_none_is_refused",
    "test_at_every_step",
    "test_a_job_that_has_no_room_is_not_begun",
    "test_a_result_beyond_the_limit_is_not_kept",
    "test_at_every_step",
    "test_what_another_study_needs_stays",
    "test_what_was_made_anew_meanwhile_stays_and_the_old_one_is_kept",
    "test_a_stack_that_does_not_fit_is_halved",
    "test_a_task_is_halved_until_it_fits",
    "test_work_that_died_without_a_word_goes_on_with_fewer_models_at_once",
    "test_at_every_step_of_a_worker",
    "test_one_job_at_a_time_and_one_process_a_job",
    "test_the_life_of_jobs_in_any_order",
    "test_what_is_started_again_while_it_is_cancelled_goes_on",
    "test_a_job_outlives_the_server_and_a_killed_worker_is_offered_again",
    "test_a_link_brings_back_the_view",
    "test_the_clock_may_jump",
    "test_its_study_says_what_it_said",
    "test_a_removed_node_loses_nothing",
    "test_names_and_addresses_are_text_on_every_page",
    "test_a_killed_process_is_gone_on_with_to_the_same_bits",
    "test_one_visit_cannot_fill_the_servers_memory_with_files",
)
QUICK = Training(data=Data(train=120, test=60), width=8, epochs=1)


def test_every_line_of_the_table_has_its_number_and_its_own_test():
    lines = re.findall(r"(?m)^\| (\d+) \|.*::(\w+)` \|$", TABLE)
    assert {int(number): name for number, name in lines} == dict(enumerate(HELD, 1))
    assert len(lines) == len(NAMED) == TABLE.count("\n| ") - 2 and len(set(NAMED)) >= len(NAMED) - 1


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
        jobs.submit(store, QUICK, Expected(1.0, 1.0, 1.0, megabytes=1000.0))
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
