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

from pages.shared.text import cut, escape

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


def bound(
    name: str, low: float | None = None, high: float | None = None, whole: bool = False
) -> Literal["query-params"] | None:
    """How a widget for a number is bound to the address under this name: not at all where what is there is no plain
    number, for Streamlit makes one of it first and stops at "inf". A number from outside that cannot be meant (below
    `low`, above `high`, or no whole one) is taken out of the address; one that was typed here stays, with what is said.
    """
    text = st.query_params.get(name, "")
    if text and not PLAIN.fullmatch(text):
        return None
    if not text or name in st.session_state:
        return "query-params"
    fits = (low is None or float(text) >= low) and (high is None or float(text) <= high)
    if fits and not (whole and "." in text):
        return "query-params"
    st.query_params.pop(name)
    return None


def choice(
    widget: Callable, label: str, options: dict[str, str], name: str, default: str = "", follows: bool = False, **about
) -> str:
    """One of `options` (short name to what is shown), chosen with `widget` (st.selectbox or st.segmented_control) and
    kept in the address under `name`.

    The address wins, so that a shared link shows what it was made for; then what was chosen before in this visit; then
    `default`, or else the first option. A value that is not among the options counts for nothing, and that is said.
    With `follows` a default that was never chosen gives way to another one.
    """
    key, usual = f"address.{name}", f"address.{name}.usual"
    default = default or next(iter(options))
    before, named = None if went_back() else st.session_state.get(key), st.query_params.get(name)
    if follows and not named and before == st.session_state.get(usual):
        before = None
    st.session_state[usual] = default
    shown = next(value for value in (named, before, default) if value in options)
    if named and named not in options:
        asked = escape(cut(named, 40))
        st.warning(f"{label}: “{asked}” of this address is not here. {escape(options[shown])} is shown.")
    st.session_state[key] = shown
    if shown != default or name in st.query_params:
        put(name, shown)
    kept = {"key": key, "persist_state": "session", "on_change": _chosen, "args": (name, key)}
    # A list shows plain text, buttons read Markdown, and an option may be a name from data.
    shown_as = options.get if widget is st.selectbox else lambda value: escape(options[value])
    return widget(label, list(options), format_func=shown_as, **kept, **about)


def several(label: str, options: dict[str, str], name: str, default: list[str], **about) -> list[str]:
    """Any number of `options` (short name to what is shown), kept in the address under `name` as one text: "a,b", and
    "" for none of them.

    The address wins, then what was chosen before in this visit, then `default`, which is not written. Names that are
    not among the options count for nothing, and a text of such names only as if it were not there.
    """
    key, chosen = f"address.{name}", f"address.{name}.chosen"
    if went_back():
        st.session_state.pop(chosen, None)
    shown = default
    for text in (st.query_params.get(name), st.session_state.get(chosen)):
        known = [value for value in dict.fromkeys((text or "").split(",")) if value in options]
        if known or text == "":
            shown = known[: about.get("max_selections")]
            break
    st.session_state[key] = shown
    put(name, None if shown == default else ",".join(shown))
    kept = {"key": key, "persist_state": "session", "on_change": _several_chosen, "args": (name, key, default)}
    return st.multiselect(label, list(options), format_func=options.get, **kept, **about)


def page(many: int, name: str, **about) -> int:
    """Which page of a long list is turned to, from 1; the list has so many."""
    if many < 2:
        return 1
    return st.pagination(many, key=name, bind=bound(name, 1, many, whole=True), **about)


def put(name: str, value: str | None) -> None:
    """Have the address say this, or nothing. What it says already is not said again: each time it is, the browser
    compares it with what it shows, and a page that is drawn beside would make a step of its history of that.
    """
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def _chosen(name: str, key: str) -> None:
    put(name, st.session_state[key])


def _several_chosen(name: str, key: str, default: list[str]) -> None:
    now = st.session_state[key]
    st.session_state[f"{key}.chosen"] = ",".join(now)
    put(name, None if now == default else ",".join(now))
