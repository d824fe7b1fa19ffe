"""A search for a better plan: what it may try, what it costs, how far it is, and what came of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import (
    access,
    address,
    chosen_set,
    cost_words,
    found_plans,
    plan_editor,
    progress,
    recorded,
    state,
    theme,
    trials_chart,
)
from pages.shared.algorithms import SINGLE
from pages.shared.folds import fold
from pages.shared.forms import form
from pages.shared.text import escape
from unlearn_core import jobs
from unlearn_core.disk import StoreError
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy, PlanSearch
from unlearn_core.experiment.search import begun, ranked, so_far, trials_of
from unlearn_core.experiment.search_cost import SearchCost, search_cost
from unlearn_core.job import Job
from unlearn_core.params import BadValue, build, canonical, key
from unlearn_core.rum import Plan
from unlearn_core.unlearning import ALGORITHMS

# A search tries plans by the hundred, with what every model has at hand.
CHOICES = {n: ALGORITHMS[n].title for n in SINGLE if set(ALGORITHMS[n].needs) <= {"retain", "forget", "labels"}}
RATES = {"1": "as in the study"} | {factor: f"{factor} times that" for factor in ("0.1", "0.3", "3", "10")}
ASKED = ("method", "orders", "trials", "together", "tuning_seeds", "seeds", "best")
SHOWN = 5  # plans of a search under way


def draw(study: OpenStudy, rows: np.ndarray, plan: Plan) -> None:
    """The section of the Plan page; `plan` says how the set is cut and in which order the parts go."""
    forget = chosen_set.spec(study, rows)
    begun = bool(_searches(study, forget))
    with fold("search", "Search for a better plan", ":material/manage_search:", begun) as box:
        if not box.open:
            return
        st.markdown(
            "Tries other algorithms on the parts as they are cut above. Plans are tried on models and images of their "
            "own; the best few are then run on the models that count."
        )
        wanted = _wanted(study, forget, plan)
        if wanted is not None:
            _start(study, wanted)
        progress.live("plan-search", lambda: _found(study, forget))


# -- what is asked for -------------------------------------------------------------------------------------------------


def _wanted(study: OpenStudy, forget, plan: Plan) -> PlanSearch | None:
    """The search that the widgets describe; None, with the reason on screen, where there is none."""
    place = f"search.{study.key[:8]}"
    own = [name for name, cls in ALGORITHMS.items() if any(type(u) is cls for u in study.spec.unlearners)]
    names = address.several(
        "Algorithms to choose from",
        CHOICES,
        f"{place}.algorithms",
        [name for name in own if name in CHOICES] or list(CHOICES),
        help="For each part one of these. Leaving a part as it is is always tried too.",
    )
    rates = address.several(
        "Learning rates to try",
        RATES,
        f"{place}.rates",
        ["1"],
        help="Multiples of the learning rate that each algorithm ran with in the study.",
    )
    try:
        base = PlanSearch(
            name=f"{study.spec.name}, plan search",
            training=study.spec.training,
            models=study.spec.models,
            forget=forget,
            plan=plan,
            algorithms=tuple(plan_editor.tuned(study, ALGORITHMS[name]) for name in names),
            rates=tuple(map(float, rates)),
            seeds=study.spec.seeds,
        )
    except BadValue as error:
        st.error(escape(str(error)))
        return None
    return form(PlanSearch, place, base, ASKED, bind="query-params")


def _start(study: OpenStudy, wanted: PlanSearch) -> None:
    cost = _cost(study.key, key(wanted), len(trials_of(state.store(), wanted)), study, wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        job = _job(key(wanted))
        going = job is not None and job.active
        if recorded.start("Start the search", icon=":material/manage_search:", key="search.start", disabled=going):
            st.session_state[_key(study)] = canonical(wanted)
            access.submit(state.store(), wanted, cost_words.about(state.store(), cost))
            st.rerun()
        st.markdown(_how_much(cost))


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _cost(
    finished: str, asked: str, tried: int, _study: OpenStudy, _wanted: PlanSearch, so_far: bool = False
) -> SearchCost:
    """Kept for half a minute, by the keys of study and search and by how much of it is done."""
    return search_cost(_study, _wanted, so_far)


def _how_much(cost: SearchCost) -> str:
    if not cost.trials + cost.runs:
        return "This search is finished; starting it shows what it found."
    counts = ((cost.trials, "plan", "plans", "to try"), (cost.trainings, "model", "models", "to train"))
    counts += ((cost.runs, "run", "runs", "to confirm the best"),)
    work = ", ".join(f"{n:,} {one if n == 1 else many} {what}" for n, one, many, what in counts if n)
    long = cost_words.how_long(cost_words.about(state.store(), cost))
    queue = cost_words.queue(state.store())
    return f":material/schedule: {long}, {cost_words.WITH}: {work}.{queue}{cost_words.memory_of(cost)}"


# -- what is there so far ----------------------------------------------------------------------------------------------


def _key(study: OpenStudy) -> str:
    return f"search.{study.key}"


def _searches(study: OpenStudy, forget) -> list[PlanSearch]:
    """The search that was started here, and those for this set that got anywhere, the last first."""
    held = st.session_state.get(_key(study))
    started = build(json.loads(held)) if held else None
    own = [started] if started is not None and started.forget == forget else []
    return list(dict.fromkeys([*own, *begun(state.store(), study.spec.bank, forget)]))


def _told(search: PlanSearch) -> str:
    """A search in a list."""
    how = f"{search.trials:,} plans by Optuna" if search.method == "optuna" else "all plans of a grid"
    return f"{search.name}: {how}, {len(search.algorithms)} algorithms, {len(search.rates)} learning rates each"


def _found(study: OpenStudy, forget) -> None:
    """One read of the store: the job, the trials so far, and at the end what was confirmed."""
    searches = _searches(study, forget)
    if not searches:
        return
    store = state.store()
    st.divider()
    search = searches[0]
    if len(searches) > 1:
        known = {key(each)[:8]: each for each in searches}
        numbered = {name: f"{i}. {_told(each)}" for i, (name, each) in enumerate(known.items(), 1)}
        search = known[address.choice(st.selectbox, "Search", numbered, "found")]
    result = store.find(search)
    table = trials_of(store, search)
    if result is not None:
        found_plans.draw(study, search, result.json("summary"))
    else:
        _under_way(study, search, len(table))
        _stopped(study, search, len(table))
    if len(table):
        fig = trials_chart.draw(table)
        theme.show(
            fig, alt=f"Closeness of each plan tried, and the best so far. {fig.layout.title.text}.", key="trials"
        )
        if result is None:
            _best_so_far(search, table)


def _under_way(study: OpenStudy, search: PlanSearch, tried: int) -> None:
    store = state.store()
    job = _job(key(search))
    if job is None:
        cost = _cost(study.key, key(search), tried, study, search)
        if recorded.start("Go on with this search", icon=":material/play_arrow:", key="search.go-on"):
            access.submit(store, search, cost_words.about(store, cost))
            st.rerun()
        st.markdown(_how_much(cost))
        return
    progress.panel(job)


def _stopped(study: OpenStudy, search: PlanSearch, tried: int) -> None:
    """The best plans of a search that does not go on, as they were confirmed, or the button that has them confirmed."""
    store, job = state.store(), _job(key(search))
    wanted = so_far(store, search)
    if wanted is None or (job is not None and job.active):
        return
    if (confirmed := store.find(wanted)) is not None:
        summary = confirmed.json("summary")
        planned = summary["space"] if search.method == "grid" else search.trials
        st.markdown(f"The search was stopped after **{tried:,} of {planned:,}** plans. The best of these:")
        found_plans.draw(study, search, summary)
    elif (confirming := _job(key(wanted))) is not None and confirming.state != "done":
        st.markdown(f"**Confirming the best so far** on {search.seeds} models that had no say")
        progress.panel(confirming)
    else:
        cost = _cost(study.key, key(search), tried, study, search, so_far=True)
        if recorded.start("Confirm the best so far", icon=":material/verified:", key="search.confirm"):
            access.submit(store, wanted, cost_words.about(store, cost))
            st.rerun()
        st.markdown(_how_much(cost))


def _job(name: str) -> Job | None:
    try:
        return jobs.find(state.store(), name)
    except StoreError:
        return None


def _best_so_far(search: PlanSearch, table: pd.DataFrame) -> None:
    best = ranked(table).head(SHOWN)
    lines = best[list(found_plans.COLUMNS)].assign(
        score=best["group_tow"].map("{:.3f}".format), trial=best["trial"] + 1
    )
    found_plans.table(
        lines[["score", "trial", *found_plans.COLUMNS]],
        {"score": st.column_config.TextColumn("Closeness", help=METRICS["group_tow"].help), "trial": "Trial"},
        "The best plans so far: their closeness to retraining, and an algorithm for each part.",
    )
    st.caption(
        f"Means over {search.tuning_seeds} {'model' if search.tuning_seeds == 1 else 'models'} that are not reported, "
        "on validation images. The best of many flatters itself; the end of the search says by how much."
    )
