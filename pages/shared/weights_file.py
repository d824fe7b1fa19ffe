"""A file of weights that a person gives: what it must hold, and taken in or its faults shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pandas as pd
import streamlit as st

from pages.shared import access, state
from pages.shared.text import escape
from unlearn_core.disk import StoreError
from unlearn_core.experiment.own_weights import BadWeights, needed
from unlearn_core.experiment.pace import images_here
from unlearn_core.params import BadValue, key
from unlearn_core.training import Training

SOME = 20  # faults that are listed
Taken = TypeVar("Taken")


def upload(label: str = "Weights", key: str | None = None):  # noqa: ANN201 - Streamlit does not name the type
    return st.file_uploader(label, "safetensors", disabled=not access.may("runner"), key=key)


def names_and_shapes(training: Training, place: str) -> None:
    """What the file must hold for the chosen architecture and width, behind a button; `place` is its key."""
    with st.popover("Names and shapes of the weights", icon=":material/list:", key=place, on_change="rerun") as shown:
        if not shown.open:
            return
        if not images_here(state.store(), training):
            st.caption("They can be listed once these images are here.")
            return
        try:
            rows = _needed(str(state.store().root), key(training), training)
        except BadValue as error:
            st.error(escape(str(error)))
            return
        heads = {"name": "Name", "shape": "Shape", "numbers": "Numbers", "note": ""}
        st.dataframe(
            pd.DataFrame(rows),
            column_config=heads,
            hide_index=True,
            alt="Name, shape and kind of numbers of each weight that the file must hold.",
        )
        st.caption(
            "Without `mean` and `std` those of the images are taken. A prefix `module.` of all names is taken off, and "
            "16- and 64-bit numbers become 32-bit ones."
        )


@st.cache_resource(ttl=30, max_entries=16, show_spinner=False)
def _needed(root: str, asked: str, _training: Training) -> list[dict[str, str]]:
    return needed(state.store(), _training)


def take(check: Callable[[], Taken]) -> Taken | None:
    """What `check` makes of a file; where the weights do not fit, what is wrong with each, and None."""
    try:
        with st.spinner("Checking the weights"):
            return check()
    except BadWeights as error:
        st.error(escape(str(error)))
        if len(error.faults) > 1:
            table = pd.DataFrame(error.faults[:SOME], columns=["Weight", "What is wrong"])
            st.dataframe(table, hide_index=True, alt="Weights that do not fit the architecture, and why.")
    except (BadValue, StoreError) as error:
        st.error(escape(str(error)))
    return None
