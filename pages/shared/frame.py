"""What surrounds every page: the study picker, the light that says whether work is under way, errors as sentences."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import streamlit as st

from pages.shared import access, address, chosen_set, ground, how_to_read, job_words, progress, recorded, state, uploads
from pages.shared.plain_errors import with_plain_errors
from pages.shared.text import escape, images
from unlearn_core import jobs
from unlearn_core.experiment import example, forget_sets, studies
from unlearn_core.experiment.listed import Listed

__all__ = ["empty_state", "escape", "page", "run", "sidebar"]
_inside = ContextVar("inside the frame", default=False)
# Streamlit leaves 96 pixels free above a page and 80 beside it, which a screen of 1280x720 cannot spare: a page begins
# below the bar of 60 pixels at its top. Longer lines than 1,400 pixels are hard to read: a wide screen leaves the rest
# free, at both sides. On the light blue that can be read on a dark ground white letters cannot. Names of sets and jobs
# in the sidebar take the lines that they need.
STYLE = """<style>
[data-testid=stMainBlockContainer] {padding: 3.75rem 2rem; max-width: 1464px}
[data-testid=stBottomBlockContainer] {padding: 0.5rem 2rem 1rem; max-width: 1464px}
[data-testid=stMain] h1 {padding: 0 0 0.5rem; font-size: 1.75rem}
[data-testid=stImage] img {border-radius: 0}
button[kind=primary] {background: #0072B2; border-color: #0072B2}
[data-testid=stMultiSelect] :is([data-tag], [data-baseweb=tag]) {background: #0072B2}
[data-testid=stSidebarUserContent] [data-testid=stPageLink] :is(a, a *) {
  height: auto; white-space: normal; overflow: visible; overflow-wrap: anywhere
}
</style>"""


def run(chosen) -> None:
    """Draw the sidebar and the page that the navigation chose; only why, for whoever is not let in."""
    uploads.limit()
    if access.barred():
        access.turn_away()
        return
    token = _inside.set(True)
    try:
        address.arrive()
        st.html(STYLE)
        hand = sidebar(chosen.title)
        chosen.run()
        with hand:  # only now, because the page may have taken another set in hand
            with_plain_errors(_in_hand)
    finally:
        _inside.reset(token)


def page(draw: Callable[[], None]) -> None:
    """Draw a page inside the frame. Every file in pages/ ends with this call.

    Streamlit finds the files in pages/ by itself, and on a freshly started server it runs the one a deep link names
    alone, without app.py and so without whatever stands guard there. Such a run is handed to app.py, which comes back
    here.
    """
    if _inside.get():
        with_plain_errors(draw)
    else:
        runpy.run_path(str(Path(__file__).parents[2] / "app.py"), run_name="__main__")


def sidebar(title: str):  # noqa: ANN201 - Streamlit does not name the type
    """The study on screen, how to read the page of this title, what is under way; a warning about the address stands
    above the page. Returns the place for the set in hand.
    """
    above = st.container()
    with st.sidebar:
        with_plain_errors(lambda: _study_picker({listed.key: listed for listed in studies(state.store())}, above))
        hand = st.container()
        how_to_read.draw(title)
        access.about()
        with_plain_errors(lambda: progress.live("light", _light))
        ground.watch(title)
    return hand


def _study_picker(finished: dict[str, Listed], above) -> None:
    """The study of the address, of this visit, or the newest. A change of page empties the address: it is refilled."""
    if not finished:
        return
    named, before = st.query_params.get("study"), st.session_state.get("study")
    if named and named not in finished:
        above.warning("The study of this address is not in this store. Another one is shown.")
    shown = next(key for key in (named, before, *finished) if key in finished)
    st.session_state["study"] = shown
    address.put("study", shown)
    labels = {key: f"{study.name} #{key[:4]}" for key, study in finished.items()}
    st.selectbox("Study", list(labels), format_func=labels.get, key="study", on_change=_picked)
    study = finished[shown]
    own = ", your own original" if study.given else ""
    seeds = f"{study.seeds} seed{'s' * (study.seeds > 1)}"
    st.caption(f"{escape(study.dataset)}: {images(study.forget)} to forget, {seeds}{own}.")
    recorded.mark()


def _picked() -> None:
    state.show_study(st.session_state["study"])


def _in_hand() -> None:
    """The set in hand where it is another than the study's, by what this visit holds: no result is looked for."""
    if (hand := chosen_set.shown(st.session_state.get("study", ""))) is None:
        return
    count, kept, in_address = hand
    name = forget_sets.name_of(state.store(), kept)
    said = f"**{escape(name)}**, {images(count)}" if name else f"your set of {images(count)}"
    mark = f" #{kept[:4]}" if name or in_address else ""
    st.page_link("pages/explore.py", label=f"In hand: {said}{mark}", icon=":material/scatter_plot:")


def _light() -> None:
    """What is under way or was interrupted, and where it is."""
    for job in jobs.listing(state.store()):
        if job.active or job.state == "interrupted":
            icon, word = progress.STATES[job.state]
            st.page_link("pages/runs.py", label=escape(job_words.title(job)), icon=icon)
            st.caption(f"{word}: {progress.where(job)}" if job.stage else word)


def empty_state(what: str, lacks: str = "needs a finished study") -> None:
    """What a page says while there is no study: one sentence, and the two buttons that change it."""
    st.info(f"{what} {lacks}: open one that was run before, or run the example, about a minute on two processor cores.")
    recorded.example("primary")
    if access.button("Run the example"):
        access.submit(state.store(), example())
        st.switch_page("pages/runs.py", query_params={})
