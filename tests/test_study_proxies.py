"""Cheaper scores on a finished study: one way to cut by them, and the table that says what they are worth."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from unlearn_core import evaluation
from unlearn_core.cli import app
from unlearn_core.data import Data
from unlearn_core.experiment import (
    OpenStudy,
    ProxyTable,
    Run,
    Study,
    attributes,
    door,
    embedded_images,
    fulfil,
    proxy_table,
)
from unlearn_core.experiment.proxy_table import EXACT, agreement
from unlearn_core.forget import ByMemorization
from unlearn_core.params import key, params
from unlearn_core.proxies import PROXIES
from unlearn_core.rows import pack
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune

BY = next(p.choices for p in params(Plan) if p.name == "by")


@pytest.fixture(scope="module")
def filled(filled_store, filled_study, tmp_path_factory):
    """A store of our own with the small study and its table of cheaper scores."""
    root = tmp_path_factory.mktemp("proxies") / "store"
    shutil.copytree(filled_store, root)
    store = Store(root)
    study = OpenStudy.open(store, key(filled_study))
    assert [name for name in BY if study.is_ready(name)] == ["memorization", "entanglement", *list(PROXIES)[:4]]
    assert proxy_table.finished(study) is None
    fulfil(store, ProxyTable(study=filled_study))
    return store


@pytest.fixture(scope="module")
def study(filled, filled_study):
    return OpenStudy.open(filled, key(filled_study))


@pytest.fixture(scope="module")
def table(study):
    return proxy_table.finished(study)[0]


# -- cutting by a score ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", BY)
def test_a_page_shows_the_parts_that_a_run_cuts(by, study):
    plan = Plan(by=by)
    shown, cut = study.refine(plan, study.forget), attributes.refine(study.store, study.spec.bank, plan, study.forget)
    assert {name: rows.tolist() for name, rows in shown.items()} == {name: rows.tolist() for name, rows in cut.items()}
    if by != "entanglement":
        scores = study.scores(by)
        assert scores[shown["low"]].max() <= scores[shown["high"]].min()


def test_whatever_cuts_the_plan_parts_are_measured_by_memorization(study):
    target = attributes.target(study.store, study.spec.bank, study.forget)
    exact = study.refine(Plan(), study.forget)
    assert all(np.array_equal(target.parts[name], exact[name]) for name in exact)


@pytest.mark.parametrize("by", ["holdout_retraining", "loss_curvature"])
def test_a_study_makes_the_score_its_plan_asks_for(by, store, monkeypatch):
    training = Training(data=Data(train=150, test=60), width=8, epochs=3)
    plan = Plan(by=by, medium=FineTune(epochs=1), high=FineTune(epochs=1))
    asked = Study(
        training=training, models=10, forget=ByMemorization(size=9), unlearners=(), plans=(plan,), controls=False,
        seeds=1, tuning_seeds=0,
    )  # fmt: skip
    monkeypatch.setitem(door.MAKERS, embedded_images.Map, lambda *_: None)  # it is slow and has no part in this
    opened = OpenStudy(store, fulfil(store, asked))
    assert opened.is_ready(by)
    ran = opened.run_result("rum", 0).spec().unlearner
    assert {part.name: part.rows for part in ran.parts} == {
        name: pack(rows) for name, rows in opened.refine(plan, opened.forget).items()
    }


# -- how two scores agree ----------------------------------------------------------------------------------------------


def test_agreement_of_known_rankings():
    exact = np.arange(50.0)
    same, turned = agreement(exact, exact**3, 10), agreement(exact, -exact, 10)
    assert (same.correlation, same.overlap) == (pytest.approx(1), 1)
    assert (turned.correlation, turned.overlap) == (pytest.approx(-1), 0)
    swapped = exact.copy()
    swapped[[44, 39]] = swapped[[39, 44]]  # one of the ten highest leaves
    assert agreement(exact, swapped, 10).overlap == 0.9
    same_for_all = agreement(exact, np.ones(50), 10)
    assert np.isnan(same_for_all.correlation) and same_for_all.overlap == pytest.approx(10 / 50)  # chance
    missing = np.where(exact < 20, np.nan, exact)
    assert agreement(exact, missing, 10) == agreement(exact[20:], exact[20:], 10)


def test_the_interval_covers_as_often_as_it_says():
    """Normal pairs of a known rank correlation: 95 of 100 intervals hold it, up to what 400 draws can show."""
    rng, rho = np.random.default_rng(0), 0.6
    truth = 6 / np.pi * np.arcsin(rho / 2)
    held = 0
    for _ in range(400):
        x = rng.standard_normal(80)
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(80)
        found = agreement(x, y, 5)
        held += found.low < truth < found.high
    assert 0.92 < held / 400 < 0.98


# -- the table ---------------------------------------------------------------------------------------------------------


def test_every_score_has_a_line_and_the_best_comes_first(table):
    assert table.index[0] == EXACT and sorted(table.index[1:]) == sorted(PROXIES)
    assert (table["correlation"].diff().dropna() <= 0).all()
    assert (table["low"] <= table["correlation"]).all() and (table["correlation"] <= table["high"]).all()
    assert table["overlap"].between(0, 1).all()
    free = [name for name, proxy in PROXIES.items() if proxy.recorded]
    assert (table.loc[free, "seconds"] == 0).all() and (table["seconds"].drop(free) > 0).all()
    assert table.loc[EXACT, "share_of_bank"] == 1


def test_rankings_are_those_of_the_scores(table, study):
    for name in PROXIES:
        expected = stats.spearmanr(study.memorization.scores, study.scores(name)).statistic
        assert table.loc[name, "correlation"] == pytest.approx(expected)
    shown = proxy_table.ready(study)
    assert list(shown.index) == list(table.index[1:])
    np.testing.assert_array_equal(shown["overlap"], table["overlap"][1:])


def test_by_exact_scores_it_is_the_plan_of_the_study(table, study):
    """The same runs, found in the store, measured alike: so the other lines are measured as the study measures."""
    means = study.means("group_tow").loc["rum"]
    assert table.loc[EXACT, "group_tow"] == pytest.approx(means["mean"])
    assert table.loc[EXACT, "group_tow_half_width"] == pytest.approx(means["half_width"])
    assert table.loc[EXACT, "difference"] == table.loc[EXACT, "difference_half_width"] == 0


def test_a_line_can_be_traced_to_its_runs(table, study):
    plan = proxy_table.same_cuts(study).but(by="loss_curvature")
    rum = plan.resolve(study.refine(plan, study.forget))
    assert {p.name: len(p.rows) for p in rum.parts}.keys() == {"low", "medium", "high"}
    values, exact = [], [row.group_tow for row in study.table[study.table["method"] == "rum"].itertuples()]
    for seed in range(study.spec.seeds):
        training = study.spec.training.but(seed=seed)
        run = study.store.find(Run(training=training, forget=pack(study.forget), unlearner=rum, seed=seed))
        pair = run.arrays("logits"), study.logits("retrained", seed)
        values.append(
            evaluation.group_tow(*map(study.target.accuracies, pair), *map(study.target.part_accuracies, pair))
        )
    assert table.loc["loss_curvature", "group_tow"] == pytest.approx(np.mean(values))
    assert table.loc["loss_curvature", "difference"] == pytest.approx(np.mean(np.subtract(values, exact)))
    apart = evaluation.paired_difference(values, exact).half_width
    assert table.loc["loss_curvature", "difference_half_width"] == pytest.approx(apart)


def test_cuts_by_value_become_the_same_parts_by_rank(study):
    cut = float(np.sort(study.memorization.scores[study.forget])[20])
    plan = Plan(cut_by="value", low_cut=cut, high_cut=cut)  # no image lies between, so one part is empty
    other = OpenStudy(study.store, study.result)
    other.spec = study.spec.but(plans=(plan,), tuning_seeds=0)
    ranked = proxy_table.same_cuts(other)
    assert ranked.cut_by == "rank"
    before, after = study.refine(plan, study.forget), study.refine(ranked, study.forget)
    assert len({len(rows) for rows in before.values()}) > 1
    assert all(np.array_equal(before[name], after[name]) for name in before)
    by_another = study.refine(ranked.but(by="confidence"), study.forget)
    assert [len(rows) for rows in by_another.values()] == [len(rows) for rows in before.values()]


def test_a_second_request_makes_nothing(filled, filled_study, monkeypatch):
    monkeypatch.setattr(Store, "_make", None)
    fulfil(filled, ProxyTable(study=filled_study))


def test_beside_the_table_stands_what_the_bank_itself_reaches(study):
    found = proxy_table.finished(study)[1]
    assert found == {"halves": proxy_table.halves(study), "part_size": 10}
    assert found["halves"] is None or found["halves"] <= 1
    for kept, said in ((0.8, 0.8), (np.nan, None)):
        other = OpenStudy(study.store, study.result)
        other.stability = pd.DataFrame({"spearman": [0.1, kept]})
        assert proxy_table.halves(other) == said


# -- from the command line ---------------------------------------------------------------------------------------------


def test_the_command_prints_the_table(filled, table):
    def printed(*options):
        done = CliRunner().invoke(app, ["proxies", "--store", str(filled.root), *options])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    assert all(name in printed() for name in table.index)
    said = json.loads(printed("--json"))
    assert [line["score"] for line in said["scores"]] == list(table.index)
    assert said["scores"][1]["correlation"] == pytest.approx(table["correlation"].iloc[1])
    assert said["part_size"] == 10
