"""Sets worth a look, in a row: each opens on what speaks for it, some of its images, and the button that takes it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import chosen_set, thumbnails
from pages.shared.text import escape, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.recommended import Recommended, recommended

SHOWN = 8  # images of each
WIDE = 340  # pixels of what opens
CHANGE = "change-the-set"  # where on the page the other ways are


@st.cache_resource(max_entries=8, show_spinner=False)
def _found(_study: OpenStudy, key: str) -> tuple[list[Recommended], list[str]]:
    return recommended(_study)


def draw(study: OpenStudy, chosen: np.ndarray) -> None:
    """All of them, and what else there is; nothing of one is computed or sent before it is opened."""
    found, left_out = _found(study, study.key)
    st.caption("Start from", width="content")
    for i, one in enumerate(found):
        with st.popover(one.title, key=f"recommended.open.{i}", on_change="rerun") as shown:
            if shown.open:
                with st.container(width=WIDE):
                    _card(study, chosen, one, i)
    with st.popover("More", key="recommended.more", on_change="rerun") as more:
        if more.open:
            with st.container(width=WIDE):
                st.markdown(f"A rule, row numbers or a saved set: [change the set](#{CHANGE}) below the map.")
                for why in left_out:
                    st.caption(why)


def _card(study: OpenStudy, chosen: np.ndarray, one: Recommended, i: int) -> None:
    st.markdown(f"**{one.title}: {images(len(one.rows))}**")
    st.markdown(escape(one.evidence))
    first = one.first[:SHOWN]
    labels = [(f"row {row}", f"class {study.classes[study.labels[row]]}") for row in first]
    thumbnails.show(study.pixels[first], labels, alt=thumbnails.in_words(labels))
    st.button(
        f"Use these {len(one.rows):,}", key=f"recommended.{i}", disabled=np.array_equal(one.rows, chosen),
        on_click=_take, args=(study, one.rows, i),
    )  # fmt: skip


def _take(study: OpenStudy, rows: np.ndarray, i: int) -> None:
    chosen_set.change(study, rows)
    st.session_state[f"recommended.open.{i}"] = False  # it would lie over the map
