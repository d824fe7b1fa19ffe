"""The report and the study as files to take away; both are made only when asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from unlearn_core import report
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.bundle import export


def buttons(study: OpenStudy, audience: str, method: str) -> None:
    """Download the report of a method for an audience, and the study as one file."""
    with st.container(horizontal=True):
        st.download_button(
            "Download HTML",
            data=lambda: report.write(study, audience, method).encode(),
            file_name=f"report-{study.key[:8]}-{method}-{audience}.html",
            mime="text/html",
            on_click="ignore",
            icon=":material/download:",
            type="primary",
            help="Needs no network. To get a PDF, open it and print it; the short one fits on one A4 page.",
        )
        st.download_button(
            "Study as one file",
            data=lambda: whole(study),
            file_name=f"study-{study.key[:8]}.zip",
            mime="application/zip",
            on_click="ignore",
            icon=":material/folder_zip:",
            help="To look at this study on another machine: a .zip file with its results, models and evidence, which "
            "Start opens under “Open a study from a file” (or the command bundle import). With the weights of all its "
            "models it is much larger than the report.",
        )


def whole(study: OpenStudy) -> bytes:
    """The study with all that belongs to it, as a .zip file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.zip"
        export(study.store, study.key, file)
        return file.read_bytes()
