"""Which classes pay for the forgetting: a method's gaps to retraining, class by class."""

from __future__ import annotations

import streamlit as st

from pages.shared import address, class_gaps
from pages.shared import comparison_words as words
from pages.shared.text import escape
from unlearn_core.experiment import comparison as core


def draw(study, picked: list[str]) -> None:
    """All of the methods picked in a sentence each and one of them in full, on the same images."""
    st.subheader("Class by class")
    on = class_gaps.which()
    tables = {method: core.class_gaps(study, method) for method in picked}
    lines = [
        f"- **{escape(words.title_of(study, method))}**: {class_gaps.in_words(table, on)}"
        for method, table in tables.items()
    ]
    st.markdown("\n".join(lines))
    method = address.choice(st.segmented_control, "Method in full", words.titles(study, picked), "of", required=True)
    class_gaps.draw(tables[method], on)
