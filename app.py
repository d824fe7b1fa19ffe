"""The dashboard: page settings and navigation. Run it with: python -m streamlit run app.py"""

from pathlib import Path

import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.shared import access, frame, state

# A file of ours: for a named icon every browser would ask a server of Google.
ICON = Path(__file__).parent / "pages" / "shared" / "icon.svg"
st.set_page_config(page_title="Unlearning workbench", page_icon=str(ICON), layout="wide")
chosen = st.navigation(
    [
        # The name that a page at the root does not use keeps the next one free.
        st.Page("pages/start.py", title="Start", icon=":material/home:", url_path="home", default=True),
        st.Page("pages/explore.py", title="Explore", icon=":material/scatter_plot:", url_path="explore"),
        st.Page("pages/plan.py", title="Plan", icon=":material/account_tree:", url_path="plan"),
        st.Page("pages/runs.py", title="Runs", icon=":material/list:", url_path="runs"),
        st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        st.Page("pages/audit.py", title="Audit", icon=":material/policy:", url_path="audit"),
        st.Page("pages/report.py", title="Report", icon=":material/summarize:", url_path="report"),
        st.Page("pages/guess.py", title="Guess", icon=":material/casino:", url_path="guess"),
        # Start is at the root, but whoever knows the names of the others types this one.
        st.Page(state.to_start, title="Start", url_path="start", visibility="hidden"),
    ],
    position="hidden" if access.barred() else "sidebar",
)
frame.run(chosen)
