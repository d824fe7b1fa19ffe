"""The report as it will be read, inside the page."""

from __future__ import annotations

import base64

import streamlit as st

from unlearn_core import report
from unlearn_core.experiment import OpenStudy


def draw(study: OpenStudy, audience: str, method: str) -> None:
    """The very file that is downloaded. As a data: address its origin is nobody's, so that whatever a name in it says,
    it cannot reach the page around it.
    """
    # Lower than a small screen, so that its lower edge shows that it scrolls by itself.
    st.caption("The whole file, as it will be read; it scrolls inside its frame.")
    st.iframe(_as_address(study, study.key, audience, method), height=560, alt=f"The report, {audience}")


@st.cache_resource(ttl=30, max_entries=16, show_spinner=False)
def _as_address(_study: OpenStudy, key: str, audience: str, method: str) -> str:
    """Kept for half a minute only, since an audit that was finished meanwhile belongs into the report of `key`."""
    written = base64.b64encode(report.write(_study, audience, method).encode()).decode()
    return f"data:text/html;base64,{written}"
