"""What is under way, waiting, done and stopped, and what the store holds."""

from contextlib import suppress

import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.shared import (
    access,
    address,
    came_of,
    cost_words,
    frame,
    job_table,
    job_words,
    outdated,
    plan_glyph,
    progress,
    removal,
    state,
    steps_chart,
)
from pages.shared.folds import fold
from pages.shared.text import ago, duration, escape, images
from unlearn_core import jobs, room, trash
from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy, comparison
from unlearn_core.experiment.forecast import forget_size
from unlearn_core.experiment.listed import contents
from unlearn_core.job import Job
from unlearn_core.kinds import kind_of
from unlearn_core.params import BadValue
from unlearn_core.store import Store

PER_PAGE = 10
MOST_PLANS = 5  # that are spelled out


def draw() -> None:
    st.title("Runs")
    progress.live("jobs", _jobs)
    outdated.draw()
    removal.others()
    removal.draw()
    _store()


def _jobs() -> None:
    """One sentence, the jobs under way, a table of all, then the one picked there or else the others a few at a time;
    from one look, so no job is in two places.
    """
    found = jobs.listing(state.store())
    st.markdown(_sentence(found))
    for job in found:
        if job.active:
            _row(job)
    fit, picked = job_table.draw(found)
    if picked is not None and not picked.active:
        _row(picked, unfolded=True)
        return
    ended = [job for job in fit if not job.active]
    page = address.page(-(-len(ended) // PER_PAGE), "runs-page")
    for job in ended[(page - 1) * PER_PAGE : page * PER_PAGE]:
        _row(job)


def _store() -> None:
    """Finished results by kind."""
    store = state.store()
    held = contents(store)
    if held.empty:
        if not jobs.listing(store):
            frame.empty_state("The store", "holds no study yet")
        st.page_link("pages/start.py", label="Set up a study of your own", icon=":material/home:")
        return
    st.subheader("What the store holds")
    st.markdown(
        f"{held['results'].sum():,} finished results take {held['megabytes'].sum():,.1f} MB. "
        f"Nothing that is finished is computed twice.{_limit(store)}"
    )
    with fold("kinds", "Results by kind") as box:
        if box.open:
            st.dataframe(
                held.assign(kind=[kind_of(kind).name for kind in held["kind"]]),
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


def _limit(store: Store) -> str:
    """What the store may take, and what it takes with its images and the trash; "" where nobody set a limit."""
    if (most := room.limit()) is None:
        return ""
    taken = room.taken(store.root)
    trash = f", {room.in_words(taken.trash)} of it by the trash" if taken.trash else ""
    return f" The store may take {room.in_words(most)} and takes {room.in_words(taken.used)}{trash}."


def _sentence(found: list[Job]) -> str:
    if not found:
        if contents(state.store()).empty:
            return "Nothing is left but the trash." if trash.entries(state.store()) else "Nothing was run yet."
        return "No jobs on record here; the finished results below came from elsewhere."
    counts = {name: sum(job.state == name for job in found) for name in progress.STATES}
    told = [f"{count} {progress.STATES[name][1].lower()}" for name, count in counts.items() if count]
    work = "1 job" if len(found) == 1 else f"{len(found)} jobs"
    goes_on = ""
    if any(job.active for job in found):
        goes_on = " Work goes on when this page is closed; whoever asks for the same work joins it."
    return f"{work}: {', '.join(told)}.{goes_on}"


def _row(job: Job, unfolded: bool = False) -> None:
    spec = jobs.asked(state.store(), job.key)
    plans = plan_glyph.plans(spec)
    with st.container(border=True, key=f"job.{job.key}"):
        # Beside one that is under way there are more words on its time, and fewer buttons.
        widths = (3.3, 2.4, 4.3, 2.0) if job.active else (3.3, 2.4, 2.3, 4.0)
        name, where, times, buttons = st.columns(widths, vertical_alignment="center")
        size = forget_size(spec)
        about = f", {images(size)} to forget" if size else ""
        blocks = f"{plan_glyph.glyph(plans[0])} " if plans else ""
        blocks += f"+{len(plans) - 1} " if len(plans) > 1 else ""
        kind = f"{kind_of(job.kind).name} #{job.key[:4]}{about}"
        name.markdown(f"{blocks}**{escape(job_words.title(job))}**  \n{kind}")
        said = escape(job.message) if job.state == "done" else progress.where(job)
        where.markdown("  \n".join(filter(None, (progress.status(job), said))))
        times.markdown(_times(job))
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            progress.actions(job)
            if job.kind == "Study" and job.state == "done":
                removal.button(job.key)
            elif not job.active and access.button(
                "Remove",
                "admin",
                key=f"remove.{job.key}",
                type="tertiary",
                help="Take it off this list, into the trash; its results stay in the store.",
            ):
                access.need("admin")
                jobs.forget_job(state.store(), job.key, by=access.who())
                st.rerun()
        if job.state == "done":
            came_of.draw(job.key, job.kind)
        removal.confirm(job.key)
        progress.words(job)
        if job.stages:
            folded = {"key": f"details.{job.key}.{unfolded}", "on_change": "rerun"}
            with st.expander("Details", expanded=job.active or unfolded, **folded) as box:
                for each in plans[:MOST_PLANS]:
                    st.markdown(f"{plan_glyph.glyph(each)} **{escape(each.name)}**: {plan_glyph.steps(each)}")
                if told := cost_words.against(job):
                    st.markdown(f":material/schedule: {told[0].upper()}{told[1:]}.")
                if plans and box.open and job.kind == "Study" and job.state == "done":
                    with suppress(BadValue, StoreError):  # of another version, or gone meanwhile
                        _curves(state.opened(job.key))
                progress.stages(job)


def _curves(study: OpenStudy) -> None:
    """What each step of the first plan changed; the others are on Compare."""
    if with_steps := comparison.plans_with_steps(study):
        steps_chart.show(study, with_steps[0])


def _times(job: Job) -> str:
    """How long it has taken and may take, beside the estimate, when it was asked for, and by whom."""
    spent = job.seconds if job.worked is None else job.worked
    lines = [f"{duration(spent)}{' so far' if job.active else ''}"]
    if job.expected is not None:
        lines[0] += f", estimated {duration(job.expected.seconds)}"
    by = job.by if access.who() != access.LOCAL else ""
    asked = f"{ago(job.submitted)}, by {escape(by)}" if by else ago(job.submitted)
    return "  \n".join(filter(None, (*lines, progress.left(job), asked)))


frame.page(draw)
