"""Small things that go to a map in the browser, and what it asks for, beside the points, which stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from pages.shared.embedding_map.blob import framed

HERE = Path(__file__).parent
# What every map is drawn with and held by: points as pixels, marks of the legend, lines, hands.
DRAWN = ("draw.js", "legend.js", "line.js", "pencil.js", "hands.js")


def read(*names: str) -> str:
    """The text of files of this folder, one after the other: other maps are made of some of them."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


_wire = st.components.v2.component("embedding_map_wire", js=read("wire.js"))


def send(name: str, part: str, head: dict, *columns: np.ndarray, key: str, **events):  # noqa: ANN201 - Streamlit does not name the type
    """Send a head and columns to the map of this name as one of its parts; `events` are what is asked there."""
    return _wire(key=key, data=framed({"map": name, "part": part} | head, *columns), **events)
