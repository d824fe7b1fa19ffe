"""What is said of a person's own algorithms, where a folder of them is in use."""

from __future__ import annotations

import streamlit as st

from pages.shared.text import escape
from unlearn_core.unlearning import OWN, OWN_FAULT
from unlearn_core.unlearning.own import folder


def draw() -> None:
    """Which files were loaded, which were not and why, and which have changed since; nothing without a folder."""
    if folder() is None:
        return
    if OWN_FAULT:
        st.warning(escape(OWN_FAULT), icon=":material/extension_off:")
        return
    loaded = [own for own in OWN if own.algorithm is not None]
    names = ", ".join(escape(own.algorithm.title) for own in loaded) or "none that could be loaded"
    st.markdown(
        f":material/extension: Your own algorithms from {escape(str(folder()))}: **{names}**. These files are code and "
        "run with all rights of this program."
    )
    for own in OWN:
        if own.fault:
            st.warning(escape(own.fault), icon=":material/extension_off:")
    if changed := [escape(own.file.name) for own in OWN if own.changed]:
        st.warning(
            f"Changed since this server was started: {', '.join(changed)}. Start it again before you run them; results "
            "of the files as they were keep their own keys.",
            icon=":material/restart_alt:",
        )
