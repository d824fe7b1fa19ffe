"""The map of all images, drawn by a component of its own: points go to the browser once, lines come back.

Streamlit sends what a component is given as a whole, so it comes in six parts: the points, which stay as they are; the
news (which images are in the set); the card of one image; pictures of those on screen, where they are few; the image
that was clicked on; and the rest of the page, which follows when hands rest. All but the points travel on wires that
the map in the browser listens to. Its colour and where it stands are the browser's own, and its own to write into the
address.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from pages.shared import address, chosen_set, theme
from pages.shared.embedding_map import blob, card, strokes, thumbs, wires
from pages.shared.text import images
from unlearn_core.experiment import OpenStudy

KINDS = {"umap": "UMAP", "pca": "PCA"}
_BY_SET = "map.by_set"  # in the session: whether the set decides the colour, so that it is asked for

_map = st.components.v2.component(
    "embedding_map",
    html=wires.read("map.html"),
    css=wires.read("map.css"),
    js=wires.read(*wires.DRAWN, "points.js", "pictures.js", "address.js", "place.js", "outbox.js", "map.js"),
)


def draw(study: OpenStudy, kind: str) -> str:
    """Draw the points, and change the set in hand as a line on the map asks: call this before the set is read. Returns
    a sentence where a line came to nothing, "" otherwise.
    """
    if "map.points" not in st.session_state:
        strokes.visit()
        st.session_state.pop(_BY_SET, None)
    places, data = blob.of_study(study, study.key, kind, theme.is_dark())
    event = _map(key="map.points", data=data, on_change_change=_heard)
    if isinstance(event.change, dict):
        st.session_state[_BY_SET] = event.change.get("by_set") is True
    elif _BY_SET not in st.session_state or address.went_back():
        st.session_state[_BY_SET] = st.query_params.get("colour") == blob.BY_SET
    return strokes.apply(study, places, event.change)


def news(study: OpenStudy, chosen: np.ndarray) -> None:
    """Tell the map which images are in the set, and how much each adds to its entanglement where that is its colour."""
    mask = np.zeros(len(study.labels), bool)
    mask[chosen] = True
    # Counted, so that a line that changed nothing is answered too, and taken off the map.
    st.session_state["map.told"] = st.session_state.get("map.told", 0) + 1
    head = {
        "told": st.session_state["map.told"], "heard": strokes.heard(), "version": chosen_set.version(study),
        "forget": len(chosen), "label": label(study, chosen),
    }  # fmt: skip
    columns = [np.packbits(mask, bitorder="little")]
    if st.session_state[_BY_SET] and 0 < len(chosen) < len(mask):
        column, *head["moved"] = blob.scaled(study.sums.moved_by(chosen))
        columns.append(column)
    _send("news", head, *columns, on_colour_change=_by_set)


@st.fragment(key="map.card")
def cards(study: OpenStudy) -> None:
    """Answer, apart from the rest of the page, what the map asks about single images."""
    found = card.of_image(study, st.session_state.pop("map.looked", None))
    head, picture = found or ({}, np.zeros(0, np.uint8))
    _send("look", head | {"id": study.key}, picture, on_look_change=_looked)


@st.fragment(key="map.thumbs")
def pictures(study: OpenStudy) -> None:
    """Answer which images lie where few points are on screen, all that are new to the map in one picture."""
    found = thumbs.of_images(study, st.session_state.pop("map.wanted", None))
    head, picture = found or ({}, np.zeros(0, np.uint8))
    _send("thumbs", head | {"id": study.key}, picture, on_want_change=_wanted)


@st.fragment(key="map.rest")
def rest(study: OpenStudy, drawn: int) -> None:
    """Have the whole page drawn again when the set was changed on the map since, and hands rest; `drawn` is the
    version of the set that the page shows. A fragment, because what a fragment asks for waits until others are done: a
    click elsewhere on the page, not yet heard, would be lost to a page that is drawn anew.
    """
    event = _send("rest", {"version": drawn}, on_again_change=_heard)
    if event.again is not None and chosen_set.version(study) != drawn:
        st.rerun()


def picks(heard: Callable[[object], None], ringed: int | None, finds: int) -> None:
    """Hear which image is clicked on: `heard` is told what the browser says. Draw it where that is shown. Around the
    image `ringed` there is a ring; where `finds` has grown since, the map moves to it and shows its card.
    """
    _send("pick", {"ringed": ringed, "finds": finds}, on_pick_change=lambda: heard(st.session_state["map.pick"].pick))


def _which(study: OpenStudy, chosen: np.ndarray) -> str:
    """How many images are in the set, and of which class most are, in one line."""
    counts = np.bincount(study.labels[chosen], minlength=len(study.classes))
    most, present = int(counts.argmax()), int((counts > 0).sum())
    if present == 1:
        whole = "The one image" if len(chosen) == 1 else f"All {images(len(chosen))}"
        return f"{whole} to forget {'is' if len(chosen) == 1 else 'are'} of class {study.classes[most]}"
    return (
        f"{len(chosen):,} images to forget, from {present} of {len(counts)} classes, "
        f"most from class {study.classes[most]} ({counts[most]:,})"
    )


def label(study: OpenStudy, chosen: np.ndarray) -> str:
    """What the map shows, for those who cannot see it."""
    return (
        f"Map of {len(study.labels):,} training images, of which {len(chosen):,} are to be forgotten, and "
        f"{len(study.data.test.y):,} test images. {_which(study, chosen)}."
    )


def _send(part: str, head: dict, *columns: np.ndarray, **events):  # noqa: ANN202 - Streamlit does not name the type
    return wires.send(blob.NAME, part, head, *columns, key=f"map.{part}", **events)


def _looked() -> None:
    st.session_state["map.looked"] = st.session_state["map.look"].look


def _wanted() -> None:
    st.session_state["map.wanted"] = st.session_state["map.thumbs"].want


def _by_set() -> None:
    """This colour goes by the set, so it is asked for of whoever sends the set."""
    st.session_state[_BY_SET] = True


def _heard() -> None:
    """Streamlit reports only what somebody listens to."""
