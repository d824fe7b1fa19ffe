"""The Runs page: every state a job can be in, and what can be done about it."""

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from streamlit.testing.v1 import AppTest

from pages.shared import job_table, numbers, progress
from pages.shared.text import escape
from unlearn_core import jobs
from unlearn_core.experiment import EqualRetention, Landscape, LayerCka, OpenStudy, Run, SharedMap, example, shared_map
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.forecast import forget_size
from unlearn_core.experiment.listed import contents
from unlearn_core.experiment.outcome import outcome
from unlearn_core.experiment.try_everything import fitting
from unlearn_core.forget import OfClass, Picked
from unlearn_core.job import Expected
from unlearn_core.kinds import KINDS
from unlearn_core.params import key, plain
from unlearn_core.rum import Plan
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
    if files.get("outcome", {}).get("state") == "done":
        store.remember(spec, lambda draft: draft.json("summary", {"tow": {}, "forget": 3}))  # as far as a list reads it
    return key(spec)


def ended(state: str, message: str, detail: str = "") -> dict:
    return {"state": state, "message": message, "detail": detail, "ended": 73.0}


def words(at) -> str:
    return "\n".join(e.value for e in at.markdown)


def test_empty_store(runs, store):
    at = runs(store.root)
    assert "Nothing was run yet." in words(at)


def test_an_empty_store_offers_the_example_here_too(runs, store, submitted):
    at = runs(store.root)
    assert [b.label for b in at.button if b.proto.type == "primary"] == ["Open a recorded run"]
    next(b for b in at.button if b.label == "Run the example").click().run()
    assert not at.exception and submitted == [example()] and at.title[0].value == "Runs"


def test_a_first_job_under_way_is_no_empty_page(runs, store):
    add_job(store, "First", outcome=ended("failed", "It stopped."))
    assert not [b for b in runs(store.root).button if b.label == "Run the example"]


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
    assert "bank, stage 3 of 9, step 2 of 2" in said and "1 min 12 s" in said


def jobs_table(at):
    """The table of jobs, with the first letters of their keys taken off their names, where all have them."""
    table = next(each.value for each in at.dataframe if "Took" in each.value).copy()
    names = table["Name"].str.extract("^(.*) #([0-9a-f]{4})$")
    assert names.notna().all(axis=None)
    table["Name"] = names[0]
    return table


def test_all_jobs_stand_in_one_table_that_is_narrowed_by_state_and_words(runs, own_store, filled_study, study):
    finished(own_store, filled_study)
    add_job(own_store, "Lost", 2.0, outcome=ended("failed", "There is no class 'x'.", "Traceback: ..."))
    add_job(own_store, "Gone", 3.0, outcome=ended("cancelled", "Cancelled."))
    table = jobs_table(runs(own_store.root)).set_index("Name")
    assert list(table.index) == ["Gone", "Lost", filled_study.name]
    line, came = table.loc[filled_study.name], outcome(own_store, key(filled_study))
    assert line["group ToW"] == numbers.estimate(came.closeness) and line["TPR@1%FPR"] == "not measurable"
    assert (line["Status"], line["Progress"], line["Set"]) == ("Done", 1.0, forget_size(filled_study))
    assert not table.loc["Lost", "group ToW"] and line["Plan"].startswith("data:image/svg+xml;utf8,%3Csvg")
    at = runs(own_store.root, states="failed,cancelled")
    assert set(jobs_table(at)["Status"]) == {"Failed", "Cancelled"} and f"**{filled_study.name}**" not in words(at)
    at = runs(own_store.root, find="GON")
    assert list(jobs_table(at)["Name"]) == ["Gone"] and "**Lost**" not in words(at)
    at = runs(own_store.root, find="nowhere")
    assert "No job fits that." in [c.value for c in at.caption] and "3 jobs: " in words(at)


