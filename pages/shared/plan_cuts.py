"""The RUM workbench: what the forget set is refined by and where it is cut, on the histogram of its scores."""

from __future__ import annotations

from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.shared import cut_lines, memorization_chart, plan_editor, theme
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.forget_sets import key_of
from unlearn_core.proxies import PROXIES
from unlearn_core.rum import Plan

BY = {
    "memorization": "Memorization (from the bank of models)",
    "entanglement": "Entanglement (distance to the middle of all embeddings)",
    **{name: f"{proxy.title} (needs no bank)" for name, proxy in PROXIES.items()},
}
CUT_BY = {"rank": "Number of images", "value": "Score"}
ROOM = 0.06  # of the scores' spread, beside the histogram: left of it stand the counts
SAID = "plan.cuts.said"  # in the session: what came of a hand on the chart
TRACK = 8  # pixels of a slider before its track begins


def draw(study: OpenStudy, rows: np.ndarray, plan: Plan) -> Plan:
    """The two choices, the histogram with the cuts, the slider under it and the cuts as numbers; returns the plan with
    these.
    """
    key = plan_editor.keys(study)
    by, cut_by = _by(study, plan, key)
    scores = np.sort(study.scores(by)[rows])
    ends, steps = _ends(plan if (plan.by, plan.cut_by) == (by, cut_by) else None, cut_by, scores)
    chart, slider = st.container(), f"{key}.cuts.{by}.{cut_by}.{key_of(study, rows)[:16]}"
    low, high = _cuts(slider, ends, steps, cut_by)
    # Untouched cuts stay as they are written: a third is no round number.
    if (by, cut_by) != (plan.by, plan.cut_by) or (low, high) != ends:
        share = len(rows) if cut_by == "rank" else 1
        plan = plan.but(by=by, cut_by=cut_by, low_cut=low / share, high_cut=high / share)
    lines = (low, high) if cut_by == "value" else (_between(scores, low), _between(scores, high))
    fig = _chart(study, plan, rows.tobytes(), lines, steps if cut_by == "value" else None)
    with chart:
        name, alt = f"{slider}.chart", f"Histogram of the forget set by {by}. {fig.layout.title.text}."
        drawn = tuple(line.x0 for line in fig.layout.shapes), float(np.ptp(fig.layout.xaxis.range))
        dragged = partial(_dragged, name, slider, scores if cut_by == "rank" else None, *drawn, steps)
        theme.show(fig, alt=alt, key=name, on_select=dragged, selection_mode="box")
        if said := st.session_state.pop(SAID, ""):
            st.warning(said)
    for tie in plan.ties(rows, study.scores(by)[rows], study.refine(plan, rows)):
        st.caption(tied(tie))
    return plan


def tied(tie: dict[str, int]) -> str:
    """That a cut goes through images that score the same: how many are in which part."""
    (first, count), *others = tie.items()
    rest = "".join(f"{' and' if i == len(others) - 1 else ','} {n:,} into {part}" for i, (part, n) in enumerate(others))
    return f"{sum(tie.values()):,} images have the very same score: {count:,} fall into {first}{rest}, by row number."


@theme.kept
def _chart(study: OpenStudy, plan: Plan, rows: bytes, lines: tuple[float, float], aligned: tuple | None) -> go.Figure:
    """The histogram; `aligned` with a slider, given its ends."""
    fig = memorization_chart.of_set(study, plan.by, study.refine(plan, np.frombuffer(rows, np.int64)), lines)
    if aligned:
        _align(fig, aligned)
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
        "The two cuts; or drag a line in the chart",
        min_value=lowest,
        max_value=highest,
        step=step,
        key=key,
        persist_state="session",
    )
    labels = (
        ("Images before the first cut", "Images before the second cut")
        if cut_by == "rank"
        else ("First cut, at the score", "Second cut, at the score")
    )
    with st.container(horizontal=True):
        for label, name in zip(labels, typed, strict=True):
            st.number_input(
                label, step=step, key=name, on_change=_typed, args=(key, name, name == typed[0], lowest, highest),
                format=None if cut_by == "rank" else "%.3f", width=260,
            )  # fmt: skip
    return chosen


def _dragged(
    chart: str, slider: str, scores: np.ndarray | None, lines: tuple[float, float], wide: float, steps: tuple
) -> None:
    """A hand went along the histogram: the cuts go there, as far as the slider may; by rank, after as many of the
    sorted `scores` as lie below. A chart that is drawn anew sends an empty selection, which is no wish.
    """
    boxes, cuts, (lowest, highest, step) = st.session_state[chart].selection.box, st.session_state[slider], steps
    if not boxes:
        return
    places = cut_lines.moved(lines, boxes[-1].get("x"), wide)
    if places is None:
        st.session_state[SAID] = "The chart sent a band that cannot be read. The cuts stay as they were."
        return
    if scores is None:
        wanted = [round(round(at / step) * step, 6) for at in places]
    else:
        wanted = np.searchsorted(scores, places).tolist()
    # A cut that was not dragged stays to the image, also among images of equal scores.
    wanted = [cut if at == line else new for cut, line, at, new in zip(cuts, lines, places, wanted, strict=True)]
    st.session_state[slider] = tuple(min(max(cut, lowest), highest) for cut in wanted)


def _between(scores: np.ndarray, count: int) -> float:
    """The score between so many of the sorted `scores` and the others; infinite where there are no others."""
    inside = np.r_[-np.inf, scores, np.inf]
    return float(inside[count] + inside[count + 1]) / 2


def _typed(key: str, name: str, first: bool, lowest: float, highest: float) -> None:
    """What was typed says where its cut is, within the ends; a cut that stands in its way moves along."""
    typed, (low, high) = min(max(st.session_state[name], lowest), highest), st.session_state[key]
    st.session_state[key] = (typed, max(typed, high)) if first else (min(low, typed), typed)


def _align(fig: go.Figure, steps: tuple) -> None:
    """The axis as long as the slider's track."""
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
