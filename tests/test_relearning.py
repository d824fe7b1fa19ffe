"""Time to relearn and the anamnesis index: known answers, ties, curves that end too soon."""

import numpy as np
import pytest

from unlearn_core.evaluation import relearning
from unlearn_core.params import BadValue

CURVE = np.array([0.1, 0.5, 0.9, 0.4, 0.95])


def test_the_first_entry_that_reaches_the_target_counts():
    assert relearning.relearn_time(CURVE, 0.9).value == 3
    assert relearning.relearn_time(CURVE, 0.91).value == 5
    assert relearning.relearn_time(CURVE, 0.05).value == 1
    assert relearning.relearn_time(1 - CURVE, 0.5, falling=True).value == 2
    assert relearning.relearn_time(CURVE, 0.9).why == ""


def test_a_curve_that_ends_too_soon_is_a_bound():
    cut = relearning.relearn_time(CURVE, 0.99)
    assert cut.value == 5
    assert "at least" in cut.why


def test_a_target_met_exactly_is_met():
    # 0.9 * 0.8 is a little more than 0.72 in floating point.
    assert 0.9 * 0.8 > 0.72
    assert relearning.relearn_time([0.5, 0.72], 0.9 * 0.8).why == ""
    assert relearning.relearn_time([0.5, 0.719], 0.9 * 0.8).why != ""


def test_index_of_equal_curves_is_one_and_of_swapped_curves_the_inverse():
    slow = np.repeat(CURVE, 3)
    assert relearning.anamnesis_index(0.9, CURVE, CURVE).value == 1
    assert relearning.anamnesis_index(0.9, CURVE, slow).value == pytest.approx(3 / 7)
    assert relearning.anamnesis_index(0.9, slow, CURVE).value == pytest.approx(7 / 3)
    assert relearning.anamnesis_index(0.9, slow, CURVE).why == ""


def test_a_wider_margin_lowers_the_target():
    assert relearning.anamnesis_index(1, [0.6, 0.8, 1], [0.5, 0.7, 1], margin=0.4).value == pytest.approx(1 / 2)
    assert relearning.anamnesis_index(1, [0.6, 0.8, 1], [0.5, 0.7, 1], margin=0.2).value == pytest.approx(2 / 3)


def test_bounds_say_which_way():
    never = [0.1, 0.2]
    assert relearning.anamnesis_index(0.9, never, CURVE).value == pytest.approx(2 / 3)
    assert relearning.anamnesis_index(0.9, never, CURVE).why.startswith("at least")
    assert relearning.anamnesis_index(0.9, CURVE, never).value == pytest.approx(3 / 2)
    assert relearning.anamnesis_index(0.9, CURVE, never).why.startswith("at most")
    assert relearning.anamnesis_index(0.9, never, never).value is None


def test_a_retrained_model_that_never_forgot_gives_no_index():
    assert relearning.anamnesis_index(0.9, CURVE, CURVE, retrained_start=0.86).value is None
    assert relearning.anamnesis_index(0.9, CURVE, CURVE, retrained_start=0.85).value == 1


def test_what_is_no_curve_or_fraction_is_refused():
    for wrong in ([], [0.1, np.nan], [[0.1]]):
        with pytest.raises(BadValue):
            relearning.relearn_time(wrong, 0.5)
    for wrong in ((96, CURVE, CURVE), (0.9, 100 * CURVE, CURVE), (0.9, CURVE, -CURVE), (0.9, CURVE, CURVE, 5)):
        with pytest.raises(BadValue):
            relearning.anamnesis_index(*wrong)
