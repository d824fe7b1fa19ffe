"""Bounds on epsilon: known answers, what perfect methods read, and that the bounds keep their promise."""

import math

import numpy as np
import pytest
from scipy import stats

from unlearn_core.evaluation import challenge
from unlearn_core.evaluation import epsilon as ep
from unlearn_core.params import BadValue

# -- one attack on many models -----------------------------------------------------------------------------------------


def test_a_faultless_attack_proves_what_its_models_allow():
    # No error in n trials: the upper bound at alpha / 2 is 1 - (alpha / 2)^(1 / n).
    for n in (16, 64, 512):
        rate = 1 - 0.025 ** (1 / n)
        assert ep.high_confidence_epsilon(0, n, 0, n) == pytest.approx(math.log((1 - 1e-5 - rate) / rate))


def test_the_weaker_and_the_wrong_attack_prove_less():
    errors = np.arange(65)
    proved = ep.high_confidence_epsilon(errors, 64, errors, 64)
    assert (np.diff(proved) <= 0).all() and proved[0] > 2.8
    assert (proved[32:] == 0).all()
    assert ep.high_confidence_epsilon(0, 64, 64, 64) == 0


def test_the_two_kinds_of_models_may_be_unequally_many():
    assert ep.high_confidence_epsilon(3, 100, 5, 50) == pytest.approx(ep.high_confidence_epsilon(5, 50, 3, 100))
    assert ep.high_confidence_epsilon(0, 1000, 0, 50) > ep.high_confidence_epsilon(0, 50, 0, 50)


@pytest.mark.parametrize("counts", [(-1, 10, 0, 10), (0, 10, 11, 10), (0, 0, 0, 10)])
def test_counts_of_errors_that_cannot_be_are_refused(counts):
    with pytest.raises(BadValue):
        ep.high_confidence_epsilon(*counts)


def test_the_bound_keeps_its_promise():
    rng, wrong, true = np.random.default_rng(0), 0.2, math.log(0.8 / 0.2)
    fp, fn = rng.binomial(40, wrong, 4000), rng.binomial(40, wrong, 4000)
    too_high = (ep.high_confidence_epsilon(fp, 40, fn, 40, delta=0) > true).mean()
    assert too_high <= 0.05
    # And it is no empty promise: most draws prove something.
    assert (ep.high_confidence_epsilon(fp, 40, fn, 40) > 0.3).mean() > 0.5


# -- choosing on one half, testing on the other ------------------------------------------------------------------------


def test_separated_models_prove_as_much_as_a_faultless_attack():
    low, high = np.zeros((64, 1)) + np.arange(64)[:, None] / 64, 10 + np.arange(64)[:, None] / 64
    # Half of them tests, and the interval chosen reaches from the lowest to the highest of the first half.
    shuffled = np.r_[0:64:63, 1:63][:, None]
    low, high = low[shuffled[:, 0]], high[shuffled[:, 0]]
    expected = ep.high_confidence_epsilon(0, 32, 0, 32)
    assert ep.split_half_epsilons(low, high) == pytest.approx(expected)
    assert ep.split_half_epsilons(high, low) == pytest.approx(expected)
    assert ep.certified_quality(low, high) == challenge.points([expected], 64)[0] < 1


def test_models_around_the_retrained_ones_are_found_from_outside():
    rng = np.random.default_rng(0)
    middle = rng.uniform(-1, 1, (128, 1))
    around = rng.choice([-5, 5], (128, 1)) + rng.uniform(-1, 1, (128, 1))
    assert ep.split_half_epsilons(around, middle)[0] > 2
    # One row is one choice: the same models the other way round are told by the same interval.
    assert ep.split_half_epsilons(middle, around) == pytest.approx(ep.split_half_epsilons(around, middle))


def test_perfect_unlearning_reads_nothing_and_a_shift_something():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(64, 40)), rng.normal(size=(64, 40))
    assert ep.certified_quality(one, two) == 1
    assert ep.certified_quality(one, one) == 1
    assert ep.certified_quality(one, two + 2) < 0.8
    assert ep.certified_quality(one[:, :0], two[:, :0]) is None


def test_only_the_second_half_speaks():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 64, 1))
    apart = np.r_[first[:32], first[32:]]
    moved = np.r_[second[:32] + 100, second[32:]]
    assert ep.split_half_epsilons(apart, moved) == 0
    np.testing.assert_array_equal(
        ep.split_half_epsilons(first, second + 3), ep.split_half_epsilons(2 * first - 7, 2 * (second + 3) - 7)
    )


