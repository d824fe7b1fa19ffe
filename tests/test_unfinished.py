"""A training that is stopped goes on from its last epochs, to the same bits, or from the start where it cannot."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from unlearn_core import training as training_module
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.bank import BankPart
from unlearn_core.experiment.unfinished import Unfinished
from unlearn_core.store import FORSAKEN, Store
from unlearn_core.training import Training, train_each

RESNET = Training(
    model="resnet20", width=4, epochs=4, lr=0.05, momentum=0.9, weight_decay=1e-3, batch=256, augment="flip-crop"
)

ALONE = RESNET.but(precision="bfloat16", epochs=3)  # half precision does not stack


class Stopped(Exception):
    """Something ends the work."""


def stop_at(step):
    def tell(stage, done, total):
        if stage == "train" and done == step:
            raise Stopped

    return tell


def first_step(made, *args):
    """Where the progress of this work begins."""
    steps = []
    result = made(*args, lambda stage, done, total: steps.append(done) if stage == "train" else None)
    return result, steps[0]


@pytest.fixture
def each_epoch(monkeypatch):
    monkeypatch.setenv("UNLEARN_ENGINE", "here")
    monkeypatch.setattr(training_module, "EVERY", 0.0)


def same_bits(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("changes", [{}, {"momentum": 0.0, "augment": "none"}, {"schedule": "constant"}], ids=str)
def test_a_training_goes_on_to_the_same_bits(digits, tmp_path, each_epoch, changes):
    recipe, rows = RESNET.but(**changes), np.arange(600)
    (whole,) = train_each(recipe, digits, [rows], [3])
    kept = Unfinished(tmp_path, "a", "these versions")
    with pytest.raises(Stopped):
        list(train_each(recipe, digits, [rows], [3], stop_at(8), kept=[kept]))  # in the third of four epochs of 3 steps
    steps = []
    (again,) = train_each(recipe, digits, [rows], [3], lambda _, done, __: steps.append(done), kept=[kept])
    assert steps == [*range(7, 13)]
    same_bits(*({k: v.numpy() for k, v in t.model.state_dict().items()} for t in (whole, again)))
    same_bits(whole.trajectory, again.trajectory)


def test_members_that_are_done_are_not_trained_again(digits, tmp_path, each_epoch):
    rows, seeds = [np.arange(300), np.arange(300, 600)], [1, 2]
    kept = [Unfinished(tmp_path, f"m{m}", "these versions") for m in range(2)]
    whole = list(train_each(RESNET, digits, rows, seeds))
    with pytest.raises(Stopped):
        list(train_each(RESNET, digits, rows, seeds, stop_at(11), kept=kept))
    steps = []
    again = list(train_each(RESNET, digits, rows, seeds, lambda _, done, __: steps.append(done), kept=kept))
    assert steps[0] == 11  # 8 of the first member, 2 of the second
    for one, other in zip(whole, again, strict=True):
        same_bits(*({k: v.numpy() for k, v in t.model.state_dict().items()} for t in (one, other)))


def test_a_watched_training_and_a_private_one_begin_anew(digits, tmp_path, each_epoch):
    """What watches would miss the epochs before; noise goes by the steps of this process."""
    kept = Unfinished(tmp_path, "a", "these versions")
    list(train_each(RESNET, digits, [np.arange(300)], [0], watch=lambda *said: None, kept=[kept]))
    private = Training(epochs=2, noise=1.0)
    list(train_each(private, digits, [np.arange(300)], [0], kept=[kept]))
    assert not kept.file.exists()


@pytest.mark.parametrize("kind", ["Training", "BankPart"])
def test_a_result_is_gone_on_with_and_nothing_is_left(tmp_path, each_epoch, kind):
    spec = ALONE if kind == "Training" else BankPart(training=ALONE, count=2)
    stopped, whole = Store(tmp_path / "stopped"), Store(tmp_path / "whole")
    with pytest.raises(Stopped):
        fulfil(stopped, spec, stop_at(8))
    assert list((stopped.root / "unfinished").iterdir())
    result, begun = first_step(fulfil, stopped, spec)
    assert begun > 1
    expected = fulfil(whole, spec)
    for file in result.folder.glob("*.safetensors"):
        assert file.read_bytes() == (expected.folder / file.name).read_bytes()
    assert list((stopped.root / "unfinished").iterdir()) == []


TRAINING = """
import os, signal, sys
from unlearn_core import training
training.EVERY = 0.0
from tests.test_unfinished import ALONE, Store, fulfil
steps = []
def tell(stage, done, total):
    if stage == "train":
        steps.append(done)
        if done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
fulfil(Store(sys.argv[1]), ALONE, tell)
print(steps[0])
"""


def test_a_killed_process_is_gone_on_with_to_the_same_bits(tmp_path, each_epoch):
    store = Store(tmp_path / "killed")
    ask = [sys.executable, "-c", TRAINING, str(store.root)]
    assert subprocess.run([*ask, "8"]).returncode == -signal.SIGKILL
    again = subprocess.run([*ask, "-1"], capture_output=True, text=True, check=True)
    assert int(again.stdout) > 1
    whole = fulfil(Store(tmp_path / "whole"), ALONE)
    same_bits(store.find(ALONE).arrays("weights"), whole.arrays("weights"))


def test_a_damaged_file_is_no_worse_than_none(tmp_path):
    kept = Unfinished(tmp_path, "a", "these versions")
    assert kept.load() is None
    kept.save({"x": np.arange(99.0), "epochs": np.array(2)})
    same_bits(kept.load(), {"x": np.arange(99.0), "epochs": np.array(2)})
    whole = kept.file.read_bytes()
    for at in range(0, len(whole), 100):
        kept.file.write_bytes(whole[:at])
        assert kept.load() is None
        kept.file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert kept.load() is None
    kept.file.write_bytes(whole)
    assert Unfinished(tmp_path, "a", "other versions").load() is None


def test_a_full_disk_loses_no_work(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    kept = Unfinished(tmp_path, "a", "these versions")
    monkeypatch.setattr("unlearn_core.experiment.unfinished.write_whole", full)
    kept.save({"x": np.zeros(3)})
    assert kept.load() is None


def test_what_nobody_came_back_to_is_swept(tmp_path):
    store = Store(tmp_path)
    old, new = (Unfinished(tmp_path, name, "") for name in ("old", "new"))
    for each in (old, new):
        each.save({"x": np.zeros(3)})
    os.utime(old.file, (1e9, new.file.stat().st_mtime - FORSAKEN - 60))
    store.sweep()
    assert not old.file.exists() and new.file.exists()
