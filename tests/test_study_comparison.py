"""The methods of a finished study beside each other."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, fulfil, outcome, studies, trade_off, views
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.study import methods, plans_against_best_single
from unlearn_core.experiment.study_table import best_first, best_single, told_apart
from unlearn_core.experiment.tuning import settings as tried_for
from unlearn_core.params import BadValue
from unlearn_core.store import Store
from unlearn_core.unlearning import KDE, FineTune


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


def test_of_equal_single_algorithms_all_name_the_one_that_the_study_lists_first(tmp_path, filled_store):
    """The summary, the ranking and the list of studies, whatever the alphabet says."""
    study = OpenStudy.open(Store(filled_store), studies(Store(filled_store))[0].key)
    table = study.table.replace({"method": {"fine-tune": "z-tune"}})
    for name in ("z-tune", "neggrad-plus"):
        table.loc[table["method"] == name, "group_tow"] = [0.9, 0.8, 0.95]
    table.loc[table["method"] == "random-label", "group_tow"] = 0.1
    study.table = table
    order = core.ranked(study, "group_tow")
    assert order.index[order["kind"] == "single"][0] == "z-tune"
    assert [line["best_single"] for line in plans_against_best_single(table)] == ["z-tune"]
    table[table["kind"] != "plan"].to_parquet(tmp_path / "table.parquet")
    assert outcome._outcome(tmp_path).title == "Fine-tune"


def test_a_single_algorithm_without_a_value_is_the_best_only_where_none_has_one():
    lines = [("a", "single", None), ("b", "single", 0.2), ("c", "plan", 0.9), ("original", "reference", 0.99)]
    table = pd.DataFrame(lines, columns=["method", "kind", "group_tow"])
    assert best_first(table, "group_tow") == ["c", "b", "a"] and best_single(table) == "b"
    assert best_single(table[table["method"] != "b"]) == "a" and best_single(table[table["kind"] == "plan"]) is None


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


def listed(study, *names: str, **changes) -> SimpleNamespace:
    """A study with plans of these names, with its methods as they are named and ordered when it runs."""
    spec = study.spec.but(plans=tuple(study.spec.plans[0].but(name=name) for name in names), **changes)
    lines = [
        {"method": m.id, "title": m.title, "kind": m.kind, "seed": s, "group_tow": 0.5, "result": f"{m.id}{s}"}
        for s in range(2)
        for m in methods(study.store, spec, study.forget, {})
    ]
    return SimpleNamespace(table=pd.DataFrame(lines), summary={"plans_against_best_single": []})


@pytest.mark.parametrize(
    "names",
    [
        ("RUM", "RUM"),
        ("Fine-tune",),  # beside the single algorithm of that name
        ("RUM F", "RUM"),
        ("RUM", "RUM F"),
        ("RUM", "rum"),
        ("RUM", "RUM shuffle"),
        ("RUM shuffle", "RUM"),
        ("RUM no 2", "RUM"),
        ("Retrained",),
    ],
)
def test_each_plan_has_its_own_controls_whatever_plans_are_called(study, names):
    made = listed(study, *names)
    kinds = made.table.drop_duplicates("method").set_index("method")[["title", "kind"]]
    assert list(kinds["kind"]) == ["single"] * 3 + (["plan"] + ["control"] * 5) * len(names)
    whole = list(kinds.index)
    for plan in kinds.index[kinds["kind"] == "plan"]:
        at = whole.index(plan)
        assert [v.second for v in core.plan_against_rivals(made, plan)] == whole[at + 1 : at + 6]
        assert kinds["title"].iloc[at + 1] == f"{kinds['title'][plan]}, shuffled"
    assert list(core.owners(made)) == list(kinds.index[kinds["kind"] == "control"])


@pytest.mark.parametrize("names", [("RUM", "RUM"), ("RUM", "Mine"), ("RUM no 2", "RUM", "RUM"), ("Fine-tune", "RUM")])
def test_titles_tell_the_methods_of_several_plans_apart(study, names):
    made = listed(study, *names).table
    apart = told_apart(made).drop_duplicates("method").set_index("method")[["title", "kind"]]
    assert apart["title"].is_unique
    whole = list(apart["title"])
    for plan in apart.index[apart["kind"] == "plan"]:
        at = list(apart.index).index(plan)
        assert whole[at + 1] == f"{whole[at]}, shuffled"
        assert all(title.startswith(f"{whole[at]}: ") for title in whole[at + 2 : at + 6])
    assert list(apart["title"][apart["kind"] != "plan"][:3]) == list(made["title"].unique()[:3])
    # One plan needs no name in front of its controls.
    alone = listed(study, names[0]).table
    assert told_apart(alone) is alone


def test_a_plan_called_as_another_one_would_be_numbered_takes_no_ones_place(study):
    made = listed(study, "RUM no 2", "RUM", "RUM", "RUM", controls=False)
    kinds = made.table.drop_duplicates("method").set_index("method")["kind"]
    assert list(kinds.index[kinds == "plan"]) == ["rum-no-2", "rum", "rum-no-3", "rum-no-4"]


def test_a_control_with_the_very_runs_of_its_plan_is_no_rival(study):
    made = listed(study, "RUM")
    twin = made.table["method"] == "rum-f-fine-tune"
    made.table.loc[twin, "result"] = ["rum0", "rum1"]
    found = [v.second for v in core.plan_against_rivals(made, "rum")]
    assert "rum-shuffle" in found and "rum-f-fine-tune" not in found and len(found) == 4


def test_no_control_that_repeats_a_single_algorithm_is_looked_at_first(study):
    """A plan whose only control has as many epochs as a single algorithm, and so the very same runs."""
    repeated = OpenStudy.open(study.store, study.key)
    table = repeated.table
    table = table[(table["kind"] != "control") | (table["method"] == "rum-vanilla-fine-tune")].copy()
    runs = table.loc[table["method"] == "fine-tune", "result"].to_numpy()
    table.loc[table["method"] == "rum-vanilla-fine-tune", "result"] = runs
    repeated.table = table
    assert core.twins(repeated) == {"rum-vanilla-fine-tune": "fine-tune"}
    picks = core.default_picks(repeated)
    assert len(set(picks)) == 3 and "rum" in picks and "rum-vanilla-fine-tune" not in picks


@pytest.mark.parametrize("on", trade_off.KEPT)
def test_a_trade_off_is_of_distances_to_the_retrained_model_of_the_same_seed(study, on):
    gaps = trade_off.trade_off(study, "parts", on)
    assert (gaps.loc["retrained", ["x", "x_half", "y", "y_half"]] == 0).all() and gaps["success"].isna().all()
    by_hand = column(study, "original", f"{on}_accuracy") - column(study, "retrained", f"{on}_accuracy")
    assert gaps.loc["original", "x"] == pytest.approx(by_hand.mean())
    parts = [
        (column(study, "original", f"{p}_accuracy") - column(study, "retrained", f"{p}_accuracy")).abs()
        for p in ("low", "medium", "high")
    ]
    assert gaps.loc["original", "y"] == pytest.approx(np.mean(parts))


def test_values_far_out_are_those_beyond_the_others():
    values = pd.Series([0.0, 0.01, 0.02, 0.03, -5.0, np.nan], index=list("abcdef"))
    assert list(trade_off.far_out(values).index[trade_off.far_out(values)]) == ["e"]


def test_the_steps_lead_from_the_original_to_the_plans_own_accuracy(study):
    assert "rum" in core.plans_with_steps(study)
    assert not any("vanilla" in name for name in core.plans_with_steps(study))
    steps = core.steps(study, "rum")
    for part, lines in steps.groupby("part"):
        assert lines["mean"].iloc[0] == pytest.approx(column(study, "original", f"{part}_accuracy").mean())
        assert lines["mean"].iloc[-1] == pytest.approx(column(study, "rum", f"{part}_accuracy").mean())
        end = core.part_gaps(study, "rum")[part].mean
        assert lines["gap"].iloc[-1] == pytest.approx(end)
    assert list(steps["what"].unique())[1] == "low part: Leave as it is"


def test_the_steps_tell_what_each_of_them_did_to_kept_and_test_images_and_to_closeness(study):
    steps = core.steps(study, "rum")
    thirds = [f"{part}_accuracy" for part in ("low", "medium", "high")]
    assert list(steps["metric"].unique()) == [*thirds, "retain_accuracy", "test_accuracy", "group_tow"]
    for metric, lines in steps.groupby("metric"):
        own = column(study, "rum", metric)
        assert lines["mean"].iloc[0] == pytest.approx(column(study, "original", metric).mean())
        assert lines["mean"].iloc[-1] == pytest.approx(own.mean())
        goal = column(study, core.CEILING if metric == "group_tow" else "retrained", metric).mean()
        assert set(lines["retrained"]) == {goal} and pd.isna(lines["change"].iloc[0])
        assert lines["change"].sum() == pytest.approx(lines["mean"].iloc[-1] - lines["mean"].iloc[0])
        sure = lines["change"].abs() > lines["change_half"] + 1e-9
        assert (lines.loc[sure, "side"] == np.sign(lines.loc[sure, "change"])).all()
        assert not (lines.loc[~sure & (lines["step"] > 0), "side"].abs() > 0).any()


def test_everything_has_every_method_and_the_work_as_a_share_of_retraining(study):
    frame = core.everything(study)
    assert list(frame.index) == list(dict.fromkeys(study.table["method"]))
    assert frame.loc["rum", "group_tow"] == pytest.approx(column(study, "rum", "group_tow").mean())
    # Two epochs on the kept images, of the many that retraining takes.
    assert frame.loc["fine-tune", "share_of_work"] == pytest.approx(2 / study.spec.training.epochs)
    assert frame.loc["retrained", "share_of_work"] == frame.loc["retrained", "share_of_seconds"] == 1
    assert pd.isna(frame.loc["original", "share_of_work"])
    assert core.retraining_seconds(study) > 0


def test_work_on_validation_images_is_work(tmp_path, filled_store, filled_study):
    """KDE warms up on them, and then goes over the kept images."""
    store, kde = Store(shutil.copytree(filled_store, tmp_path / "store")), KDE(epochs=2, warm_up=3)
    asked = filled_study.but(name="Work", unlearners=(kde,), plans=(), seeds=1, tuning_seeds=0)
    study = OpenStudy.open(store, fulfil(store, asked).key)
    seen = 3 * len(study.data.validation.y) + 2 * len(study.target.retain)
    retraining = study.spec.training.epochs * len(study.target.retain)
    assert core.everything(study).loc["kde", "share_of_work"] == pytest.approx(seen / retraining)


def test_learning_rates_name_the_algorithms(study):
    rates = core.learning_rates(study)
    assert {"Fine-tune", "NegGrad+", "Random-label"} <= set(rates["title"])
    assert (rates["lr"] > 0).all() and list(rates["name"]) == list(rates["title"])


def test_one_algorithm_with_two_settings_has_two_learning_rates(tmp_path, filled_store, filled_study):
    store, both = Store(shutil.copytree(filled_store, tmp_path / "store")), (FineTune(epochs=2), FineTune(epochs=1))
    asked = filled_study.but(name="Two of one", unlearners=both, plans=(), seeds=1)
    study = OpenStudy.open(store, fulfil(store, asked).key)
    rates = core.learning_rates(study)
    ran = [study.run_result(method, 0).spec().unlearner for method in ("fine-tune", "fine-tune-no-2")]
    assert list(rates["title"]) == ["Fine-tune"] * 2 and list(rates["lr"]) == [u.lr for u in ran]
    for line, given, used in zip(rates.itertuples(), both, ran, strict=True):
        assert f"epochs {given.epochs}" in line.settings and line.name == f"Fine-tune ({line.settings})"
        tried = [u.lr for u in tried_for(given)]
        assert line.edge == (used.lr in (min(tried), max(tried)))
    # Without the searches there is what the study itself wrote down.
    study.best = {}
    rates = core.learning_rates(study)
    assert list(rates["name"]) == ["Fine-tune"] and rates["lr"][0] == study.summary["learning_rates"]["fine-tune"]


def test_diverged_runs_are_counted():
    table = pd.DataFrame({"method": ["a", "a", "b"], "diverged_at": [3.0, None, None]})
    assert core.diverged(SimpleNamespace(table=table)) == {"a": 1}


def test_every_measured_number_has_a_column(study):
    """A metric that is added to measure() must reach the tables."""
    about = {"method", "title", "kind", "seed", "result", "seconds", "diverged_at"}
    assert set(study.table.columns) - about == set(core.COLUMNS)


# -- the trade-off -----------------------------------------------------------------------------------------------------


def test_which_points_no_other_beats_by_hand():
    costs = np.array([[0, 3], [1, 1], [3, 0], [2, 2], [1, 1], [1, 4], [np.nan, 0]], float)
    assert trade_off.pareto(costs).tolist() == [True, True, True, False, True, False, False]
    assert trade_off.pareto(np.empty((0, 2))).tolist() == []
    with pytest.raises(BadValue):
        trade_off.pareto(np.zeros(3))


def test_every_point_behind_the_front_is_beaten_by_one_on_it_and_none_on_it_is():
    costs = np.random.default_rng(0).integers(0, 9, (60, 2)).astype(float)
    front = trade_off.pareto(costs)
    for own, on_it in zip(costs, front, strict=True):
        beats = (costs <= own).all(axis=1) & (costs < own).any(axis=1)
        assert beats.any() != on_it and (on_it or (beats & front).any())
    order = np.random.default_rng(1).permutation(60)
    assert np.array_equal(trade_off.pareto(costs[order]), front[order])
    assert np.array_equal(trade_off.pareto(np.exp(costs)), front)


def traded(filled_store, tests: dict, gaps: dict):
    """A study in which methods have these test accuracies and gaps on the attack, three seeds each."""
    store = Store(filled_store)
    study = OpenStudy.open(store, studies(store)[0].key)
    table = study.table
    for name in tests:
        for seed in range(3):
            line = (table["method"] == name) & (table["seed"] == seed)
            table.loc[line, ["test_accuracy", "attack_auc"]] = [tests[name][seed], 0.5 + gaps[name][seed]]
    kept = ["original", "retrained", "retrained-again", *tests]
    study.table = table[table["method"].isin(kept)]
    retrained = study.table["method"] == "retrained"
    study.table.loc[retrained, ["test_accuracy", "attack_auc"]] = [0.9, 0.5]
    return trade_off.trade_off(study, "attack_auc")


def test_who_is_beaten_within_the_noise_is_not_called_worse(filled_store):
    near = {"fine-tune": (0.88, 0.88, 0.88), "neggrad-plus": (0.88, 0.89, 0.84)}
    gaps = {"fine-tune": (0.02, 0.02, 0.02), "neggrad-plus": (0.02, 0.03, 0.02)}
    found = traded(filled_store, near, gaps)
    assert found["verdict"]["fine-tune"] == "front" and found["verdict"]["neggrad-plus"] == "inside"
    assert found["beaten_by"]["neggrad-plus"] is None
    assert found["x"]["fine-tune"] == pytest.approx(-0.02) and found["y"]["fine-tune"] == pytest.approx(0.02)


def test_who_is_beaten_beyond_the_noise_is_called_worse_and_by_whom(filled_store):
    tests = {"fine-tune": (0.88, 0.88, 0.88), "neggrad-plus": (0.70, 0.71, 0.69)}
    gaps = {"fine-tune": (0.02, 0.02, 0.02), "neggrad-plus": (0.02, 0.03, 0.02)}
    found = traded(filled_store, tests, gaps)
    assert found["verdict"]["neggrad-plus"] == "worse" and found["beaten_by"]["neggrad-plus"] == "Fine-tune"


def test_who_is_extreme_in_one_thing_alone_is_not_called_unbeaten(filled_store):
    """One wrecked the model, one left it as it was, and between them stand two of use, each of which pays."""
    tests = {"random-label": (0.4,) * 3, "neggrad-plus": (0.92,) * 3, "fine-tune": (0.88,) * 3, "rum": (0.9,) * 3}
    gaps = {"random-label": (0.0,) * 3, "neggrad-plus": (0.29,) * 3, "fine-tune": (0.02,) * 3, "rum": (0.1,) * 3}
    references = {"original": (0.3,) * 3, "retrained-again": (0.01,) * 3}
    found = traded(filled_store, tests | dict.fromkeys(references, (0.9,) * 3), gaps | references)
    assert trade_off.usable(found) == pytest.approx(0.15)
    assert found["verdict"][list(tests)].tolist() == ["lost", "left", "front", "front"]
    assert found.loc["fine-tune", ["pays_x", "pays_y"]].tolist() == pytest.approx([0.02, 0.0])
    assert found.loc["rum", ["pays_x", "pays_y"]].tolist() == pytest.approx([0.0, 0.08])
    assert found.loc[["random-label", "neggrad-plus"], ["pays_x", "pays_y"]].isna().all(axis=None)


def test_an_attack_below_retraining_is_as_far_off_as_one_above(filled_store):
    tests = {"fine-tune": (0.9, 0.9, 0.9), "neggrad-plus": (0.9, 0.9, 0.9)}
    gaps = {"fine-tune": (0.05, 0.05, 0.05), "neggrad-plus": (-0.05, -0.05, -0.05)}
    found = traded(filled_store, tests, gaps)
    assert found["y"]["fine-tune"] == pytest.approx(found["y"]["neggrad-plus"])
    assert found["success"]["fine-tune"] == pytest.approx(0.55) and found["success"]["neggrad-plus"] < 0.5


def test_a_trade_off_says_what_is_not_measurable(study):
    found = trade_off.trade_off(study)
    run = found[found["kind"] != "reference"]
    assert set(run["verdict"]) <= {"front", "left", "lost", "inside", "worse"}
    assert (found.loc[["original", "retrained", "retrained-again"], "verdict"] == "reference").all()
    unknown = trade_off.trade_off(study, "tpr_at_1_fpr")  # too few unseen images
    assert unknown["y"].isna().all() and set(unknown["verdict"]) == {"reference", "unknown"}
    with pytest.raises(BadValue):
        trade_off.trade_off(study, "nonsense")
    with pytest.raises(BadValue):
        trade_off.trade_off(study, "parts", "forget")


def test_forgetting_is_measured_by_rare_false_alarms_where_there_are_images_enough(study):
    assert trade_off.default_forgetting(study) == "parts"
    study.table["tpr_at_1_fpr"] = 0.02
    assert trade_off.default_forgetting(study) == "tpr_at_1_fpr"


# -- class by class ----------------------------------------------------------------------------------------------------


def test_gaps_of_classes_add_up_to_the_gap_in_accuracy(study):
    table = core.class_gaps(study, "fine-tune")
    for on in ("retain", "test", "forget"):
        own = table[(table["on"] == on) & (table["kind"] == "unlearned") & (table["images"] > 0)]
        whole = (own["gap"] * own["images"]).sum() / own["images"].sum()
        values = core.by_seed(study, f"{on}_accuracy")
        assert whole == pytest.approx((values["fine-tune"] - values["retrained"]).mean())
        assert set(table.loc[table["on"] == on, "group"]) == set(study.classes)


def test_the_gaps_of_classes_hold_the_original_beside_the_method(study):
    values = ["group", "on", "images", "unlearned", "gap", "half_width"]
    found, alone = (core.class_gaps(study, name) for name in ("fine-tune", core.ORIGINAL))
    was, own = (t.loc[t["kind"] == k, values] for t, k in ((found, "original"), (alone, "unlearned")))
    pd.testing.assert_frame_equal(was.reset_index(drop=True), own.reset_index(drop=True))
    assert was.loc[was["on"] == "forget", "gap"].max() > 0


def test_the_noise_of_classes_is_that_of_the_second_retrained_model(study):
    values = ["group", "on", "images", "gap", "half_width"]
    both = core.class_gaps(study, core.CEILING)
    own, noise = (both.loc[both["kind"] == kind, values].reset_index(drop=True) for kind in ("unlearned", "retrained"))
    pd.testing.assert_frame_equal(own, noise)
    other = core.class_gaps(study, "rum")
    pd.testing.assert_frame_equal(other.loc[other["kind"] == "retrained", values].reset_index(drop=True), noise)


def test_logits_are_kept_only_where_many_of_them_are_small(study, monkeypatch):
    kept = study.logits("rum", 0)
    assert study.logits("rum", 0) is kept
    monkeypatch.setattr(views, "MOST_KEPT", 4 * views.LOGITS * len(study.labels) * len(study.classes) - 1)
    again = study.logits("rum", 0)
    assert again is not kept and study.logits("rum", 0) is not again
    assert all(np.array_equal(again[split], kept[split]) for split in kept)
