"""A study that came in a file: opened on Start, marked on every page, and only read."""

import shutil
import zipfile

import pytest

from unlearn_core.experiment.bundle import export, recorded
from unlearn_core.params import key
from unlearn_core.store import Store


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def captions(at) -> str:
    return "\n".join(e.value for e in at.caption)


@pytest.fixture(scope="module")
def written(unbanked_store, unbanked_study, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "study.zip"
    export(Store(unbanked_store), key(unbanked_study), path)
    return path


def upload(at, name: str, data: bytes):
    next(u for u in at.get("file_uploader") if "zip" in u.label).set_value((name, data, "application/zip"))
    return button(at, "Open this file").click().run()


def test_a_file_is_opened_marked_and_only_read(open_page, store, written, unbanked_study, submitted):
    at = upload(open_page("start", store.root), "study.zip", written.read_bytes())
    assert not at.exception and not at.error
    assert at.title[0].value == "Explore" and at.query_params["study"] == key(unbanked_study)
    assert recorded(Store(store.root), key(unbanked_study))
    at = open_page("audit", store.root, study=key(unbanked_study), view="distribution")
    assert any("Recorded study" in c.value and "was not run here" in c.value for c in at.sidebar.caption)


@pytest.mark.parametrize(("page", "label"), [("plan", "Measure the landscape"), ("explore", "Compare all scores")])
def test_work_is_started_on_ones_own_study_only(
    open_page, written, unbanked_store, unbanked_study, tmp_path, page, label
):
    own = shutil.copytree(unbanked_store, tmp_path / "own")
    at = open_page(page, own, study=key(unbanked_study))
    assert not button(at, label).disabled and "came in a file" not in captions(at)
    (own / "results" / "Study" / key(unbanked_study) / "recorded.json").write_text(
        '{"imported": "2026-01-02T03:04:05Z"}'
    )
    at = open_page(page, own, study=key(unbanked_study))
    assert button(at, label).disabled and "no work is started on it" in captions(at)
    assert "It came in a file on 2026-01-02" in captions(at).replace("\\", "")


def test_a_file_with_something_wrong_is_refused_in_one_sentence(open_page, store, written, tmp_path):
    at = open_page("start", store.root)
    button(at, "Open this file").click().run()
    assert [i.value for i in at.info] == ["Choose a file first."]
    cut = tmp_path / "more.zip"
    shutil.copy(written, cut)
    with zipfile.ZipFile(cut, "a") as archive:
        archive.writestr("evil/../../x", "x")
    for data in (written.read_bytes()[:5000], b"no zip", cut.read_bytes()):
        at = upload(open_page("start", store.root), "study.zip", data)
        assert not at.exception and len(at.error) == 1
        said = at.error[0].value.replace("\\", "")
        assert said.startswith("This file cannot be imported: ") and said.endswith(".")
    assert not list((store.root / "results").glob("*/*"))
