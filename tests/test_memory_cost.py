"""The memory that a process will take, beside what processes took that were begun for it."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from unlearn_core.data import Dataset, Images
from unlearn_core.experiment import OpenStudy, memory_cost
from unlearn_core.experiment.first_cost import first_cost
from unlearn_core.experiment.forecast import peak
from unlearn_core.experiment.memory_cost import reckoned_megabytes, study_memory
from unlearn_core.models import new_model
from unlearn_core.params import key
from unlearn_core.stacking import kept_bytes
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import NegGradPlus, base

# Models in stacks or one by one as the program has it, then one of them unlearned, in a process of its own.
WORK = """
import sys
import numpy as np
import torch
from tests.test_memory_cost import RUN, images, recipe
from unlearn_core.ensembles import train_members
from unlearn_core.rum import unlearn_many
from unlearn_core.unlearning import Request
from unlearn_core.unlearning.base import peak_megabytes

model, models = sys.argv[1], int(sys.argv[2])
given, training = images(model), recipe(model)
n = 600  # three steps of a large net, which take as much as a hundred
trained = [t.model for t in train_members(training, given, [np.arange(n)] * models, list(range(models)))]
asked = Request(x=given.train.x, y=given.train.y, forget=np.arange(100), retain=np.arange(100, n), classes=10, seed=0)
unlearn_many([RUN] * len(trained), trained, [asked] * len(trained))
print(peak_megabytes(torch.device("cpu")))
"""
RUN = NegGradPlus(epochs=1, lr=1e-3)
CASES = {"mlp": 32, "cnn": 32, "resnet9": 1, "resnet20": 1}  # how many models go together


def images(model: str) -> Dataset:
    """As many images, and as large, as nets like this one are trained on; what they show does not matter."""
    shape = (5000, 3, 32, 32) if "resnet" in model else (1260, 1, 8, 8)
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)
    splits = (Images(pixels[:n], torch.arange(n) % 10) for n in (len(pixels), 100, 500))
    return Dataset("drawn", tuple("0123456789"), *splits)


def recipe(model: str) -> Training:
    if "resnet" in model:
        return Training(model=model, width=16, batch=256, epochs=1, lr=0.01, momentum=0.9)
    return Training(model=model, batch=32, epochs=2, lr=0.01)


@cache
def measured(model: str, models: int) -> float:
    """Megabytes, the most that a process took."""
    given = [sys.executable, "-c", WORK, model, str(models)]
    done = subprocess.run(given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def reckoned(model: str, models: int) -> float:
    return reckoned_megabytes(recipe(model), images(model), models, [RUN])


@pytest.mark.parametrize("model", [name for name in CASES if name != "mlp"])
def test_what_a_process_takes_is_what_was_reckoned_by_another_net(model, monkeypatch):
    """By stacks of nets with one hidden layer; the processes that are compared do the same work."""
    monkeypatch.setattr(memory_cost, "trained_together", lambda training, given: 32)  # whatever is free now
    bottom = measured("mlp", CASES["mlp"]) - reckoned("mlp", CASES["mlp"])
    took, said = measured(model, CASES[model]), bottom + reckoned(model, CASES[model])
    assert took / memory_cost.OTHER < said < took * memory_cost.OTHER
    if took - bottom > 200:  # what the shapes say is more than what any process takes
        assert 0.5 < (said - bottom) / (took - bottom) < 2


def test_a_small_net_takes_little_beside_its_libraries():
    assert abs(measured("mlp", 32) - memory_cost.LIBRARIES) < 0.4 * memory_cost.LIBRARIES
    assert reckoned("mlp", 32) < 50


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say")
def test_a_process_does_not_count_the_memory_of_whoever_started_it(monkeypatch):
    """Limits count it: a child of a process of two gigabytes says two gigabytes before it has done anything."""
    monkeypatch.setattr(base.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=10**9))
    now = psutil.Process().memory_info().rss / 1e6
    assert 0.9 * now < base.peak_megabytes(torch.device("cpu")) < 1e5


def test_what_a_step_keeps_grows_with_its_images_and_counts_no_place_twice():
    given = images("resnet9")
    model = new_model("resnet9", given, 0, 16)
    one, two = (kept_bytes(model, given.train.x[:n]) for n in (8, 16))
    assert one[1] == 8 * 32 * 32 * 32 * 4  # 32 channels as large as the image
    assert two[0] == pytest.approx(2 * one[0], rel=0.01) and two[1] == 2 * one[1]
    wide = new_model("resnet9", given, 0, 32)
    assert kept_bytes(wide, given.train.x[:8])[0] == pytest.approx(2 * one[0], rel=0.05)


def test_more_work_at_once_takes_more():
    base, given = recipe("resnet9"), images("resnet9")
    least = reckoned_megabytes(base, given, 1)
    assert reckoned_megabytes(base.but(batch=512), given, 1) > 1.5 * least
    assert reckoned_megabytes(base.but(precision="bfloat16"), given, 1) < least
    assert reckoned_megabytes(base, given, 1, [RUN.but(batch=1024)]) > 1.5 * least
    assert reckoned_megabytes(recipe("cnn"), images("cnn"), 32) > reckoned_megabytes(recipe("cnn"), images("cnn"), 2)


def test_a_study_like_a_finished_one_takes_what_that_took(filled_store, filled_study):
    study = OpenStudy.open(Store(filled_store), key(filled_study))
    memory, factor, device = study_memory(study, study.spec, study.data)
    assert memory == pytest.approx(peak(study)[0] + memory_cost.MAP) and factor == memory_cost.SAME and device == "cpu"
    other = study.spec.but(training=study.spec.training.but(model="cnn"))
    cost = first_cost(study.store, other)
    assert cost.memory > memory and (cost.memory_factor, cost.device) == (memory_cost.OTHER, "cpu")
