"""A stream in numbers: planted resurgence and planted exposure are found, and nothing where there is nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import polygamma

from unlearn_core.evaluation.drift import _inverse_trigamma, drift, newly_exposed
from unlearn_core.params import BadValue

K = 4  # requests of a stream
LATER = [(j, k) for j in range(1, K + 1) for k in range(j + 1, K + 1)]


def values(rng, mean, seeds=5, noise=0.01):
    """(seeds, K, K) values around a mean; NaN for sets that were not asked for yet."""
    x = mean + rng.normal(scale=noise, size=(seeds, K, K))
    x[:, np.triu(np.ones((K, K), bool), 1)] = np.nan
    return x


def stream(seed=0, unlearned=0.6, **more):
    """Values of the unlearned, the retrained, a second retrained and the original model."""
    rng = np.random.default_rng(seed)
    return [values(rng, mean, **more) for mean in (unlearned, 0.6, 0.6, 0.95)]


# -- drift and resurgence ----------------------------------------------------------------------------------------------


def test_planted_resurgence_is_found_and_nothing_else():
    models = stream()
    models[0][:, 2:, 0] += 0.2  # set 1 comes back with the third request, and stays
    found = drift(*models).set_index(["set", "request"])
    assert list(found.index) == LATER
    assert found.index[found["resurges"].astype(bool)].tolist() == [(1, 3), (1, 4)]
    assert found["drifts"].tolist() == found["resurges"].tolist()
    assert found.loc[(1, 3), "drift"] == pytest.approx(0.2, abs=0.03) and found.loc[(1, 3), "back"] > 0


def test_a_recovery_from_forgetting_too_much_is_told_from_remembering():
    models = stream(unlearned=0.2)  # retrained models read 0.6
    models[0][:, 2, 0] += 0.3
    models[0][:, 3, 0] += 0.6
    found = drift(*models).set_index(["set", "request"]).loc[[(1, 3), (1, 4), (1, 2)]]
    assert found["resurges"].tolist() == [True, True, False]
    assert found["remembered"].tolist() == [False, True, False]


def test_moving_further_away_is_drift_and_no_resurgence():
    models = stream()
    models[0][:, 3, 1] -= 0.2
    found = drift(*models).set_index(["set", "request"]).loc[(2, 4)]
    assert found["drifts"] is True and found["resurges"] is False and found["back"] == found["drift"] < 0


def test_back_is_downwards_where_the_original_reads_less():
    models = [1 - x for x in stream()]  # a share of images that are called unseen
    models[0][:, 3, 1] -= 0.2
    found = drift(*models).set_index(["set", "request"]).loc[(2, 4)]
    assert found["drift"] < 0 < found["back"] and found["resurges"] is True and found["remembered"] is True


def test_what_retraining_does_too_is_no_drift():
    models = stream()
    for x in models[:3]:
        x[:, 2:, 0] += 0.2
    found = drift(*models)
    assert not found["drifts"].any() and not found["resurges"].any()


def test_a_drift_within_the_noise_floor_is_none():
    """All seeds drift alike, but a second retrained model lies just as far from the first."""
    models = stream(noise=0.001)
    models[0][:, 2, 0] += 0.1
    assert drift(*models)["drifts"].any()
    models[2][:, 2, 0] += 0.11
    assert not drift(*models)["drifts"].any()


def test_where_nothing_was_forgotten_nothing_can_come_back():
    _, retrained, again, original = stream()
    found = drift(original, retrained, again, original)
    for column in ("back", "resurges", "remembered"):
        assert found[column].tolist() == [None] * len(LATER)


def test_a_drift_is_a_change_of_the_gap_and_models_that_equal_retraining_have_none():
    models = stream()
    found = drift(*models)
    assert (found["gap"] - found["gap_at_once"]).astype(float).to_numpy() == pytest.approx(found["drift"].astype(float))
    same = drift(models[1], *models[1:])
    assert (same["drift"] == 0).all() and (same["p"] == 1).all() and not same["drifts"].any()


def test_the_same_step_in_every_seed_is_no_certainty():
    """Accuracies of 20 images: one image more in each of 4 seeds, where retrained models differ by as much."""
    steps = [np.round(20 * x) / 20 for x in stream(seed=3, seeds=4, noise=0.04)]
    steps[0] = steps[1].copy()
    steps[0][:, 2, 0] += 0.05
    line = drift(*steps).set_index(["set", "request"]).loc[(1, 3)]
    assert line["drift"] == pytest.approx(0.05) and line["half_width"] > 0 and line["p"] > 0.01
    assert line["drifts"] is False


def test_one_seed_and_unknown_values_say_nothing():
    alone = drift(*(x[:1] for x in stream()))
    for column in ("half_width", "p", "q", "floor", "drifts", "resurges"):
        assert alone[column].tolist() == [None] * len(LATER)
    models = stream()
    models[0][:, 3, 0] = np.nan
    models[0][2, 2, 0] = np.nan
    found = drift(*models).set_index(["set", "request"])
    assert found.loc[(1, 4), ["gap", "drift", "p", "q", "drifts", "resurges"]].tolist() == [None] * 6
    assert found.loc[(1, 3), "seeds"] == 4 and found.loc[(1, 2), "seeds"] == 5
    assert not any(isinstance(v, float) and np.isnan(v) for v in found.to_numpy().ravel())


def test_under_the_null_hardly_any_stream_drifts():
    trials = [drift(*stream(seed)) for seed in range(200)]
    assert sum(found["drifts"].any() for found in trials) <= 10


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3), st.floats(0.1, 10))
@settings(max_examples=20)
def test_another_scale_changes_no_verdict(seed, shift, scale):
    models = stream(seed)
    models[0][:, 2:, 0] += 0.1
    found, other = drift(*models), drift(*(shift + scale * x for x in models))
    assert other["drift"].astype(float).to_numpy() == pytest.approx(scale * found["drift"].astype(float), abs=1e-9)
    assert other["p"].astype(float).to_numpy() == pytest.approx(found["p"].astype(float), abs=1e-6)
    order = np.random.default_rng(seed).permutation(5)
    shuffled = drift(*(x[order] for x in models))
    assert shuffled["q"].astype(float).to_numpy() == pytest.approx(found["q"].astype(float))


def test_tables_of_other_shapes_are_refused():
    models = stream()
    for bad in (
        [models[0][:3], *models[1:]],
        [x[:0] for x in models],
        [x[:, :2] for x in models],
        [x[0] for x in models],
    ):
        with pytest.raises(BadValue):
            drift(*bad)
    with pytest.raises(BadValue):
        drift(*models, level=0.0)


# -- who is newly exposed ----------------------------------------------------------------------------------------------

N, PLANTED = 1000, 40


def scores(seed, seeds=5, spread="equal"):
    """(seeds, N) rises without any cause, of one kind of noise."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(seeds, N))
    return {
        "equal": lambda: z,
        "unequal": lambda: z * np.exp(rng.normal(scale=0.5, size=N)),
        "tails": lambda: rng.standard_t(3, size=(seeds, N)),
        "lopsided": lambda: 1 - rng.exponential(size=(seeds, N)),
        "common": lambda: z + rng.normal(scale=0.5, size=(seeds, 1)),
    }[spread]()


