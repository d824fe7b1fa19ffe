"""What a line drawn on the map does to the forget set."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import chosen_set
from unlearn_core.experiment import OpenStudy
from unlearn_core.lasso import inside
from unlearn_core.params import BadValue

UNREADABLE = "The map sent a line that cannot be read. Your set stays as it was."
NOBODY = "No image lies inside that line."
STEPS = {"undo": chosen_set.undo, "redo": chosen_set.redo, "clear": chosen_set.clear}
# In the session: the number of the last change heard, what was said of it, and of which version of the set.
HEARD, NOTHING = "map.heard", (0, "", 0)


def heard() -> int:
    """The number of the last change that was heard, 0 before the first."""
    return st.session_state.get(HEARD, NOTHING)[0]


def visit() -> None:
    """A new visit to the map: what was said of a line that is no longer on it is not said again."""
    st.session_state[HEARD] = (heard(), "", 0)


def apply(study: OpenStudy, places: np.ndarray, change: object) -> str:
    """Change the set in hand as the map asked: {"n", "mode", "line"} or {"n", "step"}, where n grows from change to
    change, because a map that was not heard says it again; places (n, 2) are those of the training images. Returns a
    sentence where nothing came of the last change, for as long as the set stays as it was, "" otherwise. What the
    browser sent is not trusted.
    """
    if change is None:
        _, said, of = st.session_state.get(HEARD, NOTHING)
        return said if of == chosen_set.version(study) else ""
    if not isinstance(change, dict) or not isinstance(change.get("n"), int):
        return UNREADABLE
    if change["n"] > heard():
        st.session_state[HEARD] = (change["n"], "", 0)
        said = _change(study, places, change)
        st.session_state[HEARD] = (change["n"], said, chosen_set.version(study))
    return st.session_state[HEARD][1]


def _change(study: OpenStudy, places: np.ndarray, change: dict) -> str:
    if "step" in change:
        if change["step"] not in list(STEPS):
            return UNREADABLE
        STEPS[change["step"]](study)
        return ""
    try:
        return _stroke(study, places, change)
    except BadValue as error:
        return f"{error} Your set stays as it was."


def _stroke(study: OpenStudy, places: np.ndarray, stroke: dict) -> str:
    if not isinstance(stroke.get("mode"), str):
        return UNREADABLE
    rows = np.flatnonzero(inside(places, stroke.get("line")))
    if not len(rows):
        return NOBODY
    chosen_set.combine(study, rows, stroke["mode"])
    return ""
