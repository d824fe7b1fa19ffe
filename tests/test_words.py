"""Numbers in words: rounded once, with one sign before them, and no sign before a zero."""

import numpy as np
import pytest

from unlearn_core.attacks.roc import tpr_at_fpr
from unlearn_core.words import MISSING, among_random, duration, hardness, hundredths, missing, spread


@pytest.mark.parametrize(("value", "said"), [(0.274, "0.27"), (-0.0003, "0.00"), (-0.0, "0.00"), (-0.126, "−0.13")])
def test_two_decimals(value, said):
    assert hundredths(value) == said


@pytest.mark.parametrize(
    ("mean", "half", "signed", "said"),
    [
        (0.9041, 0.0229, False, "0.904 ± 0.023"),
        (-0.0003, None, True, "0.000"),
        (0.25, 0.1, True, "+0.250 ± 0.100"),
        (-0.25, None, False, "−0.250"),
        (None, 0.1, False, MISSING),
        (float("nan"), None, False, MISSING),
    ],
)
def test_a_mean_with_its_interval(mean, half, signed, said):
    assert spread(mean, half, signed) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "no more entangled than any of **200** random sets"),
        (0.005, "more entangled than **0.5%** of random sets"),
        (0.37, "more entangled than **37%** of random sets"),
        (0.995, "more entangled than **99.5%** of random sets"),
        (1, "more entangled than **all 200** random sets"),
    ],
)
def test_a_place_among_random_sets_has_no_percentage_at_the_ends(share, said):
    assert among_random(share, "more entangled", "**") == said
    assert among_random(share, "more entangled") == said.replace("**", "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "not known"),
        (0, "0 s"),
        (0.0004, "less than 1 ms"),
        (0.04, "40 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.1 s"),
        (9.96, "10.0 s"),
        (12, "12 s"),
        (72, "1 min 12 s"),
        (7380, "2 h 3 min"),
    ],
)
def test_a_time_span(seconds, said):
    assert duration(seconds) == said


def test_what_a_paper_says_of_a_set_names_the_reasons_that_hold():
    said = hardness(("memorization",), True, "unsureness", "a paper")
    assert said == (
        "By a paper its unsureness makes it hard to forget; its entanglement does not. "
        "Its low entanglement, it says, makes it easier."
    )
    usual = hardness((), False, "memorization")  # of sets above 68% of random ones too, so it does not speak of most
    assert usual.startswith("By the paper neither makes it hard to forget: ") and "most" not in usual
    assert "95% of random sets" in usual and usual.endswith("a mean memorization above 0.1.")


def test_what_attacks_say_of_too_few_images_is_put_for_a_reader():
    found = tpr_at_fpr(np.arange(5.0), np.arange(120.0), 0.001)
    assert missing(found.why) == "not measurable: 120 unseen images, 10,000 are needed"
    assert missing("only whole classes can be forgotten") == "only whole classes can be forgotten"
    for why in (tpr_at_fpr(np.ones(0), np.ones(100), 0.1).why, tpr_at_fpr(np.ones(1), np.ones(9), 0).why):
        assert missing(why) == why
