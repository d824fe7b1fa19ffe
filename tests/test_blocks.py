"""U-LiRA on blocks of shadow models: who judges was not there, and a guess reads one half."""

import numpy as np
import pytest
from scipy.stats import norm

from unlearn_core.attacks import auc, clopper_pearson, roc, summarise, u_lira
from unlearn_core.attacks.blocks import (
    Trials,
    by_chance,
    example_aucs,
    over_blocks,
    per_example,
    population,
    roc_over_blocks,
    tpr_over_blocks,
)
from unlearn_core.attacks.u_lira import population_log_odds
from unlearn_core.params import BadValue


def observed(blocks=16, examples=300, shift=1.0, seed=0):
    """phi of models that unlearned and that never saw the examples, which differ in how easy they are."""
    rng = np.random.default_rng(seed)
    easy = 3 * rng.normal(size=examples)
    return easy + shift + rng.normal(size=(blocks, examples)), easy + rng.normal(size=(blocks, examples))


def side(scores):
    return summarise(scores, np.ones(scores.shape, bool))


@pytest.mark.parametrize("variance", ["each", "pooled"])
def test_every_block_is_judged_as_if_it_had_not_been_there(variance):
    unlearned, unseen = observed(blocks=5, examples=7)
    found = per_example(unlearned, unseen, variance)
    for block in range(5):
        rest = [np.delete(x, block, axis=0) for x in (unlearned, unseen)]
        for scores, phi in ((found.members, unlearned), (found.others, unseen)):
            expected = u_lira(phi[block], side(rest[0]), side(rest[1]), "each")
            if variance == "pooled":
                spreads = [np.sqrt(x.var(axis=0).mean()) for x in rest]
                expected = norm.logpdf(phi[block], rest[0].mean(0), spreads[0]) - norm.logpdf(
                    phi[block], rest[1].mean(0), spreads[1]
                )
            np.testing.assert_allclose(scores[block], expected, rtol=1e-7)


def test_every_pair_is_judged_as_if_it_had_not_been_there():
    unlearned, unseen = observed(blocks=4, examples=5)
    found = example_aucs(unlearned, unseen)
    for j in range(5):
        wins = []
        for s in range(4):
            for t in range(4):
                rest = np.delete(unlearned[:, j], s), np.delete(unseen[:, j], t)
                x, y = (
                    norm.logpdf(z, rest[0].mean(), rest[0].std()) - norm.logpdf(z, rest[1].mean(), rest[1].std())
                    for z in (unlearned[s, j], unseen[t, j])
                )
                wins.append((x > y) + (x == y) / 2)
        assert found[j] == pytest.approx(np.mean(wins))


