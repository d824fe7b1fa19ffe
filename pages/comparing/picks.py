"""Which methods are compared: in the address, so that a link shows what was looked at."""

from __future__ import annotations

import streamlit as st

from pages.shared.comparison_words import titles
from unlearn_core.experiment import comparison as core

MOST = 4
KEY, ADDRESS = "compare.methods", "methods"


def draw(study) -> list[str]:
    """The methods picked, in the order of the ranking; where the address names none, those to look at first."""
    names = titles(study, core.ranked(study, "group_tow").index)
    wanted = [name for name in st.query_params.get(ADDRESS, "").split(",") if name in names]
    default = core.default_picks(study)
    st.session_state[KEY] = wanted[:MOST] or default
    picked = st.multiselect(
        "Methods, beside the original and the retrained model",
        list(names),
        format_func=names.get,
        key=KEY,
        max_selections=MOST,
        on_change=_changed,
        help=f"Up to {MOST}. They are in the address, so a link shows the same methods.",
    )
    return [name for name in names if name in picked]


def _changed() -> None:
    if st.session_state[KEY]:
        st.query_params[ADDRESS] = ",".join(st.session_state[KEY])
    else:
        st.query_params.pop(ADDRESS, None)  # none is no comparison: back to those to look at first
