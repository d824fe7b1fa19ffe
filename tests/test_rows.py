"""Row numbers as text: one spelling, read back exactly, and every mistake named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core.params import BadValue
from unlearn_core.rows import check_forget, others, pack, unpack

N = 200
row_sets = st.sets(st.integers(0, N - 1))


@given(row_sets)
def test_text_and_rows_are_the_same_set(rows):
    text = pack(sorted(rows, reverse=True))
    found = unpack(text, N)
    assert found.tolist() == sorted(rows) and found.dtype == np.int64
    assert pack(found) == text  # the one spelling


@pytest.mark.parametrize(
    ("rows", "text"),
    [([], ""), ([3], "3"), ([3, 4], "3-4"), ([9, 3, 8, 7], "3,7-9"), ([5, 5, 6], "5-6"), (range(N), f"0-{N - 1}")],
)
def test_runs_are_shortened(rows, text):
    assert pack(list(rows)) == text


def test_spaces_and_order_do_not_matter():
    assert unpack(" 7 - 9".replace(" - ", "-") + " , 3 ", N).tolist() == [3, 7, 8, 9]
    assert unpack("", N).tolist() == unpack("  ", N).tolist() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "'x' is not a row number"),
        ("3,,4", "There is no row number between two commas"),
        ("-3", "not a row number"),
        ("1.5", "not a row number"),
        ("9-7", "runs backwards"),
        (str(N), f"Row {N} does not exist"),
        ("0-999999999", "Row 999999999 does not exist"),
        ("99999999999999999999", "not a row number"),
        ("3,1-4", "Row 3 is named twice"),
        ("<b>" * 40, "not a row number"),
    ],
)
def test_mistakes_are_named_in_one_short_sentence(text, says):
    with pytest.raises(BadValue, match=says) as error:
        unpack(text, N)
    assert len(str(error.value)) < 150 and str(error.value).endswith(".")


@given(row_sets)
def test_others_are_the_complement(rows):
    rest = others(np.array(sorted(rows), np.int64), N)
    assert rest.tolist() == [r for r in range(N) if r not in rows]


def test_a_forget_set_has_something_on_each_side():
    assert check_forget(np.array([0]), 2).tolist() == [0]
    with pytest.raises(BadValue, match="empty"):
        check_forget(np.zeros(0, np.int64), 2)
    with pytest.raises(BadValue, match="all training images"):
        check_forget(np.arange(2), 2)
