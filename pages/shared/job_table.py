"""All jobs as one table: sorted where it is read, narrowed by state and words; of a row that is picked, the details."""

from __future__ import annotations

from functools import lru_cache, partial

import pandas as pd
import streamlit as st

from pages.shared import address, job_words, numbers, plan_glyph, progress, state, theme
from unlearn_core import jobs
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment.forecast import forget_size
from unlearn_core.experiment.outcome import outcome
from unlearn_core.job import Job
from unlearn_core.kinds import kind_of
from unlearn_core.rum import Plan
from unlearn_core.store import Store

MOST = 200  # jobs in the table, which is drawn anew each second while one is under way
SHORT = 144  # pixels of a name while a job is under way, when there is a column more
TEXT, NUMBER = st.column_config.TextColumn, st.column_config.NumberColumn
CLOSENESS, EXPOSURE = (METRICS[name].short for name in ("group_tow", "tpr_at_1_fpr"))
COLUMNS = {
    "Plan": st.column_config.ImageColumn(
        width=52, help="The first plan, a block a part in the order of forgetting; an empty one is left as it is."
    ),
    "Name": TEXT(width=190),
    "Set": NUMBER(format="%,d", width=48, help="Images to forget."),
    "Status": TEXT(width=80),
    "Progress": st.column_config.ProgressColumn(format="percent", width=76, help="Of the stage that it is in."),
    "Left": TEXT(width=136, help="At most, by the estimate, or for the stage that it is in."),
    CLOSENESS: TEXT(width=98, help=METRICS["group_tow"].help),
    EXPOSURE: TEXT(width=104, help=METRICS["tpr_at_1_fpr"].help),
    "Estimated": NUMBER(format="%.0f s", width=74, help="Seconds foreseen when it was started."),
    "Took": NUMBER(format="%.0f s", width=64, help="Seconds of work so far, without the time it waited."),
}


def draw(found: list[Job]) -> tuple[list[Job], Job | None]:
    """The jobs that fit what is asked for, and of these the one whose row is picked, which is in the address. One job
    needs no table.
    """
    if len(found) < 2:
        return found, None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = {name: word for name, (_, word) in progress.STATES.items()}
        states = address.several("Status", words, "states", [], placeholder="All", width=300)
        said = st.text_input("Find", key="find", bind="query-params", placeholder="Name or kind", width=260)
    fit = [job for job in found if (not states or job.state in states) and said.strip().lower() in _named(job).lower()]
    if not fit:
        st.caption("No job fits that.")
        return [], None
    drawn = fit[:MOST]
    if len(drawn) < len(fit):
        st.caption(f"The newest {MOST:,} of {len(fit):,} jobs; ask for a status or a name to see the others.")
    table = pd.DataFrame([_line(job) for job in drawn], columns=list(COLUMNS))
    under_way = table["Left"].any()
    keys = [job.key for job in drawn]
    named = st.query_params.get("job")
    if address.went_back():  # to another row than the one that the table remembers
        st.session_state["jobs.back"] = st.session_state.get("jobs.back", 0) + 1
    place = f"jobs.{hash(tuple(keys))}.{st.session_state.get('jobs.back', 0)}"  # another list has other rows
    st.dataframe(
        table,
        column_config=COLUMNS | ({"Name": TEXT(width=SHORT)} if under_way else {}),
        column_order=[name for name in COLUMNS if name != "Left" or under_way],
        placeholder="",
        hide_index=True,
        height="content" if len(drawn) < 8 else 315,
        on_select=partial(_picked, place, keys),
        selection_mode="single-cell",  # so that a click anywhere in a row opens it
        selection_default={"selection": {"cells": [(keys.index(named), "Name")]}} if named in keys else None,
        key=place,
        alt="Every job with its plan, set, status, progress, what came of it, and its time beside the estimate.",
    )
    return fit, drawn[keys.index(named)] if named in keys else None


def _picked(place: str, keys: list[str]) -> None:
    rows = [row for row, _ in st.session_state[place].selection.cells if row < len(keys)]
    address.put("job", keys[rows[0]] if rows else None)


def _named(job: Job) -> str:
    return f"{job_words.title(job)} {kind_of(job.kind).name} #{job.key[:4]}"


def _line(job: Job) -> dict:
    plan, size = _asked(state.store(), job.key)
    came = outcome(state.store(), job.key, job.kind) if job.state == "done" else None
    return {
        "Plan": plan and _picture(plan, theme.is_dark()),
        "Name": f"{job_words.title(job)} #{job.key[:4]}",
        "Set": size,
        "Status": progress.STATES[job.state][1],
        "Progress": 1.0 if job.state == "done" else job.share and round(job.share, 2),
        "Left": progress.at_most(job),
        CLOSENESS: numbers.estimate(came.closeness) if came else "",
        EXPOSURE: numbers.estimate(came.exposure) if came and came.exposure else "",
        "Estimated": job.expected and job.expected.seconds,
        "Took": job.worked,
    }


@lru_cache(maxsize=10_000)  # a key stands for one spec
def _asked(store: Store, job: str) -> tuple[Plan | None, int | None]:
    """The first plan of what a job makes, and how many images it forgets."""
    spec = jobs.asked(store, job)
    return next(iter(plan_glyph.plans(spec)), None), forget_size(spec)


@lru_cache(maxsize=1000)
def _picture(plan: Plan, dark: bool) -> str:
    return plan_glyph.picture(plan)
