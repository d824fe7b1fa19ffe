"""The dashboard's frame: page settings, the study picker in the sidebar, navigation. Run: python -m streamlit run app.py"""

import streamlit as st

from pages.shared import frame

st.set_page_config(page_title="Unlearning workbench", page_icon=":material/ink_eraser:", layout="wide")
page = st.navigation(
    [
        st.Page("pages/start/page.py", title="Start", icon=":material/home:", url_path="start", default=True),
        st.Page("pages/explore/page.py", title="Explore", icon=":material/scatter_plot:", url_path="explore"),
        st.Page("pages/plan/page.py", title="Plan", icon=":material/account_tree:", url_path="plan"),
        st.Page("pages/runs/page.py", title="Runs", icon=":material/list:", url_path="runs"),
        st.Page("pages/compare/page.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        st.Page("pages/audit/page.py", title="Audit", icon=":material/policy:", url_path="audit"),
    ]
)
frame.sidebar()
with frame.plain_errors():
    page.run()
