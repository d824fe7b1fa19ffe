"""How far work is, in what a person can count: the stages of a study, and in each of them the things that it makes."""

import itertools

import pytest

from pages.shared import progress
from unlearn_core.data import Data
from unlearn_core.experiment import Study, embedded_images
from unlearn_core.experiment.door import fulfil
from unlearn_core.forget import ByMemorization
from unlearn_core.progress import in_steps
from unlearn_core.rum import Plan
from unlearn_core.training import Training
from unlearn_core.unlearning.retain_only.fine_tune import FineTune


def test_a_stage_is_told_in_what_it_makes():
    told = []
    tell = in_steps(lambda *said: told.append(said), 8)
    for done in (0, 366, 1000):
        tell("bank", done, 1000)
    tell("bank", 0, 0)
    assert told == [("bank", 0, 8), ("bank", 2.928, 8), ("bank", 8, 8), ("bank", 0, 8)]
    for few in (0, 1):
        in_steps(lambda *said: told.append(said), few)("map", 250, 1000)
    assert told[4:] == [("map", 0.25, 1)] * 2


@pytest.mark.parametrize("models", [0, 16])
def test_a_study_goes_through_the_stages_it_names_and_counts_what_it_makes(store, monkeypatch, models):
    monkeypatch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
    training = Training(data=Data(train=120, test=40, validation=0.0), width=8, epochs=2)
    study = Study(
        training=training, models=models, forget=ByMemorization(size=9), tuning_seeds=0, seeds=2, controls=False,
        unlearners=(FineTune(epochs=1), FineTune(epochs=2)), plans=(Plan(),),
    )  # fmt: skip
    told = []
    fulfil(store, study, lambda *said: told.append(said))
    assert tuple(stage for stage, _ in itertools.groupby(told, lambda said: said[0])) == study.stages
    assert study.stages == tuple(name for name in progress.STUDY if models or name != "bank")
    steps = {(stage, total) for stage, _, total in told if total > 1}
    made = {("original models", 2), ("retrained models", 4), ("unlearning", 6), ("evaluation", 2)}
    assert steps == made | ({("bank", 16)} if models else set())
    assert all(0 <= done <= total for _, done, total in told)
    # What is there already is no step: of six runs only those of one more algorithm are made.
    told.clear()
    more = study.but(name="More", unlearners=(*study.unlearners, FineTune(epochs=3)))
    fulfil(store, more, lambda *said: told.append(said))
    assert {(stage, total) for stage, _, total in told if stage == "unlearning" and total > 1} == {("unlearning", 2)}
