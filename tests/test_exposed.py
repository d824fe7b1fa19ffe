"""What the single images of tier 3 come to together."""

import numpy as np
import pandas as pd
import pytest

from unlearn_core.experiment.tiers.exposed import EDGES, MOST, spreads, usual, worst_first

IMAGES = pd.DataFrame(
    {
        "row": [7, 3, 5, 1],
        "unlearned_epsilon": [0.2, 0.5, 99.0, np.nan],
        "retrained_epsilon": [np.nan] * 4,
        "unlearned_proved": [0.0, 0.0, 1.0, 7.9],
        "retrained_proved": [0.0, 0.1, 0.2, 0.3],
        "unlearned_klom": [1.0, 4.0, 2.0, 4.0],
        "retrained_klom": [0.0, 1.0, 2.0, 3.0],
    }
)


def test_each_judged_image_is_in_one_bin_and_the_last_holds_all_above():
    found = spreads(IMAGES, "epsilon")
    assert len(EDGES) == 17 and EDGES[-1] == MOST
    assert found["unlearned"].counts.tolist() == [1, 1, *[0] * 13, 1] and found["unlearned"].median == 0.5
    assert not found["retrained"].counts.any() and found["retrained"].median is None
    proved = spreads(IMAGES, "proved")
    assert proved["unlearned"].counts.tolist() == [2, 0, 1, *[0] * 12, 1] and proved["retrained"].counts[0] == 4
    assert proved["unlearned"].median == 0.5 and proved["retrained"].median == pytest.approx(0.15)


def test_the_worst_come_first_and_equal_ones_go_by_row():
    assert worst_first(IMAGES)["row"].tolist() == [1, 3, 5, 7]


def test_what_retrained_models_usually_read():
    assert usual(IMAGES) == pytest.approx(2.85) and usual(IMAGES, 0.5) == 1.5
