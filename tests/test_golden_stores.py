"""Stores of released versions: the newest code opens each, finds what it holds, and makes nothing anew."""

import json
import zipfile

import numpy as np
import pytest

from tests.golden_stores import FOLDER, STUDY
from unlearn_core import __version__, jobs
from unlearn_core.experiment import OpenStudy, Study, fulfil, saved_plans, studies
from unlearn_core.experiment.forget_sets import listed
from unlearn_core.experiment.outdated import outdated
from unlearn_core.result import find_fault
from unlearn_core.store import Store

RELEASED = sorted(FOLDER.glob("*.zip"))


@pytest.fixture(params=RELEASED, ids=lambda file: file.stem)
def golden(request, tmp_path):
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_this_version_has_one():
    assert f"{__version__}.zip" in [file.name for file in RELEASED]


def test_all_it_holds_is_whole_and_can_be_read(golden):
    folders = sorted((golden / "results").glob("*/*"))
    assert len(folders) > 15
    assert {folder.name: fault for folder in folders if (fault := find_fault(folder, deep=True))} == {}
    store = Store(golden)
    for folder in folders:
        kind = folder.parent.name
        assert folder.name in [r.key for r in (*store.results(kind), *store.of_other_versions(kind))]
    assert [job.state for job in jobs.listing(store)] == ["done"]


def test_its_study_says_what_it_said(golden):
    """As it was read by the version that made it, or measured again where this version measures otherwise."""
    store, facts = Store(golden), json.loads((golden / "facts.json").read_text())
    for each in outdated(store):
        fulfil(store, each.spec)
    (listed_study,) = studies(store)
    study = OpenStudy.open(store, listed_study.key)
    assert study.summary["tow"] == facts["tow"] and study.forget.tolist() == facts["forget"]
    assert study.spec == STUDY and saved_plans.saved(store) == [STUDY.plans[0]]
    assert [(named.name, named.rows.tolist()) for named in listed(study)] == [("Five", facts["forget"][:5])]
    assert np.isfinite(study.logits("fine-tune", 1)["test"]).all()


def test_no_model_of_it_is_made_anew(golden):
    store = Store(golden)
    before = sorted((golden / "results").glob("*/*"))
    of_this_version = not outdated(store)
    made = fulfil(store, STUDY)
    assert set(golden.glob("results/*/*")) - set(before) == (set() if of_this_version else {made.folder})


def test_a_study_of_an_earlier_version_is_measured_again_without_training(golden, monkeypatch):
    monkeypatch.setattr(Study, "version", Study.version + 1)
    store = Store(golden)
    before = set(golden.glob("results/*/*"))
    assert studies(store) == []
    (old,) = outdated(store)
    assert old.key == json.loads((golden / "facts.json").read_text())["study"] and old.spec == STUDY
    made = fulfil(store, old.spec)
    assert set(golden.glob("results/*/*")) - before == {made.folder}
    assert [study.key for study in studies(store)] == [made.key] and outdated(store) == []


def test_a_study_of_an_earlier_version_keeps_the_map_that_it_has(golden):
    """Its points lie closer than now. Another one would take a page a minute for 50,000 images."""
    before = set(golden.glob("results/*/*"))
    study = OpenStudy.open(Store(golden), json.loads((golden / "facts.json").read_text())["study"])
    for kind in ("umap", "pca"):
        assert [len(places) for places in study.map(kind)] == [len(study.data.train.y), len(study.data.test.y)]
    assert set(golden.glob("results/*/*")) == before
