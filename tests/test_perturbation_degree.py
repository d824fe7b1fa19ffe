"""Forgetting, retention and degree: known answers, identities, and what has no answer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_core.evaluation import perturbation_degree as degree
from unlearn_core.params import BadValue

RATES = [degree.forgetting_rate, degree.memory_retention_rate, degree.degree_of_unlearning]


def test_known_answers():
    assert degree.forgetting_rate(0.8, 0.2) == pytest.approx(0.75)
    assert degree.forgetting_rate(0.5, 0.75) == pytest.approx(-0.5)
    assert degree.memory_retention_rate(0.8, 0.6) == pytest.approx(0.75)
    assert degree.degree_of_unlearning(0.8, 0.2) == pytest.approx(0.6)
    assert degree.degree_of_unlearning(0.8, 0.2, relative=True) == pytest.approx(0.75)


@given(a=st.floats(0.01, 1), b=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_what_is_gone_and_what_is_left_make_one(a, b):
    assert degree.forgetting_rate(a, b) + degree.memory_retention_rate(a, b) == pytest.approx(1)
    assert degree.degree_of_unlearning(a, b) == -degree.degree_of_unlearning(b, a)
    assert degree.degree_of_unlearning(a, b, relative=True) * a == pytest.approx(degree.degree_of_unlearning(a, b))
    assert degree.forgetting_rate(a, a) == degree.degree_of_unlearning(a, a) == 0


def test_what_is_unknown_has_no_answer():
    for rate in RATES:
        assert rate(None, 0.5) is rate(0.5, None) is rate(math.nan, 0.5) is None
    assert degree.forgetting_rate(0, 0.5) is degree.memory_retention_rate(0, 0.5) is None
    assert degree.degree_of_unlearning(0, 0.5) == -0.5
    assert degree.degree_of_unlearning(0, 0.5, relative=True) is None


@pytest.mark.parametrize("rate", RATES)
def test_percentages_are_refused(rate):
    for pair in ((96, 72), (0.9, 1.1), (0.9, -0.1)):
        with pytest.raises(BadValue):
            rate(*pair)


def test_membership_forgetting_rate():
    rng = np.random.default_rng(0)
    before, after, order = np.array([1, 1, 1, 1, 0]), np.array([0, 0, 0, 1, 0]), rng.permutation(5)
    assert degree.membership_forgetting_rate(before, after) == 0.75
    assert degree.membership_forgetting_rate(before[order], after[order]) == 0.75
    assert degree.membership_forgetting_rate(before, before) == 0
    assert degree.membership_forgetting_rate(before, np.zeros(5)) == 1
    assert degree.membership_forgetting_rate(after, before) == -3
    assert degree.membership_forgetting_rate(np.zeros(5), before) is None
    with pytest.raises(BadValue):
        degree.membership_forgetting_rate(before, after[:4])
