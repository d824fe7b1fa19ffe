"""The Runs page: every state a job can be in, and what can be done about it."""

import json
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from pages.shared.progress import KINDS
from unlearn_core import jobs
from unlearn_core.experiment import example
from unlearn_core.experiment.stages import MAKERS
from unlearn_core.experiment.views import contents
from unlearn_core.params import key, plain
from unlearn_core.store import Store


@pytest.fixture
def runs(open_page):
    """runs(store_folder, **address) -> the Runs page."""
    return partial(open_page, "runs")


def add_job(store: Store, name: str, submitted: float = 1.0, **files) -> str:
    """A job folder as it lies on the disk; returns its key."""
    spec = example().but(name=name)
    folder = store.root / "jobs" / key(spec)
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"spec": plain(spec), "submitted": submitted}))
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    return key(spec)


def ended(state: str, message: str, detail: str = "") -> dict:
    return {"state": state, "message": message, "detail": detail, "ended": 73.0}


def words(at) -> str:
    return "\n".join(e.value for e in at.markdown)


def test_empty_store(runs, store):
    at = runs(store.root)
    assert "Nothing was run yet." in words(at)


def test_results_without_jobs_are_no_empty_record(runs, filled_store):
    assert "No jobs on record here; the finished results below came from elsewhere." in words(runs(filled_store))


def test_newest_first_each_with_icon_and_word(runs, store):
    add_job(store, "Old", 1.0, outcome=ended("cancelled", "Cancelled. What was finished is kept."))
    add_job(store, "New", 2.0, outcome=ended("done", "Finished."))
    add_job(
        store, "Lost", 3.0, progress={"begun": True, "stages": [["bank", 4.0]], "done": 1, "total": 2, "written": 9.0}
    )
    said = words(runs(store.root))
    assert "3 jobs: 1 done, 1 cancelled, 1 interrupted." in said
    assert said.index("**Lost**") < said.index("**New**") < said.index("**Old**")
    assert ":material/check_circle: Done" in said and ":material/power_off: Interrupted" in said
    assert "bank, 50%" in said and "1 min 12 s" in said


def test_failure_is_one_sentence_with_details_on_request(runs, store):
    job = add_job(store, "Bad", outcome=ended("failed", "There is no class 'x'.", "Traceback: ..."))
    at = runs(store.root)
    assert [e.value for e in at.error] == ["There is no class 'x'."]
    assert [c.value for c in at.code] == ["Traceback: ..."]
    assert "Show technical details" in [e.label for e in at.expander]
    at.button(key=f"remove.{job}").click().run()
    assert not at.exception and not jobs.listing(store)


def test_cancel_kills_the_process_at_once(runs, store):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        worker = {"pid": process.pid, "born": psutil.Process(process.pid).create_time()}
        progress = {"begun": True, "stages": [["bank", 4.0]], "done": 1, "total": 4, "written": time.time()}
        job = add_job(store, "Long", time.time(), worker=worker, progress=progress)
        with store.lock(f"job-{job}"):
            at = runs(store.root)
            assert "1 job: 1 running. Work goes on when this page is closed." in words(at)
            at.button(key=f"cancel.{job}").click().run()
        assert not at.exception
        assert process.poll() is not None
        assert jobs.find(store, job).state == "cancelled" and "1 cancelled" in words(at)
        assert words(at).count("**Long**") == 1 and not [b for b in at.button if b.label == "Cancel"]
    finally:
        process.kill()


def test_open_leads_to_the_study(runs, filled_store, filled_study, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(filled_store, root)
    jobs.submit(Store(root), filled_study)  # finished already, so nothing is started
    at = runs(root)
    at.button(key=f"open.{key(filled_study)}").click().run()
    assert at.title[0].value == "Explore" and at.query_params["study"] == key(filled_study)


def test_store_is_counted_by_kind(runs, filled_store):
    table = contents(Store(filled_store)).set_index("kind")
    assert table.loc["Study", "results"] == 1 and table.loc["Map", "results"] == 1
    folders = list((Path(filled_store) / "results").glob("*/*"))
    size = sum(f.stat().st_size for place in folders for f in place.iterdir())
    assert table["results"].sum() == len(folders) and table["megabytes"].sum() == pytest.approx(size / 1e6)
    assert f"{len(folders)} finished results" in words(runs(filled_store))


def test_every_kind_of_result_has_a_name():
    assert set(KINDS) == {kind.__name__ for kind in MAKERS}
