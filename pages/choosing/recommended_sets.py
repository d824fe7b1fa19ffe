"""Sets worth a look, side by side: what each is, what speaks for it, some of its images, and one button."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import chosen_set, thumbnails
from pages.shared.text import escape, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.recommended import Recommended, recommended

SHOWN = 8  # images of each


@st.cache_resource(max_entries=8, show_spinner=False)
def _found(_study: OpenStudy, key: str) -> tuple[list[Recommended], list[str]]:
    return recommended(_study)


def draw(study: OpenStudy, chosen: np.ndarray) -> None:
    """All of them, three in a row, and why others are left out."""
    found, left_out = _found(study, study.key)
    for i, (column, one) in enumerate(zip(st.columns(3), found, strict=False)):
        with column, st.container(border=True):
            _card(study, chosen, one, i)
    for why in left_out:
        st.caption(why)


def _card(study: OpenStudy, chosen: np.ndarray, one: Recommended, i: int) -> None:
    st.markdown(f"**{one.title}: {images(len(one.rows))}**")
    st.markdown(escape(one.evidence))
    first = one.first[:SHOWN]
    labels = [(f"row {row}", f"class {study.classes[study.labels[row]]}") for row in first]
    thumbnails.show(study.pixels[first], labels, alt="; ".join(f"{a}, {b}" for a, b in labels))
    st.button(
        f"Use these {len(one.rows):,}", key=f"recommended.{i}", disabled=np.array_equal(one.rows, chosen),
        on_click=chosen_set.change, args=(study, one.rows),
    )  # fmt: skip
