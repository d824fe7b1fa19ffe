"""One attack's score before and after: its distributions with a threshold that moves, and the ROC."""

from __future__ import annotations

from functools import partial
from html import escape as html

import numpy as np
import streamlit as st

from pages.shared import audit_words as words
from pages.shared import cut_lines, distributions, numbers, roc_chart, theme
from pages.shared.comparison_words import title_of
from unlearn_core.attacks.roc import needed
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import audit
from unlearn_core.experiment.verdicts import Verdict


@st.fragment
def draw(study, method: str, statistic: str, verdict: Verdict) -> None:
    """The score's distributions with a threshold, and the ROC."""
    st.subheader("Before and after")
    edges, _ = _histograms(statistic, verdict)
    options, usual = audit.thresholds(edges), verdict.audited.threshold_at(0.1)
    slider, field = f"threshold_{statistic}", f"typed_{statistic}"
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
        unseen = st.toggle("Unseen images", value=True, key="unseen", bind="query-params")
        # The usual axes hang on the study, so the switch away from them has another name where they are others.
        rare = verdict.audited.can_tell(audit.RARE)
        if rare:
            logs = not st.toggle("Linear ROC", key="linear", bind="query-params")
        else:
            logs = st.toggle("Logarithmic ROC", key="log", bind="query-params")
    says = words.at_threshold(cut, verdict.audited, verdict.original, verdict.retrained)
    st.markdown(says)
    left, right = st.columns(2)
    with left:
        fig, said = _distributions(study, method, statistic, verdict, cut, unseen)
        chart = f"attack.{statistic}.chart"
        dragged = partial(_dragged, chart, slider, field, options, audit.is_ratio(statistic))
        theme.show(fig, alt=f"{said} {says.replace('*', '')}", key=chart, on_select=dragged, selection_mode="box")
    with right:
        theme.show(*_curves(study, method, verdict, cut, logs))
    seeds = len(verdict.audited.seeds)
    st.caption(
        f"Unseen images are {words.unseen(statistic)}. The histograms "
        "pool the models, and their outermost bars hold everything beyond. ROC curves are "
        + ("means over seeds with 95 % intervals" if seeds > 1 else "of one model each")
        + f", drawn to a thousandth of an axis; {axes(verdict, logs)}. "
        + f"AUC: {METRICS['auc'].help[0].lower()}{METRICS['auc'].help[1:]}"
    )


def axes(verdict: Verdict, logs: bool) -> str:
    """Why the axes of the ROC are as they are."""
    least = needed(audit.RARE)
    if verdict.audited.can_tell(audit.RARE):
        why = f"{verdict.audited.unseen:,} unseen images measure false alarms down to {audit.RARE * 100:g} %"
        return f"logarithmic, for {why}" if logs else f"linear, as you chose, though {why}"
    why = f"{verdict.audited.unseen:,} unseen images are fewer than the {least:,} that {audit.RARE * 100:g} % needs"
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


def _histograms(statistic: str, verdict: Verdict) -> tuple:
    scores = {role: model.members for role, model in _models(verdict).items()} | {"unseen": verdict.audited.others}
    return audit.histograms(scores, audit.is_ratio(statistic))


@theme.kept
def _distributions(study, method: str, statistic: str, verdict: Verdict, cut: float, unseen: bool) -> tuple:
    """The histograms with the threshold, and what they show in words."""
    names, (edges, shares) = words.models(title_of(study, method)), _histograms(statistic, verdict)
    shown = {role: share for role, share in shares.items() if unseen or role != "unseen"}
    title = f"{words.images(verdict).capitalize()}: {words.says(verdict, statistic)}"
    fig = distributions.draw(html(title), edges, shown, names, cut, audit.is_ratio(statistic), data(verdict))
    return fig, f"{title}. {data(verdict)}. Histograms of the score: {', '.join(names[r] for r in shown)}."


@theme.kept
def _curves(study, method: str, verdict: Verdict, cut: float, logs: bool) -> tuple:
    """The ROC with the threshold, and what it shows in words."""
    names, models = words.models(title_of(study, method)), _models(verdict)
    title = f"AUC {verdict.audited.success.value:.2f} where retraining reads {verdict.retrained.success.value:.2f}"
    said = "; ".join(f"{names[role]} AUC {numbers.interval(m.success)}" for role, m in models.items())
    fig = roc_chart.draw(title, models, names, verdict.audited.at(cut), logs, data(verdict))
    return fig, f"{title}. {data(verdict)}. ROC curves: {said}"


def data(verdict: Verdict) -> str:
    """On how many images and models both charts rest."""
    seeds = len(verdict.audited.seeds)
    models = f"{seeds} models of each kind" if seeds > 1 else "one model of each kind"
    return f"{len(verdict.audited.rows):,} forgotten, {verdict.audited.unseen:,} unseen images; {models}"


def _models(verdict: Verdict) -> dict[str, audit.Attacked]:
    return {"original": verdict.original, "unlearned": verdict.audited, "retrained": verdict.retrained}