def test_jobs_that_nobody_named_say_what_they_are_about(runs, own_store, filled_study):
    """All maps, comparisons and tables are called the same in their specs."""
    study = OpenStudy.open(own_store, key(filled_study))
    own = f"{filled_study.name} #{study.key[:4]}"
    for method, kind in (("rum", "pca"), ("fine-tune", "umap")):
        finished(own_store, shared_map.asked(study, method, kind))
    finished(own_store, LayerCka(study=filled_study))
    finished(own_store, Landscape(sets=64))
    finished(own_store, fitting(study, Picked(named="0-9"), np.arange(10), 3))
    finished(own_store, shared_map.asked(study, "rum", "umap").but(name="Mine"))
    gone = filled_study.but(name="Gone")
    finished(own_store, SharedMap(study=gone, method="rum", kind="pca"))
    at = runs(own_store.root)
    named = {
        f"PCA map of RUM, {own}", f"UMAP map of Fine-tune, {own}", f"Layer by layer, {own}", "Mine",
        "Difficulty landscape of 64 sets, digits", "Everything on 10 images",
        f"PCA map of rum, Gone #{key(gone)[:4]}",
    }  # fmt: skip
    assert set(jobs_table(at)["Name"]) == named
    assert all(f"**{escape(name)}**" in words(at) for name in named)
    assert set(jobs_table(runs(own_store.root, find="umap map"))["Name"]) == {f"UMAP map of Fine-tune, {own}"}


def test_beside_a_job_under_way_its_time_has_the_room_that_few_buttons_leave(runs, store):
    started = {"begun": True, "stages": [], "began": time.time() - 1, "written": time.time()}
    job = add_job(store, "Long", time.time(), progress=started)
    add_job(store, "Gone", 3.0, outcome=ended("cancelled", "Cancelled."))
    with store.lock(f"job-{job}"):
        weights = [column.weight for column in runs(store.root).columns]
    assert len(weights) == 8 and weights[2] > 1.5 * weights[6]


def test_a_job_under_way_stands_in_the_table_too(runs, store):
    told = {"begun": True, "stages": [["bank", 4.0]], "done": 1, "total": 4, "written": time.time(), "lasted": 4.0}
    job = add_job(store, "Long", time.time(), progress=told | {"began": time.time() - 4})
    add_job(store, "Gone", 3.0, outcome=ended("cancelled", "Cancelled."))
    with store.lock(f"job-{job}"):
        at = runs(store.root, states="cancelled")
        assert at.button(key=f"cancel.{job}")  # whatever the table is narrowed to
        line = jobs_table(runs(store.root)).set_index("Name").loc["Long"]
    assert (line["Status"], line["Progress"], line["Left"]) == ("Running", 0.25, "this stage 12 s")


def test_the_job_picked_in_the_table_is_in_the_address(runs, store):
    """A link opens its details, and without a word where it names none of them."""
    first, _ = (add_job(store, name, n, outcome=ended("cancelled", "Cancelled.")) for n, name in ((1, "A"), (2, "B")))
    said = words(runs(store.root, job=first))
    assert "**A**" in said and "**B**" not in said
    for nobody in ("0" * 32, "x", ""):
        assert "**A**" in (said := words(runs(store.root, job=nobody))) and "**B**" in said


def test_picking_a_job_and_letting_it_go_changes_the_address():
    def pick():
        from types import SimpleNamespace

        import streamlit as st

        from pages.shared import job_table

        for rows in ([1], [7], [0], []):
            cells = [(row, "Status") for row in rows]
            st.session_state["table"] = SimpleNamespace(selection=SimpleNamespace(cells=cells))
            job_table._picked("table", ["a", "b"])
            st.text(st.query_params.get("job", "none"))

    at = AppTest.from_function(pick).run()
    assert not at.exception and [t.value for t in at.text] == ["b", "none", "a", "none"]


def test_all_columns_fit_into_a_small_window_while_a_job_runs():
    """Of 1280 pixels the sidebar and the margins leave 916."""
    widths = {name: column["width"] for name, column in job_table.COLUMNS.items()}
    assert sum(widths.values()) - widths["Name"] + job_table.SHORT <= 914
    assert widths["Took"] >= 64 and widths["Left"] >= 136


def test_one_job_needs_no_table(runs, store):
    add_job(store, "Only", outcome=ended("cancelled", "Cancelled."))
    assert not runs(store.root).dataframe


