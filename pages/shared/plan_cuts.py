"""The RUM workbench: what the forget set is refined by and where it is cut, on the histogram of its scores."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.shared import memorization_chart, plan_editor, theme
from unlearn_core.experiment import OpenStudy
from unlearn_core.proxies import PROXIES
from unlearn_core.rum import Plan

BY = {
    "memorization": "Memorization (from the bank of models)",
    "entanglement": "Entanglement (distance to the middle of all embeddings)",
    **{name: f"{proxy.title} (needs no bank)" for name, proxy in PROXIES.items()},
}
CUT_BY = {"rank": "Number of images", "value": "Score"}
ROOM = 0.06  # of the scores' spread, beside the histogram: left of it stand the counts
TRACK = 8  # pixels of a slider before its track begins


def draw(study: OpenStudy, rows: np.ndarray, plan: Plan) -> Plan:
    """The two choices, the histogram with the cuts, the slider under it and the cuts as numbers; returns the plan with
    these.
    """
    key = plan_editor.keys(study)
    by, cut_by = _by(study, plan, key)
    scores = np.sort(study.scores(by)[rows])
    ends, steps = _ends(plan if (plan.by, plan.cut_by) == (by, cut_by) else None, cut_by, scores)
    chart = st.container()
    low, high = _cuts(f"{key}.cuts.{by}.{cut_by}.{len(rows)}.{int(rows.sum())}", ends, steps, cut_by)
    # Untouched cuts stay as they are written: a third is no round number.
    if (by, cut_by) != (plan.by, plan.cut_by) or (low, high) != ends:
        share = len(rows) if cut_by == "rank" else 1
        plan = plan.but(by=by, cut_by=cut_by, low_cut=low / share, high_cut=high / share)
    fig = _chart(study, plan, rows.tobytes(), ((low, high), steps) if cut_by == "value" else None)
    with chart:
        theme.show(fig, alt=f"Histogram of the forget set by {by}. {fig.layout.title.text}.", key="plan.cuts.chart")
    for tie in plan.ties(rows, study.scores(by)[rows], study.refine(plan, rows)):
        st.caption(tied(tie))
    return plan


def tied(tie: dict[str, int]) -> str:
    """That a cut goes through images that score the same: how many are in which part."""
    (first, count), *others = tie.items()
    rest = "".join(f"{' and' if i == len(others) - 1 else ','} {n:,} into {part}" for i, (part, n) in enumerate(others))
    return f"{sum(tie.values()):,} images have the very same score: {count:,} fall into {first}{rest}, by row number."


@theme.kept
def _chart(study: OpenStudy, plan: Plan, rows: bytes, aligned: tuple | None) -> go.Figure:
    """The histogram; `aligned` with a slider, given its cuts and its ends."""
    fig = memorization_chart.of_set(study, plan.by, study.refine(plan, np.frombuffer(rows, np.int64)))
    if aligned:
        _align(fig, *aligned)
    return fig


def _by(study: OpenStudy, plan: Plan, key: str) -> tuple[str, str]:
    left, right = st.columns(2)
    with left:
        offered = {name: title for name, title in BY.items() if study.is_ready(name)}
        if not study.spec.models:
            offered["memorization"] = "Unsureness in training (no bank was trained)"
        now = plan.by if plan.by in offered else "memorization"  # scores that are missing take longer than a page may
        if now != plan.by:
            st.warning("The score of this plan is not computed yet, so memorization cuts it here.")
        by = plan_editor.select("Refine by", offered, now, f"{key}.by", "What tells easy from hard images.")
        if missing := [PROXIES[name].title.lower() for name in BY if name not in offered]:
            st.caption(f"Not computed yet: {', '.join(missing)}. Explore offers to, under Cheaper scores.")
    with right:
        cut_by = plan_editor.select(
            "Cut by", CUT_BY, plan.cut_by, f"{key}.cut_by", "Cuts after so many images, or at these scores."
        )
    return by, cut_by


def _cuts(key: str, ends: tuple, steps: tuple, cut_by: str) -> tuple:
    """The two cuts: a slider as wide as the histogram, and the same as numbers to type."""
    lowest, highest, step = steps
    st.session_state.setdefault(key, ends)
    typed = (f"{key}.first", f"{key}.second")
    # The numbers follow the slider; what is typed goes there first, so the slider alone says where the cuts are.
    st.session_state[typed[0]], st.session_state[typed[1]] = st.session_state[key]
    chosen = st.slider(
        "The low part ends, and the high part begins, here",
        min_value=lowest,
        max_value=highest,
        step=step,
        key=key,
        persist_state="session",
    )
    labels = (
        ("Images in the low part", "Images in the low and medium part")
        if cut_by == "rank"
        else ("Low ends below", "High begins at")
    )
    with st.container(horizontal=True):
        for label, name in zip(labels, typed, strict=True):
            st.number_input(
                label, step=step, key=name, on_change=_typed, args=(key, name, name == typed[0], lowest, highest),
                format=None if cut_by == "rank" else "%.3f", width=260,
            )  # fmt: skip
    return chosen


def _typed(key: str, name: str, first: bool, lowest: float, highest: float) -> None:
    """What was typed says where its cut is, within the ends; a cut that stands in its way moves along."""
    typed, (low, high) = min(max(st.session_state[name], lowest), highest), st.session_state[key]
    st.session_state[key] = (typed, max(typed, high)) if first else (min(low, typed), typed)


def _align(fig: go.Figure, cuts: tuple[float, float], steps: tuple) -> None:
    """The lines where the slider's ends are, and the axis as long as the slider's track."""
    fig.layout.shapes = ()
    for cut in cuts:
        fig.add_vline(x=cut, line={"dash": "dash", "width": 1.5, "color": fig.layout.font.color})
    fig.update_xaxes(range=steps[:2])
    fig.update_yaxes(title=None, ticklabelposition="inside top", tickfont={"color": fig.layout.font.color})
    fig.update_layout(margin={"l": TRACK, "r": TRACK})


def _ends(plan: Plan | None, cut_by: str, scores: np.ndarray) -> tuple[tuple, tuple]:
    """Where the slider's two ends stand, and its (lowest, highest, step). Without a plan: at the thirds of the set."""
    n = len(scores)
    if cut_by == "rank":
        shares = (plan.low_cut, plan.high_cut) if plan else (1 / 3, 2 / 3)
        return (round(shares[0] * n), round(shares[1] * n)), (0, n, 1)
    thirds = (float(scores[round(n / 3)]), float(scores[min(n - 1, round(2 * n / 3))])) if n > 1 else (scores[0],) * 2
    ends = (plan.low_cut, plan.high_cut) if plan else tuple(round(s, 3) for s in thirds)
    step = 0.01 if np.ptp(scores) <= 2 else 0.1
    lowest, highest = min(float(scores[0]), ends[0]), max(float(scores[-1]), ends[1])
    spread = max(np.ptp(scores), step)
    lowest, highest = lowest - ROOM * spread, highest + ROOM / 2 * spread
    return ends, (float(np.floor(lowest / step) * step), float(np.ceil(highest / step) * step + step), step)
