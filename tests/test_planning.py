"""What a finished study says before the next one is run: the parts a plan makes, what to run on them, what it costs."""

import shutil

import numpy as np
import pandas as pd
import pytest

from unlearn_core.experiment import OpenStudy, fulfil, studies
from unlearn_core.experiment.attributes import refine
from unlearn_core.experiment.forecast import forecast
from unlearn_core.experiment.study import searches
from unlearn_core.forget import FORGET_SETS, Mislabelled, OfClass, Picked
from unlearn_core.params import BadValue
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import FineTune, NegGradPlus, Original, RandomLabel, SalUn


@pytest.fixture
def study(filled_store) -> OpenStudy:
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


@pytest.mark.parametrize("by", ["memorization", "entanglement", "confidence"])
def test_the_parts_shown_are_the_parts_that_run(study, by):
    for plan in (Plan(by=by), Plan(by=by, control="shuffle"), Plan(by=by, cut_by="value", low_cut=0.1, high_cut=0.5)):
        shown, run = study.refine(plan, study.forget), refine(study.store, study.spec.bank, plan, study.forget)
        assert all(np.array_equal(shown[part], run[part]) for part in run)
    assert np.array_equal(
        np.concatenate(list(study.refine(Plan(by=by), study.forget).values())).sum(), study.forget.sum()
    )


def test_the_study_knows_its_own_set(study):
    assert np.array_equal(study.spec.forget.choose(study.known), study.forget)
    for cls in set(FORGET_SETS.values()) - {Mislabelled, OfClass, Picked}:
        assert len(cls(size=9).choose(study.known)) == 9


def test_facts_of_a_set(study):
    rows = np.flatnonzero(study.labels == 4)
    facts = study.about(rows)
    assert facts.images == len(rows) == facts.per_class[4] == facts.per_class.sum()
    assert facts.lost == ("4",) and study.about(rows[: len(rows) // 2]).lost == ()
    assert facts.memorization == pytest.approx(study.memorization.scores[rows].mean())
    assert facts.entanglement == study.sums.describe(rows)


def test_the_nearest_part_of_a_part_is_itself(study):
    means = {name: study.memorization.scores[rows].mean() for name, rows in study.parts.items()}
    assert len(set(means.values())) == 3
    for name, rows in study.parts.items():
        assert study.nearest_part(rows) == name


def accuracies(study: OpenStudy, **high: list[float]) -> None:
    """Give the study a made-up table: accuracies on the high part by method, 0.5 for retrained, all else alike."""
    everyone = {"original": [1.0] * 3, "retrained": [0.5] * 3, "retrained-again": [0.5, 0.5, 0.5]} | high
    lines = [
        {"method": name, "kind": "single" if name in high and name != "original" else "reference", "seed": seed}
        | {"high_accuracy": value, "low_accuracy": 1.0, "medium_accuracy": 1.0}
        | {"retain_accuracy": 1.0, "test_accuracy": 0.9}
        for name, values in everyone.items()
        for seed, value in enumerate(values)
    ]
    study.__dict__["table"] = pd.DataFrame(lines)


def test_a_suggestion_is_the_algorithm_closest_to_retraining(study):
    names = ("fine-tune", "neggrad-plus", "random-label")
    accuracies(study, **dict(zip(names, ([1.0, 0.9, 1.0], [0.51, 0.49, 0.5], [0.2, 0.25, 0.2]), strict=True)))
    found = study.suggestion("high")
    assert (found.unlearner, found.rival) == (NegGradPlus(epochs=2), RandomLabel(epochs=2))
    assert found.tow == pytest.approx(1 - 0.02 / 3) and found.rival_tow == pytest.approx(1 - 0.85 / 3)
    assert found.apart is True and found.ceiling == 1.0 and found.seeds == 3
    # Where nothing needs forgetting, nothing is suggested.
    assert study.suggestion("low").unlearner == Original()


def test_a_lead_inside_the_seed_spread_is_not_worth_a_run(study):
    close = {"original": [0.5, 0.52, 0.5], "fine-tune": [0.5, 0.5, 0.51], "neggrad-plus": [0.9] * 3}
    accuracies(study, **close, **{"random-label": [0.9] * 3})
    found = study.suggestion("high")
    assert found.unlearner == Original() and found.rival == FineTune(epochs=2)
    assert found.rival_tow > found.tow and found.apart is False


def test_harm_to_kept_images_counts_against_an_algorithm(study):
    accuracies(study, **{"fine-tune": [0.5] * 3, "neggrad-plus": [0.6] * 3, "random-label": [0.9] * 3})
    study.table.loc[study.table["method"] == "fine-tune", "retain_accuracy"] = 0.5
    assert study.suggestion("high").unlearner == NegGradPlus(epochs=2)


def test_a_finished_study_costs_nothing(study):
    found = forecast(study, study.spec)
    assert found.runs == found.trials == found.trainings == 0 and found.seconds == found.slowest == 0
    assert found.reused > 0 and found.guessed == ()


def test_the_forecast_counts_what_is_then_done(study, tmp_path):
    root = tmp_path / "store"
    shutil.copytree(study.store.root, root)
    store = Store(root)
    here = OpenStudy.open(store, study.key)
    asked = here.spec.but(
        forget=Picked(named="0-19"), unlearners=(FineTune(epochs=2),), plans=(Plan(low_cut=0.5, high=SalUn(epochs=1)),),
        seeds=2,
    )  # fmt: skip
    found = forecast(here, asked)
    assert 0 < found.fastest <= found.seconds <= found.slowest and found.guessed == ("SalUn",)

    def count(kind: str) -> int:
        return len(list(store.results(kind)))

    before = {kind: count(kind) for kind in ("Training", "Run", "Bank", "Embedding")}
    fulfil(store, asked)
    assert count("Training") - before["Training"] == found.trainings
    assert count("Run") - before["Run"] == found.runs
    assert (count("Bank"), count("Embedding")) == (before["Bank"], before["Embedding"])
    grid = searches(store, asked, np.arange(20))
    assert sum(len(store.find(search).table()) for search in grid.values()) == found.trials
    assert forecast(here, asked).runs == forecast(here, asked).trials == forecast(here, asked).trainings == 0


def test_the_forecast_refuses_another_bank(study):
    with pytest.raises(BadValue, match="same bank"):
        forecast(study, study.spec.but(models=20))
