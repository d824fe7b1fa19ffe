"""Memorization scores: known answers, the error they state, and wrong labels that stand out in a real bank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core import memorization as scored
from unlearn_core.data import Data
from unlearn_core.ensembles import Bank, balanced_subsets
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.bank import bank_memorization
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.memorization import Memorization, stability, top_overlap
from unlearn_core.store import Store
from unlearn_core.training import Training

MEMBER = balanced_subsets(10, 20, 0.7, 0)


def memorization(member: np.ndarray, correct: np.ndarray) -> Memorization:
    """From members and right answers (M, n) bool, counted by hand."""
    count = np.stack([(~member).sum(0), member.sum(0)])
    return scored.memorization(count, np.stack([(~member & correct).sum(0), (member & correct).sum(0)]))


def test_known_answers():
    """Right exactly when seen: 1. Always right, always wrong: 0. Right exactly when unseen: -1."""
    member = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
    correct = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 1]], bool)
    assert memorization(member, correct).scores.tolist() == [1, 0, 0, -1]


def test_scores_that_are_equal_as_fractions_are_equal_as_numbers():
    """18 of 180 is 63 of 180 less 19 of 76, which floats miss by a bit."""
    found = scored.memorization(np.array([[76, 76], [180, 180]]), np.array([[0, 19], [18, 63]])).scores
    assert 63 / 180 - 19 / 76 != 18 / 180 and found[0] == found[1] == 0.1


def test_shares_are_of_the_models_on_each_side():
    member = np.array([[1], [1], [1], [1], [0], [0]], bool)
    correct = np.array([[1], [1], [1], [0], [1], [0]], bool)
    found = memorization(member, correct)
    assert found.scores[0] == 0.75 - 0.5
    # shares with one success and one failure added on each side: 4/6 of 4, 2/4 of 2
    assert found.standard_error[0] == pytest.approx(np.sqrt((4 / 6) * (2 / 6) / 4 + 0.5 * 0.5 / 2))
    assert found.fitted == 0.75


@given(st.integers(0, 999))
def test_it_is_the_difference_of_two_means(seed):
    correct = np.random.default_rng(seed).random(MEMBER.shape) < 0.6
    found = memorization(MEMBER, correct)
    for i in range(10):
        inside, outside = correct[MEMBER[:, i], i], correct[~MEMBER[:, i], i]
        assert found.scores[i] == pytest.approx(inside.mean() - outside.mean())
    assert found.fitted == pytest.approx(correct[MEMBER].mean())
    assert (np.abs(found.scores) <= 1).all() and (found.standard_error > 0).all()


@given(st.integers(0, 999))
def test_the_order_of_models_and_images_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    correct = rng.random(MEMBER.shape) < 0.6
    models, images = rng.permutation(20), rng.permutation(10)
    a, b = memorization(MEMBER, correct), memorization(MEMBER[models][:, images], correct[models][:, images])
    np.testing.assert_allclose(a.scores[images], b.scores)
    np.testing.assert_allclose(a.standard_error[images], b.standard_error)


def test_the_stated_error_is_the_spread_of_the_estimate():
    """Many banks of models that are right with chance 0.9 on what they saw and 0.4 on the rest."""
    rng = np.random.default_rng(0)
    member = balanced_subsets(1, 100, 0.7, 0)[:, :1].repeat(4000, 1)
    member[:70], member[70:] = True, False
    found = memorization(member, rng.random(member.shape) < np.where(member, 0.9, 0.4))
    assert found.scores.mean() == pytest.approx(0.5, abs=0.01)
    assert found.standard_error.mean() == pytest.approx(found.scores.std(), rel=0.05)


@pytest.mark.parametrize("value", [True, False])
def test_an_image_that_is_always_or_never_left_out_is_refused(value):
    member = MEMBER.copy()
    member[:, 3] = value
    with pytest.raises(ValueError, match="in all models or in none"):
        memorization(member, MEMBER)


def test_models_that_do_not_fit_are_warned_of():
    correct = np.ones_like(MEMBER)
    assert memorization(MEMBER, correct).warning is None
    wrong = np.argwhere(MEMBER)[:: int(MEMBER.sum() / 3)][:3]  # 3 of 140 are 2.1 %
    correct[tuple(wrong.T)] = False
    assert memorization(MEMBER, correct).warning.startswith("The models fit only 97.9% of the images")


@pytest.mark.parametrize(("wrong", "warned"), [(0, False), (1, False), (2, True)])
def test_the_warning_begins_below_ninety_nine_percent(wrong, warned):
    member = np.zeros((2, 100), bool)  # a hundred pairs of a model and an image it trained on
    member[0, :50] = member[1, 50:] = True
    correct = np.ones((2, 100), bool)
    correct[:, :wrong] = False
    assert (memorization(member, correct).warning is not None) == warned


def test_wrong_labels_are_memorized(tmp_path):
    """A real bank on digits with a tenth of the labels wrong: those can only be learned by heart."""
    store, data = Store(tmp_path), Data(name="digits-noisy", train=500, test=60)
    bank = Bank(training=Training(data=data, width=128, epochs=80), models=20)
    found = bank_memorization(fulfil(store, bank))
    wrong = dataset(store, data).mislabelled
    assert wrong.sum() > 30 and found.fitted > 0.97
    assert found.scores[wrong].mean() > 0.85 and np.median(found.scores[wrong]) == 1
    assert found.scores[~wrong].mean() < 0.2 and np.median(found.scores[~wrong]) < 0.05


# -- stability ---------------------------------------------------------------------------------------------------------


def halves(scores_even, scores_odd, each=100):
    """Counts of two halves whose scores are these: members outside are never right, those inside in these shares."""
    count = np.full((2, 2, len(scores_even)), each)
    right = np.zeros_like(count)
    right[:, 1] = np.round(each * np.array([scores_even, scores_odd]))
    return count, right


def test_halves_that_agree_are_stable():
    found = stability(*halves(np.arange(20) / 20, np.arange(20) / 20))
    assert (found.spearman, found.overlap, found.members, found.images) == (pytest.approx(1), 1, 400, 20)
    assert found.pearson == pytest.approx(1) and found.reliability == pytest.approx(1)


def test_known_stability():
    """Two neighbours changed places in each pair of ten: Spearman 1 - 6 * 10 / (10 * 99); the first is another."""
    even = np.arange(1, 11) / 20
    odd = even.reshape(5, 2)[:, ::-1].ravel()
    found = stability(*halves(even, odd))
    rho = 1 - 6 * 10 / (10 * 99)
    assert found.spearman == pytest.approx(rho) and found.overlap == 0
    r = np.corrcoef(even, odd)[0, 1]
    assert found.pearson == pytest.approx(r) and found.reliability == pytest.approx(2 * r / (1 + r))


def test_known_overlaps():
    """Of six images two are looked for: by distinct scores; where three share the second place; where all are equal."""
    distinct, other = np.array([6, 5, 4, 3, 2, 1]), np.array([6, 1, 5, 2, 3, 4])
    assert top_overlap(distinct, distinct**3, 2) == 1 and top_overlap(distinct, other, 2) == 1 / 2
    tied = np.array([9, 5, 5, 5, 2, 1])  # the second place is a third of each
    assert top_overlap(tied, distinct, 2) == pytest.approx((1 + 1 / 3) / 2)
    assert top_overlap(tied, tied, 2) == pytest.approx((1 + 3 / 9) / 2)
    assert top_overlap(np.zeros(6), distinct, 2) == pytest.approx(2 / 6)
    assert top_overlap(np.zeros(6), np.zeros(6), 2) == pytest.approx(2 / 6)
    whole = np.array([9, 9, 1, 1, 1, 1])  # a tie that does not reach beyond the second place
    assert top_overlap(whole, whole[::-1], 2) == 0 and top_overlap(whole, distinct, 2) == 1
    assert top_overlap(distinct, distinct, 8) == 6 / 8  # fewer images than are looked for


def test_scores_that_are_equal_on_paper_are_equal():
    """0.7 - 0.4 and 0.9 - 0.6 differ in their last bits."""
    first, second = np.array([0.7 - 0.4, 0.9 - 0.6, 0.1]), np.array([0.9 - 0.6, 0.7 - 0.4, 0.1])
    assert first[0] != first[1] and top_overlap(first, second, 1) == pytest.approx(1 / 2)


@given(st.integers(0, 999))
def test_where_equal_scores_stand_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    first, second, order = rng.integers(0, 4, 30), rng.integers(0, 4, 30), rng.permutation(30)
    assert top_overlap(first, second, 7) == pytest.approx(top_overlap(first[order], second[order], 7))


def test_it_is_what_ties_broken_at_random_are_expected_to_share():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, 40), rng.integers(0, 5, 40)
    tops = [[np.lexsort((rng.random(40), -scores))[:9] for scores in (first, second)] for _ in range(4000)]
    shared = np.mean([len(np.intersect1d(*pair)) / 9 for pair in tops])
    assert top_overlap(first, second, 9) == pytest.approx(shared, abs=0.01)


def test_independent_halves_share_what_chance_gives():
    """Halves of few members that know nothing: most scores are tied, and a tenth of the tenth is shared."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        count, right = halves(np.zeros(300), np.zeros(300), each=3)
        right[:] = rng.binomial(3, 0.2, right.shape)
        found.append(stability(count, right).overlap)
    assert np.mean(found) == pytest.approx(0.1, abs=4 * np.std(found) / np.sqrt(200)) and np.std(found) < 0.05