def test_the_details_of_a_finished_study_hold_its_curves(runs, own_store, filled_study, study):
    """Those of Compare, and nothing is drawn before they are opened."""
    finished(own_store, filled_study)
    file = own_store.root / "jobs" / key(filled_study) / "progress.json"
    file.write_text(json.dumps({"begun": True, "stages": [["bank", 4.0]], "done": 1, "total": 1, "written": 9.0}))
    at = runs(own_store.root)
    assert not at.get("plotly_chart")
    at.session_state[f"details.{key(filled_study)}.False"] = True
    at.run()
    (chart,) = at.get("plotly_chart")
    layout = json.loads(chart.proto.spec)["layout"]
    goals = sorted(label["y"] for label in layout["annotations"] if label["text"].startswith("retrained, "))
    assert len(goals) == 3 and all(np.diff(goals) > 0.059)  # of an axis as high as a few lines
    assert (
        not at.exception
        and "retraining on the" in chart.proto.spec
        and "medium part:<br>Fine-tune" in layout["xaxis"]["ticktext"]
    )


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
        told = {"begun": True, "stages": [["bank", 4.0]], "done": 1, "total": 4, "written": time.time()}
        job = add_job(store, "Long", time.time(), worker=worker, progress=told)
        with store.lock(f"job-{job}"):
            at = runs(store.root)
            assert (
                "1 job: 1 running. Work goes on when this page is closed; whoever asks for the same work joins it."
                in words(at)
            )
            at.button(key=f"cancel.{job}").click().run()
        assert not at.exception
        assert process.poll() is not None
        assert jobs.find(store, job).state == "cancelled" and "1 cancelled" in words(at)
        assert words(at).count("**Long**") == 1 and not [b for b in at.button if b.label == "Cancel"]
    finally:
        process.kill()


def test_a_row_says_what_is_forgotten_how_and_how_long_it_may_still_take(runs, store):
    spec = example().but(
        forget=Picked(named="3,7-9"), plans=(Plan(), Plan(name="Back", order=("high", "medium", "low")))
    )
    now = time.time()
    told = {"begun": True, "stages": [["starting", 1.0], ["unlearning", 9.0]], "done": 1, "total": 4, "written": now}
    folder = store.root / "jobs" / key(spec)
    folder.mkdir()
    about = {"spec": plain(spec), "submitted": now - 100, "expected": vars(Expected(20.0, 15.0, 40.0))}
    (folder / "job.json").write_text(json.dumps(about))
    (folder / "progress.json").write_text(json.dumps(told | {"began": now - 10}))
    with store.lock(f"job-{key(spec)}"):
        said = words(runs(store.root))
    assert "4 images to forget" in said and "unlearning, stage 8 of 9, step 2 of 4" in said
    assert re.search(r"!\[low left, medium, high\]\(data:image/svg\+xml\S+\) \+1", said)  # low is left as it is
    back = r"!\[high, medium, low left\]\(\S+\) \*\*Back\*\*: high: Random-label, then medium: Fine-tune, then low: "
    assert re.search(back, said)
    assert "so far, estimated 20 s" in said and "1 min 40 s so far" not in said  # the wait is no work
    assert re.search(r"(\d\.\d s to|up to) (2\d|30) s left", said)


def test_a_running_job_says_which_stage_of_how_many_and_which_step(runs, store):
    """By what the worker counted; a stage that it has not counted is "measuring", and the bar stands for the rest."""
    told = {"begun": True, "stages": [["starting", 1.0], ["bank", 4.0]], "written": time.time()}
    job = add_job(store, "Long", time.time(), progress=told | {"done": 23.4, "total": 64})
    with store.lock(f"job-{job}"):
        at = runs(store.root)
        assert "bank, stage 3 of 9, step 24 of 64" in words(at)
        assert any("bank, stage 3 of 9, step 24 of 64" in c.value for c in at.sidebar.caption)
        (bar,) = (each.proto for each in at.get("progress"))
        assert bar.text.startswith("**bank** (stage 3 of 9, many models") and bar.text.endswith("): step 24 of 64")
        file = store.root / "jobs" / job / "progress.json"
        file.write_text(json.dumps(told | {"stages": [["data", 1.0], ["map", 4.0]], "done": 0, "total": 1}))
        at = runs(store.root)
        assert "map, stage 4 of 9, measuring" in words(at) and not at.get("progress")


