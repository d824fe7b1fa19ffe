"""A landscape that could be measured for the set in hand: how many sets, which algorithms, what it costs, and whether
it would speak of this set.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import streamlit as st

from pages.shared import access, address, cost_words, progress, recorded, state
from pages.shared.folds import fold
from pages.shared.text import duration, escape
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.landscape import MANY, PREVIEW, Landscape, landscape_for, usual
from unlearn_core.experiment.landscape_cost import LandscapeCost, landscape_cost
from unlearn_core.experiment.landscape_sets import Seen, facts_of, is_seen, seen
from unlearn_core.experiment.reach import Reach, planned
from unlearn_core.params import BadValue, key
from unlearn_core.store import Store
from unlearn_core.unlearning import Unlearner

SETS = (PREVIEW, MANY)


def draw(study: OpenStudy, rows: np.ndarray, measured: Landscape | None = None) -> None:
    """Where none is measured: which could be. Beside one that is, folded away: one with more sets or algorithms."""
    if measured is None:
        _choices(study, rows, None)
    elif measured.sets < max(SETS) or not _types(usual()) <= _types(measured.unlearners):
        with fold("wider", "Measure more sets or more algorithms", ":material/add:") as box:
            if box.open:
                _choices(study, rows, measured)


def _types(unlearners: Iterable[Unlearner]) -> set[type[Unlearner]]:
    return {type(unlearner) for unlearner in unlearners}


def _offered(study: OpenStudy, measured: Landscape | None) -> dict[str, tuple[str, Landscape]]:
    """The choices of algorithms: name in the address -> what is shown, and a landscape with them. One that is measured
    keeps its own, and all else that it was measured by. Raises BadValue where the images allow none.
    """
    quick, every = (landscape_for(state.store(), study.spec.bank, PREVIEW, slow) for slow in (False, True))
    if measured is None:
        return {
            "quick": (f"The {len(quick.unlearners)} quick ones", quick),
            "every": (f"All {len(every.unlearners)}", every),
        }
    added = [unlearner for unlearner in every.unlearners if type(unlearner) not in _types(measured.unlearners)]
    wider = measured.but(unlearners=(*measured.unlearners, *added))
    found = {"every": (f"All {len(wider.unlearners)}", wider)}
    return {"quick": (f"These {len(measured.unlearners)}", measured)} | found if added else found


def _choices(study: OpenStudy, rows: np.ndarray, measured: Landscape | None) -> None:
    """What one costs, what it covers, and the button that has it measured."""
    store, bank = state.store(), study.spec.bank
    try:
        kinds = _offered(study, measured)
    except BadValue as error:
        st.info(escape(str(error)))
        return
    sizes = SETS if measured is None else (measured.sets, *(n for n in SETS if n > measured.sets))
    left, right = st.columns(2)
    with left:
        offered = {str(n): f"Preview: {n} sets" if n == PREVIEW else f"{n} sets" for n in sizes}
        sets = int(address.choice(st.segmented_control, "How many sets", offered, "sets", required=True))
    with right:
        offered, least = {name: shown for name, (shown, _) in kinds.items()}, "every" if measured else "quick"
        kind = address.choice(st.segmented_control, "Which algorithms", offered, "pace", least, required=True)
    asked = kinds[kind][1].but(sets=sets)
    if asked == measured:
        st.caption("This is the landscape that the forecast rests on.")
        return
    if progress.under_way(asked):
        return
    if is_seen(store, bank):
        of_set = facts(study, rows)
        reaches = {n: _planned(key(asked.but(sets=n)), study, asked.but(sets=n)) for n in sizes}
        for sentence in covers({n: reach.why_not(of_set, "they") for n, reach in reaches.items()}):
            st.markdown(sentence)
    cost = _cost(study.key, key(asked), study, asked)
    st.markdown(how_much(store, cost))
    if recorded.start("Measure the landscape", icon=":material/landscape:", key="landscape.start"):
        access.submit(store, asked, None if cost.slow else cost_words.about(store, cost))
        st.switch_page("pages/runs.py", query_params={"study": study.key})


def facts(study: OpenStudy, rows: np.ndarray) -> dict[str, float]:
    """What a landscape goes by, of these rows."""
    return facts_of(_seen(repr(study.spec.bank), study), rows)


@st.cache_resource(max_entries=4, show_spinner=False)
def _seen(bank: str, _study: OpenStudy) -> Seen:
    """Kept by what the bank is, whose models a landscape goes by, whatever the original of the study is."""
    return seen(_study.store, _study.spec.bank)


@st.cache_resource(max_entries=16, show_spinner=False)
def _planned(asked: str, _study: OpenStudy, _wanted: Landscape) -> Reach:
    """Kept by the key of the landscape: all its sets are drawn."""
    return planned(_seen(repr(_study.spec.bank), _study), _wanted)


def covers(whys: dict[int, str]) -> list[str]:
    """Whether so many sets would tell of the set in hand, given why each number would not."""
    told = []
    for why in dict.fromkeys(whys.values()):
        sets = " or ".join(str(n) for n in whys if whys[n] == why)
        if why:
            text = (
                f":material/block: Your set would lie **outside** what {sets} sets cover, so it would have no forecast"
            )
            told.append(f"{text}: {escape(why)}.")
        else:
            text = f":material/check: Your set would lie **inside** what {sets} sets cover"
            told.append(f"{text}, so it would have a forecast.")
    return told


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _cost(finished: str, asked: str, _study: OpenStudy, _wanted: Landscape) -> LandscapeCost:
    """Kept for half a minute, by the keys of study and landscape: it looks for every stored part."""
    return landscape_cost(_study, _wanted)


def how_much(store: Store, cost: LandscapeCost) -> str:
    """What is still to be done and how long that takes, and how far that is guessed."""
    work = (
        f"{cost_words.WITH}: {cost.trainings:,} models to train and {cost.runs:,} unlearning runs on "
        f"{cost.sets:,} sets.{cost_words.queue(store)}{cost_words.memory_of(cost)}"
    )
    if cost.slow:
        return (
            f":material/schedule: More than **{duration(cost.seconds)}**, how much more nobody knows yet, {work} "
            f"{cost.slow} of these algorithms are known as slow and were never timed by themselves here: "
            "*Try everything* below times each of them."
        )
    guessed = f" For {cost.guessed} algorithms never timed by themselves here the time is guessed." * bool(cost.guessed)
    return f":material/schedule: {cost_words.how_long(cost_words.about(store, cost))}, {work}{guessed}"