def test_images_that_a_half_does_not_know_are_left_out():
    count, right = halves(np.arange(20) / 20, np.arange(20) / 20)
    count[1, 0, 7] = right[1, 0, 7] = 0
    assert stability(count, right).images == 19


def test_scores_that_are_all_equal_have_no_stability():
    found = stability(*halves(np.zeros(20), np.zeros(20)))
    assert np.isnan([found.spearman, found.pearson, found.overlap, found.reliability]).all()


@given(st.integers(0, 99))
def test_more_members_are_more_stable(seed):
    """Members right with chance mem inside and never outside: the halves of a larger bank agree better."""
    rng = np.random.default_rng(seed)
    true = rng.random(300)
    found = []
    for each in (5, 500):
        count, right = halves(true, true, each)
        right[:, 1] = rng.binomial(each, true, (2, 300))
        found.append(stability(count, right).spearman)
    assert found[0] < found[1] and found[1] > 0.98


def test_reliability_foretells_the_agreement_of_whole_banks():
    """Scores with noise: what half of a bank says of the whole is what two whole banks then show."""
    rng = np.random.default_rng(0)
    true = rng.random(4000) ** 4  # most images are hardly memorized
    count, right = halves(true, true, 40)
    right[:, 1] = rng.binomial(40, true, (2, 4000))
    right[:, 0] = rng.binomial(40, 0.1, (2, 4000))
    expected = stability(count, right).reliability
    whole = [rng.binomial(80, true) / 80 - rng.binomial(80, 0.1, 4000) / 80 for _ in range(2)]
    assert expected == pytest.approx(np.corrcoef(*whole)[0, 1], abs=0.02)
