"""Every algorithm on the set in hand: one button, and a leaderboard that fills while the rest is under way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import access, chosen_set, cost_words, numbers, plan_editor, progress, recorded, state
from pages.shared.folds import fold
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy, TryEverything
from unlearn_core.experiment.comparison import COLUMNS
from unlearn_core.experiment.forecast import Forecast
from unlearn_core.experiment.try_everything import Tried, attempts, board, cost, fitting, level
from unlearn_core.forget import ForgetSet
from unlearn_core.params import BadValue, key
from unlearn_core.rum import Plan, same_everywhere

SEEDS = 3
SOME = 8  # lines that are seen without scrolling


def draw(study: OpenStudy, rows: np.ndarray) -> None:
    """The section of the Plan page for these rows."""
    forget = chosen_set.spec(study, rows)
    asked = _fitting(study.key, key(forget), study, forget, rows)
    with fold("everything", "Try everything on this set", ":material/leaderboard:", _begun(asked)) as box:
        if not box.open:
            return
        st.markdown(
            f"Runs all {len(asked.unlearners)} algorithms that fit, and {len(asked.plans)} RUM plans, on {asked.seeds} "
            "models each. What is finished is ranked at once; the slowest come last."
        )
        progress.live("everything", lambda: _board(study, rows, asked))


def _begun(asked: TryEverything) -> bool:
    store = state.store()
    return store.find(asked) is not None or jobs.get(store, key(asked)) is not None


@st.cache_resource(max_entries=8, show_spinner=False)
def _fitting(finished: str, forget: str, _study: OpenStudy, _forget: ForgetSet, _rows: np.ndarray) -> TryEverything:
    """Kept by the keys of study and set: it asks every algorithm."""
    return fitting(_study, _forget, _rows, SEEDS)


@st.cache_resource(max_entries=8, show_spinner=False)
def _todo(root: str, name: str, _study: OpenStudy, _asked: TryEverything) -> list[Tried]:
    """Kept by the store and the key of what is asked: cutting a set reads all scores."""
    return attempts(_study.store, _asked)


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _cost(finished: str, name: str, _study: OpenStudy, _asked: TryEverything) -> Forecast:
    """Kept for half a minute, by the keys of both: it looks for every stored result."""
    return cost(_study, _asked)


def _board(study: OpenStudy, rows: np.ndarray, asked: TryEverything) -> None:
    store, name = state.store(), key(asked)
    todo = _todo(str(store.root), name, study, asked)
    table = board(store, todo)
    finished = store.find(asked) is not None
    job = jobs.get(store, name)
    if finished:
        st.markdown(f"All {len(todo) - 1} ways are measured.")
    elif job is not None and job.state != "done":
        done = len(table.loc[table["kind"] != "reference"])
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{progress.status(job)}: {done} of {len(todo) - 1} ways measured", width="content")
            progress.actions(job)
        progress.words(job)
    else:
        _offer(study, asked)
    if len(table):
        _leaderboard(study, table, asked)
        _use(study, todo, table, name)


def _offer(study: OpenStudy, asked: TryEverything) -> None:
    try:
        found = _cost(study.key, key(asked), study, asked)
    except BadValue as error:
        st.info(escape(str(error)))
        return
    st.markdown(f":material/schedule: {cost_words.cost(state.store(), found, 'TryEverything')}")
    if recorded.start("Try everything", icon=":material/play_arrow:", key="everything.start"):
        access.submit(state.store(), asked, cost_words.expected(state.store(), found, "TryEverything"))
        st.rerun()


def _leaderboard(study: OpenStudy, table: pd.DataFrame, asked: TryEverything) -> None:
    def told(name: str) -> list[str]:
        return [numbers.spread(m, h) for m, h in zip(table[name], table[f"{name}_half"], strict=True)]

    ranked = table[(table["kind"] != "reference") & table["group_tow"].notna()]
    if len(ranked):
        best = ranked.iloc[0]
        so_far = "" if state.store().find(asked) is not None else " so far"
        text = f"**{escape(best['title'])}** is closest to retraining{so_far}: {_short(best)}"
        overlap = level(table)
        text += f"; {overlap} others overlap with its interval" if overlap else ""
        st.markdown(f"{text}. {_ceiling(study, table, asked.seeds)}".rstrip())
    # What the others are to come to stands first, in the same columns; it has no closeness of its own to be ranked by.
    goal = table["title"] == "Retrained"
    table = pd.concat([table[goal], table[~goal]])
    kinds = {"reference": "reference", "single": "algorithm", "plan": "RUM plan"}
    lines = pd.DataFrame(
        {
            "what": table["title"],
            "kind": table["kind"].map(kinds),
            "group_tow": [
                "the target" if t == "Retrained" else v for t, v in zip(table["title"], told("group_tow"), strict=True)
            ],
            "attack_auc": told("attack_auc"),
            "forget_accuracy": told("forget_accuracy"),
            "test_accuracy": told("test_accuracy"),
            "seconds": [duration(s) for s in table["seconds"]],
        }
    )
    heads = {
        name: st.column_config.TextColumn(COLUMNS[name].short, help=numbers.about(COLUMNS[name]))
        for name in ("group_tow", "attack_auc")
    }
    heads |= {"what": "", "kind": "Kind", "seconds": st.column_config.TextColumn("Time", help="Mean of a run.")}
    heads |= {"forget_accuracy": "Accuracy, forgotten", "test_accuracy": "Accuracy, test"}
    st.dataframe(
        lines,
        hide_index=True,
        height=36 * (min(SOME, len(lines)) + 1),
        column_config=heads,
        alt="All ways of forgetting tried so far, the closest to retraining first, below the target.",
    )
    own = sum(u in study.settings.values() for u in asked.unlearners)
    others = len(asked.unlearners) - own
    text = (
        f"Means over {asked.seeds} seeds with 95 % intervals. Choosing the best of many flatters it. {own} algorithms "
        f"and the study's own plans run with the settings that this study chose, the other {others} with their usual "
        "ones."
    )
    if stopped := [t for t, n in zip(table["title"], table["diverged"], strict=True) if n]:
        text += f" Stopped at the last finite state: {', '.join(map(escape, stopped))}."
    st.caption(text)


def _ceiling(study: OpenStudy, table: pd.DataFrame, seeds: int) -> str:
    """What two retrained models read on the seeds that all ways here ran on, for other seeds read something else."""
    lines = table[table["title"] == "Retrained again"]
    if not len(lines):
        return ""
    read = numbers.spread(lines["group_tow"].iloc[0], lines["group_tow_half"].iloc[0])
    which = f"the same {seeds} seeds" if seeds > 1 else "the same seed"
    text = f"Two retrained models of {which} read {read}."
    whole = study.spec.seeds
    return f"{text} This study has {whole} seeds, so Compare has other numbers." if whole > seeds else text


def _short(line: pd.Series) -> str:
    return f"**{numbers.spread(line['group_tow'], line['group_tow_half'])}** ({METRICS['group_tow'].short})"


def _use(study: OpenStudy, todo: list[Tried], table: pd.DataFrame, name: str) -> None:
    """Take one of the lines over into the plan on this page: the closest, also while others finish, until another is
    picked of what is tried under this name.
    """
    ranked = table.loc[table["kind"] != "reference", "number"].tolist()
    if not ranked:
        return
    titles = {i: todo[i].title for i in ranked}
    if "everything.which" not in st.session_state or st.session_state.get("everything.picked") != name:
        st.session_state["everything.which"] = ranked[0]
        st.session_state.pop("everything.picked", None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            "Take over",
            ranked,
            format_func=titles.get,
            key="everything.which",
            width=320,
            on_change=_picked,
            args=(name,),
        )
        if st.button("Use as plan", icon=":material/edit_note:", key="everything.use"):
            plan_editor.load(study, plan_of(todo[number]), settled=True)
            st.rerun(scope="app")
    if todo[number].plan is None:
        st.caption(
            f"As a plan {escape(titles[number])} runs on the whole set as one part, as it did above; move the cuts to "
            "run it part by part."
        )


def _picked(name: str) -> None:
    st.session_state["everything.picked"] = name


def plan_of(tried: Tried) -> Plan:
    """The plan that was tried; of a single algorithm the plan that runs it on the whole set, which is its medium part:
    the same run, whatever the algorithm needs, for only the first part is forgotten from the original itself.
    """
    if tried.plan is not None:
        return tried.plan
    whole = Plan(low_cut=0.0, high_cut=1.0)
    return same_everywhere(whole, tried.attempt.unlearner).but(name=f"{tried.attempt.unlearner.title}, whole set")
