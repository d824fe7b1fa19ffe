"""The images of the set in hand, page by page, and why one is entangled: its neighbours among those you keep."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from pages.choosing import image_grid
from pages.shared import address, chosen_set, embedding_map, thumbnails
from pages.shared.plain_errors import with_plain_errors
from pages.shared.text import escape, hundredths, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import neighbours, ordered
from unlearn_core.params import BadValue

PAGE = 24  # images at a time
NEAR = 8  # neighbours
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
    embedding_map.picks()
    _neighbours(study, chosen)


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
        "the set; click an image, here or on the map, to see its neighbours."
    )


def _turn(pages: int) -> int:
    """The page to show, from 1; a set that became smaller has fewer."""
    if st.session_state.get(TURNED, 1) > pages:
        st.session_state[TURNED] = pages
    # In a row of widgets its own width would leave room for one page only.
    return address.page(pages, "page", width=90 + 40 * min(pages, 7))


def _neighbours(study: OpenStudy, chosen: np.ndarray) -> None:
    """The neighbours of the image that the address names."""
    asked = st.query_params.get("near", "")
    if not asked.isdecimal() or len(asked) > 9:
        return
    row = int(asked)
    st.subheader("Why it is entangled: its neighbours among the images you keep")
    if len(study.labels) <= row < len(study.labels) + len(study.data.test.y):
        st.caption("That is a test image: no model was trained on it, so there is nothing to forget.")
        return
    try:
        near = neighbours(study, row, chosen, NEAR)
    except BadValue as error:
        st.caption(escape(str(error)))
        return
    own, count = escape(study.classes[study.labels[row]]), len(near.rows)
    where = "in your set" if row in chosen else "which you keep"
    st.markdown(
        f"Of the {count} kept images nearest to **row {row:,}** (class {own}, {where}), "
        f"**{near.alike * count:.0f} are of its class**. The nearest lies at a distance of {near.distances[0]:.2g}; "
        f"half of all kept images lie beyond {near.usual:.2g}. The nearer they lie, the more unlearning this image can "
        "change them too."
    )
    labels = [(f"row {row}", f"{study.classes[study.labels[row]]}, this one")]
    labels += [
        (f"row {r}", f"{study.classes[study.labels[r]]}, at {d:.2f}")
        for r, d in zip(near.rows, near.distances, strict=True)
    ]
    shown = np.concatenate([[row], near.rows])
    thumbnails.show(study.pixels[shown], labels, alt="; ".join(f"{a}, class {b}" for a, b in labels), across=9)
    st.caption("Distances in the embedding space of the original model, as entanglement measures them.")


def _near() -> None:
    near = st.session_state[GRID].near
    if isinstance(near, int) and not isinstance(near, bool):
        st.query_params["near"] = str(near)


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
