"""The RUM workbench: where the forget set is cut, what runs on each part, and why that is suggested."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import streamlit as st

from pages.shared import algorithms, memorization_chart, plan_file, theme, thumbnails
from pages.shared.text import escape, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.views import Suggestion
from unlearn_core.params import BadValue, Spec
from unlearn_core.proxies import PROXIES
from unlearn_core.rum import PARTS, Plan
from unlearn_core.unlearning import ALGORITHMS, Unlearner

SHOWN = 4  # thumbnails of a part
BY = {
    "memorization": "Memorization (from the bank of models)",
    "entanglement": "Entanglement (distance to the middle of all embeddings)",
    **{name: f"{proxy.title} (needs no bank)" for name, proxy in PROXIES.items()},
}
CUT_BY = {"rank": "Number of images", "value": "Score"}
RETAIN = {
    False: "Keep later parts until their turn (the paper)",
    True: "Leave all parts out from the start",
}


# -- the plan that the widgets start from ------------------------------------------------------------------------------


def start(study: OpenStudy) -> Plan:
    """What the widgets show before anything is changed: a plan that was loaded, that of the address, or the study's."""
    held = st.session_state.get(_key(study))
    if held is None:
        load(study, _from_address() or (study.spec.plans[0] if study.spec.plans else Plan()))
        held = st.session_state[_key(study)]
    return plan_file.from_text(held["plan"])


def load(study: OpenStudy, plan: Plan, settled: bool = False) -> None:
    """Put another plan in the place of the one on screen; `settled` where its learning rates are to stay so."""
    before = st.session_state.get(_key(study), {"round": 0})
    # Widgets remember their values by their keys, so each loaded plan gets keys of its own.
    now = {"plan": plan_file.to_text(plan), "round": before["round"] + 1, "settled": settled}
    st.session_state[_key(study)] = now


def is_settled(study: OpenStudy) -> bool:
    """Whether the learning rates of the plan on screen were searched for already."""
    return st.session_state[_key(study)]["settled"]


def keys(study: OpenStudy) -> str:
    """What the keys of all widgets of the plan on screen begin with."""
    return f"plan.{study.key[:8]}.{st.session_state[_key(study)]['round']}"


def remember(study: OpenStudy, plan: Plan) -> None:
    """Write the plan into the address, so that a link brings it back; the study's own plan needs no mention."""
    text = plan_file.to_address(plan)
    if plan in study.spec.plans[:1]:
        st.query_params.pop("plan", None)
    elif st.query_params.get("plan") != text:
        st.query_params["plan"] = text


def _key(study: OpenStudy) -> str:
    return f"plan.{study.key}"


def _from_address() -> Plan | None:
    text = st.query_params.get("plan")
    try:
        return plan_file.from_address(text) if text else None
    except BadValue as error:
        st.warning(f"{escape(str(error))} The study's own plan is shown.")
        return None


# -- cutting -----------------------------------------------------------------------------------------------------------


def cuts(study: OpenStudy, rows: np.ndarray, plan: Plan) -> Plan:
    """Draw what the set is refined by and where it is cut; returns the plan with these."""
    key, chart = keys(study), st.container()
    left, right = st.columns(2)
    with left:
        offered = {name: title for name, title in BY.items() if study.is_ready(name)}
        if not study.spec.models:
            offered["memorization"] = "Unsureness in training (no bank was trained)"
        now = plan.by if plan.by in offered else "memorization"  # scores that are missing take longer than a page may
        if now != plan.by:
            st.warning("The score of this plan is not computed yet, so memorization cuts it here.")
        by = _select("Refine by", offered, now, f"{key}.by", "What tells easy from hard images.")
        if missing := [PROXIES[name].title.lower() for name in BY if name not in offered]:
            st.caption(f"Not computed yet: {', '.join(missing)}. Explore offers to, under Cheaper scores.")
    with right:
        cut_by = _select(
            "Cut by", CUT_BY, plan.cut_by, f"{key}.cut_by", "Cuts after so many images, or at these scores."
        )
    scores = np.sort(study.scores(by)[rows])
    ends, steps = _ends(plan if (plan.by, plan.cut_by) == (by, cut_by) else None, cut_by, scores)
    low, high = st.slider(
        "The low part ends, and the high part begins, here",
        min_value=steps[0],
        max_value=steps[1],
        value=ends,
        step=steps[2],
        key=f"{key}.cuts.{by}.{cut_by}.{len(rows)}.{int(rows.sum())}",
        persist_state="session",
    )
    # An untouched slider leaves the cuts as they are written: a third is no round number.
    if (by, cut_by) != (plan.by, plan.cut_by) or (low, high) != ends:
        share = len(rows) if cut_by == "rank" else 1
        plan = plan.but(by=by, cut_by=cut_by, low_cut=low / share, high_cut=high / share)
    parts = study.refine(plan, rows)
    with chart:
        fig = memorization_chart.of_set(study, by, parts)
        theme.show(fig, alt=f"Histogram of the forget set by {by}. {fig.layout.title.text}.")
    return plan


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
    return ends, (float(np.floor(lowest / step) * step), float(np.ceil(highest / step) * step + step), step)


def _select(label: str, options: dict, value, key: str, help: str | None):
    names = list(options)
    return st.selectbox(
        label, names, index=names.index(value), format_func=options.get, key=key, help=help, persist_state="session"
    )


