"""Choices that are in the address, by short names that stay the same when a label is reworded.

Every change that a page writes into the address is a step of the browser's history, so Back has to undo it: what is
remembered of the visit, and would otherwise be written into the address again, gives way to an address gone back to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.shared.text import escape

PLAIN = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
_PAGES_OWN = "address.own"


def arrive() -> None:
    """Note what the browser came with, before anything is written into it: an address that names no study was never
    written by a page, as that of a link in the sidebar, so it says nothing of what was on screen.
    """
    st.session_state[_PAGES_OWN] = "study" in st.query_params


def went_back() -> bool:
    """Whether Back or Forward of the browser led to this address, so that it says what is to be on screen."""
    run = get_script_run_ctx()
    return getattr(run, "is_history_navigation", False) and st.session_state.get(_PAGES_OWN, False)


def bound(name: str) -> Literal["query-params"] | None:
    """How a widget for a number is bound to the address under this name: not at all where what is there is no plain
    number, for Streamlit makes one of it first and stops at "inf".
    """
    return "query-params" if PLAIN.fullmatch(st.query_params.get(name, "0")) else None


def choice(widget: Callable, label: str, options: dict[str, str], name: str, default: str = "", **about) -> str:
    """One of `options` (short name to what is shown), chosen with `widget` (st.selectbox or st.segmented_control) and
    kept in the address under `name`.

    The address wins, so that a shared link shows what it was made for; then what was chosen before in this visit; then
    `default`, or else the first option. A value that is not among the options counts for nothing.
    """
    key = f"address.{name}"
    default = default or next(iter(options))
    before = None if went_back() else st.session_state.get(key)
    wanted = (st.query_params.get(name), before, default)
    shown = next(value for value in wanted if value in options)
    st.session_state[key] = shown
    if shown != default or name in st.query_params:
        st.query_params[name] = shown
    kept = {"key": key, "persist_state": "session", "on_change": _chosen, "args": (name, key)}
    # A list shows plain text, buttons read Markdown, and an option may be a name from data.
    shown_as = options.get if widget is st.selectbox else lambda value: escape(options[value])
    return widget(label, list(options), format_func=shown_as, **kept, **about)


def _chosen(name: str, key: str) -> None:
    st.query_params[name] = st.session_state[key]
