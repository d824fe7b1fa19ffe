"""Why an image is entangled: its neighbours among the images you keep, beside the hand that asked for them."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from pages.shared import embedding_map, thumbnails
from pages.shared.plain_errors import with_plain_errors
from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import neighbours
from unlearn_core.params import BadValue

NEAR = 8  # neighbours
ADDRESS = "near"  # the image's name in the address
# In the session: where the last image was clicked on, whether another place still shows the one before, the row that
# was typed, and how often one was found so.
BY, MOVED, TYPED, FINDS = "near.by", "near.moved", "near.typed", "near.finds"
MAP, GRID = "map", "grid"
ACROSS = {MAP: 5, GRID: 9}  # images side by side
HEAD = {"horizontal": True, "vertical_alignment": "center", "horizontal_alignment": "distribute", "gap": "xsmall"}


@st.fragment(key="near")
def beside_map(study: OpenStudy, chosen: np.ndarray) -> None:
    """Those of an image that was clicked on on the map, that was found by its row, or that a link names; drawn again by
    itself.
    """
    row = _asked()
    there = row is not None and row < len(study.labels) + len(study.data.test.y)
    embedding_map.picks(partial(ask, by=MAP), row if there else None, st.session_state.get(FINDS, 0))
    typed, count = st.session_state.get(TYPED), len(study.labels)
    if typed is not None and not 0 <= typed < count:
        shown = f"{typed:,}".replace("-", "−")
        st.caption(f"Row {shown} does not exist: the training images are numbered 0 to {count - 1:,}.")
    with_plain_errors(lambda: draw(study, chosen, MAP))


def find(study: OpenStudy) -> None:
    """A field for the row of an image, which does what a click on its point does."""
    st.number_input(
        "Find the image of this row", value=None, step=1, placeholder="Find a row", key=TYPED, on_change=_typed,
        args=(len(study.labels),), label_visibility="collapsed", width=110,
    )  # fmt: skip


def _typed(count: int) -> None:
    row = st.session_state[TYPED]
    if row is None or not 0 <= row < count:
        st.query_params.pop(ADDRESS, None)
        return
    st.session_state[FINDS] = st.session_state.get(FINDS, 0) + 1
    _show(row, MAP)


def ask(row: object, by: str) -> None:
    """Have the neighbours of this image shown where it was clicked on; what the browser sent is not trusted."""
    if isinstance(row, int) and not isinstance(row, bool):
        st.session_state[TYPED] = None
        _show(row, by)


def _show(row: int, by: str) -> None:
    st.session_state[MOVED] = ADDRESS in st.query_params and _place() != by
    st.session_state[BY] = by
    st.query_params[ADDRESS] = str(row)


def _asked() -> int | None:
    """The image that the address names, which need not exist."""
    text = st.query_params.get(ADDRESS, "")
    return int(text) if text.isdecimal() and len(text) <= 9 else None


def draw(study: OpenStudy, chosen: np.ndarray, by: str) -> None:
    """The neighbours of the image that the address names, where it was clicked on."""
    if st.session_state.pop(MOVED, False):
        st.rerun()
    row = _asked()
    if row is None or _place() != by:
        return
    with st.container(key=f"near.{by}", gap="xxsmall"):
        with st.container(**HEAD):
            st.markdown("**Nearest images you keep**", width="stretch")
            st.button("Close", type="tertiary", icon=":material/close:", key=f"near.close.{by}", on_click=_close)
        _neighbours(study, row, chosen, ACROSS[by])


def _neighbours(study: OpenStudy, row: int, chosen: np.ndarray, across: int) -> None:
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
    labels = [(f"row {row}", f"{study.classes[study.labels[row]]}, this one")]
    labels += [
        (f"row {r}", f"{study.classes[study.labels[r]]}, at {d:.2f}")
        for r, d in zip(near.rows, near.distances, strict=True)
    ]
    shown = np.concatenate([[row], near.rows])
    thumbnails.show(study.pixels[shown], labels, alt="; ".join(f"{a}, class {b}" for a, b in labels), across=across)
    st.markdown(
        f":small[Of the {count} nearest to **row {row:,}** (class {own}, {where}) **{near.alike * count:.0f} are of "
        f"its class**. The nearest lies at {near.distances[0]:.2g}, half of all kept images beyond {near.usual:.2g}.]",
        help="The nearer they lie, the more unlearning this image can change them too. Distances in the embedding "
        "space of the original model, as entanglement measures them.",
    )


def _place() -> str:
    return st.session_state.get(BY, MAP)


def _close() -> None:
    st.session_state[TYPED] = None
    st.query_params.pop(ADDRESS, None)
