"""All algorithms on one task: what is run, what is reported, and where defaults are searched for."""

import json

import numpy as np
import pytest
import torch

from unlearn_core.data import Data
from unlearn_core.experiment import embedded_images, unlearned_models
from unlearn_core.experiment import leaderboard as board
from unlearn_core.experiment.attributes import known
from unlearn_core.experiment.measures import Validation
from unlearn_core.experiment.model_seeds import TUNING
from unlearn_core.experiment.rehearsal import fault, rehearse
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.experiment.tuning import grid, tuning_set
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.forget import AtRandom, ByMemorization, OfClass
from unlearn_core.params import BadValue
from unlearn_core.progress import silent
from unlearn_core.rows import unpack
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS

SMALL = Data(train=500, test=200)
KEPT = ("original", "retrain", "fine-tune", "neggrad-plus")


@pytest.fixture
def small(monkeypatch):
    """One small task, four algorithms, a map that costs nothing."""
    task = board.Task("a tenth", "samples", SMALL, AtRandom(size=45), (SMALL, AtRandom(size=45, seed=1)))
    monkeypatch.setattr(board, "TASKS", {"random": task})
    monkeypatch.setattr(board, "ALGORITHMS", {name: ALGORITHMS[name] for name in KEPT})
    monkeypatch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
    return task


def test_the_leaderboard_has_every_algorithm_against_doing_nothing(small, store):
    found = board.leaderboard(store, seeds=2)["random"]
    assert set(found["methods"]) == {"original", "retrained", "retrained-again", "fine-tune", "neggrad-plus"}
    assert found["forget"] == 45 and found["seeds"] == 2
    original = found["methods"]["original"]
    assert original["closer_than_original"]["mean"] == 0
    table = store.open("Study", next(store.results("Study")).key).table().set_index(["method", "seed"])
    line = found["methods"]["neggrad-plus"]
    gaps = [table.loc[("neggrad-plus", s), "group_tow"] - table.loc[("original", s), "group_tow"] for s in (0, 1)]
    assert line["closer_than_original"]["mean"] == pytest.approx(np.mean(gaps))
    assert line["seconds"] > 0 and line["stopped"] == 0
    assert json.loads(json.dumps(found)) == found


def test_defaults_are_searched_where_nothing_is_reported(small, store):
    (search,) = board.searches(store, ALGORITHMS["fine-tune"]).values()
    assert all(seed >= TUNING for seed in search.seeds)
    rows = small.forget.choose(known(store, Study(training=search.training, models=0).bank))
    assert not np.array_equal(unpack(search.forget, 450), rows)
    assert [u.lr for u in search.unlearners] == list(ALGORITHMS["fine-tune"].grid["lr"])


def test_the_best_defaults_have_the_best_mean(small, store):
    (line,) = board.best_defaults(store, ["original", "neggrad-plus"])
    (search,) = board.searches(store, ALGORITHMS["neggrad-plus"]).values()
    means = store.find(search).table().groupby("setting")["group_tow"].mean()
    assert line["group_tow"] == round(means.max(), 4)
    assert line["best"]["lr"] == search.unlearners[int(means.to_numpy().argmax())].lr
    assert line["defaults"] == {"lr": ALGORITHMS["neggrad-plus"]().lr}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_a_search_tries_is_in_range_and_holds_the_defaults(name):
    """So that a default is one of the settings it was compared with."""
    cls = ALGORITHMS[name]
    tried = grid(cls())
    assert len(tried) <= 48
    if tried:
        assert cls() in tried, f"the defaults of {name} are not among what the search tries"


# -- settings are chosen on a set of the same kind ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def about(tmp_path_factory):
    from unlearn_core.store import Store

    return known(Store(tmp_path_factory.mktemp("about")), Study(training=Training(data=SMALL, epochs=2), models=0).bank)


def test_for_single_images_it_is_a_mixed_set(about):
    rows = np.arange(30)
    chosen = tuning_set(about, rows)
    assert np.array_equal(chosen, ByMemorization(level="mix", size=30).choose(about))


@pytest.mark.parametrize("classes", [(3,), (0, 1)])
def test_for_whole_classes_it_is_as_many_others(classes, about):
    rows = np.flatnonzero(np.isin(about.labels, classes))
    chosen = tuning_set(about, rows)
    others = np.unique(about.labels[chosen])
    assert len(others) == len(classes) and not set(others) & set(classes)
    assert np.array_equal(chosen, np.flatnonzero(np.isin(about.labels, others)))
    torn = tuning_set(about, rows[1:])  # a class that is not whole is single images
    assert np.array_equal(torn, ByMemorization(level="mix", size=len(rows) - 1).choose(about))


# -- what cannot be asked is said before anything is trained -----------------------------------------------------------


def class_algorithm():
    return next(cls for cls in ALGORITHMS.values() if "classes" in cls.needs)


def test_a_study_with_an_algorithm_that_cannot_be_asked_is_refused_at_once(store):
    cls = class_algorithm()
    study = Study(training=Training(data=SMALL), models=0, forget=AtRandom(size=20), unlearners=(cls(),), plans=())
    with pytest.raises(BadValue, match=f"{cls.title} needs a forget set of whole classes"):
        rehearse(store, study)
    assert not list(store.kinds())
    assert rehearse(store, study.but(forget=OfClass(label="3")))[1] == len(dataset(store, SMALL).train.y)


def test_a_plan_that_cannot_be_asked_is_named(store, filled_study, filled_store):
    from unlearn_core.rum import Plan
    from unlearn_core.store import Store

    cls = class_algorithm()
    rows = np.arange(30)
    good = fault(Store(filled_store), filled_study, rows)
    bad = fault(Store(filled_store), filled_study.but(plans=(Plan(high=cls()),)), rows)
    assert good == "" and bad.startswith(f"{cls.title} needs")


def test_what_looks_at_validation_images_is_judged_by_others(filled_study, digits):
    """Of the validation images half are shown to such an algorithm, and only the other half judge it."""
    plain, looks = (
        Validation.of(digits, "0-8", ("0-2", "3-8"), (ALGORITHMS[name](),)) for name in ("fine-tune", "kde")
    )
    n = len(digits.validation.y)
    everything = np.arange(n)
    assert len(everything[plain.judging]) == len(everything[plain.shown]) == n
    shown, judging = everything[looks.shown], everything[looks.judging]
    assert not set(shown) & set(judging) and len(shown) + len(judging) == n
    assert np.array_equal(looks.target.test_labels, digits.validation.y.numpy()[judging])
    request = unlearned_models._request(
        Run(training=filled_study.training, forget="0-8", unlearner=ALGORITHMS["kde"]()),
        digits,
        *unlearned_models.to_device(digits, looks.shown),
        {},
        silent,
    )
    assert torch.equal(request.validation.y, digits.validation.y[shown])
