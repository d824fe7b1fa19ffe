"""The algorithms as a person chooses among them: names with their groups, what each is, and what to beware of."""

from __future__ import annotations

import inspect

import streamlit as st

from pages.shared.forms import form
from pages.shared.text import escape
from unlearn_core.params import BadValue, params
from unlearn_core.unlearning import ALGORITHMS, Unlearner, short_name

# Both are lines that every study has anyway.
SINGLE = tuple(name for name in ALGORITHMS if name not in ("original", "retrain"))


def label(name: str) -> str:
    """Title, group, and whether it takes whole classes only; a search in the list finds all of these."""
    cls = ALGORITHMS[name]
    if name == "original":
        return cls.title
    return f"{cls.title} · {cls.group}{', whole classes only' if 'classes' in cls.needs else ''}"


def beware(cls: type[Unlearner], named: bool = False) -> None:
    """What the source leaves open and what results must not be taken for, in a line each; nothing where all is said."""
    for sentence in filter(None, (cls.reconstruction, cls.caution)):
        st.caption(f":material/info: {f'**{escape(cls.title)}.** ' if named else ''}{escape(sentence)}")


def settings(cls: type[Unlearner], key: str, default: Unlearner) -> Unlearner | None:
    """The form of an algorithm, of the one inside it too where it wraps one, and its help. None where a value does not
    fit.
    """
    chosen = form(cls, key, default)
    st.caption(escape(inspect.getdoc(cls) or ""))
    if not _wraps(cls):
        return chosen
    with st.container(border=True):
        names, now = [n for n in SINGLE if not _wraps(ALGORITHMS[n])], default.inner
        inner = st.selectbox(
            "Algorithm inside", names, index=names.index(short_name(now)), format_func=label, key=f"{key}.inner",
            persist_state="session",
        )  # fmt: skip
        own = now if short_name(now) == inner else ALGORITHMS[inner]()
        inside = settings(ALGORITHMS[inner], f"{key}.inner.{inner}", own)
    if chosen is None or inside is None:
        return None
    try:
        return chosen.but(inner=inside)
    except BadValue as error:
        st.error(escape(str(error)))
        return None


def _wraps(cls: type[Unlearner]) -> bool:
    return any(p.name == "inner" for p in params(cls))