# -- what runs on each part --------------------------------------------------------------------------------------------


def parts(study: OpenStudy, rows: np.ndarray, plan: Plan) -> Plan | None:
    """Three columns, one a part; returns the plan with the algorithms chosen, None where a setting cannot be used."""
    cut, chosen, lost = study.refine(plan, rows), {}, study.about(rows).lost
    if np.array_equal(rows, study.forget):
        lost = ()  # this very set was measured
    for column, name in zip(st.columns(3), PARTS, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{name.capitalize()}: {images(len(cut[name]))}**")
            _about(study, cut[name])
            chosen[name] = _algorithm(study, name, getattr(plan, name), _advice(study, cut[name], lost))
    return None if None in chosen.values() else plan.but(**chosen)


def _about(study: OpenStudy, rows: np.ndarray) -> None:
    if not len(rows):
        st.warning("This part is empty, so its algorithm will not run.")
        return
    thumbnails.of_rows(study, rows, SHOWN)
    facts = study.about(rows)
    st.markdown(
        f"Mean {study.score_words.name} **{facts.memorization:.2f}**, entanglement "
        f"**{facts.entanglement.share_of_random:.2g}** of a random set (score {facts.entanglement.score:.0f})."
    )


def _algorithm(study: OpenStudy, part: str, now: Unlearner, advice: str) -> Unlearner | None:
    """The select, the suggestion with its reason, and the settings."""
    key = f"{keys(study)}.{part}"
    before = algorithms.name_of(now)
    name = _select("Algorithm", {name: algorithms.label(name) for name in ALGORITHMS}, before, key, None)
    cls = ALGORITHMS[name]
    algorithms.beware(cls)
    if advice:
        st.caption(advice)
    with st.expander("Advanced"):
        default = now if type(now) is cls else usual(study, cls)
        return algorithms.settings(cls, f"{key}.{name}", default)


def _advice(study: OpenStudy, rows: np.ndarray, lost: tuple[str, ...]) -> str:
    if not len(rows):
        return ""
    if lost:
        names = ", ".join(escape(name) for name in lost[:5])
        return f"Nothing is suggested: the set takes most of class {names}, and this study measured no such set."
    alike = study.nearest_part(rows)
    return reason(study.suggestion(alike), alike)


def usual(study: OpenStudy, cls: type[Unlearner]) -> Spec:
    """An algorithm with the settings that the study gave it, so that its results are found again; else with its own."""
    return next((u for u in study.spec.unlearners if type(u) is cls), cls())


def tuned(study: OpenStudy, cls: type[Unlearner]) -> Unlearner:
    """An algorithm with the settings it ran with in the study, the learning rate chosen; else with its own."""
    singles = dict.fromkeys(study.table.loc[study.table["kind"] == "single", "method"])
    for method, given in zip(singles, study.spec.unlearners, strict=True):
        if type(given) is cls:
            return study.run_result(method, 0).spec().unlearner
    return cls()


def suggested(study: OpenStudy, plan: Plan, rows: np.ndarray) -> Plan:
    """The plan with what is suggested for each part; as it is where nothing can be."""
    if study.about(rows).lost:
        return plan
    cut = {part: those for part, those in study.refine(plan, rows).items() if len(those)}
    return plan.but(**{part: study.suggestion(study.nearest_part(those)).unlearner for part, those in cut.items()})


def reason(s: Suggestion, part: str) -> str:
    """Why an algorithm is suggested, going by one part of the study's own set, with the runner-up."""
    seeds = "one seed, which says little" if s.seeds == 1 else f"mean of {s.seeds} seeds"
    text = (
        f"Suggested: **{s.unlearner.title}**. Closeness to retraining (ToW) **{s.tow:.2f}** on the {part} third of the "
        f"study's own set, which is memorized most alike ({seeds}); two retrained models reach {s.ceiling:.2f}. "
    )
    if s.rival is None:
        return f"{text}Nothing else was run."
    if s.rival_tow > s.tow:
        return f"{text}{s.rival.title} reads {s.rival_tow:.2f}: too little more to be worth a run."
    spread = {True: ", behind by more than", False: ", within"}.get(s.apart)
    return (
        f"{text}Next best: {s.rival.title} {s.rival_tow:.2f}{f'{spread} the spread between seeds' if spread else ''}."
    )


# -- how they are run --------------------------------------------------------------------------------------------------


def course(study: OpenStudy, plan: Plan) -> Plan:
    """Name, order of the parts, and what is kept meanwhile."""
    key, orders = keys(study), list(permutations(PARTS))
    left, middle, right = st.columns([2, 3, 4])
    with left:
        name = st.text_input("Name of the plan", plan.name, max_chars=40, key=f"{key}.name", persist_state="session")
    with middle:
        order = _select(
            "Order", {o: ", then ".join(o) for o in orders}, plan.order, f"{key}.order",
            "The paper goes from low to high, so that the hardest images come last.",
        )  # fmt: skip
    with right:
        exclude = _select(
            "Images to keep during a step", RETAIN, plan.exclude_all, f"{key}.exclude",
            "Whether parts that are forgotten later still count as images to keep.",
        )  # fmt: skip
    return plan.but(name=name.strip() or "RUM", order=tuple(order), exclude_all=exclude)
