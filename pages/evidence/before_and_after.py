"""One attack's score before and after: its distributions with a threshold that moves, and the ROC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from html import escape as html

import numpy as np
import streamlit as st

from pages.shared import cut_lines, distributions, numbers, roc_chart, theme
from unlearn_core.attacks.roc import needed
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import audit
from unlearn_core.experiment.audit import Scored


@dataclass(frozen=True, eq=False)
class Shown:
    """An attack as it is shown. `name` stands for it in the address; its scores are likelihood ratios or not (`ratio`).

    `models` are its curves by role, of which "unlearned" is judged; `scores` its distributions by role, where "unseen"
    is what may be left out; `names` what they are called. `title` and `curves` are what the two charts show, `data` on
    what they rest; `says` tells of a threshold, `of` is what false alarms are counted on, and `about` is the caption.
    """

    name: str
    ratio: bool
    models: dict[str, Scored]
    scores: dict[str, Sequence[np.ndarray]]
    names: dict[str, str]
    title: str
    curves: str
    data: str
    says: Callable[[float], str]
    of: str
    about: str

    @cached_property
    def histograms(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return audit.histograms(self.scores, self.ratio)


@st.fragment
def draw(shown: Shown) -> None:
    """The score's distributions with a threshold, and the ROC."""
    st.subheader("Before and after")
    audited = shown.models["unlearned"]
    options, usual = audit.thresholds(shown.histograms[0]), audited.threshold_at(0.1)
    slider, field = f"threshold_{shown.name}", f"typed_{shown.name}"
    if (held := st.session_state.get(slider)) is not None and held not in options:
        st.session_state[slider] = _nearest(options, held)  # another method has other places
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cut = st.select_slider(
            "Threshold of the attacker (or drag its line)",
            options,
            key=slider,
            bind="query-params",
            on_change=_slid,
            args=(slider, field),
            width=380,
            **{} if slider in st.session_state else {"value": _nearest(options, usual)},
        )
        typed = st.number_input(
            "or typed",
            value=None,
            placeholder="any score",
            format="%g",
            key=field,
            bind="query-params",
            on_change=_typed,
            args=(slider, field, options),
            width=160,
            help="A score from which on the attacker says member. The slider goes to the nearest of its places; moved, "
            "it counts again.",
        )
        cut = cut if typed is None else typed
        unseen = "unseen" in shown.scores and st.toggle("Unseen images", value=True, key="unseen", bind="query-params")
        # The usual axes hang on the study, so the switch away from them has another name where they are others.
        rare = audited.can_tell(audit.RARE)
        if rare:
            logs = not st.toggle("Linear ROC", key="linear", bind="query-params")
        else:
            logs = st.toggle("Logarithmic ROC", key="log", bind="query-params")
    says = shown.says(cut)
    st.markdown(says)
    left, right = st.columns(2)
    with left:
        fig, said = _distributions(shown, cut, unseen)
        chart = f"attack.{shown.name}.chart"
        dragged = partial(_dragged, chart, slider, field, options, shown.ratio)
        theme.show(fig, alt=f"{said} {says.replace('*', '')}", key=chart, on_select=dragged, selection_mode="box")
    with right:
        theme.show(*_curves(shown, cut, logs))
    st.caption(
        f"{shown.about}, drawn to a thousandth of an axis; {axes(audited, logs, shown.of)}. "
        + f"AUC: {METRICS['auc'].help[0].lower()}{METRICS['auc'].help[1:]}"
    )


def axes(audited: Scored, logs: bool, of: str) -> str:
    """Why the axes of the ROC are as they are."""
    least = needed(audit.RARE)
    if audited.can_tell(audit.RARE):
        why = f"{audited.readings:,} {of} measure false alarms down to {audit.RARE * 100:g} %"
        return f"logarithmic, for {why}" if logs else f"linear, as you chose, though {why}"
    why = f"{audited.readings:,} {of} are fewer than the {least:,} that {audit.RARE * 100:g} % needs"
    return f"logarithmic, as you chose, though {why}" if logs else f"linear, for {why}"


def _slid(slider: str, field: str) -> None:
    """The slider was touched last: it counts, and what was typed before is gone."""
    st.session_state[field] = None


def _typed(slider: str, field: str, options: list[float]) -> None:
    """The number was touched last: it counts, and the slider goes as near to it as it can."""
    if (typed := st.session_state[field]) is not None:
        st.session_state[slider] = _nearest(options, typed)


def _dragged(chart: str, slider: str, field: str, options: list[float], ratio: bool) -> None:
    """The line was dragged: it goes where the hand ended, and the slider as near to that as it can. A chart that is
    drawn anew sends an empty selection, which is no wish; nor is what cannot be read.
    """
    boxes = st.session_state[chart].selection.box
    if not boxes or (way := cut_lines.read(boxes[-1].get("x"))) is None:
        return
    from_axis, to_axis = (np.sinh, np.arcsinh) if ratio else (float, float)
    within = np.clip(way[1], *(to_axis(options[i]) for i in (0, -1)))
    st.session_state[slider], st.session_state[field] = _nearest(options, float(from_axis(within))), None


def _nearest(options: list[float], score: float) -> float:
    return min(options, key=lambda place: abs(place - score))


@theme.kept
def _distributions(shown: Shown, cut: float, unseen: bool) -> tuple:
    """The histograms with the threshold, and what they show in words."""
    edges, shares = shown.histograms
    shares = {role: share for role, share in shares.items() if unseen or role != "unseen"}
    fig = distributions.draw(html(shown.title), edges, shares, shown.names, cut, shown.ratio, shown.data)
    listed = ", ".join(shown.names[role] for role in shares)
    return fig, f"{shown.title}. {shown.data}. Histograms of the score: {listed}."


@theme.kept
def _curves(shown: Shown, cut: float, logs: bool) -> tuple:
    """The ROC with the threshold, and what it shows in words."""
    said = "; ".join(f"{shown.names[role]} AUC {numbers.interval(m.success)}" for role, m in shown.models.items())
    at = shown.models["unlearned"].at(cut)
    fig = roc_chart.draw(html(shown.curves), shown.models, shown.names, at, logs, shown.data)
    return fig, f"{shown.curves}. {shown.data}. ROC curves: {said}"