KINDS = ("equal", "unequal", "tails", "lopsided", "common")


def test_a_planted_onion_is_found():
    before, rise = scores(0), scores(1) * 0.3
    rise[:, :PLANTED] += 2
    found = newly_exposed(before, before + rise)
    assert found["exposed"][:PLANTED].mean() > 0.95 and found["exposed"][PLANTED:].sum() <= 5
    assert found["rise"].to_numpy() == pytest.approx(found["after"] - found["before"])
    assert found["rise"][:PLANTED].mean() == pytest.approx(2, abs=0.1)
    assert not newly_exposed(before + rise, before)["exposed"][:PLANTED].any()  # a fall exposes nobody


@pytest.mark.parametrize("spread", KINDS)
def test_under_the_null_something_is_seldom_found(spread):
    """At a level of 5 % at most that share of 200 trials should find anything; 8 % is two deviations more."""
    none = np.zeros((5, N))
    found = [newly_exposed(none, scores(seed, spread=spread))["exposed"].any() for seed in range(200)]
    assert np.mean(found) <= 0.09


@pytest.mark.parametrize("spread", KINDS)
def test_of_what_is_found_few_are_chance(spread):
    shares = []
    for seed in range(40):
        rise = scores(seed, spread=spread)
        rise[:, :PLANTED] += 3
        exposed = newly_exposed(np.zeros_like(rise), rise)["exposed"].to_numpy()
        shares.append(exposed[PLANTED:].sum() / max(1, exposed.sum()))
    assert np.mean(shares) <= 0.08