def test_where_nobody_knows_how_many_stages_there_are_only_the_stage_is_said(runs, store):
    spec = example().training
    (folder := store.root / "jobs" / key(spec)).mkdir()
    (folder / "job.json").write_text(json.dumps({"spec": plain(spec), "submitted": time.time()}))
    told = {"begun": True, "stages": [["train", 4.0]], "done": 1, "total": 4, "written": time.time()}
    (folder / "progress.json").write_text(json.dumps(told))
    with store.lock(f"job-{key(spec)}"):
        assert "train, 25%" in (said := words(runs(store.root))) and "stage" not in said


def test_what_is_left_goes_by_the_estimate_and_then_by_the_stage(store, monkeypatch):
    monkeypatch.setenv("UNLEARN_STORE", str(store.root))
    job = jobs.Job("0" * 32, "Study", "S", "running", 0.0, 60.0, (("map", 8.0),), 2, 10, "", "", 12.0, lasted=8.0)
    assert progress.left(job) == "this stage about 32 s more"  # 8 s for two tenths
    assert progress.left(replace(job, expected=Expected(20.0, 15.0, 40.0))) == "3.0 s to 28 s left"
    assert progress.left(replace(job, expected=Expected(20.0, 10.0, 40.0))) == "up to 28 s left"
    late = replace(job, expected=Expected(5.0, 4.0, 11.0))
    assert progress.left(late) == "longer than estimated, this stage about 32 s more"
    assert progress.left(replace(late, total=1)) == "longer than estimated"
    assert progress.left(replace(job, total=1)) == "" and progress.where(replace(job, total=1)) == "map, measuring"
    assert (
        progress.at_most(job) == "this stage 32 s" and progress.at_most(replace(late, total=1)) == "over the estimate"
    )
    assert progress.at_most(replace(job, expected=Expected(20.0, 15.0, 40.0))) == "up to 28 s"
    assert progress.left(replace(job, state="done")) == progress.left(replace(late, state="failed")) == ""


@pytest.mark.parametrize(("state", "label"), [("failed", "Retry"), ("cancelled", "Resume"), ("interrupted", "Resume")])
def test_a_stopped_job_is_taken_up_again(runs, store, monkeypatch, state, label):
    again = []
    monkeypatch.setattr(jobs, "resume", lambda store, job: again.append(job))
    job = add_job(store, "Stopped", outcome=ended(state, "It stopped."))
    at = runs(store.root)
    button = at.button(key=f"resume.{job}")
    assert button.label == label
    button.click().run()
    assert again == [job]


def test_a_job_whose_record_is_damaged_is_listed_and_can_be_removed(runs, store):
    job = add_job(store, "Lost", worker={"pid": 1 << 22, "born": 1.0})
    (store.root / "jobs" / job / "job.json").write_text("{")
    at = runs(store.root)
    assert "**A job whose record is damaged**" in words(at) and jobs.DAMAGED in words(at).replace("\\", "")
    at.button(key=f"resume.{job}").click().run()
    assert jobs.DAMAGED in at.error[0].value.replace("\\", "")
    at.run().button(key=f"remove.{job}").click().run()
    assert not at.exception and jobs.listing(store) == []


def test_a_job_of_another_version_is_listed_all_the_same(runs, store):
    job = add_job(store, "Old", outcome=ended("done", "Finished."))
    file = store.root / "jobs" / job / "job.json"
    file.write_text(file.read_text().replace('"spec": "Study", "version": 1', '"spec": "Study", "version": 99'))
    assert jobs.asked(store, job) is None and "**Old**" in words(runs(store.root))


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        (example(), 120),
        (example().but(forget=Picked(named="3,7-9")), 4),
        (example().but(forget=OfClass(label="3")), None),
        (example().but(forget=Picked(named="0-999999999")), None),
        (Run(forget="0-9", unlearner=Plan().high), 10),
        (example().training, None),
        (None, None),
    ],
)
def test_how_many_images_a_job_forgets(spec, size):
    assert forget_size(spec) == size


