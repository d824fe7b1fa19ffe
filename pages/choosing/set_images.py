"""The images of the set in hand, page by page; a click on one asks for its neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from pages.choosing import image_grid, near_images
from pages.shared import address, chosen_set
from pages.shared.plain_errors import with_plain_errors
from pages.shared.text import escape, hundredths, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import ordered
from unlearn_core.params import BadValue

PAGE = 24  # images at a time
GRID, CHANGED, TURNED = "grid", "grid.changed", "page"  # keys in the session; the last is in the address too


@st.fragment(key="images")
def draw(study: OpenStudy) -> None:
    """Both, drawn again by themselves when one of them is asked about."""
    with_plain_errors(lambda: _draw(study))


def _draw(study: OpenStudy) -> None:
    if st.session_state.pop(CHANGED, False):
        st.rerun()  # all of the page speaks of the set
    chosen = chosen_set.rows(study)
    _grid(study, chosen)
    near_images.draw(study, chosen, near_images.GRID)


def _grid(study: OpenStudy, chosen: np.ndarray) -> None:
    st.subheader("The images of your set")
    orders = {"memorization": f"{study.score_words.name.capitalize()}, highest first", "loss": "Loss, highest first"}
    pages = -(-len(chosen) // PAGE)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        by = address.choice(st.selectbox, "Order", orders, "sort", width=260)
        page = min(_turn(pages), pages)
    rows, values = ordered(study, chosen, by)
    shown = slice((page - 1) * PAGE, page * PAGE)
    lines = [
        f"class {study.classes[study.labels[row]]}\n{hundredths(value)}"
        for row, value in zip(rows[shown], values[shown], strict=True)
    ]
    image_grid.draw(
        study.pixels[rows[shown]], rows[shown].tolist(), lines,
        on_out=partial(_out, study), on_near=_near, key=GRID,
    )  # fmt: skip
    first, last = (page - 1) * PAGE + 1, min(page * PAGE, len(rows))
    what = study.score_words.name if by == "memorization" else "loss of the original model"
    st.caption(
        f"{first:,} to {last:,} of {images(len(rows))}: row number, class and {what}. The cross takes an image out of "
        "the set; click an image to see its neighbours among those you keep."
    )


def _turn(pages: int) -> int:
    """The page to show, from 1; a set that became smaller has fewer."""
    if st.session_state.get(TURNED, 1) > pages:
        st.session_state[TURNED] = pages
    # In a row of widgets its own width would leave room for one page only.
    return address.page(pages, "page", width=90 + 40 * min(pages, 7))


def _near() -> None:
    near_images.ask(st.session_state[GRID].near, near_images.GRID)


def _out(study: OpenStudy) -> None:
    take_out(study, st.session_state[GRID].out)


def take_out(study: OpenStudy, row: object) -> None:
    """Take one image out of the set in hand; what the browser sent is not trusted."""
    if isinstance(row, int) and not isinstance(row, bool) and 0 <= row < len(study.labels):
        try:
            chosen_set.combine(study, np.array([row]), "subtract")
            st.session_state[CHANGED] = True
        except BadValue as error:
            st.warning(f"{escape(str(error))} Your set stays as it was.")
