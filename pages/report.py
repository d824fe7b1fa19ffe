import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.shared import address, frame, report_preview, state
from pages.shared.comparison_words import titles
from pages.shared.report_downloads import buttons
from unlearn_core import report


def draw() -> None:
    st.title("Report")
    study = state.study()
    if study is None:
        frame.empty_state("This page")
        return
    st.markdown(
        "One file for those who were not here: what was asked and done, whether it worked, what is not claimed."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        audience = address.choice(st.segmented_control, "For whom", report.AUDIENCES, "audience", required=True)
        names = titles(study, report.methods(study))
        method = address.choice(st.selectbox, "Method", names, "method", default=report.headline(study), width=260)
    buttons(study, audience, method)
    report_preview.draw(study, audience, method)


frame.page(draw)
