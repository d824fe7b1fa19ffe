"""What is removed can be brought back whole, and what else needs it never goes; how much a store may take."""

import errno
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unlearn_core import jobs, params, removal, room, trash
from unlearn_core.cli import app
from unlearn_core.data import Data
from unlearn_core.disk import StoreError
from unlearn_core.experiment import LayerCka, OpenStudy, Study, forget_sets, fulfil, studies
from unlearn_core.experiment.bundle import export, import_bundle, reading
from unlearn_core.experiment.bundle.contents import needed
from unlearn_core.experiment.listed import contents
from unlearn_core.experiment.saved_plans import remove, save, saved
from unlearn_core.experiment.soundness import look
from unlearn_core.experiment.study import searches
from unlearn_core.experiment.tiers import Audit
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.forget import AtRandom, Picked
from unlearn_core.job import Expected
from unlearn_core.kinds import HOLDS, KINDS, STAYS, Kind, Place
from unlearn_core.params import BadValue, key, param, plain
from unlearn_core.result import find_fault
from unlearn_core.rows import pack
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune

DAY = 86_400


def make(draft):
    draft.arrays(x=np.arange(9))


def three(store) -> list[str]:
    return [f"results/AtRandom/{store.remember(AtRandom(size=size), make).key}" for size in (7, 8, 9)]


def files(root) -> dict:
    """Every file of the results, jobs and plans with its bytes, the trash and locks left out."""
    found = [p for name in ("results", "jobs", "plans") for p in (Path(root) / name).rglob("*") if p.is_file()]
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in found}


@pytest.fixture
def filled(filled_store, tmp_path) -> Store:
    """The small finished study, without the sets that other tests named."""
    named = shutil.ignore_patterns("KeptSet", "set-names.json*")
    return Store(shutil.copytree(filled_store, tmp_path / "filled", ignore=named))


# -- moving ------------------------------------------------------------------------------------------------------------


def test_what_is_removed_is_seen_by_nobody_and_comes_back_as_it_was(store):
    places = three(store)
    before = files(store.root)
    assert len(list(store.results("AtRandom"))) == 3
    entry = trash.move(store, "Study", "Three", places[:2], by="ada@lab.example")
    assert [r.key for r in store.results("AtRandom")] == [places[2].rpartition("/")[2]]
    assert store.find(AtRandom(size=7)) is None and store.kind_of(places[0][-32:]) is None
    assert contents(store)["results"].tolist() == [1] and look(store, deep=True).whole == {"AtRandom": 1}
    (listed,) = trash.entries(store)
    assert listed == entry and (entry.title, entry.by, len(entry.things)) == ("Three", "ada@lab.example", 2)
    assert entry.bytes == sum(len(b) for p, b in before.items() if p.rpartition("/")[0] in places[:2])

    done = trash.restore(store, entry.id)
    assert (done.title, done.back, done.there_again, done.missing) == ("Three", 2, (), ())
    assert files(store.root) == before and trash.entries(store) == []
    assert len(list(store.results("AtRandom"))) == 3 and contents(store)["results"].tolist() == [3]


def test_what_was_made_anew_meanwhile_stays_and_the_old_one_is_kept(store):
    places = three(store)
    entry = trash.move(store, "Study", "Three", places)
    store.remember(AtRandom(size=8), lambda draft: draft.arrays(x=np.arange(4)))
    done = trash.restore(store, entry.id)
    assert (done.back, done.there_again) == (2, (places[1],))
    assert store.find(AtRandom(size=8)).arrays()["x"].size == 4
    assert trash.entries(store)[0].things == (places[1],)
    # One that is damaged is no reason to keep the whole one out.
    (store.root / places[1] / "arrays.safetensors").write_bytes(b"x")
    assert trash.restore(store, entry.id).back == 1 and store.find(AtRandom(size=8)).arrays()["x"].size == 9


def test_what_is_being_written_never_moves(store):
    places = three(store)
    with store.lock(places[1][-32:]):
        entry = trash.move(store, "Study", "Three", places)
        assert entry.things == tuple(sorted((places[0], places[2]))) and (store.root / places[1]).is_dir()
    trash.restore(store, entry.id)
    with store.lock(places[0][-32:]), pytest.raises(StoreError, match="being written right now"):
        trash.move(store, "Study", "Three", places)
    assert len(list(store.results("AtRandom"))) == 3 and trash.entries(store) == []


