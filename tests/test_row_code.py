"""Row numbers in few characters."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core.params import BadValue
from unlearn_core.row_code import LONGEST, decode, encode, is_code, least
from unlearn_core.rows import pack


@given(st.sets(st.integers(0, 4999), min_size=1))
def test_rows_come_back(rows):
    rows = np.array(sorted(rows))
    code = encode(rows)
    assert is_code(code) and np.array_equal(decode(code, 5000), rows) and len(code) >= least(rows)
    assert not is_code(pack(rows))
    with pytest.raises(BadValue, match="do not exist"):
        decode(code, int(rows[-1]))


@pytest.mark.parametrize("share", [0.03, 0.1, 0.5, 0.9])
def test_a_code_is_nearly_as_short_as_can_be(share):
    """Beside what any code of rows drawn by chance takes, six bits a character."""
    rows = np.flatnonzero(np.random.default_rng(0).random(5000) < share)
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    assert len(encode(rows)) < 1.3 * 5000 * entropy / 6
    assert len(encode(rows)) < len(pack(rows).replace(",", "%2C")) / 3


def test_long_runs_are_a_few_characters():
    assert len(encode(np.arange(10_000_000))) < 70
    assert len(encode(np.arange(5_000_000, 9_999_999))) < 120


@given(st.one_of(st.text(), st.from_regex(r"~[A-Za-z0-9_-]{0,60}", fullmatch=True)))
def test_a_code_from_a_stranger_is_read_or_refused(text):
    try:
        rows = decode(text, 300)
    except BadValue as error:
        assert len(str(error)) < 120
    else:
        assert len(rows) and rows[0] >= 0 and rows[-1] < 300 and (np.diff(rows) > 0).all()


@pytest.mark.parametrize(
    "code", ["", "~", "~A", "3,7-9", "~AA=", "~A A", "~" + "A" * LONGEST, "~__________", "~/w+w", "~\u0661\u0661"]
)
def test_what_is_no_code_is_refused(code):
    with pytest.raises(BadValue, match="damaged"):
        decode(code, 10**7)


def test_a_run_that_is_cut_off_is_refused():
    data = base64.urlsafe_b64decode(encode(np.array([900])).removeprefix("~") + "==")
    assert len(data) == 3
    for bytes_left in (1, 2):  # the head alone, and a run without its last bits
        with pytest.raises(BadValue):
            decode("~" + base64.urlsafe_b64encode(data[:bytes_left]).decode().rstrip("="), 1000)
