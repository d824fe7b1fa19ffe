"""A job on the screen: what it has done, where it is, what comes, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared import access, show_result, state
from pages.shared.plain_errors import with_plain_errors
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.job import Job
from unlearn_core.kinds import kind_of
from unlearn_core.params import Spec, key

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
COUNTED = ("AddedImages",)  # whose stages count what a person can count: images
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


def under_way(asked: Spec) -> bool:
    """Show how far the job that makes this is, or how it ended. True while it goes on: there is nothing to start."""
    job = jobs.get(state.store(), key(asked))
    if job is None:
        return False
    if not job.active:
        words(job)
        return False
    st.page_link("pages/runs.py", label="It is under way: see how far", icon=":material/autorenew:")
    stages(job)
    return True


def panel(job: Job) -> None:
    """A job where its result will stand: how it is, for how long, what it may still take, the way to stop it, and its
    stages.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        spent = duration(job.seconds if job.worked is None else job.worked)
        st.markdown(" · ".join(filter(None, (status(job), spent, left(job)))), width="content")
        actions(job)
    words(job)
    stages(job)


def status(job: Job) -> str:
    """The state of a job as an icon and a word."""
    icon, word = STATES[job.state]
    return f"{icon} {word}"


def where(job: Job) -> str:
    """The stage a job is in, with how far it is where that is known."""
    if not job.stage:
        return ""
    share = _share(job)
    if share is None:
        return f"{job.stage}, measuring" if job.state == "running" else job.stage
    return f"{job.stage}, {_images(job) if job.kind in COUNTED else f'{share:.0%}'}"


def left(job: Job) -> str:
    """How long a job that runs may still take: by its estimate, or else by how its stage goes; empty where neither
    says.
    """
    stage = "" if job.stage_left is None else f"this stage about {duration(job.stage_left)} more"
    if job.left is not None:
        least, most = map(duration, job.left)
        if not job.left[0]:  # the least that was expected is over, which says nothing of what is still to come
            return f"up to {most} left"
        return f"about {most} left" if least == most else f"{least} to {most} left"
    if job.expected is not None and job.state == "running":
        return f"longer than estimated{', ' if stage else ''}{stage}"
    return stage


def _share(job: Job) -> float | None:
    """How far the stage is; a stage that counts to one has no parts to count, so how far it is cannot be known."""
    return job.share if job.total > 1 else None


def _images(job: Job) -> str:
    return f"{job.done:,} of {job.total:,}"


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
            st.markdown(f":material/autorenew: **{current}**{about}: measuring")
        else:
            far = _images(job) if job.kind in COUNTED else f"{share:.0%}"
            st.progress(share, text=f"**{current}**{about}: {far}")
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
            st.code(job.detail, language=None, wrap_lines=True)


def actions(job: Job, kind: str = "secondary") -> None:
    """The buttons that fit the state of a job; `kind` is the type of the one that leads on."""
    store = state.store()
    if job.active:
        if access.button("Cancel", key=f"cancel.{job.key}", icon=":material/cancel:"):
            access.need("runner")
            jobs.cancel(store, job.key)
            st.rerun()
    elif job.state == "done":
        if kind_of(job.kind).opens and st.button(
            "Open", key=f"open.{job.key}", icon=":material/open_in_new:", type=kind
        ):
            show_result.go(job)
        if job.kind == "Study" and st.button("Compare", key=f"compare.{job.key}", icon=":material/compare_arrows:"):
            st.switch_page("pages/compare.py", query_params={"study": job.key})
    elif access.button(
        "Retry" if job.state == "failed" else "Resume", key=f"resume.{job.key}", icon=":material/play_arrow:", type=kind
    ):
        access.resume(store, job.key)
        st.rerun()