@pytest.mark.parametrize(
    "pair",
    [
        (np.ones((4, 2)), np.ones((4, 3))),
        (np.ones((1, 2)), np.ones((4, 2))),
        (np.ones(4), np.ones(4)),
        (np.full((4, 1), np.nan), np.ones((4, 1))),
    ],
)
def test_models_that_cannot_be_split_are_refused(pair):
    with pytest.raises(BadValue):
        ep.split_half_epsilons(*pair)


# -- one membership attack ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ep.RATIO_METHODS)
def test_every_bound_lies_below_the_ratio_and_nears_it_with_more_images(method):
    few, many = (ep.ratio_bound(60 * k, 100 * k, 20 * k, 100 * k, method=method) for k in (1, 10000))
    assert 1 < few < many < 3
    assert many == pytest.approx(3, rel=0.02)
    assert ep.ratio_bound(0, 10, 0, 10, method=method) == 0
    assert ep.ratio_bound(60, 100, 20, 100, 0.01, method) < few
    assert ep.ratio_bound(10, 10, 10, 10, method=method) <= 1 + 1e-12


def test_guessing_proves_nothing_and_a_faultless_attack_little():
    assert ep.epsilon_from_attack(50, 100, 50, 100) == 0
    assert ep.epsilon_from_attack(0, 100, 100, 100) == 0
    low, high = 0.025 ** (1 / 20), 1 - 0.025 ** (1 / 20)
    assert ep.epsilon_from_attack(20, 20, 0, 20) == pytest.approx(math.log(low / high))


def test_a_bound_that_is_not_defined_claims_nothing():
    assert ep.epsilon_from_attack(1, 10, 0, 10, 1e-9, "bailey") == 0


def test_the_exact_bound_keeps_its_promise_for_few_false_alarms():
    # All counts of 30 and 30 with their exact chances.
    k, p, q = np.arange(31), 0.6, 0.05
    chance = np.outer(stats.binom.pmf(k, 30, p), stats.binom.pmf(k, 30, q))
    bounds = np.array([[ep.ratio_bound(x, 30, y, 30) for y in k] for x in k])
    assert chance[bounds > p / q].sum() <= 0.05
    assert chance[bounds > 1.5].sum() > 0.5


def test_attacks_that_cannot_be_are_refused():
    for counts in ((11, 10, 0, 10), (1, 10, -1, 10), (0, 0, 0, 10), (0, 10, 0, 0)):
        with pytest.raises(BadValue):
            ep.epsilon_from_attack(*counts)
    with pytest.raises(BadValue, match="katz-log"):
        ep.ratio_bound(1, 2, 1, 2, method="guess")


# -- one run -----------------------------------------------------------------------------------------------------------


def test_all_right_is_the_closed_form():
    # Chance of n of n is q^n; it equals alpha at q = alpha^(1 / n), and epsilon is the log-odds of q.
    for n in (10, 1000):
        q = 0.05 ** (1 / n)
        assert ep.one_run_epsilon(n, n, n) == pytest.approx(math.log(q / (1 - q)))


def test_the_bound_is_where_the_binomial_tail_is_alpha():
    bound = ep.one_run_epsilon(500, 200, 140, alpha=0.1)
    assert stats.binom.sf(139, 200, 1 / (1 + math.exp(-bound))) == pytest.approx(0.1)


def test_delta_is_the_theorems_term():
    bound, delta = ep.one_run_epsilon(500, 200, 150, delta=1e-4), 1e-4
    tail = stats.binom.sf(np.arange(149, -2, -1), 200, 1 / (1 + math.exp(-bound)))
    slack = max((tail[i] - tail[0]) / i for i in range(1, 151))
    assert tail[0] + 2 * 500 * delta * slack == pytest.approx(0.05)
    assert bound < ep.one_run_epsilon(500, 200, 150)


def test_guessing_proves_nothing_and_more_right_proves_more():
    assert ep.one_run_epsilon(100, 100, 50) == ep.one_run_epsilon(100, 0, 0) == ep.one_run_epsilon(0, 0, 0) == 0
    assert ep.one_run_epsilon(100, 4, 4) == 0  # a fair coin does as well in 1 of 16
    proved = [ep.one_run_epsilon(100, 100, right) for right in range(60, 101, 10)]
    assert (np.diff(proved) > 0).all()


def test_runs_that_cannot_be_are_refused():
    for counts in ((10, 11, 5), (10, 5, 6), (10, 5, -1), (10, 5, 5, -1e-5), (10, 5, 5, 0.0, 1.0)):
        with pytest.raises(BadValue):
            ep.one_run_epsilon(*counts)
