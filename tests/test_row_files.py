"""Row numbers from a file: every usual layout, and one sentence for every other."""

import pytest

from unlearn_core.params import BadValue
from unlearn_core.row_files import read_ids


@pytest.mark.parametrize(
    "text",
    ["3\n7\n8\n9\n", "row\n3\n7-9\n", "3,7,8,9", "# picked by hand\n3  # this one\n\n7 , 8,\r\n9", "9\n8\n7\n3"]
    + ["3,7\n8,9", "row,label\n3,7\n7,1\n8,2\n9,9", 'Label, ID\ncat,3\n"a, b",7-8\ndog,9', ",index,x1\n0,3,a\n1,7-9,b"]
    + ["# mine\nrow\n3,\n7-9", "id,row,\n1,3,\n2,7-9,"],
)
def test_ids_are_read_in_any_usual_layout(text):
    assert read_ids(text, 10).tolist() == [3, 7, 8, 9]


def test_an_empty_file_names_nothing():
    assert read_ids("", 10).tolist() == read_ids("row\n\n", 10).tolist() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3\nx\n", "Line 2: 'x' is not a row number"),
        ("row\n3\n10", "Line 3: Row 10 does not exist"),
        ("3\n4\n2-3", "Line 3: row 3 was named before, in line 1"),
        ("3,3", "Line 1: Row 3 is named twice"),
        ("3;4", "Line 1: '3;4' is not a row number"),
        ("1.0", "Line 1"),
        ("r3\n4", "Line 1: 'r3' is not a row number"),
        ("label,score\n3,7", "Line 1: two columns, and none of them is called row, id or index."),
        (",label\n3,7", "Line 1: two columns, and none"),
        ("row\n3,7", "Line 2: two columns, and the heading has one column."),
        ("row,label,x\n3,7,1\n4,2", "Line 3: two columns, and the heading has three columns."),
        ("row,label\n3,7\n,8", "Line 3: 'nothing' is not a row number"),
        ("row,label\n3,7\n3,8", "Line 3: row 3 was named before"),
    ],
)
def test_a_mistake_in_a_file_is_named_by_its_line(text, says):
    with pytest.raises(BadValue, match=says):
        read_ids(text, 10)


def test_all_mistakes_of_a_file_are_told_at_once():
    with pytest.raises(BadValue) as told:
        read_ids("1\n5\nabc\n99999\n7\n7", 10)
    said = str(told.value)
    assert said.startswith("Line 3: 'abc' is not") and "Line 4: Row 99999 does not" in said
    assert said.endswith("Line 6: row 7 was named before, in line 5.")
    with pytest.raises(BadValue) as told:
        read_ids("3\n" + "x\n" * 3000, 10)
    said = str(told.value)
    assert said.count("Line ") == 5 and said.endswith(
        "Line 6: 'x' is not a row number or a range such as 7-9. What comes after these lines was not read."
    )
