"""One algorithm asked to forget one set after the other: what is asked, what it will cost, and what came of it."""

from __future__ import annotations

import streamlit as st

from pages.evidence import requests_result
from pages.shared import access, address, cost_words, progress, recorded, state
from pages.shared.comparison_words import title_of
from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy, Stream, stream
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.stream_cost import StreamCost, stream_cost
from unlearn_core.experiment.unlearned_models import refuse
from unlearn_core.params import BadValue
from unlearn_core.rows import pack

DEALS = {"random": "At random", "parts": "Low, medium, high third"}


def draw(study: OpenStudy, method: str, top) -> None:
    """`top` is the place for what it comes to."""
    st.markdown(
        "People ask one after the other, so a model is unlearned again and again. Here the forget set is dealt into "
        "several requests, one algorithm meets them in a row, and after each every earlier set is measured again, "
        "beside a model retrained without all of them."
    )
    kind = study.table.loc[study.table["method"] == method, "kind"].iloc[0]
    if kind != "single":
        _one_algorithm_only(study, method)
        return
    try:
        asked, sets = _asked(study, method)
        refuse(state.store(), asked.training, study.forget, asked.plan)
    except BadValue as error:
        st.warning(escape(str(error)))
        return
    found = stream.finished(state.store(), asked)
    if found is None:
        progress.live("requests", lambda: _offer(study, method, asked))
    else:
        requests_result.draw(study, title_of(study, method), found, sets, top)


def _one_algorithm_only(study: OpenStudy, method: str) -> None:
    """A plan is cut from one forget set, so it cannot be asked again; the way to a method that can."""
    singles = core.ranked(study, "group_tow").query("kind == 'single'")
    st.info(
        f"{escape(title_of(study, method))} is made for one forget set as a whole, so it cannot be asked one request "
        "after the other. Choose a single algorithm.",
        icon=":material/rule:",
    )
    if len(singles):
        st.button(
            f"Ask {escape(singles['title'].iloc[0])} instead",
            on_click=st.query_params.__setitem__,
            args=("method", singles.index[0]),
        )


def _asked(study: OpenStudy, method: str) -> tuple[Stream, list[str]]:
    """The stream that the widgets describe, and what its sets are called."""
    parts = {name: rows for name, rows in study.parts.items() if len(rows)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        deals = DEALS if len(parts) > 1 else {"random": DEALS["random"]}
        deal = address.choice(st.segmented_control, "How the set is dealt", deals, "deal", required=True)
        if deal == "random":
            most = max(2, min(10, len(study.forget)))
            count = st.number_input(
                "Requests", 2, most, min(4, most), key="requests", bind=address.bound("requests"), width=130
            )
            shuffle = st.number_input(
                "Seed of the deal", 0, 9999, 0, key="shuffle", bind=address.bound("shuffle"), width=150
            )
        seeds = st.number_input(
            "Seeds",
            2,
            100,
            study.spec.seeds if study.spec.seeds > 1 else 5,
            key="streams",
            bind=address.bound("streams"),
            help="How many original models are unlearned. With 2 or 3 only large drifts can be told.",
            width=120,
        )
    if deal == "parts":
        requests, sets = tuple(pack(rows) for rows in parts.values()), list(parts)
    else:
        requests = stream.deal_requests(study.forget, count, shuffle)
        sets = [f"set {number}" for number in range(1, count + 1)]
    return stream.asked(study, method, requests, seeds), sets


def _offer(study: OpenStudy, method: str, asked: Stream) -> None:
    """The stream under way, or the button that has it run."""
    if progress.under_way(asked):
        return
    found = stream_cost(study, method, asked)
    st.markdown(in_words(found, asked))
    if recorded.start("Run these requests", type="primary", icon=":material/playlist_play:"):
        known = found.seconds is not None
        foreseen = cost_words.unsure(state.store(), "Stream", found.seconds, found.megabytes) if known else None
        access.submit(state.store(), asked, foreseen)
        st.rerun()


def in_words(found: StreamCost, asked: Stream) -> str:
    """What it takes at most, by what the study's own models took, in a sentence."""
    said = (
        f"At most {found.trainings} models to train (two for each request and seed, the second for the noise) and "
        f"{found.runs} runs of {len(asked.requests)} requests each; what is stored is used again. "
    )
    if found.seconds is None:
        return f"{said}How long that takes is not known: no such model was timed here."
    taken = cost_words.roughly(state.store(), "Stream", found.seconds)
    disk = cost_words.megabytes(found.megabytes)
    return f"{said}By what this study's models took: {taken}, then the measuring; {disk} of disk."
