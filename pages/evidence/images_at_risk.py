"""The images that still look most like members, whatever attack is chosen."""

from __future__ import annotations

import streamlit as st

from pages.shared import thumbnails
from pages.shared.comparison_words import title_of
from pages.shared.folds import fold
from pages.shared.text import escape
from unlearn_core.experiment import audit


def draw(study, method: str, part: str, seeds: tuple[int, ...]) -> None:
    """Thumbnails with their scores, and the scores beside those of other models."""
    st.subheader("Images at most risk")
    if not study.spec.models:
        st.info("Single images are told apart by the likelihood ratio, and no bank of models was trained for it.")
        return
    risky = audit.at_risk(study, method, part, seeds)
    kept = int((risky["unlearned"] > 0).sum())
    st.markdown(
        f"The {len(risky)} forgotten images that {escape(title_of(study, method))} treats most like training images, "
        f"by likelihood ratio. {kept} of them are above 0: nearer to models that saw them than to models that did not."
    )
    labels = [(f"row {r.row}", f"{r.label}: {round(r.unlearned, 1) + 0.0:+.1f}") for r in risky.itertuples()]
    thumbnails.show(
        study.pixels[risky["row"]],
        labels,
        alt="The images at most risk: " + thumbnails.in_words(labels),
        across=8,
    )
    with fold("at-risk", "Scores of these images") as box:
        if not box.open:
            return
        st.dataframe(
            risky,
            column_config={
                "row": "Row",
                "label": "Class",
                "part": "Third",
                "unlearned": st.column_config.NumberColumn("After", format="%.2f"),
                "original": st.column_config.NumberColumn("Original", format="%.2f"),
                "retrained": st.column_config.NumberColumn(
                    "Retrained", format="%.2f", help="An image as high here gives nothing away."
                ),
            },
            hide_index=True,
            width="content",
        )