def test_somebody_looking_keeps_nothing_from_going_or_coming_back(store):
    place = three(store)[0]
    done = threading.Event()

    def look_on():
        while not done.is_set():
            store.is_locked(place[-32:])

    crowd = [threading.Thread(target=look_on) for _ in range(2)]
    for each in crowd:
        each.start()
    try:
        for _ in range(40):
            entry = trash.move(store, "Study", "One", [place])
            assert trash.restore(store, entry.id).back == 1
    finally:
        done.set()
        for each in crowd:
            each.join()


def test_what_is_being_written_comes_back_later(store):
    places = three(store)
    entry = trash.move(store, "Study", "Three", places)
    with store.lock(places[1][-32:]):
        said = removal.restore(store, entry.id)
    assert said == "Three is back. 1 of its parts could not come back yet: somebody works there, so ask again later."
    assert trash.entries(store)[0].things == (places[1],)
    assert removal.restore(store, entry.id) == "Three is back." and trash.entries(store) == []


def test_a_move_that_the_disk_refuses_leaves_all_where_it_was(store, monkeypatch):
    places = three(store)
    before, honest = files(store.root), os.rename

    def rename(source, target):
        if str(source).endswith(places[2]):
            raise OSError(5, "Input/output error", str(source))
        honest(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(trash.os, "rename", rename)
        with pytest.raises(StoreError, match="cannot be written to: Input/output error"):
            trash.move(store, "Study", "Three", places)
    assert files(store.root) == before and os.listdir(store.root / "trash") == []


def test_a_study_comes_back_with_what_another_took_along_later(store):
    first, shared, second = three(store)
    one = trash.move(store, "Study", "One", [first], rests_on=[shared])
    two = trash.move(store, "Study", "Two", [second, shared])
    assert trash.restore(store, one.id).missing == ()
    assert (store.root / shared).is_dir() and trash.entries(store)[0].things == (second,)
    assert trash.restore(store, two.id).back == 1
    again = trash.move(store, "Study", "One", [first], rests_on=[shared])
    shutil.rmtree(store.root / shared)
    assert trash.restore(store, again.id).missing == (shared,)


def test_the_trash_is_emptied_by_age_and_a_clock_that_jumps_empties_nothing(store):
    places = three(store)
    ages = {trash.move(store, "Study", str(days), [p]).id: days for p, days in zip(places, (0, 40, -400), strict=True)}
    for entry, days in ages.items():
        file = store.root / "trash" / entry / "record.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"removed": trash.time.time() - days * DAY}))
    count, size = trash.empty(store, older_than=30)
    assert count == 1 and size > 0 and {e.title for e in trash.entries(store)} == {"0", "-400"}
    assert trash.empty(store)[0] == 2 and trash.empty(store) == (0, 0)
    assert os.listdir(store.root / "trash") == [] == os.listdir(store.root / "staging")


def test_emptying_that_is_cut_short_leaves_nothing_in_the_trash(store, monkeypatch):
    entry = trash.move(store, "Study", "Three", three(store))

    def cut(place, **how):
        raise OSError(5, "Input/output error", str(place))

    os.utime(store.root / "trash" / entry.id, (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(trash.shutil, "rmtree", cut)
        with pytest.raises(StoreError, match="cannot be written"):
            trash.empty(store)
        patch.setattr("unlearn_core.store.HOST", "another")
        assert store.abandoned() == []  # there it may still be under way
    with pytest.raises(StoreError, match="nothing '"):
        trash.restore(store, entry.id)
    assert trash.entries(store) == [] and store.sweep() == 1


@pytest.mark.parametrize("name", ["../../results", "0" * 31, "", "A" * 32, "x/y", "0" * 32])
def test_a_name_of_no_entry_is_one_sentence(store, name):
    with pytest.raises((StoreError, BadValue)) as error:
        trash.restore(store, name)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("record", ["", "[]", "{", '{"title": 7, "removed": "x", "rests_on": ["../x", 3]}'])
def test_a_damaged_record_keeps_nothing_from_coming_back(store, record):
    places = three(store)
    entry = trash.move(store, "Study", "Three", places)
    (store.root / "trash" / entry.id / "record.json").write_text(record)
    assert len(trash.entries(store)) == 1 and trash.restore(store, entry.id).back == 3


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_a_record_that_cannot_be_read_is_not_taken_for_none(store, monkeypatch, code):
    places = three(store)
    note = trash.keep_note(store, "Name", "Five", {"set": "1" * 32})
    study, honest = trash.move(store, "Study", "Two", places[:2]), Path.read_text

    def refused(path, *about, **how):
        if path.name == trash.RECORD:
            raise OSError(code, os.strerror(code), str(path))
        return honest(path, *about, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refused)
        trash.move(store, "Study", "One", places[2:])  # whoever comes next tidies up
        assert {entry.title for entry in trash.entries(store)} == {"Its record cannot be read now"}
        with pytest.raises(StoreError, match="^The record of what was removed cannot be read: "):
            trash.restore(store, study.id)  # which of them is the first, and what they rest on, is not known
    assert {entry.id for entry in trash.entries(store)} >= {note.id, study.id}
    assert trash.restore(store, study.id).back == 2


def test_what_a_killed_one_left_is_taken_away_and_no_more(store):
    """Before its record, before its first thing moved, and after its last came back; a note is no such thing."""
    three(store)
    note = trash.keep_note(store, "Name", "Five", {"set": "1" * 32})
    left = [store.root / "trash" / (digit * 32) for digit in "abcd"]
    for folder, record in zip(left, (None, '{"first": "results/AtRandom/x"}', '{"note": {"set"', "{}"), strict=True):
        folder.mkdir()
        if record is not None:
            (folder / "record.json").write_text(record)
    trash.drop(store, "0" * 32)
    assert [folder.exists() for folder in left] == [False, False, True, True]
    assert [entry.id for entry in trash.entries(store)] == [note.id]


# -- what goes along ---------------------------------------------------------------------------------------------------


def another(study: Study, store: Store, **changes) -> Study:
    """A finished study with the same training and bank, and another set: its table names models of its own."""
    other = study.but(name="Another", forget=Picked(named="0-9"), **changes)
    runs = [Run(training=study.training, forget="0-9", unlearner=FineTune(epochs=2), seed=0)]
    for run in runs:
        store.remember(run, make)
    open_study = OpenStudy(store, store.find(study))

    def written(draft):
        draft.table(open_study.table.head(1).assign(result=[key(runs[0])]))
        draft.arrays(forget=np.arange(10))
        draft.json("summary", {"tow": {}, "forget": 10})

    store.remember(other, written)
    return other


def test_all_that_a_study_led_to_goes_and_comes_back(filled, filled_study):
    study = OpenStudy.open(filled, key(filled_study))
    led = {r.folder for r in needed(study)}
    led |= {filled.find(search).folder for search in searches(filled, filled_study, study.forget).values()}
    kept = forget_sets.give_name(study, np.arange(5), "Five").key
    # A run on a shadow model is of the training; one that somebody asked for by a command is of no study.
    trainings = filled_study.training.but(seed=300_001, without="0-3"), filled_study.training
    runs = [Run(training=training, forget="4-6", unlearner=FineTune(epochs=2)) for training in trainings]
    shadow, asked = (filled.remember(run, make).folder for run in runs)
    before = files(filled.root)
    leaving, entry = removal.remove(filled, key(filled_study))
    assert not shadow.exists() and asked.exists()
    assert not any(folder.exists() for folder in led) and len(led) > 30
    left = [result.key for kind in filled.kinds() for result in filled.results(kind)]
    assert left == [kept, asked.name]  # so does the set that somebody kept
    assert leaving.shared == () and leaving.results == len(entry.things) and entry.title == filled_study.name
    assert studies(filled) == [] and look(filled).sound
    assert removal.restore(filled, entry.id) == f"{filled_study.name} is back."
    assert files(filled.root) == before
    assert all(find_fault(folder, deep=True) is None for folder in (filled.root / "results").glob("*/*"))


def test_what_another_study_needs_stays(filled, filled_study):
    other = another(filled_study, filled)
    study = OpenStudy.open(filled, key(filled_study))
    leaving = removal.plan(filled, key(filled_study))
    assert leaving.needed_by == ("Another",)
    shared = {place.split("/")[1] for place in leaving.shared}
    assert shared == {"Bank", "BankPart", "Embedding", "Map", "Training", "Tuning"}
    own = {f"results/{kind}/{k}" for kind, k in (("Run", r) for r in study.table["result"])}
    assert own & set(leaving.places) and not own & set(leaving.shared)
    originals = [f"results/Training/{key(filled_study.training.but(seed=s))}" for s in range(filled_study.seeds)]
    assert set(originals) <= set(leaving.shared)
    assert "stay because others need them too (Another)" in leaving.says

    one = removal.remove(filled, key(filled_study))[1]
    assert OpenStudy.open(filled, key(other)).sums is not None
    assert filled.find(filled_study.bank) is not None
    two = removal.remove(filled, key(other))[1]  # and takes what both needed along
    assert filled.find(filled_study.bank) is None
    assert removal.restore(filled, one.id) == f"{filled_study.name} is back."
    needed(OpenStudy.open(filled, key(filled_study)))  # raises where something is missing
    assert filled.find(other) is None and trash.entries(filled)[0].id == two.id


def test_finished_work_on_images_of_another_study_too_is_no_need_of_that(filled, filled_study):
    study = OpenStudy.open(filled, key(filled_study))
    fulfil(filled, filled_study.but(name="Same images", seeds=1))
    work = Audit(name="By hand", subject=subject_of_method(study, "fine-tune"))
    filled.remember(work, make)
    leaving = removal.plan(filled, key(filled_study))
    assert f"results/Audit/{key(work)}" in leaving.shared and leaving.work == ("By hand",)
    others = len(leaving.shared) - 1
    assert f"{others} because others need them too (Same images), and 1 because it is finished work" in leaving.says
    assert leaving.says.endswith("on the same images (By hand).")


def test_one_result_goes_and_one_stays():
    leaving = removal.Leaving("k", "A", ("p",), ("q",), {"Study": 1}, 10, 20, ("Another",))
    assert leaving.says.startswith("1 result goes to the trash, ")
    assert "1 result stays because others need it too (Another)" in leaving.says
    assert "1 result stays" in replace(leaving, work=("B",)).says


def test_a_study_of_another_version_keeps_all_of_its_training(filled, filled_study):
    other = another(filled_study, filled)
    folder = filled.find(other).folder
    (folder / "table.parquet").write_bytes(b"of another version")
    leaving = removal.plan(filled, key(filled_study))
    assert {place.split("/")[1] for place in leaving.places} == {"Study"} and len(leaving.shared) > 30


def test_a_study_that_came_in_a_file_keeps_what_it_needs(filled, filled_study, tmp_path, monkeypatch):
    other = another(filled_study, filled)
    (filled.find(other).folder / "recorded.json").write_text('{"imported": "2026-01-01T00:00:00Z"}')
    assert removal.plan(filled, key(filled_study)).needed_by == ("Another",)
    export(filled, key(filled_study), tmp_path / "study.zip")
    entry = removal.remove(filled, key(filled_study))[1]
    assert import_bundle(filled, tmp_path / "study.zip") == key(filled_study)
    with monkeypatch.context() as patch, pytest.raises(StoreError, match="UNLEARN_STORE_LIMIT"):
        patch.setenv(room.LIMIT, "0.0001")
        patch.setattr(reading, "_take", lambda *_: pytest.fail("it was unpacked"))
        import_bundle(Store(tmp_path / "small"), tmp_path / "study.zip")
    said = removal.restore(filled, entry.id)
    assert "made anew: these stay" in said and OpenStudy.open(filled, key(filled_study)).pixels.size


def test_an_audit_of_other_images_keeps_the_models_that_it_rests_on(filled, filled_study):
    study = OpenStudy.open(filled, key(filled_study))
    own = Audit(subject=subject_of_method(study, "fine-tune"))
    other = Audit(name="Others", subject=own.subject.but(forget="0-9", parts=()))
    for audit in (own, other):
        filled.remember(audit, make)
    leaving = removal.plan(filled, key(filled_study))
    assert f"results/Audit/{key(own)}" in leaving.places and leaving.needed_by == ("Others",)
    assert f"results/Audit/{key(other)}" not in leaving.places + leaving.shared
    assert f"results/Training/{key(filled_study.training)}" in leaving.shared


def test_an_audited_study_takes_all_of_its_audits_along(audit_story, tmp_path):
    store = audit_story.copied(tmp_path / "audited").store
    before = files(store.root)
    entries = [removal.remove(store, study.key)[1] for study in studies(store)]
    left = {place.rsplit("/", 2)[0] for place in files(store.root) if place.startswith("results/")}
    assert left <= {f"results/{kind}" for kind, row in KINDS.items() if row.removing == STAYS}, left
    for entry in entries:
        removal.restore(store, entry.id)
    assert files(store.root) == before


@pytest.mark.parametrize("rows", ["rows", "sets"])
def test_work_of_a_new_kind_on_other_images_stays_and_holds_its_model(filled, filled_study, monkeypatch, rows):
    """Where its images to forget stand is said by its row; as one text, or as requests in a row."""
    monkeypatch.setattr(params, "SPECS", dict(params.SPECS))
    monkeypatch.setitem(KINDS, "SetWork", Kind("Work on a set", HOLDS, rows, opens=Place("pages/plan.py")))

    @params.spec
    class SetWork(params.Spec):
        """Work on a set that is no study."""

        name: str = param("Work", help="its name")
        training: Training = param(Training(), help="the model")
        rows: str = param("", help="what to forget")
        sets: tuple = param((), help="what to forget, request by request")

    def of(named: str) -> SetWork:
        about = {"rows": named} if rows == "rows" else {"sets": tuple(named.split(","))}
        return SetWork(training=filled_study.training, **about)

    own = of(pack(OpenStudy.open(filled, key(filled_study)).forget))
    for work in (own, of("0-9,11")):
        filled.remember(work, make)
    leaving = removal.plan(filled, key(filled_study))
    assert leaving.needed_by == ("Work",) and f"results/Training/{key(filled_study.training)}" in leaving.shared
    assert [place for place in leaving.places if "SetWork" in place] == [f"results/SetWork/{key(own)}"]
    assert f"results/SetWork/{key(of('0-9,11'))}" not in leaving.shared


def under_way(store, spec):
    folder = store.root / "jobs" / key(spec)
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"spec": plain(spec), "submitted": 1.0}))
    return store.lock(f"job-{key(spec)}")


