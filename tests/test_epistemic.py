"""Efficacy from gradients: known answers, its bound, and what is refused."""

import math

import numpy as np
import pytest

from unlearn_core.evaluation import epistemic
from unlearn_core.params import BadValue


def test_known_answers():
    assert epistemic.information_score([1.0, 3.0]) == 5
    assert epistemic.efficacy([1.0, 3.0]) == 0.2
    assert epistemic.efficacy_upper_bound(0.5) == 4
    assert epistemic.efficacy([2.0] * 7) == epistemic.efficacy_upper_bound(2.0) == 0.25


def test_order_does_not_matter_and_gradients_twice_as_long_quarter_the_efficacy():
    norms = np.random.default_rng(0).exponential(size=30)
    assert epistemic.efficacy(norms[::-1]) == pytest.approx(epistemic.efficacy(norms))
    assert epistemic.efficacy(2 * norms) == pytest.approx(epistemic.efficacy(norms) / 4)


def test_the_bound_holds_and_is_met_when_all_gradients_agree():
    rng = np.random.default_rng(1)
    for spread in (0.0, 0.1, 1.0):
        gradients = np.array([1.0, -2.0, 2.0]) + spread * rng.normal(size=(20, 3))
        value = epistemic.efficacy(np.linalg.norm(gradients, axis=1))
        bound = epistemic.efficacy_upper_bound(np.linalg.norm(gradients.mean(axis=0)))
        assert value < bound if spread else value == pytest.approx(bound)


def test_no_gradient_and_no_image():
    assert epistemic.efficacy([0.0, 0.0]) == epistemic.efficacy_upper_bound(0.0) == math.inf
    assert epistemic.efficacy([]) is epistemic.information_score([]) is None


def test_what_is_no_norm_is_refused():
    for wrong in ([1.0, -1.0], [np.nan], [np.inf], [[1.0]]):
        with pytest.raises(BadValue):
            epistemic.efficacy(wrong)
    with pytest.raises(BadValue):
        epistemic.efficacy_upper_bound(-1.0)
