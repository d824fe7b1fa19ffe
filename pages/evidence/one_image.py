"""One image under the shadow models of an audit: before it was forgotten, after, and where nobody saw it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.evidence import image_densities, shadows
from pages.shared import address, thumbnails
from unlearn_core.experiment.measured_groups import third


@st.fragment
def draw(study, found, images: pd.DataFrame) -> None:
    """What the shadows say of one image; `images` are the scores of all."""
    ranked = images.sort_values(["auc", "row"], ascending=[False, True])
    names = {str(r.row): f"row {r.row}, told apart {r.auc:.2f}" for r in ranked.itertuples()}
    row = int(address.choice(st.selectbox, "Image", names, "image", width=260))
    seen = shadows.observed(found.key)
    place = list(seen.rows[: seen.forget]).index(row)
    samples = {
        "original": seen.remembered[:, place],
        "unlearned": seen.unlearned[:, place],
        "retrained": seen.never_seen[:, place],
    }
    line = images[images["row"] == row].iloc[0]
    title = f"Row {row}, class {study.classes[study.labels[row]]}: told apart with AUC {line['auc']:.2f}"
    left, right = st.columns([1, 4], vertical_alignment="center")
    with left:
        on = third(line["part"]) if line["part"] else ""
        thumbnails.show(study.pixels[[row]], [(f"row {row}", on)], alt=f"Image of row {row}", across=1)
    with right:
        names = {"original": "before forgetting it", "unlearned": "after", "retrained": "never saw it"}
        image_densities.show(title, samples, names)
