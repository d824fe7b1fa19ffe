"""Parts of a page that are folded away: nothing in them is computed or sent before they are opened."""

from __future__ import annotations

import streamlit as st

NAMES = (
    "stability", "proxies", "forecast", "everything", "search", "saved", "low", "medium", "high", "course", "beside",
    "steps", "attack", "at-risk", "images", "studies", "trash", "score", "tuned", "layers", "cells", "classes", "worst",
    "forgotten", "exposed", "kinds", "judge", "marks", "change",
    "factors", "equal", "thirds", "one-rule", "by-image", "deletions", "one-image", "wider",
)  # fmt: skip


def key(name: str) -> str:
    """Where the session holds whether this one of NAMES is open. Another name is a slip of whoever wrote the page."""
    if name not in NAMES:
        raise KeyError(f"{name!r} is not one of folds.NAMES.")
    return f"open.{name}"


def fold(name: str, label: str, icon: str | None = None, expanded: bool = False):  # noqa: ANN201 - Streamlit does not name the type
    """An expander; draw what belongs in it where its `open` says so. A link to the page opens what was open."""
    _stays(name, label)
    return st.expander(label, expanded, key=key(name), icon=icon, on_change="rerun", bind="query-params")


def _stays(name: str, label: str) -> None:
    """Keep it open or shut where its label is another than before: to Streamlit that is a new fold, which is shut."""
    before, now = f"{key(name)}.label", st.session_state.get(key(name))
    if now is not None and st.session_state.get(before, label) != label:
        st.session_state[key(name)] = now
    st.session_state[before] = label


def counts(box, key: str) -> bool:
    """Whether to draw what asks for something in this fold: once it was open something may have been changed in it,
    which counts when it is closed again too. `key` says for how long: another one begins anew.
    """
    st.session_state[key] = st.session_state.get(key, False) or box.open
    return st.session_state[key]
