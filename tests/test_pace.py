"""How long models of any recipe take is told before they are trained or asked, and is held against a clock."""

import shutil
import time

import pytest

from unlearn_core.data import Data
from unlearn_core.experiment import OpenStudy, fulfil
from unlearn_core.experiment.judged import ask
from unlearn_core.experiment.own_weights import keep
from unlearn_core.experiment.pace import FAR, judging_cost, looking_cost, pace
from unlearn_core.params import key
from unlearn_core.store import Store


@pytest.fixture
def study(filled_store, filled_study, tmp_path) -> OpenStudy:
    shutil.copytree(filled_store, tmp_path / "copy")
    return OpenStudy.open(Store(tmp_path / "copy"), key(filled_study))


def test_without_a_study_or_images_nothing_is_told(study, store):
    training = study.spec.training
    assert judging_cost(store, training, 3) is None and looking_cost(store, training) is None
    assert judging_cost(study.store, training.but(data=Data(name="CIFAR-10"), model="resnet9"), 3) is None


def test_more_work_takes_longer_and_other_models_tell_less(study):
    training, store = study.spec.training, study.store
    once = judging_cost(store, training, 3)
    assert judging_cost(store, training, 20).seconds > 2 * once.seconds
    assert judging_cost(store, training.but(epochs=10 * training.epochs), 3).seconds > once.seconds
    assert once.factor == 2.0 and judging_cost(store, training.but(model="cnn"), 3).factor == FAR
    same = pace(store, training, study.data)
    assert same.same and same.a_pass == 1.0 and same.epoch >= same.training / training.epochs


def test_what_it_took_lies_in_the_range(study):
    """Against a clock of the test's own, which stands still while other programs have the CPU; what else they do to
    this one, such as to its caches, is why the range is wider here.
    """
    store, training = study.store, study.spec.training.but(lr=0.07)
    file = fulfil(store, training).folder / "weights.safetensors"
    cost, began = judging_cost(store, training, 3), time.process_time()
    fulfil(store, ask(store, "Mine", training, "0-9", file, 3))
    took = time.process_time() - began
    assert cost.seconds / (3 * cost.factor) < took < 3 * cost.factor * cost.seconds, (cost, took)
    given = training.but(weights=keep(store, training, file).digest)
    cost, began = looking_cost(store, given), time.process_time()
    fulfil(store, given)
    took = time.process_time() - began
    assert cost.seconds / (3 * cost.factor) < took < 3 * cost.factor * cost.seconds, (cost, took)
