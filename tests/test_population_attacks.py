"""Attacks with one attacker: thresholds for each class, all features of the classifier, and the starting kit's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

from unlearn_core.attacks import (
    ATTACKS,
    FEATURES,
    SCORES,
    best_threshold,
    classwise_efficacy,
    simple_mia,
    split_accuracies,
    svc_efficacy,
    threshold_efficacy,
)
from unlearn_core.params import BadValue


def outputs(n=120, classes=4, seed=0, sure=2.0, offset=(0, 0, 0, 0)):
    """Logits and labels; the margin of class c is raised by offset[c] as well."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), labels] += sure + np.array(offset)[labels]
    return logits, labels


EMPTY = np.zeros((0, 4)), np.zeros(0, int)


@pytest.mark.parametrize("feature", SCORES)
def test_each_class_is_judged_by_its_own_best_threshold(feature):
    retain, test, forget = outputs(seed=1, sure=4), outputs(seed=2, sure=1), outputs(80, seed=3, sure=2)
    called = []
    for logits, label in zip(*forget, strict=True):
        score = SCORES[feature](logits[None], np.array([label]))[0]
        own = [SCORES[feature](*(x[pair[1] == label] for x in pair)) for pair in (retain, test)]
        called.append(score < (1 if feature == "correctness" else best_threshold(*own)[0]))
    assert classwise_efficacy(retain, test, forget, feature) == pytest.approx(np.mean(called))


def test_one_class_is_one_threshold():
    sets = [(logits[labels == 0], labels[labels == 0]) for logits, labels in (outputs(seed=s) for s in range(3))]
    assert classwise_efficacy(*sets) == threshold_efficacy(*sets)


def test_classes_of_their_own_scale_fool_one_threshold_only():
    apart = (0, 6, 12, 18)
    retain, test = outputs(400, seed=1, sure=5, offset=apart), outputs(400, seed=2, sure=0, offset=apart)
    like_test = outputs(400, seed=3, sure=0, offset=apart)
    assert classwise_efficacy(retain, test, like_test) > 0.9
    assert threshold_efficacy(retain, test, like_test) < 0.7


def test_a_missing_class_is_judged_by_all_the_others():
    retain, test, forget = outputs(seed=1, sure=5), outputs(seed=2, sure=0), outputs(seed=3)
    without = tuple(x[retain[1] != 2] for x in retain)
    only = tuple(x[forget[1] == 2] for x in forget)
    unseen = tuple(x[test[1] != 2] for x in test)
    for sets in ((without, test, only), (retain, unseen, only), (without, unseen, only)):
        assert classwise_efficacy(*sets) == threshold_efficacy(*sets)


def test_the_order_of_images_and_the_names_of_classes_change_nothing():
    rng = np.random.default_rng(0)
    sets, classes = [outputs(seed=s, sure=3 - s) for s in range(3)], rng.permutation(4)
    mixed = []
    for logits, labels in sets:
        rows = rng.permutation(len(labels))
        mixed.append((logits[rows][:, classes], np.argsort(classes)[labels[rows]]))
    for feature in SCORES:
        assert classwise_efficacy(*mixed, feature) == classwise_efficacy(*sets, feature)
    assert threshold_efficacy(*mixed) == threshold_efficacy(*sets)
    for feature in set(FEATURES) - {"probabilities"}:
        assert svc_efficacy(*mixed, feature) == pytest.approx(svc_efficacy(*sets, feature), abs=0.02)


def test_without_images_there_is_no_answer_and_probabilities_have_no_threshold():
    full = outputs()
    for sets in ((EMPTY, full, full), (full, EMPTY, full), (full, full, EMPTY)):
        assert classwise_efficacy(*sets) is None
    with pytest.raises(BadValue, match="no threshold; choose one of confidence"):
        classwise_efficacy(full, full, full, "probabilities")


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_of_the_classifier_is_a_row(feature):
    row = ATTACKS["svc" if feature == "confidence" else f"svc_{feature}"]
    sets = {"retain": outputs(seed=1, sure=6), "test": outputs(seed=2, sure=0), "forget": outputs(40, seed=3, sure=1)}
    assert row.function(**sets) == svc_efficacy(**sets, feature=feature)
    assert row.function(**sets | {"forget": sets["retain"]}) < 0.3 < row.function(**sets)


# -- the starting kit --------------------------------------------------------------------------------------------------


def test_the_simple_attack_is_the_published_call():
    rng = np.random.default_rng(0)
    forget, test = rng.exponential(0.4, 60), rng.exponential(1.0, 60)
    x, y = np.r_[test, forget][:, None], np.r_[np.zeros(60), np.ones(60)]
    split = StratifiedShuffleSplit(n_splits=10, random_state=0)
    expected = cross_val_score(LogisticRegression(), x, y, cv=split, scoring="accuracy")
    np.testing.assert_array_equal(split_accuracies(forget, test), expected)
    assert simple_mia(forget, test) == pytest.approx(expected.mean())


def test_the_larger_side_is_cut_to_the_smaller_by_a_seeded_sample():
    rng = np.random.default_rng(1)
    forget, test = rng.exponential(1, 40), rng.exponential(1, 400)
    # Nothing can be told, and nothing is gained by always guessing the larger side.
    assert np.mean([simple_mia(forget, test, seed=s) for s in range(10)]) == pytest.approx(0.5, abs=0.08)
    assert split_accuracies(forget, test).mean() > 0.85
    assert simple_mia(forget, test, seed=3) == simple_mia(forget, test, seed=3)
    assert len({simple_mia(forget, test, seed=s) for s in range(10)}) > 1
    assert simple_mia(np.zeros(40), np.full(400, 3.0)) == 1


def test_equal_losses_tell_nothing():
    assert simple_mia(np.ones(30), np.ones(30)) == 0.5


@pytest.mark.parametrize("sizes", [(0, 20), (20, 0), (1, 20), (5, 5), (0, 0)])
def test_too_few_to_split_have_no_answer(sizes):
    assert simple_mia(np.ones(sizes[0]), np.ones(sizes[1])) is None


def test_the_fewest_that_can_be_split_can():
    assert simple_mia(np.zeros(6), np.ones(6)) is not None
    assert split_accuracies(np.zeros(2), np.ones(9)) is not None
    assert split_accuracies(np.zeros(2), np.ones(8)) is None


def test_losses_that_are_not_finite_are_refused():
    for bad in (np.nan, np.inf):
        with pytest.raises(BadValue, match="not finite"):
            simple_mia(np.r_[np.ones(9), bad], np.ones(10))
