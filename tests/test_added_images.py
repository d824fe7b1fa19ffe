"""Taking a person's own images in as a job: what it is known by, what it finds, and how it is stopped."""

import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from unlearn_core import job_work, jobs
from unlearn_core.data import DataError, decode, own
from unlearn_core.experiment import added_images, fulfil
from unlearn_core.experiment.added_images import added, ask, found_in, once
from unlearn_core.experiment.again import verify
from unlearn_core.experiment.own_images import overview
from unlearn_core.experiment.shown import study_of
from unlearn_core.params import BadValue, key
from unlearn_core.progress import silent


def folder(top, counts: dict[str, int]):
    """A folder of class folders with so many different images each; returns it."""
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (top / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(top / name / f"{i:03}.png")
    return top


@pytest.fixture
def pets(tmp_path):
    """12 images of each of two classes, one of which is there twice; and a file that is none."""
    place = folder(tmp_path / "pets", {"train/cat": 12, "train/dog": 12, "test/cat": 3, "test/dog": 3})
    shutil.copy(place / "train/cat/000.png", place / "train/cat/copy.png")
    (place / "train" / "dog" / "notes.txt").write_text("x")
    return place


def touch(file, seconds: float) -> None:
    about = file.stat()
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + int(seconds * 1e9)))


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_the_record_says_what_a_look_at_the_dataset_says(store, pets):
    result = fulfil(store, ask(store, pets, "pets"))
    (recorded,), looked = added(store), overview(store, "pets")
    assert recorded.about == looked.about == own(store.root / "data")[0] == found_in(result).about
    assert recorded.classes.equals(looked.classes) and recorded.reasons == looked.reasons
    assert recorded.problems == looked.problems and recorded.problems[0].startswith("1 image of the training part")
    assert recorded.skipped == looked.skipped == (("train/dog/notes.txt", looked.skipped[0][1]),)
    assert study_of(store, result.spec()) is None


def test_a_record_can_be_verified_while_the_images_are_there_and_after(store, pets):
    result = fulfil(store, ask(store, pets, "pets"))
    assert verify(store, result.key)["verdict"] == "same bits"
    shutil.rmtree(store.root / "data" / "own" / "pets")
    assert verify(store, result.key)["verdict"] == "same bits"  # from the files
    touch(pets / "train/cat/000.png", 1)
    with pytest.raises(BadValue, match="since these images were asked for"):
        verify(store, result.key)
    assert own(store.root / "data") == []


# -- what an import is known by ----------------------------------------------------------------------------------------


def test_the_same_request_is_the_same_import_until_it_is_there(store, pets, tmp_path, monkeypatch):
    first = ask(store, pets, "pets")
    (tmp_path / "link").symlink_to(pets)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for same in ("pets", "link", "~/pets", f"{pets}/../pets/"):
        assert ask(store, same, "pets") == first
    assert len({key(w) for w in (
        first, ask(store, pets, "others"), ask(store, pets, "pets", size=4), ask(store, pets, "pets", seed=1),
        ask(store, pets, "pets", test_share=0.3), ask(store, pets / "train", "pets"),
    )}) == 6  # fmt: skip
    fulfil(store, first)
    with pytest.raises(BadValue, match="^There is already a dataset called pets; choose another name.$"):
        ask(store, pets, "pets")


@pytest.mark.parametrize(
    "change",
    [
        lambda top: touch(top / "train/cat/003.png", 1e-6),
        lambda top: os.rename(top / "train/cat/003.png", top / "train/cat/x.png"),
        lambda top: os.rename(top / "train/cat/003.png", top / "train/dog/x.png"),
        lambda top: (top / "test/dog/000.png").unlink(),
        lambda top: (top / "train/dog/notes.txt").write_text("longer"),
        lambda top: (top / "notes.txt").write_text("beside the folders"),
        lambda top: (top / "train/dog/nowhere.png").symlink_to("gone"),
    ],
)
def test_files_that_changed_are_another_import(store, pets, change):
    before = ask(store, pets, "pets")
    change(pets)
    after = ask(store, pets, "pets")
    assert after.listing != before.listing and after == before.but(listing=after.listing)
    with pytest.raises(BadValue, match="^Files there were added, changed or removed since"):
        fulfil(store, before)
    assert own(store.root / "data") == [] and not list((store.root / "data" / "own").glob("*"))


def test_a_copy_of_the_files_is_known_by_what_is_in_them(store, pets, tmp_path):
    first = once(store, pets, "pets", silent)
    assert once(store, pets, "pets", silent) == first
    shutil.copytree(pets, tmp_path / "copy", copy_function=shutil.copyfile)
    assert once(store, tmp_path / "copy", "pets", silent) == first
    assert len(list(store.results("AddedImages"))) == 1
    (tmp_path / "copy" / "train" / "cat" / "000.png").unlink()
    with pytest.raises(BadValue, match="pets are other images"):
        once(store, tmp_path / "copy", "pets", silent)
    assert own(store.root / "data") == [first]


