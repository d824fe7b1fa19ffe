"""RMIA, attack-R and attack-P: against tables worked out in full, and at the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unlearn_core.attacks import attack_p, attack_r, auc, mean_probability, rmia_offline, rmia_online
from unlearn_core.params import BadValue

FEW = settings(max_examples=60, deadline=None)
# Sixteenths are exact, so that equal ratios are equal; 0 and 1 are among them.
PROBS = st.integers(0, 16).map(lambda k: k / 16)
LOSSES = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 700.0, 1000.0, 2000.0, np.inf])


def table(probs, reference, population, population_reference, gamma):
    """The definition, image by image and population image by population image."""
    x, z = probs / np.maximum(reference, 1e-12), population / np.maximum(population_reference, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = x[:, None] / z
    # Ratios a rounding error above gamma are equal to it.
    return (ratio > gamma * (1 + 1e-12)).mean(axis=1)


@given(
    x=arrays(np.float64, 6, elements=PROBS),
    inside=arrays(np.float64, 6, elements=PROBS),
    outside=arrays(np.float64, 6, elements=PROBS),
    z=arrays(np.float64, 5, elements=PROBS),
    mean_z=arrays(np.float64, 5, elements=PROBS),
    gamma=st.sampled_from([1.0, 1.5, 2.0]),
    a=st.sampled_from([0.0, 0.25, 1.0]),
)
@FEW
def test_sorting_gives_what_the_whole_table_gives(x, inside, outside, z, mean_z, gamma, a):
    online = rmia_online(x, inside, outside, z, mean_z, gamma)
    np.testing.assert_array_equal(online, table(x, (inside + outside) / 2, z, mean_z, gamma))
    half = [((1 + a) * m + 1 - a) / 2 for m in (outside, mean_z)]
    np.testing.assert_array_equal(rmia_offline(x, outside, z, mean_z, a, gamma), table(x, half[0], z, half[1], gamma))


def test_ties_at_gamma_do_not_count_though_rounding_parts_them():
    # 0.3 / 0.1 and 0.6 / 0.2 are both 3, but not in floating point.
    for x, p in ((0.3, 0.1), (0.6, 0.2), (0.9, 0.3)):
        assert rmia_online(
            np.array([x]), np.array([p]), np.array([p]), np.array([0.3]), np.array([0.1]), 1
        ).tolist() == [0]
        scored = rmia_online(np.array([x]), np.array([p]), np.array([p]), np.array([0.15]), np.array([0.1]), 2)
        assert scored.tolist() == [0]
    z, p = np.array([0.5, 0.25]), np.array([0.5, 0.5])
    assert rmia_online(np.array([1.0]), np.array([0.5]), np.array([0.5]), z, p, 2).tolist() == [0.5]


def test_only_what_no_reference_thinks_possible_is_cut():
    one, z = np.ones(2), (np.ones(1), np.full(1, 5e-5))
    assert rmia_online(one, np.array([1e-5, 1e-4]), np.array([1e-5, 1e-4]), *z).tolist() == [1, 0]
    assert rmia_online(
        one, np.array([0.0, 1e-12]), np.array([0.0, 1e-12]), np.ones(1), np.full(1, 1e-12), 1
    ).tolist() == [0, 0]
    assert rmia_online(one, np.zeros(2), np.zeros(2), np.zeros(1), np.zeros(1)).tolist() == [1, 1]


def test_of_several_views_most_must_dominate():
    rng = np.random.default_rng(0)
    for views in (1, 2, 3, 4, 5, 18):
        x, p = rng.random((30, views)), rng.random((30, views))
        z, mean_z = rng.random(11), rng.random(11)
        dominates = (x / p)[:, :, None] > 1.5 * (z / mean_z)
        expected = (dominates.sum(axis=1) > views / 2).mean(axis=1)
        np.testing.assert_allclose(rmia_online(x, p, p, z, mean_z, 1.5), expected)


def test_offline_with_one_is_online_with_unseen_models_on_both_sides():
    rng = np.random.default_rng(1)
    x, out, z, mean_z = (rng.random(n) for n in (20, 20, 9, 9))
    np.testing.assert_array_equal(rmia_offline(x, out, z, mean_z, 1.0), rmia_online(x, out, out, z, mean_z))


def test_means_over_the_chosen_models():
    rng = np.random.default_rng(2)
    for shape in ((8, 5), (8, 5, 3)):
        probs, chosen = rng.random(shape).astype(np.float32), rng.random((8, 5)) < 0.5
        chosen[:, 0] = False
        found = mean_probability(probs, chosen)
        assert np.isnan(found[0]).all() and found.dtype == np.float64
        for i in range(1, 5):
            np.testing.assert_allclose(found[i], probs[chosen[:, i], i].astype(float).mean(axis=0))
        np.testing.assert_allclose(mean_probability(probs), probs.astype(float).mean(axis=0))


def test_an_image_without_reference_has_no_score_and_spoils_no_other():
    x, p, z = np.array([0.9, 0.9]), np.array([np.nan, 0.5]), np.array([0.5])
    found = rmia_online(x, p, np.array([0.5, 0.5]), z, z)
    assert np.isnan(found[0]) and found[1] == rmia_online(x, x, x, z, z)[1] + (0.9 / 0.5 > 2)
    assert rmia_online(np.zeros(0), np.zeros(0), np.zeros(0), z, z).shape == (0,)


def test_members_are_found_with_two_references():
    rng = np.random.default_rng(3)
    easy = rng.normal(size=2000)

    def probs(raised):
        return 1 / (1 + np.exp(-(easy + raised + 0.5 * rng.normal(size=2000))))

    member = np.arange(2000) < 1000
    x, references = probs(1.5 * member), np.stack([probs(0), probs(0)])
    z, outside = slice(1500, None), mean_probability(references)
    scores = rmia_offline(x[:1500], outside[:1500], x[z], outside[z], 1.0, 1.0)
    alone = attack_p(-np.log(x[:1500]), -np.log(x[z]))
    relative = auc(scores[:1000], scores[1000:])
    assert relative > 0.85 and relative > auc(alone[:1000], alone[1000:]) + 0.04


def test_the_larger_gamma_the_fewer_dominate_and_surer_means_more():
    rng = np.random.default_rng(4)
    x, p, z, mean_z = (rng.random(n) for n in (50, 50, 40, 40))
    scores = [rmia_online(x, p, p, z, mean_z, gamma) for gamma in (1, 1.5, 2, 4)]
    assert all((a >= b).all() for a, b in zip(scores, scores[1:], strict=False))
    assert (rmia_online(np.minimum(x * 1.1, 1), p, p, z, mean_z) >= rmia_online(x, p, p, z, mean_z)).all()


def test_what_cannot_be_is_refused():
    one, half = np.ones(1), np.full(1, 0.5)
    for bad, says in (
        (dict(population_probs=np.zeros(0), mean_population=np.zeros(0)), "at least one"),
        (dict(gamma=0.5), "at least 1"),
        (dict(gamma=np.nan), "at least 1"),
        (dict(probs=2 * one), "between 0 and 1"),
        (dict(probs=np.nan * one), "between 0 and 1"),
        (dict(mean_out=-one), "between 0 and 1"),
        (dict(mean_population=np.nan * one), "no reference model"),
        (dict(a=1.5), "factor a"),
    ):
        usual = dict(probs=half, mean_out=half, population_probs=half, mean_population=half)
        with pytest.raises(BadValue, match=says):
            rmia_offline(**usual | bad)


# -- attack-R and attack-P ---------------------------------------------------------------------------------------------


@given(
    loss=arrays(np.float64, 5, elements=LOSSES),
    references=arrays(np.float64, (4, 5), elements=LOSSES),
    chosen=arrays(bool, (4, 5)),
)
@FEW
def test_attack_r_is_linear_interpolation_image_by_image(loss, references, chosen):
    found = attack_r(loss, references, chosen)
    for i in range(5):
        ranked = np.r_[0, np.sort(np.minimum(references[chosen[:, i], i], 1000)), 1000]
        place = np.interp(min(loss[i], 1000), ranked, np.linspace(0, 1, len(ranked)))
        assert found[i] == pytest.approx(1 - place)


def test_attack_r_without_references_and_with_all():
    assert attack_r(np.array([0.0, 250.0, 1000.0]), np.zeros((0, 3))).tolist() == [1, 0.75, 0]
    references = np.array([[1.0], [2.0], [3.0]])
    assert attack_r(np.array([2.5]), references).tolist() == attack_r(np.array([2.5]), references[::-1]).tolist()
    assert attack_r(np.array([2.5]), references)[0] == pytest.approx(1 - 2.5 / 4)


@given(loss=arrays(np.float64, 6, elements=LOSSES), population=arrays(np.float64, 7, elements=LOSSES))
@FEW
def test_attack_p_by_its_definition(loss, population):
    expected = (population >= loss[:, None]).mean(axis=1)
    np.testing.assert_allclose(attack_p(loss, population), expected, atol=1e-15)


def test_losses_that_are_none_are_refused():
    for bad in (np.nan, -1.0):
        with pytest.raises(BadValue, match="A loss is"):
            attack_p(np.array([bad]), np.ones(2))
        with pytest.raises(BadValue, match="A loss is"):
            attack_r(np.ones(1), np.array([[bad]]))
    with pytest.raises(BadValue, match="at least one"):
        attack_p(np.ones(1), np.zeros(0))
    with pytest.raises(BadValue, match="one row a model"):
        attack_r(np.ones(2), np.ones((3, 1)))