def test_a_job_under_way_keeps_what_it_may_need(filled, filled_study):
    with under_way(filled, filled_study.but(name="New one")):
        leaving = removal.plan(filled, key(filled_study))
        assert leaving.needed_by == ("New one",) and set(leaving.kinds) == {"Study"}
    with under_way(filled, Training(epochs=1, data=Data(train=50))):
        assert removal.plan(filled, key(filled_study)).shared == ()
    with under_way(filled, filled_study), pytest.raises(StoreError, match="needs this study: wait"):
        removal.plan(filled, key(filled_study))


def test_a_job_goes_and_comes_back_with_its_result(filled, filled_study):
    """And one whose result stays, because others need it, stays on the list."""
    another(filled_study, filled)
    made = LayerCka(study=filled_study)
    filled.remember(made, make)
    for asked in (filled_study, made, filled_study.training):
        jobs.submit(filled, asked)
    before = jobs.listing(filled)
    leaving, entry = removal.remove(filled, key(filled_study))
    assert {f"jobs/{key(asked)}" for asked in (filled_study, made)} < set(leaving.places)
    assert [(job.kind, job.state) for job in jobs.listing(filled)] == [("Training", "done")]
    assert entry.results == leaving.results
    removal.restore(filled, entry.id)
    assert jobs.listing(filled) == before and {job.state for job in before} == {"done"}


