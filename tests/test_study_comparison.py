"""The methods of a finished study beside each other."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, studies
from unlearn_core.experiment import comparison as core
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store) -> OpenStudy:
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def column(study, method: str, metric: str) -> pd.Series:
    return study.table[study.table["method"] == method].set_index("seed")[metric].sort_index()


@pytest.mark.parametrize(
    ("mean", "half", "side"),
    [
        (0.2, 0.1, 1),
        (-0.2, 0.1, -1),
        (0.1, 0.2, 0),
        (-0.1, 0.2, 0),
        (0.0, 0.0, 0),
        (0.2, None, None),
        (None, None, None),
    ],
)
def test_side_of_zero(mean, half, side):
    assert core.side_of_zero(Estimate(mean, half, 3)) == side


def test_a_metric_is_one_of_the_measured_columns(study):
    with pytest.raises(BadValue):
        core.by_seed(study, "seconds")
    for metric in core.COLUMNS:
        assert core.by_seed(study, metric).shape == (3, study.table["method"].nunique())


def test_the_best_stands_first_and_the_references_are_left_out(study):
    best = core.ranked(study, "group_tow")
    assert best["mean"].is_monotonic_decreasing
    assert set(best["kind"]) == {"single", "plan", "control"}
    assert core.ranked(study, "forget_disagreement")["mean"].is_monotonic_increasing


def test_a_target_is_approached_from_both_sides(study):
    target = column(study, "retrained", "high_accuracy").mean()
    distance = (core.ranked(study, "high_accuracy")["mean"] - target).abs()
    assert distance.is_monotonic_increasing


def test_a_difference_is_paired_and_turns_its_sign(study):
    there, back = (core.versus(study, *pair).difference for pair in (("rum", "fine-tune"), ("fine-tune", "rum")))
    by_hand = column(study, "rum", "group_tow") - column(study, "fine-tune", "group_tow")
    assert there.mean == pytest.approx(by_hand.mean())
    assert back.mean == pytest.approx(-there.mean)
    assert back.half_width == pytest.approx(there.half_width)
    assert core.versus(study, "rum", "rum").difference == Estimate(0.0, 0.0, 3)


def test_a_plan_meets_the_best_single_algorithm_and_its_controls(study):
    found = core.plan_against_rivals(study, "rum")
    ranked = core.ranked(study, "group_tow")
    assert found[0].second == ranked.index[ranked["kind"] == "single"][0]
    assert {v.second for v in found[1:]} == set(ranked.index[ranked["kind"] == "control"])


def test_controls_belong_to_the_plan_they_are_named_after():
    names = {"rum": "plan", "rum-no-2": "plan", "rum-shuffle": "control", "rum-no-2-shuffle": "control"}
    lines = [{"method": m, "kind": k, "seed": s, "group_tow": 0.5 + s} for m, k in names.items() for s in range(2)]
    study = SimpleNamespace(table=pd.DataFrame(lines), summary={"plans_against_best_single": []})
    assert [v.second for v in core.plan_against_rivals(study, "rum")] == ["rum-shuffle"]
    assert [v.second for v in core.plan_against_rivals(study, "rum-no-2")] == ["rum-no-2-shuffle"]


def test_gaps_are_distances_to_the_retrained_model_of_the_same_seed(study):
    gaps = core.gaps(study)
    assert (gaps.loc["retrained", ["test", "test_half", "parts", "parts_half"]] == 0).all()
    by_hand = column(study, "original", "test_accuracy") - column(study, "retrained", "test_accuracy")
    assert gaps.loc["original", "test"] == pytest.approx(by_hand.mean())
    parts = [
        (column(study, "original", f"{p}_accuracy") - column(study, "retrained", f"{p}_accuracy")).abs()
        for p in ("low", "medium", "high")
    ]
    assert gaps.loc["original", "parts"] == pytest.approx(np.mean(parts))


def test_values_far_out_are_those_beyond_the_others():
    values = pd.Series([0.0, 0.01, 0.02, 0.03, -5.0, np.nan], index=list("abcdef"))
    assert list(core.far_out(values).index[core.far_out(values)]) == ["e"]


def test_the_steps_lead_from_the_original_to_the_plans_own_accuracy(study):
    assert "rum" in core.plans_with_steps(study)
    assert not any("vanilla" in name for name in core.plans_with_steps(study))
    steps = core.steps(study, "rum")
    for part, lines in steps.groupby("part"):
        assert lines["mean"].iloc[0] == pytest.approx(column(study, "original", f"{part}_accuracy").mean())
        assert lines["mean"].iloc[-1] == pytest.approx(column(study, "rum", f"{part}_accuracy").mean())
        end = core.part_gaps(study, "rum")[part].mean
        assert lines["gap"].iloc[-1] == pytest.approx(end)
    assert list(steps["what"].unique())[1] == "low: Leave as it is"


def test_everything_has_every_method_and_the_work_as_a_share_of_retraining(study):
    frame = core.everything(study)
    assert list(frame.index) == list(dict.fromkeys(study.table["method"]))
    assert frame.loc["rum", "group_tow"] == pytest.approx(column(study, "rum", "group_tow").mean())
    # Two epochs on the kept images, of the many that retraining takes.
    assert frame.loc["fine-tune", "share_of_work"] == pytest.approx(2 / study.spec.training.epochs)
    assert frame.loc["retrained", "share_of_work"] == frame.loc["retrained", "share_of_seconds"] == 1
    assert pd.isna(frame.loc["original", "share_of_work"])
    assert core.retraining_seconds(study) > 0


def test_learning_rates_name_the_algorithms(study):
    rates = core.learning_rates(study)
    assert {"Fine-tune", "NegGrad+", "Random-label"} <= set(rates["title"])
    assert (rates["lr"] > 0).all()


def test_diverged_runs_are_counted():
    table = pd.DataFrame({"method": ["a", "a", "b"], "diverged_at": [3.0, None, None]})
    assert core.diverged(SimpleNamespace(table=table)) == {"a": 1}


def test_every_measured_number_has_a_column(study):
    """A metric that is added to measure() must reach the tables."""
    about = {"method", "title", "kind", "seed", "result", "seconds", "diverged_at"}
    assert set(study.table.columns) - about == set(core.COLUMNS)
