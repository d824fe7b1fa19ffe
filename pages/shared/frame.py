"""What surrounds every page: the study picker, the light that says whether work is under way, errors as sentences."""

from __future__ import annotations

import logging
import runpy
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import streamlit as st

from pages.shared import state
from unlearn_core import jobs
from unlearn_core.experiment import example, studies
from unlearn_core.params import BadValue
from unlearn_core.store import StoreError

log = logging.getLogger(__name__)
_inside = ContextVar("inside the frame", default=False)


def run(chosen) -> None:
    """Draw the sidebar and the page that the navigation chose."""
    token = _inside.set(True)
    try:
        sidebar()
        chosen.run()
    finally:
        _inside.reset(token)


def page(draw: Callable[[], None]) -> None:
    """Draw a page inside the frame. Every file in pages/ ends with this call.

    Streamlit finds the files in pages/ by itself, and on a freshly started server it runs the one a deep link names alone, without
    app.py and so without whatever stands guard there. Such a run is handed to app.py, which comes back here.
    """
    if _inside.get():
        _with_plain_errors(draw)
    else:
        runpy.run_path(str(Path(__file__).parents[2] / "app.py"), run_name="__main__")


def sidebar() -> None:
    """The study on screen, and what is under way."""
    with st.sidebar:
        finished = {listed.key: listed for listed in studies(state.store())}
        if finished:
            shown = st.query_params.get("study")
            keys = list(finished)
            chosen = st.selectbox(
                "Study",
                keys,
                index=keys.index(shown) if shown in keys else 0,
                format_func=lambda key: _label(finished[key]),
            )
            if chosen != shown:
                state.show_study(chosen)
        under_way = [job for job in jobs.listing(state.store()) if job.active]
        if under_way:
            st.caption(f":material/progress_activity: {len(under_way)} under way: see Runs")


def _label(listed) -> str:
    return f"{escape(listed.name)}, {listed.forget} images, #{listed.key[:4]}"


def _with_plain_errors(draw: Callable[[], None]) -> None:
    """A mistake in a request is one sentence on the page; anything else goes to the log, and the page says that it failed."""
    try:
        draw()
    except (BadValue, StoreError) as error:
        st.error(str(error))
    except Exception as error:
        if type(error).__module__.startswith("streamlit"):
            raise
        log.exception("a page failed")
        st.error("This page could not be drawn. Reload it; if it fails again, the server's log has the details.")


def empty_state(what: str) -> None:
    """What a page says while there is no study: one sentence and the one button that changes it."""
    st.info(f"{what} needs a finished study. The example takes about a minute on two processor cores.")
    if st.button("Run the example", type="primary"):
        jobs.submit(state.store(), example())
        st.switch_page("pages/runs.py")


def escape(text: str) -> str:
    """A name from data as plain text where Markdown is read."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|$:#~{}()!" else c for c in text)
