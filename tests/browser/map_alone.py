"""The map alone, or the two maps of Compare, with as many made-up points as the address says: what the browser tests
and a benchmark open.
"""

import numpy as np
import streamlit as st

from pages.comparing import twin_maps
from pages.shared import embedding_map
from pages.shared.embedding_map import blob
from tests.twins import made_up as made_up_twins
from unlearn_core.experiment.map_values import MapValues
from unlearn_core.lasso import inside


@st.cache_resource
def made_up(n: int) -> tuple[np.ndarray, bytes]:
    """Ten round clusters; a sixth of the points is held out."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, n)
    angle = labels * (2 * np.pi / 10)
    xy = blob.on_grid(np.c_[np.cos(angle), np.sin(angle)] * 4 + rng.normal(size=(n, 2)))
    train = n * 5 // 6
    data = blob.points(
        xy,
        MapValues(labels, np.ones(n, bool), rng.random(n), rng.normal(size=n)),
        rng.random(train),
        id=str(n),
        classes=list("abcdefghij"),
        score="memorization",
    )
    return xy[:train], data


@st.fragment
def shown(n: int) -> None:
    places, data = made_up(n)
    event = embedding_map._map(key="map.points", data=data, on_change_change=lambda: None)
    mask = inside(places, event.change["line"]) if event.change else np.arange(len(places)) < 100
    st.session_state["told"] = st.session_state.get("told", 0) + 1
    head = {
        "told": st.session_state["told"], "heard": event.change["n"] if event.change else 0, "version": 0,
        "forget": int(mask.sum()), "label": "",
    }  # fmt: skip
    embedding_map._send("news", head, np.packbits(mask, bitorder="little"))
    st.markdown(f"{int(mask.sum())} inside")


def twins(n: int) -> None:
    found = made_up_twins(n)
    rows = np.arange(n) if st.toggle("Highlight all") else found.study.forget
    right = "retrained" if st.toggle("Retrained on the right") else "unlearned"
    said = {"title": "A title", "about": "made-up data", "label": "A label", "name": right}
    chosen, _, _ = twin_maps.draw(found, "pca", rows, right, said)
    st.markdown(f"{len(chosen)} inside")


st.set_page_config(layout="wide")
count = int(st.query_params.get("n", 50_000))
if "twins" in st.query_params:
    twins(count)
else:
    shown(count)