def test_open_leads_to_the_study(runs, filled_store, filled_study, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(filled_store, root)
    jobs.submit(Store(root), filled_study)  # finished already, so nothing is started
    at = runs(root)
    (told,) = (each.value for each in at.caption if "group ToW" in each.value)
    assert re.match(
        r"RUM: group ToW \*\*0\.\d{3}.*two retrained models [01]\.\d{3}.*"
        r"\*\*not measurable\*\* \(it needs 1,000 .*\)\.$",
        told,
    ), told
    at.button(key=f"open.{key(filled_study)}").click().run()
    assert at.title[0].value == "Explore" and at.query_params["study"] == key(filled_study)


def test_store_is_counted_by_kind(runs, filled_store):
    table = contents(Store(filled_store)).set_index("kind")
    assert table.loc["Study", "results"] == 1 and table.loc["Map", "results"] == 1
    folders = list((Path(filled_store) / "results").glob("*/*"))
    size = sum(f.stat().st_size for place in folders for f in place.iterdir())
    assert table["results"].sum() == len(folders) and table["megabytes"].sum() == pytest.approx(size / 1e6)
    assert f"{len(folders)} finished results" in words(runs(filled_store))


def finished(store: Store, asked) -> None:
    """A job in this store whose result is there."""
    folder = store.root / "jobs" / key(asked)
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"spec": plain(asked), "submitted": 1.0}))
    (folder / "outcome.json").write_text(json.dumps(ended("done", "Finished.")))


@pytest.fixture
def own_store(filled_store, tmp_path):
    return Store(shutil.copytree(filled_store, tmp_path / "store"))


def opened(runs, store: Store):
    """The page that the one finished job opens."""
    at = runs(store.root)
    at.query_params["study"] = "0" * 32
    next(b for b in at.button if b.label == "Open").click().run()
    assert not at.exception
    return at


def test_a_result_opens_in_the_study_that_it_is_about(runs, own_store, filled_study):
    asked = LayerCka(study=filled_study, images=20)
    fulfil(own_store, asked)
    finished(own_store, asked)
    at = opened(runs, own_store)
    assert at.title[0].value == "Compare"
    assert at.query_params["study"] == key(filled_study) and at.query_params["compare"] == "layers"


def test_what_was_tried_on_a_set_opens_with_that_set_in_hand(runs, own_store, filled_study):
    """Also in a new visit, in which another set is in hand: what was found is shown with the set it was found on."""
    study = OpenStudy.open(own_store, key(filled_study))
    asked = fitting(study, Picked(named="0-9"), np.arange(10), 3)
    own_store.remember(asked, lambda draft: draft.json("summary", {}))
    finished(own_store, asked)
    at = opened(runs, own_store)
    assert at.title[0].value == "Plan" and at.query_params["forget"] == "0-9"
    assert "your set of 10 images" in words(at) and "ways are measured" in words(at)


def test_of_trying_everything_the_closest_is_told(runs, own_store, filled_study):
    study = OpenStudy.open(own_store, key(filled_study))
    asked = fitting(study, Picked(named="0-9"), np.arange(10), 3)
    lines = [
        ("Original", "reference", 0.6, 0.1),
        ("EU-k", "single", 0.9, 0.05),
        ("Retrained again", "reference", 0.8, 0.1),
    ]
    columns = ["title", "kind", "group_tow", "group_tow_half"]
    own_store.remember(asked, lambda draft: draft.table(pd.DataFrame(lines, columns=columns)))
    finished(own_store, asked)
    finished(own_store, filled_study)
    at = runs(own_store.root)
    assert "EU-k came closest: group ToW **0.900 ± 0.050** (two retrained models 0.800 ± 0.100)." in [
        c.value for c in at.caption
    ]
    line = jobs_table(at).set_index("group ToW").loc["0.900 ± 0.050"]
    assert line["TPR@1%FPR"] == "" and line["Status"] == "Done"


def test_an_equal_retention_opens_where_it_is_drawn(runs, own_store, filled_study):
    asked = EqualRetention(study=filled_study)
    fulfil(own_store, asked)
    finished(own_store, asked)
    at = opened(runs, own_store)
    assert at.query_params["compare"] == "trade-off" and "Compare at equal retention" not in [
        b.label for b in at.button
    ]


def test_every_result_opens_on_a_page_that_there_is():
    for place in (row.opens for row in KINDS.values() if row.opens):
        page = (Path(__file__).parents[2] / place.page).read_text()
        assert all(f'    "{view}": (' in page for name, view in place.view.items() if name in ("compare", "evidence"))