def test_retraining_that_exposes_the_same_images_leaves_nothing_beyond_it():
    before = scores(0)
    ours, theirs = (before + 0.3 * scores(seed) for seed in (1, 2))
    for x in (ours, theirs):
        x[:, :PLANTED] += 2
    both = newly_exposed(before, ours)["exposed"] & newly_exposed(before, theirs)["exposed"]
    assert both[:PLANTED].mean() > 0.9
    assert not newly_exposed(theirs - before, ours - before)["exposed"].any()


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
@settings(max_examples=15)
def test_order_and_scale_change_no_verdict(seed, scale):
    rng = np.random.default_rng(seed)
    before, rise = scores(seed, 4)[:, :100], rng.normal(size=(4, 100))
    rise[:, :5] += 4
    found = newly_exposed(before, before + rise)
    seeds, images = rng.permutation(4), rng.permutation(100)
    shuffled = newly_exposed(before[seeds][:, images], (before + rise)[seeds][:, images])
    assert shuffled["q"].to_numpy() == pytest.approx(found["q"].to_numpy()[images])
    scaled = newly_exposed(scale * before, scale * (before + rise))
    assert scaled["p"].to_numpy() == pytest.approx(found["p"].to_numpy(), rel=1e-4, abs=1e-12)


def test_scores_that_stand_still_and_scores_that_all_rise_alike():
    still = newly_exposed(np.ones((3, 6)), np.ones((3, 6)))
    assert not still["exposed"].any() and (still["p"] == 0.5).all()
    assert newly_exposed(np.zeros((3, 6)), np.ones((3, 6)))["exposed"].all()
    # Half of the scores are cut off at a limit and do not move at all.
    rise = scores(0) * 0.3
    rise[:, ::2] = 0
    rise[:, 1] += 5
    exposed = newly_exposed(np.zeros_like(rise), rise)["exposed"]
    assert exposed[1] and exposed.sum() <= 3 and not exposed[::2].any()
    assert newly_exposed(np.zeros((3, 0)), np.zeros((3, 0))).empty
    one = newly_exposed(np.zeros((3, 1)), np.array([[1.0], [1.1], [0.9]]))
    assert one["p"][0] == pytest.approx(0.00166, abs=1e-5)  # a plain t of 17.3 with 2 degrees of freedom


def test_scores_that_cannot_be_judged_are_refused():
    x = scores(0)
    for bad in ((x, x[:, 1:]), (x[:1], x[:1]), (x[0], x[0]), (x * np.nan, x), (x, x + np.inf)):
        with pytest.raises(BadValue):
            newly_exposed(*bad)
    with pytest.raises(BadValue):
        newly_exposed(x, x, level=1.0)


@pytest.mark.parametrize("x", [1e-3, 0.1, 1.0, 7.5, 1e4])
def test_the_inverse_of_trigamma(x):
    assert _inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-6)
