"""Two maps of the same images in one frame, drawn by a component of its own: where all of them were, where they went.

The places under every model go to the browser once. What is highlighted, which model stands on the right, the arrows
and the images that lines surround follow on a wire: two bits for each image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from pages.comparing.twin_maps import lines, link, packed
from pages.shared import theme
from pages.shared.embedding_map import wires
from unlearn_core.experiment.shared_map import Moved

HERE = Path(__file__).parent
ARROWS = 200  # more hide each other
KEYS = (
    "Draw around images on either map to select them; Shift adds them, Alt takes them out. Arrow keys move both maps, "
    "this one under a cross in its middle, with Shift by little; Enter sets a corner of a line there, and a second "
    "time in the same place ends it. Plus and minus zoom, 0 shows all of both maps, Escape clears the lines."
)


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_maps = st.components.v2.component(
    "twin_maps",
    html=_read("twins.html"),
    css=wires.read("map.css") + _read("twins.css"),
    js=wires.read(*wires.DRAWN) + _read("twins.js"),
)


def draw(found: Moved, kind: str, rows: np.ndarray, right: str, words: dict[str, str]) -> tuple[np.ndarray, str, str]:
    """The original on the left, "unlearned" or "retrained" on the right; `rows` are highlighted. `words`: the `title`,
    what it rests on (`about`), what the chart says for those who cannot see it (`label`), and the `name` of the model
    on the right. Returns the rows that lines surround, sorted, a sentence where lines came to nothing or to no address,
    and one on the arrows that were left out; "" where there is none.
    """
    n, key = len(found.study.labels), f"{found.study.key}.{found.method}.{kind}"
    places, data = packed.of_map(found, key)
    told = _maps(key="compare.maps.points", data=data, on_told_change=_heard).told
    there, unread = link.now(key, told)
    chosen, drawn, nobody = lines.selected(places, key, there)
    too_long = link.tell(key, drawn)
    arrows = found.furthest(rows, right, ARROWS)
    head = {"id": key, "right": right, "keys": KEYS, "lines": drawn, "colours": _colours()} | words
    columns = packed.bits(rows, n), packed.bits(chosen, n), arrows.astype(np.uint32)
    wires.send(packed.NAME, "shown", head, *columns, key="compare.maps.shown")
    left_out = int(found.beyond(right)[rows].sum()) > len(arrows)
    return chosen, unread or nobody or too_long, f"The {ARROWS} longest movements have arrows. " if left_out else ""


def _colours() -> dict[str, str]:
    ink, ground, grey = ("#FAFAFA", "#101014", "#4A505C") if theme.is_dark() else ("#101014", "#FAFAFA", "#C9CDD4")
    roles = {role: theme.ROLES[role][0] for role in ("forget", "retain")}
    return roles | {"ink": ink, "ground": ground, "grey": grey}


def _heard() -> None:
    """Streamlit reports only what somebody listens to."""