def test_on_the_way_back_a_result_comes_before_its_job(filled, filled_study, monkeypatch):
    jobs.submit(filled, filled_study)
    made = LayerCka(study=filled_study)
    filled.remember(made, make)
    jobs.submit(filled, made)
    entry = removal.remove(filled, key(filled_study))[1]
    honest, seen = trash._bring_back, []
    monkeypatch.setattr(
        trash, "_bring_back", lambda store, place, folder: seen.append(place) or honest(store, place, folder)
    )
    removal.restore(filled, entry.id)
    assert seen.index(f"results/LayerCka/{key(made)}") < seen.index(f"jobs/{key(made)}")
    assert seen[-1] == f"results/Study/{key(filled_study)}"


# -- jobs, plans, names ------------------------------------------------------------------------------------------------


def test_the_record_of_a_job_comes_back(store):
    store.remember(AtRandom(size=7), make)
    job = jobs.submit(store, AtRandom(size=7))
    before = jobs.find(store, job)
    jobs.forget_job(store, job)
    (entry,) = trash.entries(store)
    assert jobs.listing(store) == [] and entry.kind == "Job"
    removal.restore(store, entry.id)
    assert jobs.listing(store) == [before]


def test_a_plan_comes_back_and_never_in_place_of_another(store):
    save(store, Plan(name="Mine"))
    remove(store, "mine")
    (entry,) = trash.entries(store)
    removal.restore(store, entry.id)
    assert saved(store) == [Plan(name="Mine")]
    remove(store, "MINE")
    save(store, Plan(name="mine", low_cut=0.2))
    said = removal.restore(store, trash.entries(store)[0].id)
    assert "these stay" in said and saved(store) == [Plan(name="mine", low_cut=0.2)] and len(trash.entries(store)) == 1


