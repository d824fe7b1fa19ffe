"""What is under way, waiting, done and stopped, and what the store holds."""

import streamlit as st

from pages.shared import frame, progress, state
from pages.shared.text import ago, duration, escape
from unlearn_core import jobs
from unlearn_core.experiment.views import contents
from unlearn_core.jobs import Job

PER_PAGE = 10


def draw() -> None:
    st.title("Runs")
    progress.live("jobs", _jobs)
    _store()


def _jobs() -> None:
    """One sentence, the jobs under way, then the others a few at a time; from one look, so no job is in two places."""
    found = jobs.listing(state.store())
    st.markdown(_sentence(found))
    for job in found:
        if job.active:
            _row(job)
    ended = [job for job in found if not job.active]
    page = 1
    if len(ended) > PER_PAGE:
        page = st.pagination(-(-len(ended) // PER_PAGE), key="runs-page")
    for job in ended[(page - 1) * PER_PAGE : page * PER_PAGE]:
        _row(job)


def _store() -> None:
    """Finished results by kind."""
    store = state.store()
    held = contents(store)
    if held.empty:
        st.page_link("pages/start.py", label="Run the example or start a study of your own", icon=":material/home:")
        return
    st.subheader("What the store holds")
    st.markdown(
        f"{held['results'].sum():,} finished results take {held['megabytes'].sum():,.1f} MB. "
        "Nothing that is finished is computed twice."
    )
    with st.expander("Results by kind"):
        st.dataframe(
            held.assign(kind=[progress.KINDS.get(kind, kind) for kind in held["kind"]]),
            hide_index=True,
            width="content",
            column_config={
                "kind": "Kind",
                "results": st.column_config.NumberColumn("Results"),
                "megabytes": st.column_config.NumberColumn("Size", format="%.1f MB"),
            },
            alt="How many finished results of each kind the store holds, and how large they are.",
        )
        st.caption(f"They lie in the folder {escape(str(store.root))}.")


def _sentence(found: list[Job]) -> str:
    if not found:
        if contents(state.store()).empty:
            return "Nothing was run yet."
        return "No jobs on record here; the finished results below came from elsewhere."
    counts = {name: sum(job.state == name for job in found) for name in progress.STATES}
    told = [f"{count} {progress.STATES[name][1].lower()}" for name, count in counts.items() if count]
    work = "1 job" if len(found) == 1 else f"{len(found)} jobs"
    goes_on = " Work goes on when this page is closed." if any(job.active for job in found) else ""
    return f"{work}: {', '.join(told)}.{goes_on}"


def _row(job: Job) -> None:
    with st.container(border=True, key=f"job.{job.key}"):
        name, status, where, times, buttons = st.columns((3, 2.3, 3, 2.7, 4), vertical_alignment="center")
        name.markdown(f"**{escape(job.title)}**  \n{progress.KINDS.get(job.kind, job.kind)} #{job.key[:4]}")
        status.markdown(progress.status(job))
        where.markdown(progress.where(job) if job.state != "done" else escape(job.message))
        times.markdown(f"{duration(job.seconds)}{' so far' if job.active else ''}  \n{ago(job.submitted)}")
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            progress.actions(job)
            if not job.active and st.button(
                "Remove",
                key=f"remove.{job.key}",
                type="tertiary",
                help="Take it off this list; its results stay in the store.",
            ):
                jobs.forget_job(state.store(), job.key)
                st.rerun()
        progress.words(job)
        if job.stages:
            with st.expander("Stages", expanded=job.active):
                progress.stages(job)


frame.page(draw)