@pytest.mark.parametrize("blocks", [3, 4, 16])
def test_a_guess_reads_one_half_however_few_the_models_are(blocks):
    """Leaving out only the model that is judged reads 0.43 here."""
    unlearned, unseen = observed(blocks, 20_000 // blocks, shift=0.0, seed=5)
    found = per_example(unlearned, unseen)
    assert np.mean(found.aucs) == pytest.approx(0.5, abs=0.015)
    assert np.mean(population(unlearned, unseen).aucs) == pytest.approx(0.5, abs=0.02)
    if blocks > 3:  # of two others' spread the smaller one wins
        assert example_aucs(unlearned, unseen).mean() == pytest.approx(0.5, abs=0.015)


def test_a_deviation_left_behind_is_found_as_well_as_theory_allows():
    unlearned, unseen = observed(examples=2000)
    best = norm.cdf(1 / np.sqrt(2))
    assert best - 0.03 < np.mean(per_example(unlearned, unseen, "pooled").aucs) < best
    assert best - 0.03 < example_aucs(unlearned, unseen, "pooled").mean() < best + 0.01


def test_a_population_attacker_misses_what_a_per_example_one_finds():
    unlearned, unseen = observed(examples=1000)
    assert np.mean(population(unlearned, unseen).aucs) < 0.62 < 0.7 < np.mean(per_example(unlearned, unseen).aucs)


def test_the_interval_over_blocks_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        easy, spread = 3 * rng.normal(size=100), np.exp(0.7 * rng.normal(size=100))
        found = over_blocks(per_example(*rng.normal(easy, spread, (2, 8, 100))).aucs)
        held.append(found.low <= 0.5 <= found.high)
    assert 0.92 <= np.mean(held) <= 0.99
    assert over_blocks([0.7]).low is None


def test_over_unlearning_is_found_too():
    """Less sure than a model that never saw the image: the attack does not ask for the direction."""
    unlearned, unseen = observed(shift=-2.0)
    assert np.mean(per_example(unlearned, unseen).aucs) > 0.85


def test_the_population_attacker_never_learned_from_whom_it_judges():
    unlearned, unseen = observed(blocks=4, examples=50)
    found = population(unlearned, unseen)
    rest = [np.delete(x, 2, axis=0) for x in (unlearned, unseen)]
    np.testing.assert_allclose(found.members[2], population_log_odds(unlearned[2], *rest))


def test_an_unlearner_without_randomness_is_judged_with_a_floor():
    unlearned, unseen = observed(blocks=6, examples=40, shift=3.0)
    fixed = np.repeat(unlearned[:1], 6, axis=0)
    found = per_example(fixed, unseen)
    assert np.isfinite(found.members).all() and np.mean(found.aucs) > 0.95


def test_models_that_all_say_the_same_are_not_ranked():
    same = np.zeros((4, 6))
    assert (example_aucs(same, same) == 0.5).all()
    assert per_example(same, same).aucs == [0.5] * 4


def test_the_order_of_blocks_and_examples_changes_nothing():
    unlearned, unseen = observed(blocks=5, examples=9)
    rng = np.random.default_rng(1)
    blocks, examples = rng.permutation(5), rng.permutation(9)
    mixed = [x[blocks][:, examples] for x in (unlearned, unseen)]
    np.testing.assert_allclose(example_aucs(*mixed), example_aucs(unlearned, unseen)[examples])
    expected = per_example(unlearned, unseen).members[blocks][:, examples]
    np.testing.assert_allclose(per_example(*mixed).members, expected)
    assert auc(per_example(*mixed).members.ravel(), per_example(*mixed).others.ravel()) > 0.5


def test_too_few_blocks_and_tables_that_do_not_fit_are_refused():
    table = np.zeros((4, 3))
    for function in (per_example, population, example_aucs):
        with pytest.raises(BadValue, match="at least 3 blocks"):
            function(table[:2], table[:2])
        with pytest.raises(BadValue, match="one row a block"):
            function(table, table[:, :2])
        with pytest.raises(BadValue, match="not finite"):
            function(np.where(table == 0, np.nan, 0), table)


def test_the_roc_of_all_blocks_is_drawn_again_block_by_block():
    rng = np.random.default_rng(3)
    found = Trials(np.round(rng.normal(1, 1, (5, 40)), 1), np.round(rng.normal(0, 1, (5, 40)), 1))  # with ties
    alphas = np.array([0.0, 0.05, 0.1, 0.3, 1.0])
    tpr, low, high = roc_over_blocks(found, alphas, resamples=50, seed=7)
    drawn = np.random.default_rng(7).integers(5, size=(50, 5))
    whole = roc(found.members.ravel(), found.others.ravel())
    again = [roc(found.members[d].ravel(), found.others[d].ravel()) for d in drawn]
    for place, alpha in enumerate(alphas):
        assert tpr[place] == whole.tpr_at(alpha)
        ends = np.quantile([one.tpr_at(alpha) for one in again], [0.025, 0.975])
        assert low[place] <= max(0, tpr[place] + 1.5 * (ends[0] - tpr[place])) + 1e-12
        assert high[place] >= min(1, tpr[place] + 1.5 * (ends[1] - tpr[place])) - 1e-12
    one = tpr_over_blocks(found, 0.1, resamples=50, seed=7)
    assert (one.value, one.low, one.high) == (tpr[2], low[2], high[2])
    assert np.isnan(roc_over_blocks(Trials(found.members[:1], found.others[:1]), alphas)[1]).all()


def test_blocks_that_all_find_nothing_are_no_surer_than_one_model():
    unseen = 1 + np.random.default_rng(0).uniform(size=(16, 40))
    nothing = tpr_over_blocks(Trials(np.zeros((16, 40)), unseen), 0.1)
    assert (nothing.value, nothing.low, nothing.high) == (0, *clopper_pearson(0, 40))
    everything = tpr_over_blocks(Trials(np.full((16, 40), 3.0), unseen), 0.1)
    assert (everything.value, everything.low, everything.high) == (1, *clopper_pearson(40, 40))


@pytest.mark.parametrize("blocks", [6, 16])
def test_the_interval_holds_where_few_blocks_find_anything(blocks):
    """One block of ten finds half of its images, the others none: 1 of 20 in all, and few draws see it."""
    rng, missed = np.random.default_rng(blocks), 0
    for _ in range(100):
        hit = (rng.random((blocks, 1)) < 0.1) & (rng.random((blocks, 40)) < 0.5)
        others = 1 + rng.uniform(size=(blocks, 40))
        found = tpr_over_blocks(Trials(np.where(hit, 3.0, 0.0), others), 0.1, resamples=100)
        missed += not found.low <= 0.05 <= found.high
    assert missed <= 10


@pytest.mark.parametrize("blocks", [6, 16])
def test_chance_is_what_single_examples_read_where_there_is_nothing_to_tell(blocks):
    low, high = by_chance(blocks)
    rng = np.random.default_rng(7)
    told = example_aucs(*(rng.normal(3.0, 2.0, (blocks, 4000)) for _ in range(2)))  # another place and spread
    assert ((told < low).mean(), (told > high).mean()) == pytest.approx((0.025, 0.025), abs=0.01)
    far, near = by_chance(blocks), by_chance(4 * blocks)
    assert far[0] < near[0] < 0.5 < near[1] < far[1]
