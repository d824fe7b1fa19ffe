"""Smooth curves of what many models say of one image."""

import math

import numpy as np
import pytest

from unlearn_core.evaluation.densities import BESIDE, POINTS, densities


def test_three_values_make_three_bells_of_silvermans_width():
    found = densities({"a": np.array([-1.0, 0.0, 1.0]), "b": np.array([4.0, 4.0, 4.0]), "c": np.array([9.0, 1.0])})
    assert len(found.at) == POINTS and list(found.curves) == ["a"]
    assert (found.at[0], found.at[-1]) == pytest.approx((-1 - 10 * BESIDE, 9 + 10 * BESIDE))
    width = (3 * 3 / 4) ** -0.2  # times the deviation of the values, 1
    bells = [np.exp(-(((found.at - x) / width) ** 2) / 2) / (width * math.sqrt(2 * math.pi)) for x in (-1, 0, 1)]
    np.testing.assert_allclose(found.curves["a"], np.mean(bells, axis=0), rtol=1e-9)
    assert found.means == {"a": 0.0, "b": 4.0, "c": 5.0}


def test_a_density_has_an_area_of_one_where_no_tail_is_cut():
    found = densities({"a": np.random.default_rng(0).normal(size=200), "far": np.array([-30.0, 30.0])})
    assert found.curves["a"].sum() * np.diff(found.at)[0] == pytest.approx(1, abs=1e-3)


def test_equal_values_have_ends_and_no_density():
    found = densities({"a": np.full(5, 2.0)})
    assert not found.curves and (found.at[0], found.at[-1]) == pytest.approx((2 - BESIDE, 2 + BESIDE))
