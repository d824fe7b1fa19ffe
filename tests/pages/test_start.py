"""The Start page and the sidebar, used as a newcomer uses them."""

import json
import shutil
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pages.shared import idea
from pages.shared.progress import STUDY
from unlearn_core import job_work, jobs
from unlearn_core.data import DATASETS
from unlearn_core.experiment import OpenStudy, example, fulfil, studies
from unlearn_core.experiment.added_images import ask
from unlearn_core.forget import OfClass
from unlearn_core.params import key, plain
from unlearn_core.store import Store


@pytest.fixture
def app(open_page):
    """app(store_folder, **address) -> the Start page."""
    return partial(open_page, "start")


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def words(at) -> str:
    return "\n".join(e.value for e in [*at.markdown, *at.caption])


@contextmanager
def job_folder(store: Store, spec, running: bool, **progress):
    """A job as its worker leaves it on the disk: alive (its lock is held) or gone."""
    folder = store.root / "jobs" / key(spec)
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"spec": plain(spec), "submitted": 1.0}))
    (folder / "progress.json").write_text(json.dumps({"begun": True, "written": 61.0} | progress))
    lock = store.lock(f"job-{key(spec)}")
    if running:
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def test_empty_store_offers_the_example_and_submits_it(app, store, submitted):
    at = app(store.root)
    assert not at.sidebar.selectbox
    assert [b.label for b in at.button if b.proto.type == "primary"] == ["Open a recorded run"]
    button(at, "Run the example").click().run()
    assert submitted == [example()]


def test_running_example_shows_each_stage_truly(app, store):
    stages = [["starting", 4.0], ["data", 0.25], ["original models", 12.0], ["bank", 3.0]]
    with job_folder(store, example(), running=True, stages=stages, done=16, total=64):
        at = app(store.root)
        bar = at.get("progress")[0].proto
        assert bar.value == 25 and "bank" in bar.text and bar.text.endswith("step 17 of 64")
        said = words(at)
        assert "original models · 12 s" in said and "data · 0.2 s" in said
        assert "pending: map, forget set, retrained models, tuning, unlearning, evaluation" in said
        assert "Running" in said and button(at, "Cancel")
        assert not [b for b in at.button if b.proto.type == "primary"]


def test_a_stage_that_cannot_be_measured_has_no_bar(app, store):
    with job_folder(store, example(), running=True, stages=[["map", 3.0]], done=0, total=1):
        at = app(store.root)
        assert not at.get("progress")
        assert "**map** (stage 4 of 9, all images on one plane): measuring" in words(at)


def test_killed_example_says_so_and_goes_on(app, store, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "_start", lambda store, job: started.append(job))
    with job_folder(store, example(), running=False, stages=[["bank", 3.0]], done=16, total=64):
        at = app(store.root)
        assert "Interrupted" in words(at) and "stopped in **bank**" in words(at)
        button(at, "Resume").click().run()
        assert not at.exception
        assert started == [key(example())]


def test_stages_are_those_of_a_real_study(filled_store, filled_study):
    assert list(STUDY) == list(OpenStudy.open(Store(filled_store), key(filled_study)).summary["seconds"])


def test_finished_study_is_listed_with_its_facts_and_opens(app, filled_store, filled_study):
    at = app(filled_store)
    listed = studies(Store(filled_store))[0]
    assert f"digits: {listed.forget} images to forget, 3 seeds, finished {listed.created[:10]}." in words(at).replace(
        "\\", ""
    )
    button(at, "Open this study").click().run()
    assert not at.exception
    assert at.title[0].value == "Explore"
    assert at.query_params["study"] == key(filled_study)


@pytest.mark.parametrize("of", ["finished", "example"])
def test_the_report_of_a_finished_study_is_one_press_away(app, filled_store, filled_study, monkeypatch, of):
    if of == "example":
        monkeypatch.setattr("unlearn_core.experiment.example", lambda: filled_study)
    at = app(filled_store)
    assert sum(b.proto.type == "primary" for b in at.button) == 1
    at.button(key=f"{of}.report").click().run()
    assert not at.exception
    assert at.title[0].value == "Report"
    assert at.query_params["study"] == key(filled_study)


def test_own_study_says_how_much_is_forgotten_and_submits_exactly_that(app, store, submitted):
    at = app(store.root, own="yes")
    assert at.selectbox(key="new.dataset").options == [row.title for row in DATASETS.values()]
    assert "**120 of 1,260** training images" in words(at)
    at.selectbox(key="new.dataset").set_value("CIFAR-10").run()
    assert "50,000 training and 10,000 test images; downloaded on first use" in words(at)
    assert at.number_input(key="new.forget.memorization.1.size").value == 3000  # RUM's setting
    assert "The images are downloaded first" in words(at) and not button(at, "Run this study").disabled
    at.selectbox(key="new.dataset").set_value("digits").run()
    at.selectbox(key="new.rule").set_value("class").run()
    assert [e.value.startswith("There is no class") for e in at.error] == [True]
    assert button(at, "Run this study").disabled
    at.text_input(key="new.forget.class.label").set_value("3")
    at.text_input(key="new.study.name").set_value("Threes").run()
    assert not at.error and "**129 of 1,260** training images" in words(at)
    at.number_input(key="new.study.seeds").set_value(3).run()
    button(at, "Run this study").click().run()
    assert not at.exception
    assert at.title[0].value == "Runs"
    assert submitted == [example(models=64, seeds=3).but(name="Threes", forget=OfClass(label="3"))]


