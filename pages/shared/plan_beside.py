"""The RUM workbench: what runs beside the plan, so that there is something to hold it against, at what cost."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import algorithms, chosen_set, cost_words, plan_editor, state
from pages.shared.folds import counts, fold
from pages.shared.forms import form
from unlearn_core.experiment import OpenStudy, Study
from unlearn_core.experiment.earlier_plans import Earlier, beside, earlier_plans, same
from unlearn_core.experiment.forecast import Forecast, added
from unlearn_core.params import key
from unlearn_core.rum import Plan
from unlearn_core.unlearning import ALGORITHMS, Unlearner
from unlearn_core.unlearning.ends.original import Original

KEPT = {"persist_state": "session", "bind": "query-params"}  # in the address too, so that a link asks for the same


def draw(study: OpenStudy, plan: Plan, rows: np.ndarray) -> Study | None:
    """The study that the button would run; None, with the reason on screen, where there is none. What may be chosen is
    folded away, with what is chosen as its label.
    """
    settled = plan_editor.is_settled(study)
    place = f"beside.{study.key[:8]}{'.settled' * settled}"
    plan = _needed(study, plan, rows)
    start = study.spec.but(
        name=study.spec.name.removesuffix(", planned") + ", planned",
        forget=chosen_set.spec(study, rows),
        plans=(plan,),
        tuning_seeds=0 if settled else study.spec.tuning_seeds,
    )
    earlier = _Plans(study, plan, rows, place)
    with fold("beside", f"What runs beside it: {_summary(study, place, earlier)}", ":material/balance:") as box:
        seen = f"{place}.seen"
        linked = not st.session_state.get(seen) and any(name.startswith(f"{place}.") for name in st.query_params)
        if linked:  # what a link asks for counts, folded away or not
            st.session_state[seen] = True
        if counts(box, seen):
            asked = _asked(study, start, place, settled, earlier)
            if linked:
                st.rerun()  # so that the label says it too
            return asked
    return earlier.beside(start.but(unlearners=_unlearners(study, start, _own(study))))


class _Plans:
    """Plans that ran on this set before, and which of them run again beside the one on screen: those of the study on
    screen unless told. Their runs are stored, so mostly they cost nothing, and Compare shows all of them in one table.
    """

    def __init__(self, study: OpenStudy, plan: Plan, rows: np.ndarray, place: str):
        known = (each for each in earlier_plans(study, rows) if not same(each.given, plan) and not same(each.ran, plan))
        self.known = {f"{each.study[:8]}.{each.number}": each for each in known}
        self.own = [name for name, each in self.known.items() if each.study == study.key]
        self.key = f"{place}.{'.'.join(self.own)}.earlier"

    @property
    def chosen(self) -> list[Earlier]:
        return [self.known[name] for name in st.session_state.get(self.key, self.own) if name in self.known]

    def beside(self, asked: Study) -> Study:
        """A study of the plan on screen with the chosen ones after it."""
        return asked.but(plans=beside(asked.plans[0], self.chosen, as_ran=not asked.tuning_seeds))

    def draw(self) -> None:
        st.multiselect(
            "Plans already run on this set",
            list(self.known),
            default=self.own,
            format_func=lambda name: "{0.given.name} of {0.of} #{0.study:.4}".format(self.known[name]),
            key=self.key,
            **KEPT,
            help="They stand beside this plan on Compare. What they ran is stored and found again.",
        )


def _needed(study: OpenStudy, plan: Plan, rows: np.ndarray) -> Plan:
    """The plan without an algorithm on a part that has no images: its learning rate would be searched for and it would
    run in the controls, all for nothing. What the study itself ran stays as it is, so that it is found again.
    """
    if chosen_set.is_own(study, rows) and plan in study.spec.plans:
        return plan
    empty = [part for part, those in study.refine(plan, rows).items() if not len(those)]
    return plan.but(**{part: Original() for part in empty})


def _summary(study: OpenStudy, place: str, earlier: _Plans) -> str:
    """What is chosen now, in a few words."""
    held = st.session_state
    singles = len(held.get(f"{place}.singles", _own(study))) if held.get(f"{place}.alone", True) else 0
    controls = "the controls, " if held.get(f"{place}.controls", study.spec.controls) else ""
    seeds, before = held.get(f"{place}.seeds", study.spec.seeds), len(earlier.chosen)
    plans = f"{before} plan{'s' * (before != 1)} already run, " if before else ""
    return (
        f"{plans}{singles or 'no'} single algorithm{'s' * (singles != 1)}, {controls}retrained models, on {seeds} "
        f"seed{'s' * (seeds != 1)}"
    )


def _own(study: OpenStudy) -> list[str]:
    """The single algorithms that the study ran."""
    ran = {type(unlearner) for unlearner in study.spec.unlearners}
    return [name for name, cls in ALGORITHMS.items() if cls in ran and name in algorithms.SINGLE]


def _unlearners(study: OpenStudy, asked: Study, singles: list[str]) -> tuple[Unlearner, ...]:
    """Where no rates are to be chosen, those that were chosen before are the fair ones."""
    settings = plan_editor.usual if asked.tuning_seeds else plan_editor.tuned
    return tuple(settings(study, ALGORITHMS[name]) for name in singles)


def _asked(study: OpenStudy, start: Study, place: str, settled: bool, earlier: _Plans) -> Study | None:
    """The study as the widgets have it; None where a value cannot be used."""
    if earlier.known:
        earlier.draw()
    before = st.empty()
    alone, singles, costs = _baselines(study, place)
    costs |= {"earlier": before} if earlier.chosen else {}
    name = st.text_input("Name of the study", start.name, max_chars=60, key=f"{place}.name", width=420, **KEPT)
    if settled:
        st.caption("The plan keeps the learning rates that were found, and the single algorithms those of the study.")
    asked = form(Study, place, start, ("seeds", "tuning_seeds"), bind="query-params")
    if asked is None:
        return None
    asked = earlier.beside(asked.but(name=name.strip() or study.spec.name))
    unlearners = _unlearners(study, asked, singles)
    _told(study, asked.but(unlearners=unlearners, controls=True), costs)
    return asked.but(unlearners=unlearners if alone else (), controls=st.session_state[f"{place}.controls"])


def _baselines(study: OpenStudy, place: str) -> tuple[bool, list[str], dict]:
    """Three checkboxes with room for what each costs; whether the single algorithms run, and which."""
    costs = {}
    with st.container(horizontal=True, vertical_alignment="center"):
        alone = st.checkbox(
            "One algorithm for the whole set", True, key=f"{place}.alone", **KEPT,
            help="The same set without a plan. The best of these is the plan's hardest rival.",
        )  # fmt: skip
        costs["singles"] = st.empty()
    singles = st.multiselect(
        "Single algorithms, each on the whole set",
        algorithms.SINGLE,
        default=_own(study),
        format_func=algorithms.label,
        key=f"{place}.singles",
        **KEPT,
        label_visibility="collapsed",
        disabled=not alone,
    )
    if not singles or not alone:
        st.caption("Without a single algorithm Compare has nothing to hold the plan against.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.checkbox(
            "Shuffled parts, one method for all parts, no parts", study.spec.controls, key=f"{place}.controls",
            **KEPT, help="The controls of the plan: what cutting the set is worth by itself.",
        )  # fmt: skip
        costs["controls"] = st.empty()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.checkbox(
            "Retrained models", True, disabled=True, key=f"{place}.retrained",
            help="Always there: two for each seed, which never saw the set. All others are held against them.",
        )  # fmt: skip
        costs["retrained"] = st.empty()
    return alone and bool(singles), singles, costs


def _told(study: OpenStudy, whole: Study, costs: dict) -> None:
    forecasts = _added(study.key, key(whole), study, whole)
    for name, place in costs.items():
        place.caption(cost_words.part(state.store(), forecasts["whole"], forecasts[name]))


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _added(finished: str, asked: str, _study: OpenStudy, _whole: Study) -> dict[str, Forecast]:
    """Kept for half a minute, by the keys of both studies: it looks for every stored result."""
    return added(_study, _whole)
