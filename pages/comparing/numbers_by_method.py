"""Every measured number of every method, and what the runs noted beside them."""

from __future__ import annotations

import streamlit as st

from pages.comparing import picks
from pages.shared import method_table
from pages.shared.text import escape
from unlearn_core.experiment import comparison as core


def draw(study, picked: list[str]) -> None:
    """All methods, those picked for the other views on top."""
    st.subheader("Numbers by method")
    method_table.draw(study, picks.own(study))
    if len(noted := core.notes(study)):
        said = [f"{escape(n.title)}: {escape(n.note)} {n.mean:.3g}" for n in noted.itertuples()]
        st.caption(f"Noted by the runs, mean over seeds: {'; '.join(said)}.")
