"""The RUM workbench: the plan on screen, the settings that a study found, and how parts are run."""

from __future__ import annotations

from itertools import permutations

import streamlit as st

from pages.shared import address, plan_file
from pages.shared.folds import counts, fold
from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy
from unlearn_core.params import BadValue, Spec
from unlearn_core.rum import PARTS, Plan
from unlearn_core.unlearning import Unlearner

KEPT = "kept"  # in the address as `rates`: the learning rates of the plan on screen stay as they are
RETAIN = {
    False: "Keep later parts until their turn (the paper)",
    True: "Leave all parts out from the start",
}


# -- the plan that the widgets start from ------------------------------------------------------------------------------


def start(study: OpenStudy) -> Plan:
    """What the widgets show before anything is changed: a plan that was loaded, that of the address, or the study's."""
    held = st.session_state.get(_key(study))
    if held is None or (address.went_back() and st.query_params.get("plan", "") != st.session_state.get(_shown(study))):
        st.session_state[_shown(study)] = st.query_params.get("plan", "")
        shown = _from_address() or (study.spec.plans[0] if study.spec.plans else Plan())
        load(study, shown, settled=st.query_params.get("rates") == KEPT)
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
    if is_settled(study):
        st.query_params["rates"] = KEPT
    else:
        st.query_params.pop("rates", None)
    st.session_state[_shown(study)] = "" if plan in study.spec.plans[:1] else text
    if plan in study.spec.plans[:1]:
        st.query_params.pop("plan", None)
    elif st.query_params.get("plan") != text:
        st.query_params["plan"] = text


def _key(study: OpenStudy) -> str:
    return f"plan.{study.key}"


def _shown(study: OpenStudy) -> str:
    """Where the session holds what the address says of the plan on screen."""
    return f"plan.{study.key}.address"


def _from_address() -> Plan | None:
    text = st.query_params.get("plan")
    try:
        return plan_file.from_address(text) if text else None
    except BadValue as error:
        st.warning(f"{escape(str(error))} The study's own plan is shown.")
        return None


# -- settings that a study found ---------------------------------------------------------------------------------------


def usual(study: OpenStudy, cls: type[Unlearner]) -> Spec:
    """An algorithm with the settings that the study gave it, so that its results are found again; else with its own."""
    return next((u for u in study.spec.unlearners if type(u) is cls), cls())


def tuned(study: OpenStudy, cls: type[Unlearner]) -> Unlearner:
    """An algorithm with the settings it ran with in the study, the learning rate chosen; else with its own."""
    return study.settings.get(cls) or cls()


# -- how they are run --------------------------------------------------------------------------------------------------


def course(study: OpenStudy, plan: Plan) -> Plan:
    """The plan with its name, the order of the parts, and what is kept meanwhile, folded away under what they are."""
    key = keys(study)
    now = in_course(study, plan)
    kept = "all parts left out from the start" if now.exclude_all else "later parts kept until their turn"
    with fold("course", f"Order and name: {', then '.join(now.order)}; {kept}") as box:
        if not counts(box, f"{key}.course.seen"):
            return plan
        left, middle, right = st.columns([2, 3, 4])
        with left:
            name = st.text_input(
                "Name of the plan", plan.name, max_chars=40, key=f"{key}.name", persist_state="session"
            )
        with middle:
            order = select(
                "Order", {o: ", then ".join(o) for o in permutations(PARTS)}, plan.order, f"{key}.order",
                "The paper goes from low to high, so that the hardest images come last.",
            )  # fmt: skip
        with right:
            exclude = select(
                "Images to keep during a step", RETAIN, plan.exclude_all, f"{key}.exclude",
                "Whether parts that are forgotten later still count as images to keep.",
            )  # fmt: skip
    return plan.but(name=name.strip() or "RUM", order=tuple(order), exclude_all=exclude)


def in_course(study: OpenStudy, plan: Plan) -> Plan:
    """The plan as it will run by what is chosen in the fold, also above where that is drawn."""
    key = keys(study)
    order = st.session_state.get(f"{key}.order", plan.order)
    return plan.but(order=tuple(order), exclude_all=st.session_state.get(f"{key}.exclude", plan.exclude_all))


def select(label: str, options: dict, value, key: str, help: str | None):
    """A select of `options` (value to what is shown) whose choice stays while the visit lasts."""
    names = list(options)
    return st.selectbox(
        label, names, index=names.index(value), format_func=options.get, key=key, help=help, persist_state="session"
    )