def test_the_name_of_a_set_comes_back_unless_it_is_used_anew(filled, filled_study, monkeypatch):
    study = OpenStudy.open(filled, key(filled_study))
    one = forget_sets.give_name(study, np.arange(5), "Five")
    for anew in (None, "Cinq", "Five"):
        assert forget_sets.take_name(study, one.key) == "Five"
        (entry,) = trash.entries(filled)
        if anew:
            forget_sets.give_name(study, np.arange(5 if anew == "Cinq" else 6), anew)
        said = removal.restore(filled, entry.id)
        names = {named.name for named in forget_sets.listed(study)}
        assert names == {anew or "Five"} and ("used anew" in said) == bool(anew)
        trash.empty(filled)
        if anew == "Cinq":
            forget_sets.give_name(study, np.arange(5), "Five")
    # A name that cannot be taken away leaves nothing in the trash.
    taken = next(named.key for named in forget_sets.listed(study))
    monkeypatch.setattr(forget_sets, "write_whole", lambda *about: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StoreError):
        forget_sets.take_name(study, taken)
    assert trash.entries(filled) == []


def test_the_commands(filled, filled_study):
    def run(*args):
        done = CliRunner().invoke(app, [*map(str, args), "--store", str(filled.root)])
        return done.exit_code, done.stderr.strip(), done.stdout.strip().splitlines()

    before = files(filled.root)
    code, says, out = run("remove", key(filled_study), "--dry-run")
    dry = json.loads(out[-1])
    assert code == 0 and "go to the trash" in says and files(filled.root) == before
    wet = json.loads(run("remove", key(filled_study))[2][-1])
    assert wet | {"trash": None} == dry and wet["results"] == sum(wet["kinds"].values()) > 30
    (line,) = json.loads(run("trash", "list", "--json")[2][-1])
    assert (line["id"], line["title"], line["things"]) == (wet["trash"], filled_study.name, wet["results"])
    assert run("trash", "restore", wet["trash"])[1] == f"{filled_study.name} is back."
    assert files(filled.root) == before
    assert run("remove", "0" * 32)[:2] == (2, f"There is no Study result {'0' * 32} in this store.")
    run("remove", key(filled_study))
    assert json.loads(run("trash", "empty", "--older-than", 1)[2][-1])["emptied"] == 0
    assert json.loads(run("trash", "empty")[2][-1])["emptied"] == 1 and files(filled.root) == {}
    assert run("trash", "list")[1] == "The trash is empty." and run("trash", "empty", "--older-than", -1)[0] == 2


