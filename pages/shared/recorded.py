"""Studies that came in a file: opened from one, marked as such, and only read."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.shared import access, state
from pages.shared.text import escape
from unlearn_core.disk import StoreError
from unlearn_core.experiment import recorded_example
from unlearn_core.experiment.bundle import has_images, import_bundle, recorded
from unlearn_core.params import BadValue, key

EXAMPLE = Path(__file__).parents[2] / "docs" / "recorded.zip"
HERE = "recorded.here"  # the study whose file was opened last, where the store had it before
READ_ONLY = "This study came in a file, so no work is started on it here."


def on_screen() -> dict | None:
    """When the study of the address was imported; None where it was run here, or where there is none."""
    return recorded(state.store(), st.query_params.get("study", ""))


def mark() -> None:
    """Say of the study on screen that it was not run here, where that is so; and of one whose file was opened though it
    was here that this brought nothing.
    """
    if st.session_state.get(HERE) == st.query_params.get("study", ""):
        st.caption(":material/done: The study of that file was here already, so it was not imported again.")
    if (note := on_screen()) is not None:
        st.caption(
            f":material/inventory_2: **Recorded study.** It came in a file on {escape(note['imported'][:10])} and was "
            f"not run here: it can be read, and no work is started on it.{_without_images()}"
        )
        st.page_link("pages/start.py", label="Run the example, or a study of your own", icon=":material/play_arrow:")


def _without_images() -> str:
    result = state.store().open("Study", st.query_params["study"])
    if has_images(state.store(), result):
        return ""
    name = escape(result.spec().training.data.name)
    return f" Its images stayed behind: grey squares stand for them until you add your own copy of them as {name}."


def start(label: str, *, disabled: bool = False, **how) -> bool:
    """A button that starts work on the study on screen; where that is only read, it is off and a sentence says why."""
    only_read = on_screen() is not None
    pressed = access.button(label, disabled=disabled or only_read, **how)
    if only_read:
        st.caption(f":material/inventory_2: {READ_ONLY}")
    return pressed


def example(kind: str) -> None:
    """A button to the example that was run elsewhere and came with the program, placed in the store at first."""
    if access.button("Open a recorded run", type=kind, icon=":material/inventory_2:", disabled=not EXAMPLE.is_file()):
        store, study = state.store(), recorded_example()
        if store.find(study) is None:
            _place(EXAMPLE)
        else:
            state.open_study(key(study))


def upload() -> None:
    """A file of a study, checked and placed in the store as a whole or not at all, and then opened."""
    with st.expander("Open a study from a file", icon=":material/upload_file:"):
        with st.form("bundle", border=False):
            file = st.file_uploader(
                "A .zip file that Report or `bundle export` wrote", "zip", disabled=not access.may("runner")
            )
            asked = access.button("Open this file", widget=st.form_submit_button)
        if not asked:
            return
        if file is None:
            st.info("Choose a file first.")
            return
        _place(file)


def _place(file) -> None:
    """Check the study of this file, place it in the store, and open it; or say why not."""
    before = {result.key for result in state.store().results("Study")}
    try:
        access.need("runner")
        with st.spinner("Checking every file in it"):
            found = import_bundle(state.store(), file)
    except (BadValue, StoreError) as error:
        st.error(escape(str(error)))
    else:
        st.session_state[HERE] = found if found in before else None
        state.open_study(found)
