"""Which images the lines drawn on either map surround."""

from __future__ import annotations

import numpy as np

from pages.shared.chosen_set import MODES
from unlearn_core.lasso import inside
from unlearn_core.params import BadValue

MOST = 50  # lines at once
UNREADABLE = "The map sent a line that cannot be read, so no image is selected."
NOBODY = "No image lies inside that line."


def selected(places: dict[str, np.ndarray], key: str, told: object) -> tuple[np.ndarray, list[dict], str]:
    """(rows, lines, what to say of them) of {"id", "lines"}, where each line has the model `on` whose map it was drawn,
    the `mode` in which it follows those before it, and its corners, `line`. `places` of each model, (n, 2). Lines on
    another map than the one called `key` select nothing. What the browser sent is not trusted.
    """
    none = np.zeros(0, np.int64)
    if told is None or (isinstance(told, dict) and told.get("id") != key):
        return none, [], ""
    lines = told.get("lines") if isinstance(told, dict) else None
    if not isinstance(lines, list) or len(lines) > MOST or not all(_readable(line, places) for line in lines):
        return none, [], UNREADABLE
    rows = none
    try:
        for line in lines:
            rows = MODES[line["mode"]](rows, np.flatnonzero(inside(places[line["on"]], line["line"])))
    except BadValue as error:
        return none, [], f"{error} No image is selected."
    return rows, lines, NOBODY if lines and not len(rows) else ""


def _readable(line: object, places: dict[str, np.ndarray]) -> bool:
    return (
        isinstance(line, dict)
        and set(line) == {"on", "mode", "line"}
        and line["on"] in list(places)
        and line["mode"] in list(MODES)
    )