# -- how much a store may take -----------------------------------------------------------------------------------------


def walked(root) -> int:
    places = [Path(root) / name for name in ("results", "trash", "data", "quarantine")]
    return sum(p.stat().st_size for place in places for p in place.rglob("*") if p.is_file())


def test_what_a_store_takes_is_counted_and_only_what_is_new_is_looked_into(store, monkeypatch):
    places = three(store)
    assert room.taken(store.root).used == walked(store.root) > 0
    entry = trash.move(store, "Study", "Two", places[:2])
    taken = room.taken(store.root)
    assert taken.used == walked(store.root) and taken.trash > taken.results > 0
    trash.restore(store, entry.id)
    assert room.taken(store.root).used == walked(store.root)
    looked, honest = [], room.size_of
    monkeypatch.setattr(room, "size_of", lambda place: looked.append(place) or honest(place))
    room.taken(store.root)
    new = store.remember(AtRandom(size=100), make).folder
    room.taken(store.root)
    assert [p for p in looked if p.parent.name == "AtRandom"] == [new]


def test_a_fuller_thing_of_the_same_name_counts_with_its_own_size(tmp_path):
    """As when a study comes again with the weights that a lighter file of it had left behind."""
    folder = tmp_path / "results"
    for name, size in (("a", 10), ("b", 20)):
        (folder / name).mkdir(parents=True)
        (folder / name / "x").write_bytes(bytes(size))
    assert room.sizes(folder) == {"a": 10, "b": 20}
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "x").write_bytes(bytes(300))
    (folder / "a").rename(tmp_path / "old")
    (tmp_path / "new").rename(folder / "a")
    assert room.sizes(folder) == {"a": 300, "b": 20}