def test_a_size_that_was_typed_stays_where_other_images_are_chosen(app, store):
    def size(turn: int):
        return at.number_input(key=f"new.forget.memorization.{turn}.size")

    at = app(store.root, own="yes")
    size(0).set_value(200)
    at.selectbox(key="new.forget.memorization.0.level").set_value("high").run()
    at.selectbox(key="new.dataset").set_value("CIFAR-10").run()
    assert size(1).value == 200 and at.selectbox(key="new.forget.memorization.1.level").value == "high"
    size(1).set_value(5000).run()
    at.selectbox(key="new.dataset").set_value("digits").run()
    assert size(2).value == 120 and not at.error
    said = "The size was lowered from 5,000 to 120: of 1,260 images this rule can name at most 1,259."
    assert said in [c.value for c in at.caption]
    at.selectbox(key="new.dataset").set_value("CIFAR-10").run()  # left as it then was, so what is usual there
    assert size(3).value == 3000 and not any("lowered" in c.value for c in at.caption)


@pytest.fixture
def pets(tmp_path):
    """A folder with 50 images of each of two classes, and one that is broken."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(50):
            pixels = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    (tmp_path / "pets" / "cat" / "broken.png").write_bytes(b"no image")
    return tmp_path / "pets"


def add_images(at, path, name: str):
    """The page after images were asked for."""
    for label, value in (("Folder or parquet file", str(path)), ("Name of the dataset", name)):
        next(t for t in at.text_input if t.label == label).set_value(value)
    button(at, "Add these images").click().run()
    assert not at.exception
    return at


def test_own_images_are_added_by_a_job_and_can_be_chosen(app, store, pets, monkeypatch):
    monkeypatch.setattr(jobs, "_start", lambda store, job: job_work.work(str(store.root), job))
    at = add_images(app(store.root, own="yes"), pets, "digits")
    assert [e.value for e in at.error] == [
        "digits is the name of a dataset that the program has already; choose another name."
    ]
    assert not jobs.listing(store)
    seen = (add_images(at, pets, "pets"), app(store.root, own="yes"), app(store.root, own="yes", images="pets"))
    for at in seen:
        assert not at.error
        assert "80 training and 20 test images in 2 classes" in at.success[0].value
        assert at.dataframe[0].value.to_dict("list") == {"class": ["cat", "dog"], "train": [40, 40], "test": [10, 10]}
        assert at.warning[0].value.splitlines() == [
            "Not used: 1 of the files.",
            "",
            "- “cat/broken.png”: ends in .png, but is not a PNG, JPEG, WEBP or BMP image",
        ]
    assert [(job.title, job.state) for job in jobs.listing(store)] == [("pets", "done")]
    assert [e.value for e in add_images(at, pets, "pets").error] == [
        "There is already a dataset called pets; choose another name."
    ]
    at.selectbox(key="new.dataset").set_value("pets").run()
    assert not at.error and "**36 of 72** training images" in words(at)  # half of them, not 120


def test_files_that_are_not_used_are_named_with_their_reasons_and_the_rest_counted(app, store, pets):
    (pets / "dog" / "cut.png").write_bytes((pets / "dog" / "0.png").read_bytes()[:12])
    (pets / "cat" / "broken.png").unlink()
    for name in ("*a*.txt", "![b](c).txt", "c.txt", "d.txt", "e.txt"):
        (pets / "cat" / name).write_text("a note")
    fulfil(store, ask(store, pets, "pets"))
    said = app(store.root, own="yes").warning[0].value.splitlines()
    note = "not a PNG, JPEG, WEBP or BMP image"
    assert said[0] == f"Not used: 6 of the files ({note}: 5; begins like a PNG but cannot be read: 1)."
    assert said[2:4] == [f"- “cat/\\!\\[b\\]\\(c\\).txt”: {note}", f"- “cat/\\*a\\*.txt”: {note}"]
    assert len(said) == 8 and said[-1] == "- and 1 more"


def test_own_images_are_removed_after_a_question_and_come_back(app, open_page, store, pets, monkeypatch):
    monkeypatch.setattr(jobs, "_start", lambda store, job: job_work.work(str(store.root), job))
    at = add_images(app(store.root, own="yes"), pets, "pets")
    button(at, "Remove these images").click().run()
    assert "**Remove pets?** The images go to the trash" in words(at)
    button(at, "Keep them").click().run()
    button(at, "Remove these images").click().run()
    button(at, "Move to the trash").click().run()
    assert not at.exception and not at.success and "pets is in the trash" in words(at)
    assert "pets" not in at.selectbox(key="new.dataset").options
    at = open_page("runs", store.root)
    assert "**pets**" in words(at) and "Images, " in words(at)
    button(at, "Undo").click().run()
    assert "pets is back." in words(at)
    assert app(store.root, own="yes").success[0].value.startswith("pets is there")
    monkeypatch.setenv("UNLEARN_ROLE", "runner")
    assert button(app(store.root, own="yes"), "Remove these images").disabled


def test_a_second_dataset_is_shown_when_it_is_there_and_the_address_names_another(app, store, pets, monkeypatch):
    monkeypatch.setattr(jobs, "_start", lambda store, job: job_work.work(str(store.root), job))
    at = add_images(app(store.root, own="yes"), pets, "first")
    at = add_images(at, pets, "second")
    assert at.success[0].value.startswith("second is there") and at.query_params["images"] == "second"
    shown = next(s for s in at.selectbox if s.label == "Images that were added")
    assert shown.options == ["second", "first"]
    shown.set_value("first").run()
    assert at.success[0].value.startswith("first is there") and at.query_params["images"] == "first"
    at = app(store.root, own="yes", images="first")
    assert at.success[0].value.startswith("first is there")


def test_an_import_opens_from_runs(app, open_page, store, pets):
    wanted = ask(store, pets, "pets")
    fulfil(store, wanted)
    jobs.submit(store, wanted)
    at = open_page("runs", store.root)
    assert "Own images" in words(at) and "The result was there already." in words(at)
    button(at, "Open").click().run()
    assert not at.exception and at.title[0].value == "Unlearning workbench"
    assert at.success[0].value.startswith("pets is there") and at.query_params["images"] == "pets"


def test_images_that_are_read_are_counted_and_stopped_in_place(app, store, pets):
    wanted = ask(store, pets, "pets")
    stages = [["starting", 4.0], ["reading images", 12.0]]
    with job_folder(store, wanted, running=True, stages=stages, done=1200, total=50000):
        at = app(store.root, own="yes")
        assert [bar.proto.text for bar in at.get("progress")] == ["**reading images**: 1,200 of 50,000"]
        assert "starting · 4.0 s" in words(at) and "**pets**" in words(at)
        assert at.sidebar.caption[-1].value == "Running: reading images, 1,200 of 50,000"
        assert button(at, "Cancel") and not at.success
    at = app(store.root, own="yes")
    assert "Interrupted" in words(at) and button(at, "Resume")


def test_what_is_wrong_with_images_is_one_sentence_in_place(app, store, pets, monkeypatch):
    monkeypatch.setattr(jobs, "_start", lambda store, job: job_work.work(str(store.root), job))
    (pets / "dog" / "broken.png").write_bytes(b"nor this")
    at = add_images(app(store.root, own="yes"), pets, "pets")
    assert [e.value.startswith("2 of 102 images cannot be used") for e in at.error] == [True]
    assert button(at, "Retry") and not at.success
    button(at, "Retry").click().run()
    assert len(at.error) == 1 and not at.exception


def test_a_viewer_starts_no_import(app, store, pets, monkeypatch):
    before = app(store.root, own="yes")
    monkeypatch.setenv("UNLEARN_ROLE", "viewer")
    assert button(app(store.root, own="yes"), "Add these images").disabled
    at = add_images(before, pets, "pets")  # pressed when the role was another
    assert not jobs.listing(store) and not at.success


def test_sidebar_keeps_the_study_over_a_change_of_page_and_warns_of_an_unknown_one(app, filled_store, filled_study):
    at = app(filled_store, study="0" * 32)
    assert "not in this store" in at.main.warning[0].value
    assert at.query_params["study"] == key(filled_study)
    at.switch_page("pages/runs.py").run()
    assert not at.exception and not at.warning
    assert at.query_params["study"] == key(filled_study)


@pytest.mark.parametrize("page", ["start", "runs", "explore", "plan", "compare"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_study_that_no_page_could_draw_takes_no_page_down(open_page, store, filled_store, filled_study, page, beside):
    if beside:
        shutil.copytree(filled_store, store.root, dirs_exist_ok=True)
    broken = store.remember(filled_study.but(name="Broken"), lambda draft: draft.json("summary", {}))
    at = open_page(page, store.root, study=broken.key)
    assert "Broken" not in "".join(o for box in at.selectbox for o in box.options)
    assert beside == any("Small example" in o for box in at.selectbox for o in box.options)
    assert not at.error and (page == "start" or not beside or at.warning)


def test_three_cards_say_what_can_be_done(app, store, filled_store):
    """And a newcomer finds each: in an empty store what leads to a report is said."""
    for root in (store.root, filled_store):
        at = app(root)
        assert [s.value for s in at.subheader] == ["Explore an example", "Build a forget set", "Open a report"]
    assert button(at, "Open its report") and "draw it on the map of **Explore**" in words(at)
    assert "There is none yet: open the example first." in words(app(store.root))


def test_the_drawing_of_the_idea_promises_nothing():
    assert "aim" in idea.TITLES[2] and "After, which is the aim" in idea.ALT


def test_where_only_the_example_is_finished_nothing_else_is_promised(app, filled_store, filled_study, monkeypatch):
    monkeypatch.setattr("unlearn_core.experiment.example", lambda: filled_study)
    assert "There is none but the example." in words(app(filled_store))
