"""Membership inference on arrays: known answers, identities, and what must not change an answer."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq
from scipy.stats import binom, norm

from unlearn_core.attacks import (
    ATTACKS,
    Side,
    auc,
    auc_interval,
    best_threshold,
    clopper_pearson,
    lira_offline,
    lira_offline_two_sided,
    lira_online,
    population,
    roc,
    signals,
    summarise,
    svc_efficacy,
    threshold_efficacy,
    tpr_at_fpr,
)
from unlearn_core.attacks import lira as lira_module
from unlearn_core.attacks.roc import delong, delong_difference
from unlearn_core.params import BadValue

FEW = settings(max_examples=40, deadline=None)
# Coarse values, so that ties are the rule.
SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30).map(np.array)


def some_logits(n=40, classes=5, seed=0, sure=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) * 2
    logits[np.arange(n), labels] += sure
    return logits, labels


SIGNALS = {
    "margin": signals.margin,
    "confidence": signals.confidence,
    "loss": signals.loss,
    "correctness": signals.correctness,
    "entropy": population.FEATURES["entropy"],
    "modified_entropy": population.FEATURES["modified_entropy"],
}
logit_tables = arrays(np.float64, (6, 4), elements=st.floats(-8, 8, width=32))
label_rows = arrays(np.int64, 6, elements=st.integers(0, 3))


# -- signals -----------------------------------------------------------------------------------------------------------


def test_modified_entropy_of_two_sure_rows():
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    assert signals.modified_entropy(probs, np.array([0, 1])) == pytest.approx([0.1622, 0.0657], abs=5e-5)


def test_margin_is_the_logit_of_the_confidence_and_loss_its_negative_log():
    logits, labels = some_logits()
    own = signals.probabilities(logits)[np.arange(len(labels)), labels]
    assert signals.margin(logits, labels) == pytest.approx(np.log(own) - np.log1p(-own))
    assert signals.confidence(logits, labels) == pytest.approx(own)
    assert signals.loss(logits, labels) == pytest.approx(-np.log(own))


def test_sure_models_are_still_told_apart():
    logits, labels = np.array([[50.0, 0, 0], [60, 0, 0], [1000, 0, 0]]), np.zeros(3, int)
    assert np.all(np.diff(signals.margin(logits, labels)) > 9)
    assert np.all(np.diff(signals.loss(logits, labels)) < 0)
    assert signals.margin(logits, labels)[2] == pytest.approx(1000 - math.log(2))


def test_probabilities_of_exactly_zero_and_one_stay_finite():
    probs, labels = np.array([[1.0, 0, 0], [0, 1, 0]]), np.zeros(2, int)
    assert signals.entropy(probs).tolist() == [0, 0]
    assert signals.modified_entropy(probs, labels) == pytest.approx([0, -2 * math.log(1e-30)])


def test_equal_logits_count_as_the_lowest_class():
    assert signals.correctness(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([0, 1])).tolist() == [1, 0]


@pytest.mark.parametrize("name", SIGNALS)
@given(logits=logit_tables, labels=label_rows)
@FEW
def test_a_signal_depends_neither_on_its_batch_nor_on_the_names_of_the_classes(name, logits, labels):
    whole = SIGNALS[name](logits, labels)
    alone = np.concatenate([SIGNALS[name](logits[[i]], labels[[i]]) for i in range(len(labels))])
    np.testing.assert_array_equal(whole, alone)
    if name != "correctness":  # ties go to the lowest class, so that one knows the order of the classes
        renamed = np.array([2, 0, 3, 1])
        np.testing.assert_allclose(SIGNALS[name](logits[:, np.argsort(renamed)], renamed[labels]), whole, atol=1e-7)


@pytest.mark.parametrize("name", SIGNALS)
def test_float32_logits_give_the_same_signal(name):
    logits, labels = some_logits(200)
    narrow = SIGNALS[name](logits.astype(np.float32), labels)
    assert narrow.dtype == np.float64
    np.testing.assert_allclose(narrow, SIGNALS[name](logits, labels), atol=1e-4)


# -- ROC ---------------------------------------------------------------------------------------------------------------


@given(members=SCORES, others=SCORES)
@FEW
def test_auc_by_its_definition(members, others):
    above = (members[:, None] > others) + 0.5 * (members[:, None] == others)
    curve = roc(members, others)
    assert auc(members, others) == pytest.approx(above.mean())
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(above.mean())
    assert auc(others, members) == pytest.approx(1 - above.mean())


@given(members=SCORES, others=SCORES, seed=st.integers(0, 9))
@FEW
def test_roc_ignores_the_scale_of_the_scores_and_the_order_of_the_images(members, others, seed):
    curve, shuffle = roc(members, others), np.random.default_rng(seed).permutation
    for other in (roc(np.exp(members / 3), np.exp(others / 3)), roc(shuffle(members), shuffle(others))):
        np.testing.assert_array_equal(other.tpr, curve.tpr)
        np.testing.assert_array_equal(other.fpr, curve.fpr)


@given(members=SCORES, others=SCORES, alpha=st.sampled_from([0, 0.06, 0.1, 0.25, 0.5, 1]))
@FEW
def test_every_operating_point_is_a_threshold_tried_by_hand(members, others, alpha):
    thresholds = [np.inf, *members, *others]
    points = [(float((others >= t).mean()), float((members >= t).mean())) for t in thresholds]
    curve = roc(members, others)
    assert curve.tpr_at(alpha) == max(tpr for fpr, tpr in points if fpr <= alpha)
    assert (others >= curve.threshold_at(alpha)).mean() <= alpha
    assert curve.best_balanced_accuracy == pytest.approx(max((tpr + 1 - fpr) / 2 for fpr, tpr in points))
    assert curve.advantage == pytest.approx(max(abs(tpr - fpr) for fpr, tpr in points))


def test_false_alarms_of_exactly_the_rate_asked_for_are_allowed():
    others = np.arange(50.0)
    assert roc(np.full(4, 47.0), others).tpr_at(0.06) == 1
    assert roc(np.full(4, 46.0), others).tpr_at(0.06) == 0


def test_a_side_without_images_has_no_auc_and_nan_is_refused():
    assert auc(np.array([]), np.ones(3)) is None
    assert auc_interval(np.ones(3), np.array([])).value is None
    for members, others in ((np.array([]), np.ones(3)), (np.array([1.0, np.nan]), np.ones(3))):
        with pytest.raises(BadValue):
            roc(members, others)


def test_tpr_says_when_it_cannot_be_measured():
    members = np.arange(100.0)
    short = tpr_at_fpr(members, np.arange(397.0), 0.01)
    assert short.value is None
    assert short.why == "not measurable with n = 397 non-members, needs at least 1000"
    assert tpr_at_fpr(np.array([]), np.arange(1000.0), 0.01).value is None
    assert tpr_at_fpr(members, np.arange(1000.0), 0).value is None
    for n, alpha in ((1000, 0.01), (10_000, 0.001), (100, 0.1)):
        assert tpr_at_fpr(members, np.zeros(n), alpha).value is not None
        assert tpr_at_fpr(members, np.zeros(n - 1), alpha).value is None


def test_tpr_with_its_interval():
    found = tpr_at_fpr(np.r_[np.full(30, 2000.0), np.zeros(70)], np.arange(1000.0), 0.01)
    assert (found.value, found.low, found.high) == (0.3, *clopper_pearson(30, 100))
    assert "conditional on the threshold" in found.why


@pytest.mark.parametrize("n", [1, 7, 40])
def test_clopper_pearson_covers_at_least_what_it_says(n):
    hits = np.arange(n + 1)
    low, high = np.array([clopper_pearson(k, n) for k in hits]).T
    for p in np.linspace(0.001, 0.999, 97):
        assert binom.pmf(hits[(low <= p) & (p <= high)], n, p).sum() >= 0.95 - 1e-12


def test_clopper_pearson_without_trials_knows_nothing():
    assert clopper_pearson(0, 0) == (0, 1)


@given(members=SCORES.filter(lambda x: len(x) > 1), others=SCORES.filter(lambda x: len(x) > 1))
@FEW
def test_delong_by_its_definition(members, others):
    above = (members[:, None] > others) + 0.5 * (members[:, None] == others)
    by_member, by_other = above.mean(1), above.mean(0)
    expected = by_member.var(ddof=1) / len(members) + by_other.var(ddof=1) / len(others)
    assert delong(members, others) == pytest.approx((above.mean(), expected), abs=1e-12)


@given(members=SCORES, others=SCORES)
@FEW
def test_the_interval_of_an_auc_holds_it_and_is_never_a_point(members, others):
    found = auc_interval(members, others)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low


def test_perfect_separation_of_few_images_is_not_certainty():
    few, many = (auc_interval(np.ones(n), np.zeros(n)) for n in (4, 400))
    assert few.value == many.value == few.high == 1
    assert few.low == pytest.approx(clopper_pearson(4, 4)[0])
    assert few.low < many.low < 1


def test_the_auc_interval_covers_the_truth():
    rng, truth, inside = np.random.default_rng(0), norm.cdf(1 / math.sqrt(2)), 0
    for _ in range(300):
        found = auc_interval(rng.normal(1, 1, 40), rng.normal(0, 1, 60))
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / 300 <= 0.99


def test_two_attacks_on_the_same_images_are_compared_as_pairs():
    rng = np.random.default_rng(1)
    members, others = rng.normal(1, 1, 80), rng.normal(0, 1, 80)
    noisy = members + rng.normal(0, 0.3, 80), others + rng.normal(0, 0.3, 80)
    assert delong_difference((members, others), (members, others))[:2] == pytest.approx((0, 0))
    difference, variance, _ = delong_difference((members, others), noisy)
    assert difference == pytest.approx(auc(members, others) - auc(*noisy))
    assert variance < delong(members, others)[1] + delong(*noisy)[1]


# -- one attacker for all images ---------------------------------------------------------------------------------------


@given(members=SCORES, others=SCORES, seed=st.integers(0, 9))
@FEW
def test_the_best_threshold_is_the_highest_of_the_best(members, others, seed):
    right = {t: ((members >= t).mean() + (others < t).mean()) / 2 for t in (*members, *others)}
    best = max(right.values())
    threshold, accuracy = best_threshold(members, others)
    assert accuracy == pytest.approx(best)
    assert threshold == max(t for t, a in right.items() if a == pytest.approx(best))
    shuffle = np.random.default_rng(seed).permutation
    assert best_threshold(shuffle(members), shuffle(others)) == (threshold, accuracy)


@pytest.mark.parametrize("attack", [svc_efficacy, threshold_efficacy])
def test_an_attack_calls_member_what_looks_like_one(attack):
    retain, test = some_logits(60, seed=1, sure=14), some_logits(60, seed=2, sure=0)
    assert attack(retain, test, some_logits(40, seed=3, sure=14)) == 0
    assert attack(retain, test, some_logits(40, seed=4, sure=0)) > 0.9


def test_an_image_at_the_threshold_is_called_a_member():
    sure, unsure, labels = np.tile([2.0, 0.0], (5, 1)), np.tile([0.0, 2.0], (5, 1)), np.zeros(5, int)
    assert threshold_efficacy((sure, labels), (unsure, labels), (sure, labels)) == 0
    assert threshold_efficacy((sure, labels), (unsure, labels), (unsure, labels)) == 1


@pytest.mark.parametrize("attack", [svc_efficacy, threshold_efficacy])
def test_an_attack_without_images_has_no_answer(attack):
    full, empty = some_logits(20), (np.zeros((0, 5)), np.zeros(0, int))
    assert attack(full, full, empty) is attack(full, empty, full) is attack(empty, full, full) is None


def test_the_threshold_form_depends_on_the_order_of_confidence_only():
    retain, test, forget = some_logits(70, seed=1), some_logits(30, seed=2, sure=1), some_logits(50, seed=3)
    value = threshold_efficacy(retain, test, forget)
    assert threshold_efficacy(*((logits[::-1], labels[::-1]) for logits, labels in (retain, test, forget))) == value
    margins = [signals.margin(*pair) for pair in (retain, test, forget)]
    threshold, _ = best_threshold(*(1 / (1 + np.exp(-m)) for m in margins[:2]))
    assert (1 / (1 + np.exp(-margins[2])) < threshold).mean() == value


def test_the_svc_learns_from_equal_sides_up_to_a_cap(monkeypatch):
    monkeypatch.setattr(population, "svc_share", lambda members, others, asked: (members, others, asked))
    retain, test, forget = some_logits(50, seed=1), some_logits(30, seed=2), some_logits(9, seed=3)
    members, others, asked = svc_efficacy(retain, test, forget, seed=4)
    assert (len(members), len(others), len(asked)) == (30, 30, 9)
    assert len(set(members)) == 30 and set(members) <= set(signals.confidence(*retain))
    np.testing.assert_array_equal(svc_efficacy(retain, test, forget, seed=4)[0], members)
    assert set(svc_efficacy(retain, test, forget, seed=5)[0]) != set(members)
    monkeypatch.setattr(population, "LARGEST_SIDE", 10)
    assert [len(x) for x in svc_efficacy(retain, test, forget)] == [10, 10, 9]


# -- LiRA --------------------------------------------------------------------------------------------------------------


def a_bank(models=24, images=50, views=(), seed=0, shift=3.0, dtype=float):
    """Shadow scores, who trained on what, and an audited model with its truth."""
    rng = np.random.default_rng(seed)
    keep = rng.random((models, images)) < 0.6
    keep[0], keep[1] = True, False
    easy = rng.normal(size=(images, *views))
    raised = keep.reshape(*keep.shape, *[1] * len(views)) * shift
    phi = (easy + raised + rng.normal(size=(models, images, *views))).astype(dtype)
    truth = np.arange(images) % 2 == 0
    target = easy + truth.reshape(-1, *[1] * len(views)) * shift + rng.normal(size=(images, *views))
    return phi, keep, target.astype(dtype), truth


@pytest.mark.parametrize("views", [(), (1,), (3,)])
def test_lira_image_by_image(views, monkeypatch):
    phi, keep, target, _ = a_bank(views=views)
    monkeypatch.setattr(lira_module, "BLOCK", 7)
    inside, outside = summarise(phi, keep), summarise(phi, ~keep)
    for i in range(len(target)):
        seen, unseen = phi[keep[:, i], i], phi[~keep[:, i], i]
        log_in = norm.logpdf(target[i], np.median(seen, 0), seen.std(0))
        log_out = norm.logpdf(target[i], np.median(unseen, 0), unseen.std(0))
        assert lira_online(target, inside, outside)[i] == pytest.approx(np.mean(log_in - log_out))
        assert lira_offline_two_sided(target, outside)[i] == pytest.approx(-np.mean(log_out))
        chance = np.mean(norm.cdf(target[i], unseen.mean(0), unseen.std(0)))
        assert -np.expm1(-lira_offline(target, outside)[i]) == pytest.approx(chance)


@pytest.mark.parametrize("views", [(), (2,)])
def test_one_variance_for_all_is_that_of_all_distances_to_the_centers(views):
    phi, keep, _, _ = a_bank(views=views)
    side = summarise(phi, keep)
    lists = [phi[keep[:, i], i] for i in range(phi.shape[1])]
    assert side.spread("pooled") == pytest.approx(np.concatenate([x - np.median(x, 0) for x in lists]).std())
    assert side.spread("pooled_raw") == pytest.approx(np.concatenate(lists).std())


def test_running_statistics_are_enough():
    phi, keep, target, truth = a_bank()
    whole = [summarise(phi, side) for side in (keep, ~keep)]
    running = [Side(side.count, side.mean, side.std) for side in whole]
    np.testing.assert_array_equal(lira_offline(target, running[1]), lira_offline(target, whole[1]))
    for variance in ("each", "pooled"):
        scores = lira_online(target, *running, variance)
        assert auc(scores[truth], scores[~truth]) == pytest.approx(
            auc(*(lira_online(target, *whole, variance)[side] for side in (truth, ~truth))), abs=0.05
        )


def test_lira_finds_members_and_only_the_two_sided_form_finds_over_unlearned_images():
    phi, keep, target, truth = a_bank(models=64, images=400)
    inside, outside = summarise(phi, keep), summarise(phi, ~keep)
    for name in ("lira_online", "lira_online_pooled", "lira_offline"):
        row = ATTACKS[name]
        scores = row.function(**{k: {"phi": target, "inside": inside, "outside": outside}[k] for k in row.needs})
        assert auc(scores[truth], scores[~truth]) > 0.9
    over = np.where(truth, phi[~keep].min() - 3, target)
    assert auc(*(lira_offline(over, outside)[side] for side in (truth, ~truth))) < 0.05
    assert auc(*(lira_offline_two_sided(over, outside)[side] for side in (truth, ~truth))) > 0.95


def test_the_order_of_models_and_images_does_not_matter():
    phi, keep, target, _ = a_bank()
    rng = np.random.default_rng(3)
    models, images = rng.permutation(len(phi)), rng.permutation(len(target))
    plain = lira_online(target, summarise(phi, keep), summarise(phi, ~keep))
    phi, keep = phi[models][:, images], keep[models][:, images]
    mixed = lira_online(target[images], summarise(phi, keep), summarise(phi, ~keep))
    np.testing.assert_allclose(mixed, plain[images], rtol=1e-12)


def test_float32_scores_are_enough():
    wide, narrow = a_bank(), a_bank(dtype=np.float32)
    scores = [lira_online(t, summarise(phi, keep), summarise(phi, ~keep)) for phi, keep, t, _ in (wide, narrow)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4, atol=1e-4)


def test_constant_shadow_scores_give_finite_answers():
    phi, keep = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[True], [True], [False], [False]])
    inside, outside = summarise(phi, keep), summarise(phi, ~keep)
    for target, expected in ((1.0, 1000), (0.0, -1000)):
        assert lira_online(np.array([target]), inside, outside).tolist() == [expected]
    assert lira_offline(np.array([1.0]), outside).tolist() == [1000]
    assert lira_offline_two_sided(np.array([1.0]), outside).tolist() == [1000]


def test_an_image_that_all_models_saw_has_no_ratio_and_spoils_no_other():
    phi, keep, target, _ = a_bank()
    plain = lira_online(target, summarise(phi, keep), summarise(phi, ~keep))
    keep[:, 5] = True
    sides = summarise(phi, keep), summarise(phi, ~keep)
    assert sides[1].count[5] == 0
    scores = lira_online(target, *sides)
    assert np.isnan(scores[5])
    np.testing.assert_array_equal(np.delete(scores, 5), np.delete(plain, 5))
    assert np.isnan(lira_online(target, *sides, "pooled")).sum() == 1


def test_offline_scores_keep_the_papers_order_where_its_probability_rounds_to_one():
    outside = Side(np.full(4, 9), np.zeros(4), np.ones(4))
    phi = np.array([-2.0, 1.0, 12.0, 20.0])
    assert norm.cdf(12) == 1
    assert np.all(np.diff(lira_offline(phi, outside)) > 0)


# -- the contents page -------------------------------------------------------------------------------------------------


def side(mean, std) -> Side:
    return Side(np.array([4, 4]), np.array([mean, mean], float), np.array(std, float))


# Two images, and a model that is sure of images it was trained on and wrong about the others.
SURE, WRONG = [9.0, 0.0], [-1.0, 0.0]
GIVEN = {
    "logits": np.array([[0.0, 0.0], [math.log(3), 0.0]]),
    "labels": np.array([0, 1]),
    "phi": np.array([2.0, 0.0]),
    "inside": side(2, [2, 1]),
    "outside": side(0, [1, 1]),
    "unlearned": side(2, [2, 1]),
    "unseen": side(0, [1, 1]),
    "unlearned_phi": np.array([[1.0, 1.0], [3.0, 3.0]]),
    "unseen_phi": np.array([[-1.0, -1.0], [1.0, 1.0]]),
    "probs": np.array([0.9, 0.3]),
    "mean_in": np.array([0.3, 0.3]),
    "mean_out": np.array([0.2, 0.3]),
    "population_probs": np.full(4, 0.5),
    "mean_population": np.array([0.5, 0.25, 0.2, 0.125]),  # ratios 1, 2, 2.5 and 4
    "retain": (np.array([SURE] * 8), np.zeros(8, int)),
    "test": (np.array([WRONG] * 8), np.zeros(8, int)),
    "forget": (np.array([SURE, SURE, WRONG, SURE]), np.zeros(4, int)),
    "losses": np.array([0.5, 3.0]),
    "population_losses": np.array([1.0, 2.0, 3.0, 4.0]),
    "reference_losses": np.array([[1.0, 1.0]]),
    "forget_losses": np.full(20, 0.1),
    "test_losses": np.full(20, 9.0),
}
POOLED = math.log(2.5) / 2  # of the deviations 2 and 1
KERNELS = math.log(2) - math.log1p(math.exp(-4 / (math.sqrt(2) * 1.5**-0.2) ** 2))  # both at 1, against one at 1
SLOPE = brentq(lambda w: w - 8 / (1 + math.exp(2 * w)), 0, 4)  # four of eight observations lie on the boundary, at 1
ONE_OF_FOUR = (  # is WRONG
    "threshold", "classwise", "classwise_modified_entropy", "svc", "svc_correctness", "svc_entropy",
    "svc_modified_entropy", "svc_probabilities",
)  # fmt: skip
# What each attack says of these, worked out by hand.
KNOWN = {
    "confidence": [0, -math.log(3)],
    "entropy": [-math.log(2), 0.75 * math.log(0.75) + 0.25 * math.log(0.25)],
    "modified_entropy": [-math.log(2), 1.5 * math.log(0.25)],
    "correctness": [1, 0],
    "lira_online": [2 - math.log(2), -2],
    "lira_online_pooled": [2 - POOLED, -0.8 - POOLED],
    "lira_offline": -norm.logsf([2, 0]),
    "lira_offline_two_sided": -norm.logpdf([2, 0]),
    "rmia_offline": [2 / 4, 0],  # 4.5 is more than twice 1 and 2
    "rmia_online": [1 / 4, 0],  # 3.6 is more than twice 1
    **dict.fromkeys(ONE_OF_FOUR, 1 / 4),
    "u_lira": [2 - math.log(2), -2],
    "u_lira_pooled": [2 - POOLED, -0.8 - POOLED],
    "u_lira_kde": [KERNELS, -KERNELS],
    "u_lira_population": [SLOPE, -SLOPE],
    "attack_p": [4 / 4, 2 / 4],
    "attack_r": [1 - 0.25, 1 - (0.5 + 0.5 * 2 / 999)],  # between 0, 1 and 1000
    "simple": 1,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_has_a_known_answer(name):
    assert name in KNOWN, f"give {name} its answer in KNOWN of this file: what it says of GIVEN, worked out by hand"
    row = ATTACKS[name]
    lacks = [need for need in row.needs if need not in GIVEN]
    assert not lacks, f"give {name} what it needs in GIVEN of this file: {', '.join(lacks)}"
    assert row.function(**{need: GIVEN[need] for need in row.needs}) == pytest.approx(KNOWN[name], abs=1e-4)


# Those that need more than this are run in test_metric_properties.
@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if a.gives != "reference" and "probs" not in a.needs])
def test_every_attack_runs_on_what_it_says_it_needs(name):
    phi, keep, target, truth = a_bank(models=40, images=60)
    retain, test = some_logits(60, seed=1, sure=9), some_logits(60, seed=2, sure=0)
    logits, labels = (np.concatenate(pair) for pair in zip(retain, test, strict=True))
    at_hand = {
        "logits": logits,
        "labels": labels,
        "phi": target,
        "inside": summarise(phi, keep),
        "outside": summarise(phi, ~keep),
        "retain": retain,
        "test": test,
        "forget": retain,
    }
    row = ATTACKS[name]
    assert tuple(inspect.signature(row.function).parameters)[: len(row.needs)] == row.needs
    result = row.function(**{need: at_hand[need] for need in row.needs})
    if row.gives == "efficacy":
        assert 0 <= result < 0.5
    else:
        member = truth if "phi" in row.needs else np.arange(120) < 60
        assert np.isfinite(result).all() and auc(result[member], result[~member]) > 0.6
    assert row.label and row.help.endswith(".") and row.source
