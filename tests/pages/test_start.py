"""The Start page and the sidebar, used as a newcomer uses them."""

import json
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pages.shared.progress import STUDY
from unlearn_core import jobs
from unlearn_core.data import DATASETS
from unlearn_core.experiment import OpenStudy, example, studies
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
    run = button(at, "Run the example")
    assert run.proto.type == "primary"
    run.click().run()
    assert submitted == [example()]


def test_running_example_shows_each_stage_truly(app, store):
    stages = [["starting", 4.0], ["data", 0.25], ["original models", 12.0], ["bank", 3.0]]
    with job_folder(store, example(), running=True, stages=stages, done=16, total=64):
        at = app(store.root)
        bar = at.get("progress")[0].proto
        assert bar.value == 25 and "bank" in bar.text and "25%" in bar.text
        said = words(at)
        assert "original models · 12 s" in said and "data · 0.2 s" in said
        assert "pending: map, forget set, retrained models, tuning, unlearning, evaluation" in said
        assert "Running" in said and button(at, "Cancel")
        assert not [b for b in at.button if b.proto.type == "primary"]


def test_a_stage_that_cannot_be_measured_has_no_bar(app, store):
    with job_folder(store, example(), running=True, stages=[["map", 3.0]], done=0, total=1):
        at = app(store.root)
        assert not at.get("progress")
        assert "**map** (all images on one plane): under way" in words(at)


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


def test_own_study_says_how_much_is_forgotten_and_submits_exactly_that(app, store, submitted):
    at = app(store.root, own="yes")
    assert at.selectbox(key="new.dataset").options == [row.title for row in DATASETS.values()]
    assert "**120 of 1,260** training images" in words(at)
    at.selectbox(key="new.dataset").set_value("CIFAR-10").run()
    assert "50,000 training and 10,000 test images; downloaded on first use" in words(at)
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


def test_own_images_are_added_and_can_be_chosen(app, store, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(50):
            pixels = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    (tmp_path / "pets" / "cat" / "broken.png").write_bytes(b"no image")
    at = app(store.root, own="yes")
    path, name = (
        next(t for t in at.text_input if t.label == label)
        for label in ("Folder or parquet file", "Name of the dataset")
    )
    path.set_value(str(tmp_path / "pets"))
    name.set_value("digits")
    button(at, "Add these images").click().run()
    assert [e.value for e in at.error] == [
        "digits is the name of a dataset that the program has already; choose another name."
    ]
    next(t for t in at.text_input if t.label == "Name of the dataset").set_value("pets")
    button(at, "Add these images").click().run()
    assert not at.exception and not at.error
    assert "80 training and 20 test images in 2 classes" in at.success[0].value
    assert at.dataframe[0].value["File"].tolist() == ["cat/broken.png"]
    at.selectbox(key="new.dataset").set_value("pets").run()
    assert [e.value for e in at.error] == ["Only 72 training images can be chosen from, not 120."]


def test_sidebar_keeps_the_study_over_a_change_of_page_and_warns_of_an_unknown_one(app, filled_store, filled_study):
    at = app(filled_store, study="0" * 32)
    assert "not in this store" in at.main.warning[0].value
    assert at.query_params["study"] == key(filled_study)
    at.switch_page("pages/runs.py").run()
    assert not at.exception and not at.warning
    assert at.query_params["study"] == key(filled_study)
