"""The score of the NeurIPS 2023 challenge: known answers by hand, its noise floor, and what must not matter to it."""

import math

import numpy as np
import pytest

from unlearn_core.evaluation import challenge as ch
from unlearn_core.params import BadValue


def samples(models=64, examples=8, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, (models, examples)), rng.normal(size=(models, examples))


# -- epsilon -----------------------------------------------------------------------------------------------------------


def test_epsilon_of_attacks_worked_out_by_hand():
    assert ch.epsilon_of_attacks([0.1], [0.2], 0) == pytest.approx(math.log(0.8 / 0.1))
    assert ch.epsilon_of_attacks([0.1, 0.25], [0.2, 0.05], 0) == pytest.approx(math.log(0.75 / 0.05))
    assert ch.epsilon_of_attacks([0.5], [0.5], 0.25) == pytest.approx(math.log(0.5))
    assert ch.epsilon_of_attacks([0.0], [0.0]) == math.inf


def test_an_attack_with_one_kind_of_error_is_left_out():
    assert math.isnan(ch.epsilon_of_attacks([0.0, 0.3], [0.2, 0.0]))
    assert math.isnan(ch.epsilon_of_attacks([], []))
    assert math.isnan(ch.epsilon_of_attacks([1.0], [1.0]))
    assert ch.epsilon_of_attacks([0.0, 0.5], [0.01, 0.5], 0) == 0


@pytest.mark.parametrize("rates", [([1.2], [0.1]), ([0.1], [-0.1]), ([math.nan], [0.1])])
def test_rates_that_are_no_rates_are_refused(rates):
    with pytest.raises(BadValue, match="from 0 to 1"):
        ch.epsilon_of_attacks(*rates)


def test_equal_models_read_zero_and_separated_ones_fifty():
    one, _ = samples()
    assert (ch.example_epsilons(one, one) == 0).all()
    assert (ch.example_epsilons(one, one + 100) == 50).all()
    assert ch.forgetting_quality(one, one[::-1]) == 1
    assert ch.forgetting_quality(one, one - 100) == 0


def test_models_that_always_end_alike_give_themselves_away():
    _, wide = samples(examples=1)
    narrow = np.median(wide) + 1e-3 * wide
    assert ch.example_epsilons(narrow, wide) == ch.example_epsilons(wide, narrow) == 50
    # Just not that narrow: an attack has to be made, and some models are mistaken.
    assert 0 < ch.example_epsilons(np.median(wide) + 0.02 * wide, wide)[0] < 50


def test_confidences_without_any_spread():
    flat = np.ones((4, 1))
    assert ch.example_epsilons(flat, flat) == 0
    assert ch.example_epsilons(flat, 2 * flat) == 50


def test_an_interval_finds_what_no_threshold_does():
    rng = np.random.default_rng(0)
    narrow, wide = np.sort(rng.normal(0, 0.2, 200)), np.sort(rng.normal(0, 3, 200))
    threshold = ch.epsilon_of_attacks(*ch.threshold_attacks(narrow, wide))
    interval = ch.epsilon_of_attacks(*ch.interval_attacks(narrow, wide))
    assert interval > threshold + 0.5
    assert ch.example_epsilons(narrow[:, None], wide[:, None])[0] == pytest.approx(max(interval, threshold))


def test_of_equal_widths_the_lower_sample_is_the_narrow_one():
    lower, upper = np.array([0.0, 0.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.9, 1.0, 1.0, 1.0])
    for pair in ((lower, upper), (upper, lower)):
        rates = {tuple(rate) for rate in np.round(np.stack(ch.interval_attacks(*pair), axis=1), 6).tolist()}
        # About 0.9 lies one upper confidence and no lower one: to look for the lower ones there is all wrong.
        assert (0.2, 1.0) in rates
        assert (0.0, 0.8) not in rates


def test_neither_order_nor_place_nor_side_matters():
    unlearned, retrained = samples(shift=1.0)
    epsilons = ch.example_epsilons(unlearned, retrained)
    order = np.random.default_rng(1).permutation(len(unlearned))
    np.testing.assert_array_equal(epsilons, ch.example_epsilons(unlearned[order], retrained[order[::-1]]))
    np.testing.assert_array_equal(epsilons[::-1], ch.example_epsilons(unlearned[:, ::-1], retrained[:, ::-1]))
    np.testing.assert_allclose(epsilons, ch.example_epsilons(retrained, unlearned), atol=1e-9)
    assert (epsilons > 0).all()


def test_confidences_within_a_step_of_the_grid_may_not_be_judged():
    # 0.004 apart and less than one step of 0.01 wide in all: one threshold, at the lowest confidence, is no attack.
    unlearned, retrained = np.array([0, 0.001, 0.002]), np.array([0.004, 0.005, 0.006])
    fpr, fnr = ch.threshold_attacks(unlearned, retrained)
    assert (fpr.tolist(), fnr.tolist()) == ([1.0], [0.0])
    assert math.isnan(ch.epsilon_of_attacks(fpr, fnr))
    assert ch.points([math.nan], 64) == 0


@pytest.mark.parametrize(
    "pair",
    [
        (np.ones((4, 2)), np.ones((4, 3))),
        (np.ones((4, 2)), np.ones((5, 2))),
        (np.ones(4), np.ones(4)),
        (np.ones((0, 2)), np.ones((0, 2))),
        (np.full((4, 2), np.nan), np.ones((4, 2))),
        (np.ones((4, 2)), np.full((4, 2), np.inf)),
    ],
)
def test_samples_that_cannot_be_compared_are_refused(pair):
    with pytest.raises(BadValue):
        ch.example_epsilons(*pair)


# -- points and score --------------------------------------------------------------------------------------------------


def test_points_halve_with_every_half():
    epsilons = [0, 0.49, 0.5, 1.2, 2.0, math.inf, math.nan, 50]
    assert ch.points(epsilons, 64).tolist() == [1, 1, 0.5, 0.25, 0.0625, 0, 0, 0]
    # ln(3 - 1) is below 1: two bins, so from 1 on nothing scores.
    assert ch.points([0.99, 1.0], 3).tolist() == [0.5, 0]
    with pytest.raises(BadValue, match="at least 3"):
        ch.points([0.0], 2)


def test_perfect_unlearning_reads_the_noise_floor_not_one():
    floor = ch.forgetting_quality(*samples(models=32, examples=60))
    assert 0.12 < floor < 0.27
    assert ch.forgetting_quality(*samples(models=32, examples=60, shift=2.0)) < floor / 2


def test_without_examples_there_is_no_quality():
    assert ch.forgetting_quality(np.ones((4, 0)), np.ones((4, 0))) is None
    assert ch.challenge_score(None, (1, 1), (1, 1)) is None


def test_the_score_rewards_accuracy_unless_capped():
    assert ch.challenge_score(0.5, (0.9, 0.6), (0.9, 0.8)) == pytest.approx(0.375)
    assert ch.challenge_score(0.5, (0.96, 0.6), (0.8, 0.8)) == pytest.approx(0.45)
    assert ch.challenge_score(0.5, (0.96, 0.6), (0.8, 0.8), capped=True) == pytest.approx(0.375)
    with pytest.raises(BadValue, match="above 0"):
        ch.challenge_score(0.5, (0.9, 0.6), (0.9, 0.0))