def test_a_result_beyond_the_limit_is_not_kept(store, monkeypatch):
    places = three(store)
    used = room.taken(store.root).used
    monkeypatch.setenv(room.LIMIT, f"{(used + 100) / 1e9:.9f}")
    with pytest.raises(StoreError) as error:
        store.remember(AtRandom(size=10), make)
    assert str(error.value) == (
        "This needs less than 0.1 MB more, and the store may take less than 0.1 MB (UNLEARN_STORE_LIMIT), where "
        "less than 0.1 MB are used, none of them by the trash: remove studies and empty the trash, or raise the limit."
    )
    assert store.find(AtRandom(size=10)) is None and os.listdir(store.root / "staging") == []
    assert store.remember(AtRandom(size=7), None).key == places[0][-32:]  # what is there can be looked at
    trash.move(store, "Study", "One", places[:1])
    with pytest.raises(StoreError, match="by the trash: empty the trash, or raise the limit"):
        store.remember(AtRandom(size=10), make)
    trash.empty(store)
    assert store.remember(AtRandom(size=10), make)


def test_a_job_that_would_go_beyond_the_limit_is_not_begun(store, monkeypatch):
    three(store)
    monkeypatch.setenv(room.LIMIT, "0.5")
    with pytest.raises(StoreError, match=r"This needs about 1\.0 GB more, and the store may take 500 MB"):
        jobs.submit(store, AtRandom(size=10), Expected(1.0, 1.0, 1.0, megabytes=1000.0))
    monkeypatch.setenv(room.LIMIT, "0.000001")
    with pytest.raises(StoreError, match=r"^The store may take less than 0\.1 MB"):
        jobs.submit(store, AtRandom(size=10))
    assert jobs.listing(store) == []
    assert jobs.find(store, jobs.submit(store, AtRandom(size=7))).state == "done"  # what is there needs no room


def test_a_disk_that_failed_once_is_asked_again_what_a_result_is_about(filled, monkeypatch):
    """A read that fails says nothing of a result, and the next one counts."""
    study = next(filled.results("Study"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        assert removal._about(study.folder) == removal.About()
    assert removal._about(study.folder).training


def test_what_was_set_aside_as_damaged_is_counted_named_and_emptied(store, monkeypatch):
    places = three(store)
    (store.root / places[0] / "arrays.safetensors").write_bytes(b"x" * 300_000)
    assert store.find(AtRandom(size=7)) is None and len(trash.damaged(store)) == 1
    monkeypatch.setenv(room.LIMIT, "0.0002")
    said = room.too_full(store.root)
    assert "none of them by the trash and 0.3 MB by what was set aside as damaged: empty the trash, or" in said
    assert trash.empty(store, older_than=1) == (0, 0)
    count, size = trash.empty(store)
    assert count == 1 and size > 300_000 and not trash.damaged(store) and room.too_full(store.root) == ""
    assert [store.find(AtRandom(size=n)) is None for n in (7, 8, 9)] == [True, False, False]


@pytest.mark.parametrize("said", ["much", "-1", "0", "nan", "inf", "1e400", "20 GB"])
def test_a_limit_that_is_none_is_one_sentence(store, monkeypatch, said):
    monkeypatch.setenv(room.LIMIT, said)
    with pytest.raises(BadValue, match="must be a number of GB above 0, such as 20, not"):
        store.remember(AtRandom(size=10), make)


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 MB"), (9e4, "less than 0.1 MB"), (3.2e6, "3.2 MB"), (999.4e6, "999 MB"), (2e9, "2.0 GB")]
)
def test_a_size_in_words(size, words):
    assert room.in_words(size) == words
