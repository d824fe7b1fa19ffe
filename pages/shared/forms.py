"""A form from a declaration: every plain field of a spec as a widget, with its range and its meaning."""

from __future__ import annotations

import math
from typing import Literal

import streamlit as st

from pages.shared import address
from pages.shared.text import escape
from unlearn_core.params import BadField, BadValue, Param, Spec, params

PLAIN = (int, float, bool, str)
LABELS = {"lr": "Learning rate", "bn": "BatchNorm", "by": "Score", "named": "Row numbers", "label": "Class"}


def form(
    cls: type[Spec],
    key: str,
    default: Spec | None = None,
    only: tuple[str, ...] | None = None,
    bind: Literal["query-params"] | None = None,
) -> Spec | None:
    """Draw the plain fields (numbers, true or false, texts, choices) of a spec class and return the spec they make.

    Starts from `default`, or from the class's own defaults; fields that are not drawn keep those values. `only` names
    the fields to draw, in that order. What was entered is remembered under `key`, so another default needs another key;
    with `bind` it is in the address too.
    Where the values do not fit together, the reason is shown and None is returned.
    """
    start = cls() if default is None else default
    fields = {p.name: p for p in params(cls) if p.kind in PLAIN}
    chosen = [fields[name] for name in (fields if only is None else only)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        values = {p.name: _widget(p, getattr(start, p.name), f"{key}.{p.name}", bind) for p in chosen}
    try:
        return start.but(**values)
    except BadField as error:  # by the name that stands on the field
        st.error(escape(f"{label(error.field)} {error.fault}"))
        return None
    except BadValue as error:
        st.error(escape(str(error)))
        return None


def _widget(p: Param, value, key: str, bind: str | None):
    if bind and p.kind in (int, float):
        bind = address.bound(key, p.low, p.high, whole=p.kind is int)
    about = {"label": label(p.name), "help": _help(p), "key": key, "persist_state": "session", "bind": bind}
    if p.choices is not None:
        return st.selectbox(options=p.choices, index=p.choices.index(value), width=180, **about)
    if p.kind is bool:
        return st.checkbox(value=value, **about)
    if p.kind is str:
        return st.text_input(value=value, width=320, **about)
    # No bounds in the browser: it would keep a number outside them to itself, and the page go on with the one before.
    if p.kind is int:
        return st.number_input(value=value, step=1, width=136, **about)
    if (p.low, p.high, p.log) == (0, 1, False):
        return st.slider(value=float(value), min_value=0.0, max_value=1.0, step=0.01, width=180, **about)
    return st.number_input(value=float(value), step=_step(p, value), format="%g", width=136, **about)


def _step(p: Param, value: float) -> float:
    """A power of ten well below the value: 0.3 goes by 0.1, 0.0005 by 0.0001, 0.01 by 0.001."""
    size = abs(value) or (p.high or 1.0) / 10
    return 10.0 ** math.floor(math.log10(size / 2))


def label(name: str) -> str:
    """The name of a field as words."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def _help(p: Param) -> str:
    """The field's meaning, and the range where it has one."""
    meaning = escape(p.help[:1].upper() + p.help[1:])
    if p.choices is not None or p.kind not in (int, float) or p.low is None:
        return f"{meaning}."
    ends = f"at least {p.low:g}" if p.high is None or p.high >= 2**31 - 1 else f"{p.low:g} to {p.high:g}"
    return f"{meaning}. Range: {ends}{', usually tried in powers of ten' if p.log else ''}."
