"""A person's own images go to the trash with all that was made of them, and come back with it."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unlearn_core import jobs, removal, trash
from unlearn_core.cli import app
from unlearn_core.data import Data, own
from unlearn_core.disk import StoreError, write_whole
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.added_images import added, ask
from unlearn_core.experiment.unfinished import Unfinished
from unlearn_core.params import key, plain
from unlearn_core.result import find_fault
from unlearn_core.training import Training


@pytest.fixture
def pets(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 3)):
        for name in ("cat", "dog"):
            place = tmp_path / "pets" / part / name
            place.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(place / f"{i:03}.png")
    return tmp_path / "pets"


@pytest.fixture
def trained(store, pets):
    """Images called pets, a model of them, and one of digits. Returns the two trainings."""
    fulfil(store, ask(store, pets, "pets"))
    (mine,) = own(store.root / "data")
    of_pets = Training(data=Data(name="pets", fingerprint=mine.fingerprint), width=8, epochs=1)
    of_digits = Training(data=Data(train=120, test=60), width=8, epochs=1)
    for each in (of_pets, of_digits):
        fulfil(store, each)
    return of_pets, of_digits


def test_they_go_with_all_that_was_made_of_them_and_come_back_whole(store, pets, trained):
    of_pets, of_digits = trained
    made = {each.folder.name for kind in store.kinds() for each in store.results(kind)}
    going = removal.plan_images(store, "pets")
    assert going.places[-1] == "data/own/pets" and f"results/Training/{key(of_pets)}" in going.places
    assert "AddedImages" not in going.kinds  # the record of the import stays
    assert going.says.startswith(f"The images and {going.results} result")
    leaving, entry = removal.remove_images(store, "pets")
    assert leaving == going and own(store.root / "data") == [] and added(store) == []
    assert store.find(of_pets) is None and store.find(of_digits) is not None and pets.is_dir()
    with pytest.raises(StoreError, match="no images of your own called 'pets'"):
        removal.plan_images(store, "pets")
    assert removal.restore(store, entry.id) == "pets is back."
    assert {each.folder.name for kind in store.kinds() for each in store.results(kind)} == made
    assert find_fault(store.find(of_pets).folder, deep=True) is None
    assert [one.about.name for one in added(store)] == ["pets"] and trash.entries(store) == []


def test_no_weights_of_a_training_that_was_stopped_stay_behind(store, pets, trained):
    kept = Unfinished(store.root, "a", "")
    kept.save({"model.weight": np.ones(3)})
    removal.remove_images(store, "pets")
    assert kept.load() is None


def test_other_images_that_have_the_name_by_then_stay(store, pets, trained):
    _, entry = removal.remove_images(store, "pets")
    for file in (pets / "train" / "cat").glob("00*.png"):
        file.unlink()
    fulfil(store, ask(store, pets, "pets"))
    (now,) = own(store.root / "data")
    with pytest.raises(StoreError, match="There are other images called pets by now: remove those first"):
        removal.restore(store, entry.id)
    assert own(store.root / "data") == [now] and store.find(trained[0]) is None
    assert "data/own/pets" in trash.entries(store)[0].things
    # What was made of the others is none of theirs.
    assert removal.plan_images(store, "pets").results == 0


def test_the_same_images_taken_in_again_are_what_comes_back_rests_on(store, pets, trained):
    _, entry = removal.remove_images(store, "pets")
    fulfil(store, ask(store, pets, "pets"))
    assert "had been made anew" in removal.restore(store, entry.id) and store.find(trained[0]) is not None


def test_images_that_a_job_needs_stay(store, pets, trained, monkeypatch):
    asked = trained[0].but(seed=5)
    folder = store.root / "jobs" / key(asked)
    folder.mkdir()
    write_whole(folder / "job.json", json.dumps({"spec": plain(asked), "submitted": 1.0}))
    with store.lock(f"job-{key(asked)}"), pytest.raises(StoreError, match="needs these images"):
        assert jobs.find(store, key(asked)).active
        removal.remove_images(store, "pets")
    assert [one.name for one in own(store.root / "data")] == ["pets"]


@pytest.mark.parametrize("name", ["", "..", "nobody", "../own/pets", "a" * 41, "pets/"])
def test_a_name_of_none_is_one_sentence(store, trained, name):
    with pytest.raises(StoreError, match="no images of your own called"):
        removal.remove_images(store, name)


def test_no_set_of_the_trash_names_another_place(store, trained):
    assert not any(trash.THING.fullmatch(name) for name in ("data.own...", "data.own.", "data.own.a.b", "data.own.-a"))
    assert trash.THING.fullmatch("data.own.pets-2_x")


def test_by_a_command(store, trained):
    said = CliRunner().invoke(app, ["data", "remove", "pets", "--dry-run", "--store", str(store.root)])
    assert said.exit_code == 0 and json.loads(said.stdout)["trash"] is None
    assert json.loads(said.stdout)["kinds"]["Training"] == 1 and own(store.root / "data")
    said = CliRunner().invoke(app, ["data", "remove", "pets", "--store", str(store.root)])
    assert json.loads(said.stdout)["trash"] == trash.entries(store)[0].id and not own(store.root / "data")
