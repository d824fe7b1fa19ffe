"""What someone reads of a deletion who has the model before and the model after it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.shared import numbers
from pages.shared.text import escape

WAYS = {
    "last layer": "class, from the last layer",
    "probes": "class, from images the original is sure of",
    "among all": "image, by its features (AUC)",
    "within the class": "image among its class, by its features (AUC)",
    "gradient matching": "image, reconstructed by gradient matching (AUC)",
}


def draw(table: pd.DataFrame) -> None:
    """What is read of deletions of single images; `table` is that of an audit."""
    lines = table[table["metric"].isin(["inversion_label_accuracy", "inversion_retrieval"])]
    if lines["unlearned"].isna().all():
        st.info(escape(next((w for w in lines["why"] if w), "This could not be measured.")))
        return
    st.markdown(
        "Someone who has the model before and after one image is deleted may read from the difference what was "
        "deleted: its class, or the image itself among 1,000 candidates. The control is a model that was trained on "
        "without any deletion, of which nothing can be read; a single step up the loss of the image must be read."
    )
    ends = [(kind, f"{kind}_low", f"{kind}_high") for kind in ("unlearned", "retrained", "original")]
    shown = pd.DataFrame({"what": [WAYS.get(by, by) for by in lines["by"]]})
    for kind, low, high in ends:
        values = zip(lines[kind], lines[low], lines[high], strict=True)
        shown[kind] = [f"{v:.2f} ({a:.2f} to {b:.2f})" if numbers.known(v) else numbers.MISSING for v, a, b in values]
    shown["says"] = [
        {1: "can be read", 0: "not told from the control"}.get(side, "below the control" if side == -1 else "")
        for side in lines["side"]
    ]
    heads = {"what": "Read", "unlearned": "Unlearned", "retrained": "Control", "original": "One step up", "says": ""}
    st.dataframe(shown, column_config=heads, hide_index=True)
    st.caption(
        "Means over deletions with 95 % intervals; the same images are deleted by each. Told from the control where "
        "the interval of the difference, deletion by deletion, misses 0."
    )
