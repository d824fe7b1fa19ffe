"""Adding a person's own images: a folder or a parquet file on the server becomes a dataset."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from pages.shared import state
from pages.shared.text import escape
from unlearn_core.data import Imported, add
from unlearn_core.params import BadValue
from unlearn_core.store import StoreError


def draw() -> None:
    """The form; a dataset that was added can be chosen at once."""
    st.markdown(
        "A folder with one folder of images for each class (or with `train` and `test` folders of such), or a parquet "
        "file. It is read on the machine where this program runs; nothing is uploaded, and the files stay as they are."
    )
    with st.form("add-images", border=False):
        path = st.text_input("Folder or parquet file", placeholder="/home/me/images", width=520)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name of the dataset", placeholder="my-images", width=240)
            share = st.number_input(
                "Test share",
                0.01,
                0.5,
                0.2,
                0.05,
                width=136,
                help="Where the source has no test part, this share of the images becomes it.",
            )
            size = st.number_input(
                "Side in pixels",
                0,
                1024,
                0,
                width=136,
                help="Images are resized to a square with this side; 0 leaves them as they are.",
            )
        asked = st.form_submit_button("Add these images")
    if asked:
        bar = st.progress(0.0, text="Looking for images")
        try:
            added = add(
                Path(path),
                name,
                state.store().root / "data",
                test_share=share,
                size=size or None,
                tell=lambda stage, done, total: bar.progress(
                    done / max(total, 1), text=escape(f"{stage}: {done:,} of {total:,}")
                ),
            )
        except (BadValue, StoreError) as error:
            st.error(escape(str(error)))
        else:
            _report(added)
        bar.empty()


def _report(added: Imported) -> None:
    st.success(
        f"{escape(added.name)} is there: {added.train:,} training and {added.test:,} test images in "
        f"{len(added.classes)} classes. Choose it below as the dataset.",
        icon=":material/check_circle:",
    )
    if added.skipped:
        st.warning(f"Not used: {len(added.skipped):,} of the files.")
        st.dataframe(
            pd.DataFrame(added.skipped, columns=["File", "Reason"]),
            hide_index=True,
            alt="Files that were not used, and why.",
        )
