"""A job on the screen: what it has done, where it is, what comes, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import streamlit as st

from pages.shared import access, show_result, state
from pages.shared.plain_errors import with_plain_errors
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.job import Job
from unlearn_core.kinds import kind_of
from unlearn_core.params import Spec, key
from unlearn_core.store import Store

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
# What each stage of a study is for.
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
    numbered = f"{job.stage}, {number}" if (number := _number(job)) else job.stage
    if _share(job) is None:
        return f"{numbered}, measuring" if job.state == "running" else numbered
    return f"{numbered}, {_far(job)}"


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


def at_most(job: Job) -> str:
    """What `left` says, as short as a table needs it: the most that it may still take, or what its stage may."""
    if job.left is not None:
        return f"up to {duration(job.left[1])}"
    if job.stage_left is not None:
        return f"this stage {duration(job.stage_left)}"
    return "over the estimate" if job.expected is not None and job.state == "running" else ""


def _share(job: Job) -> float | None:
    """How far the stage is; a stage that counts to one has no parts to count, so how far it is cannot be known."""
    return job.share if job.total > 1 or 0 < job.done < job.total else None


def _number(job: Job) -> str:
    """Which of how many stages it is in; empty where nobody knows how many there will be, and before the first."""
    order = order_of(state.store(), job.key)
    return f"stage {order.index(job.stage) + 1} of {len(order)}" if job.stage in order else ""


def _far(job: Job) -> str:
    """How far the stage is: in images, or in the things that it makes where these are counted, else as a share."""
    if job.kind in COUNTED:
        return f"{job.done:,} of {job.total:,}"
    if job.total == 1 or not order_of(state.store(), job.key):
        return f"{job.share:.0%}"
    return f"step {min(int(job.done) + 1, job.total):,} of {job.total:,}"


@lru_cache(maxsize=1000)  # a key stands for one spec
def order_of(store: Store, job: str) -> tuple[str, ...]:
    """The stages that a job goes through, where that is known beforehand."""
    return getattr(jobs.asked(store, job), "stages", ())


def stages(job: Job) -> None:
    """Finished stages with their seconds, the current one with a bar where it can be measured, then what is pending."""
    current = job.stage if job.state != "done" else ""
    done = [f":material/check: {name} · {duration(spent)}" for name, spent in job.stages if name != current]
    if done:
        st.markdown("  \n".join(done))
    if current:
        about = f" ({', '.join(filter(None, (_number(job), STUDY.get(current))))})".replace(" ()", "")
        if not job.active:
            st.markdown(f":material/stop_circle: stopped in **{current}**{about}")
        elif (share := _share(job)) is None:
            st.markdown(f":material/autorenew: **{current}**{about}: measuring")
        else:
            st.progress(share, text=f"**{current}**{about}: {_far(job)}")
    order = order_of(state.store(), job.key)
    pending = order[max((order.index(name) + 1 for name, _ in job.stages if name in order), default=0) :]
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
