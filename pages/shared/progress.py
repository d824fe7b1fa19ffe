"""A job on the screen: what it has done, where it is, what comes, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared import state
from pages.shared.plain_errors import with_plain_errors
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
KINDS = {
    "Study": "Study",
    "Training": "Trained model",
    "Run": "Unlearned model",
    "Bank": "Bank of subset models",
    "BankPart": "Part of a bank",
    "Embedding": "Embedding",
    "Map": "Map",
    "Tuning": "Learning rate search",
    "PlanSearch": "Plan search",
    "PlanTrial": "Plan tried",
    "SearchRound": "Round of a plan search",
    "ProxyTable": "Cheaper scores",
    "EqualRetention": "Equal retention",
    "Holdout": "Held-out retraining",
    "Curvature": "Loss curvature",
}
# The stages of a study in their order, and what each is for.
STUDY = {
    "data": "the images are read and split",
    "original models": "the models that will have to forget",
    "bank": "many models on parts of the images, for memorization",
    "map": "all images on one plane",
    "forget set": "the images to forget are chosen",
    "retrained models": "models that never saw them, as the reference",
    "tuning": "learning rates, on models of their own",
    "unlearning": "every algorithm and plan, on every seed",
    "evaluation": "comparison with the retrained models",
}


def live(name: str, draw: Callable[[], None]) -> None:
    """Draw, and again every second while jobs are under way; when one begins or ends, the whole page is drawn anew.

    The part is there whether or not it has anything to watch: if it came and went, a look that was already asked for
    could arrive after it is gone, and the browser would leave what was drawn last beside what is new.
    """
    before = _under_way()

    @st.fragment(run_every=EVERY if before else None, key=name)
    def part() -> None:
        if _under_way() != before:
            st.rerun()
        with_plain_errors(draw)

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
    """Finished stages with their seconds, the current one with a bar where it can be measured, then what is pending."""
    current = job.stage if job.state != "done" else ""
    done = [f":material/check: {name} · {duration(spent)}" for name, spent in job.stages if name != current]
    if done:
        st.markdown("  \n".join(done))
    if current:
        about = f" ({STUDY[current]})" if current in STUDY else ""
        if not job.active:
            st.markdown(f":material/stop_circle: stopped in **{current}**{about}")
        elif (share := _share(job)) is None:
            st.markdown(f":material/autorenew: **{current}**{about}: under way")
        else:
            st.progress(share, text=f"**{current}**{about}: {share:.0%}")
    order, begun = list(STUDY), dict(job.stages)
    reached = max((order.index(name) for name in begun if name in STUDY), default=-1)
    pending = order[reached + 1 :] if job.kind == "Study" else []  # a stage that was passed over has no part in it
    if pending and job.state != "done":
        st.markdown(f":material/pending: pending: {', '.join(pending)}")


def words(job: Job) -> None:
    """What a job says of itself, where it says anything; the technical part only for those who ask."""
    if job.state == "failed":
        st.error(escape(job.message), icon=":material/error:")
    elif job.message and job.state != "done":
        st.markdown(escape(job.message))
    if job.detail:
        with st.expander("Show technical details"):
            st.code(job.detail, language=None)


# Where the result of a job is shown that belongs to a study.
SHOWN_ON = {"PlanSearch": "pages/plan.py", "ProxyTable": "pages/explore.py", "EqualRetention": "pages/compare.py"}


def actions(job: Job, kind: str = "secondary") -> None:
    """The buttons that fit the state of a job; `kind` is the type of the one that leads on."""
    store = state.store()
    if job.active:
        if st.button("Cancel", key=f"cancel.{job.key}", icon=":material/cancel:"):
            jobs.cancel(store, job.key)
            st.rerun()
    elif job.state == "done":
        if job.kind == "Study" and st.button("Open", key=f"open.{job.key}", icon=":material/open_in_new:", type=kind):
            state.open_study(job.key)
        if job.kind in SHOWN_ON and st.button("Open", key=f"open.{job.key}", icon=":material/open_in_new:", type=kind):
            st.switch_page(SHOWN_ON[job.kind], query_params=st.query_params.to_dict())
    elif st.button("Resume", key=f"resume.{job.key}", icon=":material/play_arrow:", type=kind):
        jobs.resume(store, job.key)
        st.rerun()
