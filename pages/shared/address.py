"""Choices that are in the address, by short names that stay the same when a label is reworded."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared.text import escape


def choice(widget: Callable, label: str, options: dict[str, str], name: str, default: str = "", **about) -> str:
    """One of `options` (short name to what is shown), chosen with `widget` (st.selectbox or st.segmented_control) and
    kept in the address under `name`.

    The address wins, so that a shared link shows what it was made for; then what was chosen before in this visit; then
    `default`, or else the first option. A value that is not among the options counts for nothing.
    """
    key = f"address.{name}"
    default = default or next(iter(options))
    wanted = (st.query_params.get(name), st.session_state.get(key), default)
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
