"""The memorization of all images and of the set in hand; dragging across the bars changes the set."""

from __future__ import annotations

from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.shared import chosen_set, memorization_chart, theme
from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import brushed
from unlearn_core.params import BadValue
from unlearn_core.rum import Plan

CHART, MODE, SAID = "brush", "brush.mode", "brush.said"  # keys in the session
MODES = {"replace": "Use", "add": "Add", "subtract": "Take out"}


def draw(study: OpenStudy, chosen: np.ndarray) -> None:
    """The chart, what dragging across it does, and a sentence where it came to nothing."""
    if said := st.session_state.pop(SAID, ""):
        st.warning(escape(said))
    fig = _chart(study, chosen.tobytes())
    name = study.score_words.name
    theme.show(
        fig, alt=f"Histogram of {name} scores, all training images and the set. {fig.layout.title.text}.",
        key=CHART, on_select=partial(_dragged, study), selection_mode="box",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Drag to", width="content")
        st.segmented_control(
            "What dragging across the bars does", list(MODES), format_func=MODES.get, default="replace", required=True,
            key=MODE, persist_state="session", label_visibility="collapsed",
            help="Use makes the images under your hand the set, Add puts them into it, Take out removes them. The map "
            "shows them at once; Undo takes it back.",
        )  # fmt: skip


@theme.kept
def _chart(study: OpenStudy, rows: bytes) -> go.Figure:
    chosen = np.frombuffer(rows, np.int64)
    return memorization_chart.of_all(study, chosen, study.refine(Plan(), chosen))


def _dragged(study: OpenStudy) -> None:
    """Change the set as the hand asked. An empty selection is no wish: a chart that is drawn anew sends one too."""
    boxes = st.session_state[CHART].selection.box
    if boxes:
        apply(study, boxes[-1].get("x"), st.session_state.get(MODE, "replace"))


def apply(study: OpenStudy, ends: object, mode: str) -> None:
    """Change the set in hand by the images between two places on the axis; what the browser sent is not trusted."""
    try:
        start, *_, end = ends
        chosen_set.combine(study, brushed(study, float(start), float(end)), mode)
    except BadValue as error:
        st.session_state[SAID] = f"{error} Your set stays as it was."
    except (TypeError, ValueError, OverflowError):
        st.session_state[SAID] = "The chart sent a band that cannot be read. Your set stays as it was."
