"""Studies of an earlier version of the program, and the button that measures them again."""

from __future__ import annotations

import streamlit as st

from pages.shared import access, cost_words, state
from pages.shared.text import escape
from unlearn_core import jobs
from unlearn_core.experiment.outdated import outdated
from unlearn_core.params import key


def draw() -> None:
    """A line for each, unless its job is already under way."""
    store = state.store()
    found = [each for each in outdated(store) if (job := jobs.get(store, key(each.spec))) is None or not job.active]
    if not found:
        return
    st.subheader("Made by an earlier version")
    st.markdown(
        "These studies are kept, but they were measured before something was added or mended. Their models are still "
        "good: measuring again trains nothing that is there."
    )
    for each in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{escape(each.spec.name)}** #{each.key[:4]}")
            foreseen = cost_words.unsure(store, "Outdated", each.seconds) if each.seconds else None
            if access.button("Measure again", key=f"outdated.{each.key}"):
                access.submit(store, each.spec, foreseen)
                st.rerun()
            if foreseen is not None:
                st.markdown(f"{cost_words.how_long(foreseen)}, if no model was removed", width="content")
