"""Removing on Runs: it says first what goes, it can be undone, and only an admin may."""

import json
import shutil

import pytest

from pages.shared import access, removal
from tests.pages.test_runs import add_job, ended, words
from unlearn_core import jobs, trash
from unlearn_core.experiment import LayerCka, studies
from unlearn_core.experiment.saved_plans import save, saved
from unlearn_core.forget import AtRandom
from unlearn_core.params import key, plain
from unlearn_core.rum import Plan
from unlearn_core.store import Store


@pytest.fixture
def filled(filled_store, tmp_path) -> Store:
    """The small finished study, without the sets that other tests named."""
    named = shutil.ignore_patterns("KeptSet", "set-names.json*")
    return Store(shutil.copytree(filled_store, tmp_path / "store", ignore=named))


def fold(at) -> str:
    return next((e.label for e in at.expander if e.label.startswith("Trash")), "")


def test_a_study_is_removed_and_brought_back(open_page, filled, filled_study):
    own = key(filled_study)
    at = open_page("runs", filled.root, study=own)
    assert fold(at) == ""
    assert "1 finished study without a job on record" in [e.label for e in at.expander]
    at.button(key=f"remove.{own}").click().run()
    said = words(at)
    assert f"**Remove {filled_study.name}?**" in said and "results go to the trash" in said and studies(filled)
    at.button(key=f"removal.keep.{own}").click().run()
    assert "**Remove" not in words(at) and not trash.entries(filled)

    at.button(key=f"remove.{own}").click().run()
    at.button(key=f"removal.go.{own}").click().run()
    assert not at.exception and studies(filled) == []
    (entry,) = trash.entries(filled)
    assert fold(at).startswith("Trash (1, ") and f"{entry.results} results" in words(at)
    assert f"{filled_study.name} is in the trash" in "".join(c.value for c in at.caption)
    assert "Nothing is left but the trash." in words(at) and "study" not in at.query_params
    # A page that had the study open says so instead of showing what is left of it.
    gone = open_page("explore", filled.root, study=own)
    assert "needs a finished study" in gone.info[0].value

    at.button(key=f"trash.undo.{entry.id}").click().run()
    assert not at.exception and fold(at) == "" and [s.key for s in studies(filled)] == [own]
    assert open_page("explore", filled.root, study=own).title[0].value == "Explore"


def test_a_row_is_taken_off_the_list_alone_or_with_its_study(open_page, store):
    job = add_job(store, "Mine *own*", outcome=ended("done", "Finished."))
    at = open_page("runs", store.root)
    at.button(key=f"remove.{job}").click().run()
    assert "**Remove Mine \\*own\\*?**" in words(at)
    at.button(key=f"removal.row.{job}").click().run()
    assert jobs.listing(store) == [] and len(studies(store)) == 1
    assert "Record of a job, removed just now" in words(at)
    at.button(key=f"remove.{job}").click().run()  # it now stands among those without a job
    at.button(key=f"removal.go.{job}").click().run()
    assert fold(at).startswith("Trash (2, ") and studies(store) == []


def test_emptying_asks_first(open_page, store):
    save(store, Plan())
    job = add_job(store, "Bad", outcome=ended("failed", "No."))
    at = open_page("runs", store.root)
    at.button(key=f"remove.{job}").click().run()
    assert fold(at).startswith("Trash (1, ")
    at.button(key="trash.empty").click().run()
    assert "**1 of 1** in the trash" in words(at) and trash.entries(store)
    at.button(key="trash.keep").click().run()
    assert not [b for b in at.button if b.key == "trash.gone"]
    at.button(key="trash.empty").click().run()
    at.selectbox(key="trash.age").select(7).run()
    assert "**0 of 1** in the trash" in words(at) and at.button(key="trash.gone").disabled
    at.selectbox(key="trash.age").select(0).run()
    at.button(key="trash.gone").click().run()
    assert trash.entries(store) == [] and fold(at) == "" and saved(store) == [Plan()]


def test_a_result_that_was_found_damaged_is_said_until_the_trash_is_emptied(open_page, store):
    spec = AtRandom(size=7)
    folder = store.remember(spec, lambda draft: draft.json("note", {})).folder
    assert "damaged" not in " ".join(c.value for c in open_page("runs", store.root).caption)
    (folder / "note.json").write_text("x")
    assert store.find(spec) is None  # as any page that asks for it finds it
    at = open_page("runs", store.root)
    assert any("1 result was found damaged and set aside, just now." in c.value for c in at.caption)
    at.button(key="trash.empty").click().run()
    at.button(key="trash.gone").click().run()
    assert not any("damaged" in c.value for c in at.caption) and not trash.damaged(store)


def test_a_job_in_the_way_is_one_sentence(open_page, store):
    job = add_job(store, "First", outcome=ended("done", "Finished."))
    at = open_page("runs", store.root)
    layers = LayerCka(study=jobs.asked(store, job))
    (store.root / "jobs" / key(layers)).mkdir()
    (store.root / "jobs" / key(layers) / "job.json").write_text(json.dumps({"spec": plain(layers), "submitted": 1.0}))
    with store.lock(f"job-{key(layers)}"):
        at.button(key=f"remove.{job}").click().run()
    assert [e.value for e in at.error if "needs this study" in e.value] and not trash.entries(store)


@pytest.mark.parametrize("role", ["viewer", "runner"])
def test_only_an_admin_removes_undoes_and_empties(open_page, store, monkeypatch, role):
    job = add_job(store, "Mine", outcome=ended("done", "Finished."))
    gone = add_job(store, "Gone", outcome=ended("failed", "No."))
    jobs.forget_job(store, gone)
    monkeypatch.setenv("UNLEARN_ROLE", role)
    at = open_page("runs", store.root)
    off = {b.key: b.disabled for b in at.button}
    keys = (f"remove.{job}", f"trash.undo.{trash.entries(store)[0].id}", "trash.empty")
    assert all(off[name] for name in keys)
    for act in (removal._removed, removal._restored, removal._off_the_list, removal._emptied):
        with pytest.raises(access.NotAllowed, match="takes an admin"):
            act(job)
    assert len(trash.entries(store)) == 1 and len(jobs.listing(store)) == 1


def test_the_limit_is_said_where_there_is_one(open_page, store, monkeypatch):
    add_job(store, "Mine", outcome=ended("done", "Finished."))
    assert "may take" not in words(open_page("runs", store.root))
    monkeypatch.setenv("UNLEARN_STORE_LIMIT", "2")
    assert "The store may take 2.0 GB and takes less than 0.1 MB." in words(open_page("runs", store.root))


def test_a_hostile_title_is_text(open_page, store):
    entry = trash.keep_note(store, "![x](http://evil)", "![x](http://evil.example/y.png)", {"set": "x"})
    file = store.root / "trash" / entry.id / "record.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"by": ":red[boss]"}))
    said = words(open_page("runs", store.root))
    assert "![x]" not in said and "\\!\\[x\\]" in said and "\\:red\\[boss\\]" in said
