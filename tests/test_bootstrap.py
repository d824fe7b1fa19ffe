"""The cluster bootstrap: what it draws, what its interval holds, and what it says where it cannot know."""

import time

import numpy as np
import pytest
from scipy.stats import norm

from unlearn_core.attacks import auc, auc_interval, cluster_bootstrap, roc
from unlearn_core.params import BadValue


def seeds(count, spread=0.0, size=200, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.normal(1 + spread * rng.normal(), 1, size), rng.normal(0, 1, size)) for _ in range(count)]


def tpr(members, others):
    return roc(members, others).tpr_at(0.05)


def test_the_value_is_the_mean_of_the_seeds_own():
    pairs = seeds(4)
    found = cluster_bootstrap(pairs, auc, resamples=50)
    assert found.value == pytest.approx(np.mean([auc(*pair) for pair in pairs]))
    assert found.low < found.value < found.high
    assert found.why == "bootstrap interval over 4 seeds and their images"
    assert cluster_bootstrap(pairs, auc, resamples=50) == found
    assert cluster_bootstrap(pairs, auc, resamples=50, seed=1) != found


def test_with_one_seed_the_interval_is_delongs_over_images():
    pairs = seeds(1, size=400)
    found, exact = cluster_bootstrap(pairs, auc), auc_interval(*pairs[0])
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.006)
    assert found.why == "bootstrap interval over images, for this one model alone"


def test_sorting_once_changes_nothing():
    rng = np.random.default_rng(3)
    pairs = [(rng.integers(0, 6, 30).astype(float), rng.normal(2, 2, 50).round(1)) for _ in range(3)]  # with ties
    found = cluster_bootstrap(pairs, auc, resamples=200)
    plain = cluster_bootstrap(pairs, lambda m, o: auc(m, o), resamples=200)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)


def test_seeds_that_differ_widen_it_and_images_alone_do_not_show_that():
    pairs = seeds(6, spread=0.6)
    whole = cluster_bootstrap(pairs, auc, resamples=400)
    pooled = [tuple(np.concatenate(side) for side in zip(*pairs, strict=True))]
    over_images = cluster_bootstrap(pooled, auc, resamples=400)
    assert whole.high - whole.low > 3 * (over_images.high - over_images.low)


def test_models_are_drawn_before_images():
    # Constant scores: only which models are drawn can make a difference, and only means of their values come out.
    values = []
    pairs = [(np.full(5, float(k)), np.zeros(3)) for k in range(3)]

    def level(members, others):
        values.append((len(members), len(others)))
        return members[0]

    found = cluster_bootstrap(pairs, level, resamples=3000)
    assert set(values) == {(5, 3)}
    # The mean of three draws of 0, 1, 2 is 0 or 2 with chance 1/27 each, so both ends of a 95 % interval lie there.
    assert (found.value, found.low, found.high) == (1, 0, 2)
    narrow = cluster_bootstrap(pairs, level, resamples=3000, alpha=0.2)
    assert (narrow.low, narrow.high) == pytest.approx((1 / 3, 5 / 3))


def test_members_and_others_are_drawn_apart():
    sizes = []
    cluster_bootstrap(
        [(np.zeros(7), np.ones(2))], lambda m, o: sizes.append((set(m), set(o), len(m), len(o))) or 0.0, 9
    )
    assert all(found == ({0.0}, {1.0}, 7, 2) for found in sizes)


def test_the_interval_covers_the_truth_where_seeds_do_not_differ():
    truth, inside = norm.cdf(1 / np.sqrt(2)), 0
    for seed in range(120):
        found = cluster_bootstrap(seeds(5, size=50, seed=seed), auc, resamples=120, seed=seed)
        inside += found.low <= truth <= found.high
    assert inside / 120 >= 0.92


def test_seeds_with_an_empty_side_are_left_out():
    pairs, hole = seeds(2), (np.zeros(0), np.ones(3))
    assert cluster_bootstrap([*pairs, hole], auc, resamples=20) == cluster_bootstrap(pairs, auc, resamples=20)
    for empty in ([], [hole]):
        found = cluster_bootstrap(empty, auc)
        assert found.value is found.low is found.high is None
        assert found.why == "not measurable without at least one member and one non-member"


def test_what_is_no_score_is_refused():
    with pytest.raises(BadValue, match="not a number"):
        cluster_bootstrap([(np.array([np.nan]), np.ones(2))], auc)
    with pytest.raises(BadValue, match="at least 2 resamples"):
        cluster_bootstrap(seeds(1), auc, resamples=1)


@pytest.mark.parametrize("statistic", [auc, tpr])
def test_two_thousand_resamples_take_about_a_second(statistic):
    started = time.perf_counter()
    cluster_bootstrap(seeds(5), statistic)
    assert time.perf_counter() - started < 5  # about 0.5 on an idle core
