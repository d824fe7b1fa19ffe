"""A job on the screen: what it has done, where it is, what comes, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared import state
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.jobs import Job

EVERY = 1.0  # seconds between two looks at a job that is under way
STATES = {
    "starting": (":material/hourglass_top:", "Starting"),
    "queued": (":material/hourglass_empty:", "Waiting"),
    "running": (":material/autorenew:", "Running"),
    "done": (":material/check_circle:", "Done"),
    "failed": (":material/error:", "Failed"),
    "cancelled": (":material/cancel:", "Cancelled"),
    "interrupted": (":material/power_off:", "Interrupted"),
}
# The stages of a study in their order, and what happens in each.
STUDY = {
    "data": "Read and split the images",
    "original models": "Train the original models",
    "bank": "Train the bank that memorization is estimated from",
    "map": "Lay out the map of all images",
    "forget set": "Choose the images to forget",
    "retrained models": "Retrain without them, as the reference",
    "tuning": "Choose learning rates on other models",
    "unlearning": "Unlearn with every algorithm and plan",
    "evaluation": "Compare with the retrained models",
}


def live(name: str, draw: Callable[[], None]) -> None:
    """Draw, and draw again every second while jobs are under way; when one begins or ends, the whole page is drawn anew."""
    before = _under_way()

    @st.fragment(run_every=EVERY if before else None, key=name)
    def part() -> None:
        if _under_way() != before:
            st.rerun()
        draw()

    part()


def _under_way() -> set[str]:
    return {job.key for job in jobs.listing(state.store()) if job.active}


def status(job: Job) -> str:
    """The state of a job as an icon and a word."""
    icon, word = STATES[job.state]
    return f"{icon} {word}"


def where(job: Job) -> str:
    """The stage a job is in, with how far it is where that is known."""
    if not job.stage:
        return ""
    share = _share(job)
    return job.stage if share is None else f"{job.stage}, {share:.0%}"


def _share(job: Job) -> float | None:
    """How far the stage is; a stage that counts to one has no parts to count, so how far it is cannot be known."""
    return job.share if job.total > 1 else None


def stages(job: Job) -> None:
    """One line a stage: finished ones with their seconds, the current one with a bar, later ones pending."""
    begun = dict(job.stages)
    coming = [name for name in STUDY if job.kind == "Study" and name not in begun]
    for name, seconds in begun.items():
        text = STUDY.get(name, name.capitalize())
        if name != job.stage or job.state == "done":
            st.markdown(f":material/check: {text} · {duration(seconds)}")
        elif not job.active:
            st.markdown(f":material/stop_circle: {text} · stopped here")
        elif (share := _share(job)) is not None:
            st.progress(share, text=f":material/autorenew: **{text}** · {share:.0%}")
        else:
            st.markdown(f":material/autorenew: **{text}** · under way, its length is not known")
    for name in coming:
        st.markdown(f":material/radio_button_unchecked: {STUDY[name]} · pending")


def words(job: Job) -> None:
    """What a job says of itself, where it says anything; the technical part only for those who ask."""
    if job.state == "failed":
        st.error(escape(job.message), icon=":material/error:")
    elif job.message and job.state != "done":
        st.markdown(escape(job.message))
    if job.detail:
        with st.expander("Show technical details"):
            st.code(job.detail, language=None)


def actions(job: Job, primary: bool = False) -> None:
    """The buttons that fit the state of a job."""
    store, kind = state.store(), "primary" if primary else "secondary"
    if job.active:
        if st.button("Cancel", key=f"cancel.{job.key}", icon=":material/cancel:"):
            jobs.cancel(store, job.key)
            st.rerun()
    elif job.state == "done":
        if job.kind == "Study" and st.button("Open", key=f"open.{job.key}", icon=":material/open_in_new:", type=kind):
            state.open_study(job.key)
    elif st.button("Resume", key=f"resume.{job.key}", icon=":material/play_arrow:", type=kind):
        jobs.resume(store, job.key)
        st.rerun()
