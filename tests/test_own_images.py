"""What is said of a person's own images before a study rests on them."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unlearn_core.cli import own_data
from unlearn_core.data import add
from unlearn_core.experiment.own_images import overview
from unlearn_core.params import BadValue


@pytest.fixture
def folder(tmp_path):
    """folder({"train/cat": 12, ...}) -> class folders with so many different images each."""
    rng = np.random.default_rng(0)

    def write(counts: dict[str, int]):
        for name, count in counts.items():
            (tmp_path / "pets" / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 255, (8, 8)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i:03}.png")
        return tmp_path / "pets"

    return write


def copy(place, source: str, target: str) -> None:
    (place / target).write_bytes((place / source).read_bytes())


def test_a_sound_dataset_is_counted_and_has_no_problem(folder, store):
    place = folder({"train/cat": 12, "train/dog": 15, "test/cat": 3, "test/dog": 2})
    (place / "train" / "cat" / "notes.txt").write_text("x")
    add(place, "pets", store.root / "data")
    found = overview(store, "pets")
    assert found.classes.to_dict("list") == {"class": ["cat", "dog"], "train": [12, 15], "test": [3, 2]}
    assert found.problems == () and [name for name, _ in found.skipped] == ["train/cat/notes.txt"]
    assert sum(found.reasons.values()) == 1
    run = CliRunner().invoke(own_data.app, ["check", "pets", "--store", str(store.root)])
    said = run.stderr.splitlines()
    assert said[-2:] == ["Not used: 1 of the files.", "- train/cat/notes.txt: not a PNG, JPEG, WEBP or BMP image"]


def test_each_problem_is_found_and_counted(folder, store):
    place = folder({"train/cat": 12, "train/dog": 12, "train/elk": 3, "test/cat": 3, "test/dog": 2})
    copy(place, "train/cat/000.png", "test/cat/copy.png")
    copy(place, "train/cat/001.png", "train/cat/again.png")
    copy(place, "train/cat/001.png", "train/cat/again2.png")
    copy(place, "train/cat/002.png", "train/dog/torn.png")
    add(place, "pets", store.root / "data")
    shared, torn, again, few, untested = overview(store, "pets").problems
    assert shared.startswith("1 image of the test part is in the training part too")
    assert torn == "1 image is there with more than one label."
    assert again.startswith("3 images of the training part are a copy")  # two of one cat, and the dog that is a cat
    assert few.startswith("Fewer than 10 training images: elk.")
    assert untested.startswith("No test image: elk.")


def test_the_command_and_a_name_that_is_none(folder, store):
    add(folder({"cat": 20, "dog": 20}), "pets", store.root / "data")
    run = CliRunner().invoke(own_data.app, ["check", "pets", "--store", str(store.root)])
    answer = json.loads(run.stdout.splitlines()[-1])
    assert "Not used" not in run.stderr
    assert run.exit_code == 0 and answer["shape"] == [1, 8, 8] and answer["problems"] == []
    assert [c["train"] + c["test"] for c in answer["classes"]] == [20, 20]
    for name in ("dogs", "../pets", "digits"):
        with pytest.raises(BadValue, match="There is no dataset of your own called"):
            overview(store, name)
