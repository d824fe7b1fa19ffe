"""Stores of released versions: the newest code opens each, finds what it holds, and makes nothing anew."""

import json
import zipfile

import numpy as np
import pytest

from tests.golden_stores import FOLDER, STUDY
from unlearn_core import __version__, jobs
from unlearn_core.experiment import OpenStudy, fulfil, saved_plans, studies
from unlearn_core.experiment.forget_sets import listed
from unlearn_core.store import Store, find_fault

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
        assert folder.name in [result.key for result in store.results(folder.parent.name)]
    assert [job.state for job in jobs.listing(store)] == ["done"]


def test_its_study_says_what_it_said(golden):
    store, facts = Store(golden), json.loads((golden / "facts.json").read_text())
    assert [study.key for study in studies(store)] == [facts["study"]]
    study = OpenStudy.open(store, facts["study"])
    assert study.summary["tow"] == facts["tow"] and study.forget.tolist() == facts["forget"]
    assert study.spec == STUDY and saved_plans.saved(store) == [STUDY.plans[0]]
    assert [(named.name, named.rows.tolist()) for named in listed(study)] == [("Five", facts["forget"][:5])]
    assert np.isfinite(study.logits("fine-tune", 1)["test"]).all()


def test_nothing_of_it_is_made_anew(golden):
    store = Store(golden)
    before = sorted((golden / "results").glob("*/*"))
    assert fulfil(store, STUDY).key == json.loads((golden / "facts.json").read_text())["study"]
    assert sorted((golden / "results").glob("*/*")) == before
