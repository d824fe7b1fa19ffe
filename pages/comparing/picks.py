"""Which methods are compared: in the address, so that a link shows what was looked at."""

from __future__ import annotations

import streamlit as st

from pages.shared.comparison_words import titles
from pages.shared.text import cut, escape
from unlearn_core.experiment import OpenStudy, other_runs
from unlearn_core.experiment import comparison as core
from unlearn_core.params import BadValue

MOST = 4
KEY, ADDRESS = "compare.methods", "methods"


def draw(study, joins: bool) -> tuple[OpenStudy, list[str]]:
    """The methods picked, in the order of the ranking, and the study that has them all: where the view `joins`, runs of
    other studies too. Where the address names none, those to look at first.
    """
    names = titles(study, core.ranked(study, "group_tow").index)
    others = other_runs.others(study) if joins else []
    names |= {name: title for other in others for name, title in other.runs.items()}
    asked = _asked()
    for name in asked if joins else ():
        if "@" in name and name not in names:
            _refuse(study, name)
    st.session_state[KEY] = [name for name in asked if name in names] or core.default_picks(study)
    refused = "".join(f"\n- {escape(other.why)}" for other in others if other.why)
    picked = st.multiselect(
        "Methods, beside the original and the retrained model",
        list(names),
        format_func=names.get,
        key=KEY,
        max_selections=MOST,
        on_change=_changed,
        help=f"Up to {MOST}, of the {other_runs.NEWEST} newest other studies too where images to forget, recipe, bank "
        "and seeds are the same. They are in the address, so a link shows the same methods."
        + (f" Not offered:{refused}" if refused else ""),
    )
    shown = other_runs.with_runs(study, tuple(name for name in picked if "@" in name))
    return shown, [name for name in core.ranked(shown, "group_tow").index if name in picked]


def own(study) -> tuple[str, ...]:
    """Those of the study's own methods that the address names."""
    return tuple(name for name in core.ranked(study, "group_tow").index if name in _asked())


def first(study) -> str:
    """Of the study's own methods the one to look at first where one is looked at: of those that the address names, or
    else of those that would be picked, the first in the ranking.
    """
    order = list(core.ranked(study, "group_tow").index)
    return min(own(study) or core.default_picks(study), key=order.index)


def _asked() -> list[str]:
    return list(dict.fromkeys(st.query_params.get(ADDRESS, "").split(",")))[:MOST]


def _refuse(study, name: str) -> None:
    """Say why a run that the address names is not shown."""
    try:
        other_runs.with_runs(study, (name,))
    except BadValue as error:
        st.warning(f"{escape(cut(name, 40))} is not shown: {escape(str(error))}")


def _changed() -> None:
    if st.session_state[KEY]:
        st.query_params[ADDRESS] = ",".join(st.session_state[KEY])
    else:
        st.query_params.pop(ADDRESS, None)  # none is no comparison: back to those to look at first
