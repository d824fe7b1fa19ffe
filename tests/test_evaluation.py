"""Closeness to retraining, numbers over seeds, and the table of metrics."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from unlearn_core import evaluation as ev
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.params import BadValue

FEW = settings(max_examples=40, deadline=None)
SHARE = st.floats(0, 1)
ACCURACIES = st.fixed_dictionaries({"forget": SHARE, "retain": SHARE, "test": SHARE})
SEEDS = st.lists(st.integers(-20, 20).map(lambda k: k / 20), min_size=2, max_size=8)


# -- accuracy and agreement --------------------------------------------------------------------------------------------


def test_equal_logits_are_predicted_as_the_lowest_class():
    ties = np.ones((2, 3))
    assert ev.accuracy(ties, np.array([0, 2])) == 0.5
    assert ev.agreement(ties, np.array([[5.0, 5.0, 0.0], [0.0, 5.0, 5.0]])) == 0.5


def test_equally_accurate_models_can_disagree_everywhere():
    labels, one, two = np.array([0, 1]), np.array([[1.0, 0], [1.0, 0]]), np.array([[0.0, 1], [0.0, 1]])
    assert ev.accuracy(one, labels) == ev.accuracy(two, labels) == 0.5
    assert ev.agreement(one, two) == 0
    assert ev.disagreement(one, two) == 1
    assert ev.disagreement(one, one) == 0


def test_the_names_of_the_classes_and_the_order_of_images_do_not_matter():
    rng = np.random.default_rng(0)
    a, b, labels = rng.normal(size=(50, 4)), rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    classes, rows = rng.permutation(4), rng.permutation(50)
    assert ev.accuracy(a[rows][:, classes], np.argsort(classes)[labels[rows]]) == ev.accuracy(a, labels)
    assert ev.agreement(a[rows][:, classes], b[rows][:, classes]) == ev.agreement(a, b)


# -- tug-of-war --------------------------------------------------------------------------------------------------------


@given(a=ACCURACIES, b=ACCURACIES, mia=st.tuples(SHARE, SHARE))
@FEW
def test_tow_is_one_for_retraining_itself_and_symmetric(a, b, mia):
    assert ev.tow(a, a) == ev.tow_mia(a, a, mia[0], mia[0]) == 1
    assert ev.average_gap(a, a, mia[0], mia[0]) == 0
    assert ev.tow(a, b) == ev.tow(b, a)
    assert 0 <= ev.tow(a, b) <= 1
    assert 0 <= ev.tow_mia(a, b, *mia) <= 1


def test_tow_of_three_gaps_of_a_tenth():
    unlearned, retrained = dict(forget=0.4, retain=0.8, test=0.9), dict(forget=0.5, retain=0.9, test=0.8)
    assert ev.tow(unlearned, retrained) == pytest.approx(0.729)
    assert ev.tow_mia(unlearned, retrained, 0.2, 0.4) == pytest.approx(0.8 * 0.81)
    assert ev.average_gap(unlearned, retrained, 0.2, 0.4) == pytest.approx(0.125)


def test_group_tow_does_not_reward_cancellation():
    retrained, parts_retrained = dict(forget=0.8, retain=1.0, test=0.95), dict(low=1.0, medium=0.9, high=0.5)
    # The easy part is forgotten, the hard one kept: right on average, wrong for two parts of three.
    unlearned, parts = dict(retrained), dict(low=0.5, medium=0.9, high=1.0)
    assert ev.tow(unlearned, retrained) == 1
    assert ev.group_tow(unlearned, retrained, parts, parts_retrained) == pytest.approx(1 - (0.5 + 0 + 0.5) / 3)
    assert ev.group_tow(unlearned, retrained, parts_retrained, parts_retrained) == 1


@given(pairs=st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=5), retain=st.tuples(SHARE, SHARE))
@FEW
def test_group_tow_of_equal_parts_is_never_above_tow(pairs, retain):
    parts = [{str(i): pair[side] for i, pair in enumerate(pairs)} for side in (0, 1)]
    whole = [
        dict(forget=float(np.mean(list(p.values()))), retain=r, test=1.0) for p, r in zip(parts, retain, strict=True)
    ]
    assert ev.group_tow(*whole, *parts) <= ev.tow(*whole) + 1e-9


def test_empty_parts_are_left_out():
    whole = dict(forget=0.5, retain=1.0, test=1.0)
    assert ev.group_tow(whole, whole, dict(low=0.5, high=None), dict(low=0.7, high=None)) == pytest.approx(0.8)
    assert ev.group_tow(whole, whole, dict(low=None), dict(low=None)) is None
    assert ev.group_tow(whole, whole, {}, {}) is None


def test_percentages_are_refused():
    with pytest.raises(BadValue, match="fractions from 0 to 1"):
        ev.tow(dict(forget=95, retain=99, test=94), dict(forget=0.9, retain=0.99, test=0.94))


def test_what_is_unknown_is_none_and_fits_into_json():
    empty, labels = np.zeros((0, 3)), np.zeros(0, int)
    some, hole = dict(forget=0.5, retain=1.0, test=1.0), dict(forget=None, retain=1.0, test=1.0)
    answers = [
        ev.accuracy(empty, labels),
        ev.agreement(empty, empty),
        ev.disagreement(empty, empty),
        ev.tow(hole, some),
        ev.tow(some, dict(some, test=math.nan)),
        ev.tow_mia(some, some, None, 0.5),
        ev.average_gap(some, some, 0.5, None),
        ev.speedup(10.0, 0.0),
        ev.speedup(None, 1.0),
        ev.retention(0.5, 0.0),
        ev.indiscernibility(None),
        ev.percentage_error(None, 1.0),
        ev.over_seeds([]).mean,
        ev.over_seeds([0.5]).half_width,
    ]
    assert json.dumps(answers, allow_nan=False) == json.dumps([None] * len(answers))
    assert ev.tow_mia(hole, some, 0.5, 0.5) == 1  # needs no forget accuracy


def test_cost_and_scalars():
    assert ev.speedup(43.0, 2.0) == 21.5
    assert ev.retention(0.9, 0.8) == pytest.approx(1.125)
    assert [ev.indiscernibility(a) for a in (0.5, 1.0, 0.0)] == [1, 0, 0]
    assert [ev.percentage_error(*p) for p in ((1, 3), (0, 0), (0, 2))] == [50, 0, 100]


# -- over seeds --------------------------------------------------------------------------------------------------------


@given(values=SEEDS, missing=st.integers(0, 3))
@FEW
def test_the_interval_over_seeds_is_students(values, missing):
    estimate = ev.over_seeds([*values, *[None] * missing])
    assert (estimate.mean, estimate.n) == (pytest.approx(np.mean(values)), len(values))
    expected = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    assert estimate.half_width == pytest.approx(expected, abs=1e-12)


def test_one_seed_has_no_interval():
    assert ev.over_seeds([0.9, None, math.nan]) == ev.Estimate(0.9, None, 1)


def test_a_column_of_a_table_is_plain_numbers_and_none_where_there_is_none():
    column = pd.Series([1, None, math.nan, pd.NA, np.float32(0.5)], dtype=object)
    assert ev.values_of(column) == [1.0, None, None, None, 0.5]
    assert {type(value) for value in ev.values_of(column)} == {float, type(None)}


def test_pairs_remove_what_the_seeds_share():
    shared = np.array([0.1, 0.5, 0.9])
    first, second = shared + [0.1, 0.11, 0.09], shared
    paired = ev.paired_difference(first, second)
    assert paired.mean == pytest.approx(0.1)
    assert paired.half_width == pytest.approx(np.diff(stats.ttest_rel(first, second).confidence_interval())[0] / 2)
    assert paired.half_width < ev.over_seeds(first).half_width / 10
    assert ev.paired_difference([0.5, None, 0.7], [0.4, 0.4, 0.4]).n == 2
    with pytest.raises(BadValue):
        ev.paired_difference([1.0], [1.0, 2.0])


@pytest.mark.filterwarnings("ignore:Precision loss")
@given(values=SEEDS, ceiling=SEEDS)
@example(values=[0.05] * 3, ceiling=[0.05] * 4)
@FEW
def test_the_noise_floor_is_welchs_test(values, ceiling):
    inside = ev.inside_seed_spread(values, ceiling)
    if np.ptp(values) == np.ptp(ceiling) == 0:
        assert inside == (values[0] == ceiling[0])
    elif abs(np.mean(values) - np.mean(ceiling)) < 1e-12:
        assert inside
    else:
        p = stats.ttest_ind(values, ceiling, equal_var=False).pvalue
        assert inside == (p >= 0.05) or p == pytest.approx(0.05, abs=1e-6)


def test_a_small_difference_is_inside_the_seed_spread_and_a_large_one_is_not():
    ceiling = [0.97, 0.98, 0.96, 0.975]
    assert ev.inside_seed_spread([0.965, 0.98, 0.97, 0.96], ceiling) is True
    assert ev.inside_seed_spread([0.80, 0.82, 0.81, 0.79], ceiling) is False
    assert ev.inside_seed_spread([0.80], ceiling) is None
    assert ev.inside_seed_spread(ceiling, [0.97, None]) is None


# -- the contents page -------------------------------------------------------------------------------------------------


def test_every_metric_says_what_a_reader_needs():
    labels = [metric.label for metric in ev.METRICS.values()]
    assert len(set(labels)) == len(labels)
    for metric in ev.METRICS.values():
        assert metric.direction in ("better", "worse", "closer_to_retrain")
        assert metric.tier in (0, 1, 2, 3)
        assert metric.help.endswith(".") and "!" not in metric.help and metric.source
    assert ev.METRICS["tow"].label == "Closeness to retraining (ToW)"
    assert ev.METRICS["tpr_at_1_fpr"].label == "Attack success at 1 % false alarms (TPR@1%FPR)"
    assert ev.METRICS["entanglement"].label == "Entanglement (ES)"


@pytest.mark.parametrize("name", ev.METRICS)
def test_every_metric_is_perfect_when_the_model_is_the_retrained_one(name):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2000, 4)), rng.integers(0, 4, 2000)
    whole, parts, scores = dict(forget=0.5, retain=1.0, test=0.9), dict(low=0.9, high=0.1), rng.normal(size=2000)
    pair = logits, labels
    probs, curve = rng.dirichlet(np.ones(4), 2000), np.array([0.2, 0.9])
    known = {
        "attack_epsilon": ((50, 100, 50, 100), 0),
        "one_run_epsilon": ((100, 100, 50), 0),
        "forgetting_quality": ((logits[:64], logits[:64]), 1),
        "challenge_score": ((1.0, (0.9, 0.8), (0.9, 0.8)), 1),
        "certified_quality": ((logits[:64], logits[:64]), 1),
        "js_divergence": ((probs, probs), 0),
        "activation_distance": ((probs, probs), 0),
        "zrf": ((probs, probs), 1),
        "klom": ((logits, logits), 0),
        "weight_distance": (([logits], [logits]), 0),
        "linear_cka": ((logits, logits), 1),
        "relearn_time": ((curve, 0.9), 2),
        "anamnesis_index": ((0.9, curve, curve), 1),
        "forgetting_rate": ((0.5, 0.5), 0),
        "memory_retention_rate": ((0.5, 0.5), 1),
        "degree_of_unlearning": ((0.5, 0.5), 0),
        "membership_forgetting_rate": ((curve > 0.5, curve > 0.5), 0),
        "epistemic_efficacy": ((np.full(9, 2.0),), 0.25),
        "forget_accuracy": ((logits, logits.argmax(1)), 1),
        "retain_accuracy": ((logits, logits.argmax(1)), 1),
        "test_accuracy": ((logits, logits.argmax(1)), 1),
        "group_tow": ((whole, whole, parts, parts), 1),
        "tow": ((whole, whole), 1),
        "tow_mia": ((whole, whole, 0.3, 0.3), 1),
        "average_gap": ((whole, whole, 0.3, 0.3), 0),
        "agreement": ((logits, logits), 1),
        "disagreement": ((logits, logits), 0),
        "mia_efficacy": ((pair, pair, pair), None),
        "auc": ((scores, scores), 0.5),
        "tpr_at_1_fpr": ((scores, scores), 0.01),
        "tpr_at_01_fpr": ((np.arange(20_000.0), np.arange(20_000.0)), 0.001),
        "tpr_at_10_fpr": ((scores, scores), 0.1),
        "simple_mia": ((np.ones(200), np.ones(200)), 0.5),
        "rmia_auc": ((scores, scores), 0.5),
        "u_lira_auc": ((scores, scores), 0.5),
        "u_lira_privacy_auc": ((scores, scores), 0.5),
        "u_lira_efficacy_auc": ((scores, scores), 0.5),
        "u_lira_privacy_tpr": ((scores, scores, 0.01), 0.01),
        "u_lira_efficacy_tpr": ((scores, scores, 0.01), 0.01),
        "retain_leakage": ((scores, scores), 0.5),
        "inversion_label_accuracy": (([0, 1, 2, 3], [0, 0, 0, 0]), 0.25),
        "inversion_retrieval": ((np.arange(1, 12), 11), 0.5),
        "margin_shift": ((logits, logits), 0),
        "margin_distance": ((logits, logits), 0),
        "told_apart": ((logits, logits), 0),
        "challenge_score_capped": ((1.0, (0.9, 0.8), (0.9, 0.8)), 1),
        "relative_weight_distance": (([logits], [logits]), 0),
        "debiased_cka": ((logits, logits), 1),
        "linear_probe_accuracy": ((logits, logits.argmax(1)), 1),
        "calibration_error": ((logits, labels), None),
        "speedup": ((3.0, 3.0), 1),
        "entanglement": ((EmbeddingSums(logits), np.arange(100)), None),
    }
    assert name in known, f'add a line "{name}": (arguments, what a retrained model reads or None) to `known` here'
    arguments, perfect = known[name]
    result = ev.METRICS[name].function(*arguments)
    value = getattr(result, "value", result)
    assert math.isfinite(value)
    assert perfect is None or value == pytest.approx(perfect)


def test_a_gap_stands_out_beyond_its_interval_and_beyond_the_widest_noise():
    gap, half = np.array([0.3, -0.3, 0.3, 0.1, np.nan]), np.array([0.1, 0.1, 0.4, 0.01, 0.1])
    noise, noise_half = np.array([0.1, -0.15, np.nan]), np.array([0.05, 0.05, np.nan])
    assert ev.stands_out(gap, half, noise, noise_half).tolist() == [True, True, False, False, False]
    assert ev.stands_out(gap, half, noise, noise_half + 0.1).tolist() == [False] * 5
    assert not ev.stands_out(gap, half, noise * np.nan, noise_half).any()
    assert not ev.stands_out(np.array([0.1 + 0.2]), np.zeros(1), np.array([0.3]), np.zeros(1)).any()  # rounding


# -- what can be read --------------------------------------------------------------------------------------------------


@given(SHARE, st.floats(0, 2), st.sampled_from([ev.SHARE, (None, 1.0), ev.FROM_ZERO, (None, None)]))
def test_an_interval_reaches_as_far_as_can_be_read(mean, half, ends):
    down, up = (float(side[0]) for side in ev.reach([mean], [half], ends))
    assert (mean - down, mean + up) == pytest.approx(ev.within(mean - half, mean + half, ends))
    assert 0 <= down <= half and 0 <= up <= half


def test_where_there_is_no_interval_none_reaches_anywhere():
    for side in ev.reach([0.5, None], [None, 0.1], ev.SHARE):
        assert np.isnan(side).all()


def test_the_ends_of_metrics_are_those_of_what_they_are_computed_from():
    """A share of images, or the product of such, and no distance below 0."""
    for name, metric in ev.METRICS.items():
        low, high = metric.ends
        assert low in (None, 0.0) and high in (None, 1.0)
        if metric.function in (ev.accuracy, ev.agreement, ev.disagreement, ev.tow, ev.group_tow, ev.tow_mia):
            assert metric.ends == ev.SHARE
        assert metric.ends == ev.SHARE or not name.endswith(("auc", "_tpr", "_fpr"))
    assert ev.METRICS["forgetting_rate"].ends == (None, 1.0) and ev.METRICS["margin_shift"].ends == (None, None)