def test_what_the_program_does_not_look_at_changes_nothing(store, pets):
    before = ask(store, pets, "pets")
    (pets / "train" / ".hidden").write_text("x")
    (pets / "train" / "cat" / "Thumbs.db").write_text("x")
    assert ask(store, pets, "pets") == before


def test_files_that_change_while_they_are_read_are_refused(store, pets, monkeypatch):
    wanted, honest = ask(store, pets, "pets"), decode.pixels

    def meanwhile(encoded, **how):
        touch(pets / "train/cat/001.png", 1)
        return honest(encoded, **how)

    monkeypatch.setattr(decode, "pixels", meanwhile)
    with pytest.raises(BadValue, match="^Files there were added, changed or removed since"):
        fulfil(store, wanted)
    assert own(store.root / "data") == [] and store.find(wanted) is None


def test_a_dataset_that_was_removed_can_be_taken_in_once_more(store, pets):
    first = ask(store, pets, "pets")
    fulfil(store, first)
    shutil.rmtree(store.root / "data" / "own" / "pets")
    assert added(store) == []  # the record stays, but it is of nothing that is there
    second = ask(store, pets, "pets")
    assert second == first.but(again=1) == ask(store, pets, "pets")
    fulfil(store, second)
    assert [one.about.name for one in added(store)] == ["pets"] == [mine.name for mine in own(store.root / "data")]
    assert store.find(first) is not None and store.find(second) is not None


def test_what_was_stopped_before_its_record_goes_on_without_reading_again(store, pets, monkeypatch):
    wanted = ask(store, pets, "pets")
    with monkeypatch.context() as patch:
        patch.setattr(added_images, "overview", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fulfil(store, wanted)
    assert [mine.name for mine in own(store.root / "data")] == ["pets"] and added(store) == []
    assert ask(store, pets, "pets") == wanted  # whoever asks for the same joins it
    with pytest.raises(BadValue, match="already a dataset called pets"):
        ask(store, pets, "pets", size=4)
    monkeypatch.setattr(decode, "header", lambda *_: pytest.fail("an image was opened again"))
    fulfil(store, wanted)
    assert [one.about.name for one in added(store)] == ["pets"]


@pytest.mark.parametrize(
    "source, name, options, words",
    [
        ("pets", "../up", {}, "cannot be a name"),
        ("pets", "digits", {}, "the program has already"),
        ("pets", "mine", {"test_share": 0.7}, "^The test share must be"),
        ("pets", "mine", {"size": 2000}, "^The size must be"),
        ("nowhere", "mine", {}, "^There is no folder or file"),
        ("a\0b", "mine", {}, "^There is no folder or file"),
        ("x" * 5000, "mine", {}, "^There is no folder or file x{300}.$"),
        ("~nobody-has-this-name/x", "mine", {}, "^There is no folder or file"),
        ("pets/train/cat", "mine", {}, "^There are no images in class folders"),
        ("pets/train/cat/000.png", "mine", {}, "neither a folder nor a .parquet file"),
    ],
)
def test_what_can_be_refused_is_refused_before_there_is_a_job(
    store, pets, tmp_path, monkeypatch, source, name, options, words
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadValue, match=words):
        ask(store, source, name, **options)
    assert not (store.root / "data").exists()


def test_a_damaged_dataset_says_what_to_do(store, pets):
    fulfil(store, ask(store, pets, "pets"))
    (store.root / "data" / "own" / "pets" / "about.json").write_text("{")
    with pytest.raises(DataError, match="is damaged on disk; delete the folder"):
        ask(store, pets, "pets")


# -- as a job ----------------------------------------------------------------------------------------------------------


def until(store, job: str, holds) -> jobs.Job:
    end = time.monotonic() + 90
    while not holds(found := jobs.find(store, job)):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def test_a_job_counts_its_images_is_stopped_at_once_and_can_be_tried_again(store, tmp_path, monkeypatch):
    place = folder(tmp_path / "many", {"cat": 2, "dog": 2})
    large = np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    for name in ("cat", "dog"):
        Image.fromarray(large).save(place / name / "large.png")
        for i in range(1500):
            os.link(place / name / "large.png", place / name / f"more-{i:04}.png")
    wanted = ask(store, place, "many", size=4)
    job = jobs.submit(store, wanted)
    assert jobs.submit(store, ask(store, place, "many", size=4)) == job
    running = until(store, job, lambda job: job.stage == "reading images" and job.done > 0)
    assert running.total == 3006 and 0 < running.done <= 3006 and running.title == "many"
    began = time.monotonic()
    assert jobs.cancel(store, job).state == "cancelled" and time.monotonic() - began < 2
    assert own(store.root / "data") == [] and store.find(wanted) is None
    # What follows needs no process of its own.
    monkeypatch.setattr(jobs, "_start", lambda store, job: job_work.work(str(store.root), job))
    for name in ("cat", "dog"):
        for file in (place / name).glob("more-*"):
            file.unlink()
    failed = jobs.find(store, jobs.resume(store, job))
    assert failed.state == "failed" and failed.message.startswith("Files there were added, changed or removed since")
    job = jobs.submit(store, ask(store, place, "many", size=4))
    assert jobs.find(store, job).state == "done" and added(store)[0].about.train == 5
