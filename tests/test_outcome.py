"""A finished study in two numbers: those of its plan, or of the algorithm that came closest."""

from dataclasses import replace

import pandas as pd
import pytest

from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, audit, studies
from unlearn_core.experiment.outcome import outcome
from unlearn_core.store import Store


@pytest.fixture
def study(filled_store):
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def test_it_says_what_compare_says(study):
    found = outcome(study.store, study.key)
    plan = study.table.loc[study.table["kind"] == "plan", "method"].iloc[0]
    for metric, method, estimate in (
        ("group_tow", plan, found.closeness),
        ("group_tow", "retrained-again", found.ceiling),
        ("tpr_at_1_fpr", plan, found.exposure),
        ("tpr_at_1_fpr", "retrained", found.target),
    ):
        line = study.means(metric).loc[method]
        told = [None if pd.isna(line[name]) else line[name] for name in ("mean", "half_width")]
        assert [estimate.mean, estimate.half_width] == pytest.approx(told)
    assert found.title == study.means("tow").loc[plan, "title"]
    # There are too few test images here for one of 100 to be a rate; Compare gives the same reason.
    assert found.exposure.mean is None and "it needs 1,000 test images" in found.why_not
    assert "needs at least 1000" in audit.attack(study, "original", "confidence").found_at(0.01).why
    assert replace(found, exposure=Estimate(0.2, 0.1, 3)).why_not == ""


def test_without_a_plan_it_is_the_algorithm_that_came_closest(study, monkeypatch):
    singles = study.table[study.table["kind"] == "single"]
    best = singles.groupby("method")["group_tow"].mean().idxmax()
    monkeypatch.setattr("unlearn_core.result.Result.table", lambda *_: study.table[study.table["kind"] != "plan"])
    outcome.__globals__["_outcome"].cache_clear()
    found = outcome(study.store, study.key)
    outcome.__globals__["_outcome"].cache_clear()
    assert found.title == singles.loc[singles["method"] == best, "title"].iloc[0]


def test_where_there_is_no_study_there_is_nothing(study):
    assert outcome(study.store, "0" * 32) is None and outcome(study.store, "../x") is None
