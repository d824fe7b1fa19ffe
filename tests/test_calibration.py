"""Calibration error: known answers, the ends of bins, and what must not change it."""

import numpy as np
import pytest

from unlearn_core.evaluation import calibration_error
from unlearn_core.params import BadValue


def logits_of(*sure):
    """Two classes, the first with these probabilities."""
    p = np.array(sure)
    return np.log(np.c_[p, 1 - p])


def test_by_hand():
    # Bins (0.6, 0.8] and (0.8, 1]: two images of 0.7, one right; two of 0.9, both right.
    found = calibration_error(logits_of(0.7, 0.7, 0.9, 0.9), [0, 1, 0, 0], bins=5)
    assert found == pytest.approx((2 * 0.2 + 2 * 0.1) / 4)
    # In one bin the two kinds of error cancel.
    assert calibration_error(logits_of(0.7, 0.7, 0.9, 0.9), [0, 1, 0, 0], bins=1) == pytest.approx(0.05)


def test_a_bin_has_its_upper_end():
    # 0.5 belongs to the first of two bins, not beside 0.9, with whose error its own would cancel.
    assert calibration_error(logits_of(0.5, 0.9), [1, 0], bins=2) == pytest.approx((0.5 + 0.1) / 2)


def test_sure_and_right_is_perfect_and_sure_and_wrong_the_worst():
    certain = np.array([[800.0, 0.0], [0.0, 800.0]])
    assert calibration_error(certain, [0, 1]) == 0
    assert calibration_error(certain, [1, 0]) == 1


def test_images_in_any_order_and_logits_with_any_offset():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(200, 5)), rng.integers(0, 5, 200)
    order = rng.permutation(200)
    found = calibration_error(logits, labels)
    assert calibration_error(logits[order] + 9, labels[order]) == pytest.approx(found)
    assert 0 < found < 1


def test_nothing_to_measure():
    assert calibration_error(np.zeros((0, 3)), []) is None
    for wrong in ({"bins": 0}, {"logits": np.full((1, 2), np.nan)}):
        with pytest.raises(BadValue):
            calibration_error(**{"logits": np.zeros((1, 2)), "labels": [0]} | wrong)
