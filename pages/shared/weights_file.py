"""A file of weights that a person gives, taken in or its faults shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pandas as pd
import streamlit as st

from pages.shared import access
from pages.shared.text import escape
from unlearn_core.disk import StoreError
from unlearn_core.experiment.own_weights import BadWeights
from unlearn_core.params import BadValue

SOME = 20  # faults that are listed
Taken = TypeVar("Taken")


def upload(label: str = "Weights", key: str | None = None):  # noqa: ANN201 - Streamlit does not name the type
    return st.file_uploader(label, "safetensors", disabled=not access.may("runner"), key=key)


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
