"""The algorithms as a person chooses among them: names with their groups, what each is, and what to beware of."""

from __future__ import annotations

import inspect

import streamlit as st

from pages.shared.forms import form
from pages.shared.text import escape
from unlearn_core.params import params
from unlearn_core.unlearning import ALGORITHMS, Unlearner

# Both are lines that every study has anyway.
SINGLE = tuple(name for name in ALGORITHMS if name not in ("original", "retrain"))


def label(name: str) -> str:
    """Title and group, which also is what a search in the list finds."""
    cls = ALGORITHMS[name]
    return cls.title if name == "original" else f"{cls.title} · {cls.group}"


def name_of(unlearner: Unlearner) -> str:
    """The name in ALGORITHMS."""
    return next(name for name, cls in ALGORITHMS.items() if cls is type(unlearner))


def beware(cls: type[Unlearner]) -> None:
    """What the source leaves open and what results must not be taken for, in a line each; nothing where all is said."""
    for sentence in filter(None, (cls.reconstruction, cls.caution)):
        st.caption(f":material/info: {escape(sentence)}")


def settings(cls: type[Unlearner], key: str, default: Unlearner) -> Unlearner | None:
    """The form of an algorithm, of the one inside it too where it wraps one, and its help. None where a value does not
    fit.
    """
    chosen = form(cls, key, default)
    if any(p.name == "inner" for p in params(cls)):
        names = [n for n in SINGLE if not any(p.name == "inner" for p in params(ALGORITHMS[n]))]
        now = default.inner
        inner = st.selectbox(
            "Algorithm inside", names, index=names.index(name_of(now)), format_func=label, key=f"{key}.inner",
            persist_state="session",
        )  # fmt: skip
        own = now if name_of(now) == inner else ALGORITHMS[inner]()
        inside = settings(ALGORITHMS[inner], f"{key}.inner.{inner}", own)
        chosen = None if chosen is None or inside is None else chosen.but(inner=inside)
    st.caption(escape(inspect.getdoc(cls) or ""))
    return chosen
