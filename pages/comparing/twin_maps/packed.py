"""The places of all images under each model, as they go to the browser: once, whatever is highlighted later."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared.embedding_map.blob import framed, on_grid
from unlearn_core.experiment.shared_map import Moved

NAME = "twins"  # in the browser, beside the map of Explore
MODELS = ("original", "unlearned", "retrained")


@st.cache_resource(max_entries=8, show_spinner=False)
def of_map(_found: Moved, key: str) -> tuple[dict[str, np.ndarray], bytes]:
    """(model -> (n, 2) int16 places, all as bytes) of the map `key`: every image, 13 bytes each and a bit (14 with more
    than 256 classes). All three models lie in one frame of one scale, so that any of them can stand on the right.
    """
    study = _found.study
    n, classes = len(study.labels), list(study.classes)
    grid = on_grid(np.concatenate([_found.places[model] for model in MODELS]))
    places = dict(zip(MODELS, np.split(grid, len(MODELS)), strict=True))
    head = {"map": NAME, "id": key, "all": n, "models": MODELS, "classes": classes}
    columns = [place[:, axis] for place in places.values() for axis in (0, 1)]
    labels = study.labels.astype(np.uint8 if len(classes) <= 256 else np.uint16)
    return places, framed(head, *columns, labels, bits(study.forget, n))


def bits(rows: np.ndarray, n: int) -> np.ndarray:
    """(ceil(n / 8),) uint8: one bit for each of n rows, the first lowest, set for these."""
    mask = np.zeros(n, bool)
    mask[rows] = True
    return np.packbits(mask, bitorder="little")
