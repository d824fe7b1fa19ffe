import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from unlearn_core.evaluation.margins_apart import margin_distance, margin_distances, margin_shift, told_apart
from unlearn_core.params import BadValue


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("models", [(1, 1), (5, 5), (5, 7), (16, 3)])
def test_the_distance_is_scipys(rng, models):
    a, b = (rng.normal(i, 1 + i, (m, 6)).round(1) for i, m in enumerate(models))  # rounded: ties are in it
    expected = [wasserstein_distance(x, y) for x, y in zip(a.T, b.T, strict=True)]
    np.testing.assert_allclose(margin_distances(a, b), expected, atol=1e-12)
    np.testing.assert_allclose(margin_distances(b, a), expected, atol=1e-12)


def test_a_shift_is_read_as_such(rng):
    retrained = rng.normal(0, 1, (40, 10))
    assert margin_shift(retrained + 2, retrained) == pytest.approx(2)
    assert margin_distance(retrained + 2, retrained) == pytest.approx(2)
    assert margin_shift(retrained - 2, retrained) == pytest.approx(-2)


def test_the_same_models_read_nothing(rng):
    a = rng.normal(0, 1, (12, 30))
    assert margin_shift(a, a[::-1]) == pytest.approx(0) and margin_distance(a, a[::-1]) == 0 and told_apart(a, a) == 0


def test_perfect_unlearning_is_told_apart_as_seldom_as_the_level_says(rng):
    same = told_apart(*rng.normal(0, 1, (2, 24, 2000)))
    assert 0.005 < same < 0.065
    assert told_apart(rng.normal(1.5, 1, (24, 500)), rng.normal(0, 1, (24, 500))) > 0.9


def test_without_images_there_is_no_number_and_shapes_must_fit(rng):
    nothing = np.zeros((3, 0))
    assert margin_shift(nothing, nothing) is margin_distance(nothing, nothing) is told_apart(nothing, nothing) is None
    for wrong in (np.zeros(3), np.zeros((3, 2)), np.zeros((0, 1)), np.full((3, 1), np.nan)):
        with pytest.raises(BadValue):
            margin_shift(wrong, np.zeros((3, 1)))
