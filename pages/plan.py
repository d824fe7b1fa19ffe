"""The RUM workbench: cut the forget set into parts, choose an algorithm for each, see what it will cost, run it."""

import numpy as np
import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.shared import (
    access,
    chosen_set,
    cost_words,
    forecast_panel,
    frame,
    plan_beside,
    plan_cuts,
    plan_editor,
    plan_lead,
    plan_parts,
    plan_saved,
    plan_search,
    plan_words,
    recorded,
    state,
    try_everything,
)
from pages.shared.text import escape
from unlearn_core import jobs
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy, Study
from unlearn_core.experiment.forecast import Forecast, forecast
from unlearn_core.experiment.recorded import where_timed
from unlearn_core.experiment.rehearsal import fault
from unlearn_core.experiment.voices import NEWEST
from unlearn_core.params import key
from unlearn_core.rum import Plan
from unlearn_core.unlearning.ends.original import Original


def draw() -> None:
    st.title("Plan")
    study = state.study()
    if study is None:
        frame.empty_state("A plan")
        return
    rows = chosen_set.rows(study)
    sentence = st.container()
    plan = plan_cuts.draw(study, rows, plan_editor.start(study))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("An algorithm for each part", width="content")
        advice = st.container(width="content")
    said = st.container()
    edited = plan_parts.draw(study, rows, plan)
    if edited is not None:
        plan = edited
    plan = plan_editor.course(study, plan)
    wanted = plan_beside.draw(study, plan, rows)
    plan_editor.remember(study, plan)
    with sentence:
        _sentence(study, plan, rows)
    with said:
        _said(study, plan, rows)
    with advice:
        _advice(study, plan, rows)
    expected = st.container()
    try_everything.draw(study, rows)
    if study.spec.models and not study.spec.stop_at:
        plan_search.draw(study, rows, plan)
    else:
        st.caption("A search for a better plan needs a study whose bank of models was trained whole.")
    plan_saved.draw(study, plan)
    with st.bottom:
        _go(study, plan, wanted if edited is not None else None)
    with expected, st.spinner("Learning from other sets"):  # last, because the first time takes seconds
        forecast_panel.draw(study, rows)


def _sentence(study: OpenStudy, plan: Plan, rows) -> None:
    plan_lead.draw(study, plan, rows)
    if st.button("Choose another set", icon=":material/scatter_plot:"):
        state.go("pages/explore.py")


def _said(study: OpenStudy, plan: Plan, rows) -> None:
    said = f"{plan_words.on_screen(study, plan, rows)} {plan_parts.against(study, plan, rows)}"
    st.caption(
        f"{said} Suggestions come from stored runs of studies on these images, the {NEWEST} newest at most; on the "
        f"sets that those were measured on they flatter themselves a little. They go by {METRICS['tow'].short}, enough "
        f"for a part alone; Compare ranks whole methods by {METRICS['group_tow'].short}, which holds all parts apart."
    )


def _advice(study: OpenStudy, plan: Plan, rows) -> None:
    better = plan_parts.suggested(study, plan, rows)
    same = better == plan
    why = "For no part is anything else suggested than what the plan runs." if same else None
    if st.button("Use what is suggested", icon=":material/lightbulb:", disabled=same, help=why):
        plan_editor.load(study, better)
        st.rerun()


def _go(study: OpenStudy, plan: Plan, whole: Study | None) -> None:
    """Two buttons, for the plan alone and with what stands beside it, what either costs, or why it cannot be run."""
    left, one, more = st.columns([3.4, 1, 1.3], vertical_alignment="center")
    alone = whole and whole.alone
    reason = _fault(study, plan, alone)
    cost = None if reason else _forecast(study.key, key(alone), study, alone)
    refused, both = reason, cost
    if not reason and whole != alone:
        refused = escape(_refused(study.key, key(whole), whole, chosen_set.rows(study)))
        both = None if refused else _forecast(study.key, key(whole), study, whole)
    with left:
        if cost is None:
            st.markdown(f":material/error: {reason}")
        else:
            st.markdown(
                f":material/schedule: {cost_words.short(state.store(), cost)}{_where(study, cost)}  \n"
                f"{_beside(cost, both, refused)}",
                help=cost_words.cost(state.store(), both or cost),
            )
            if any((job := jobs.get(state.store(), key(each))) and job.active for each in (alone, whole)):
                st.caption(":material/group: This very study is under way: running it joins that job.")
    with one:
        if recorded.start(
            "Run this plan", type="primary", icon=":material/play_arrow:", disabled=bool(reason), width="stretch"
        ):
            _run(study, alone, cost)
    with more:
        if access.button(
            "Run plan + baselines", icon=":material/balance:", width="stretch",
            disabled=bool(refused) or whole == alone or recorded.on_screen() is not None,
            help="With what is chosen under “What runs beside it”, so that Compare can hold the plan against it.",
        ):  # fmt: skip
            _run(study, whole, both)


def _where(study: OpenStudy, cost: Forecast) -> str:
    """Of a study that was not run here, by whose speed its cost is foreseen, as a sentence after another."""
    where = where_timed(study.store, study.key)
    return "" if where == "here" or cost.is_done else f" By what its runs took {where}."


def _beside(cost: Forecast, both: Forecast | None, refused: str) -> str:
    """What the baselines add, as a sentence."""
    if both is None:
        return f"The baselines cannot be run: {refused}"
    if both is cost:
        return "No baselines are chosen above."
    return cost_words.baselines(state.store(), both, cost)


def _run(study: OpenStudy, asked: Study, cost: Forecast) -> None:
    access.submit(state.store(), asked, cost_words.expected(state.store(), cost))
    st.switch_page("pages/runs.py", query_params={"study": study.key})


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _forecast(finished: str, asked: str, _study: OpenStudy, _wanted: Study) -> Forecast:
    """Kept for half a minute, by the keys of both studies: it looks for every stored result."""
    return forecast(_study, _wanted)


def _fault(study: OpenStudy, plan: Plan, wanted: Study | None) -> str:
    if wanted is None:
        return "A setting above cannot be used; the message beside it says why."
    parts = study.refine(plan, chosen_set.rows(study))
    if all(isinstance(getattr(plan, part), Original) for part, rows in parts.items() if len(rows)):
        return "This plan changes nothing: choose an algorithm for at least one part that has images."
    return escape(_refused(study.key, key(wanted), wanted, chosen_set.rows(study)))


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _refused(finished: str, asked: str, _wanted: Study, _rows: np.ndarray) -> str:
    """Kept for half a minute, by the keys of both studies: it asks every algorithm."""
    return fault(state.store(), _wanted, _rows)


frame.page(draw)
