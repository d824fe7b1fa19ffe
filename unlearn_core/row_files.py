"""Row numbers from a file, in any layout that a person or a spreadsheet is likely to write.

Without a heading every number is a row number, in as many lines as one likes. With a heading the file is a table: each
line has as many columns as the heading, and of several columns the one called row, id or index counts. A heading is a
first line without digits, or one of several columns that all begin with a letter. After a # stands a comment.
"""

from __future__ import annotations

import csv

import numpy as np

from unlearn_core.params import BadValue
from unlearn_core.rows import unpack

IDS = ("row", "id", "index")  # how the column is called; where there are several of these, the first counts
NAMED = 5  # faults of a file that are told at once
WORDS = {1: "one column", 2: "two columns", 3: "three columns"}


def read_ids(text: str, n: int) -> np.ndarray:
    """(k,) int64, sorted. Raises BadValue naming the lines that cannot be used, the first NAMED of them."""
    lines = ((number, line.split("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1))
    found: dict[int, int] = {}
    heading: list[str] | None = None
    faults: list[str] = []
    for place, (number, line) in enumerate((number, line) for number, line in lines if line.strip(",")):
        if len(faults) == NAMED:  # what comes after them is not looked at: a file may have a million
            faults.append("What comes after these lines was not read.")
            break
        try:
            if place == 0 and _is_heading(line):
                heading = _cells(line)
                _column(heading)
                continue
            rows = unpack(line.strip(",") if heading is None else _cell(heading, line), n).tolist()
            if (again := next((row for row in rows if row in found), None)) is not None:
                raise BadValue(f"row {again} was named before, in line {found[again]}.")
        except BadValue as error:
            faults.append(f"Line {number}: {error}")
            if place == 0 and heading is not None:  # without it the other lines cannot be read either
                break
        else:
            found |= dict.fromkeys(rows, number)
    if faults:
        raise BadValue(" ".join(faults))
    return np.sort(np.fromiter(found, np.int64, len(found)))


def _is_heading(line: str) -> bool:
    """Whether the first line names columns. A single word with a digit in it is rather a mistyped number."""
    if not any(c.isdigit() for c in line):
        return True
    cells = _cells(line)
    return len(cells) > 1 and all(cell[0].isalpha() for cell in cells if cell)


def _column(heading: list[str]) -> int:
    """Which column holds the row numbers. Raises BadValue where none says so."""
    names = [name.casefold() for name in heading]
    if len(names) == 1:
        return 0
    if not (known := [name for name in IDS if name in names]):
        raise BadValue(f"{_count(names)}, and none of them is called {', '.join(IDS[:-1])} or {IDS[-1]}.")
    return names.index(known[0])


def _cell(heading: list[str], line: str) -> str:
    """What a line of the table has in the column of row numbers. Raises BadValue where it is no line of this table."""
    cells = _cells(line)
    if len(cells) < len(heading) or any(cells[len(heading) :]):
        raise BadValue(f"{_count(cells)}, and the heading has {_count(heading)}.")
    return cells[_column(heading)] or "nothing"


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error as error:
        raise BadValue(f"this cannot be read as a line of a table: {error}.") from error


def _count(cells: list[str]) -> str:
    return WORDS.get(len(cells), f"{len(cells)} columns")
