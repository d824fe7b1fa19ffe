"""The RUM workbench, part by part: what lies in it, what may run on it, and what stored runs suggest."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import algorithms, chosen_set, numbers, plan_editor, plan_words, thumbnails
from pages.shared.folds import counts, fold
from pages.shared.text import duration, escape, hundredths, images
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.advice import ALIKE, Advice, advice, unfit
from unlearn_core.params import canonical, key
from unlearn_core.rum import PARTS, Plan
from unlearn_core.unlearning import ALGORITHMS, Unlearner, short_name
from unlearn_core.unlearning.ends.original import Original

SHOWN = 4  # thumbnails of a part


def draw(study: OpenStudy, rows: np.ndarray, plan: Plan) -> Plan | None:
    """Three columns, one a part; returns the plan with the algorithms chosen, None where a setting cannot be used."""
    cut, chosen = study.refine(plan, rows), {}
    told, misfits = _told(study, rows, plan), _misfits(study, rows, plan)
    for column, part in zip(st.columns(3), PARTS, strict=True):
        with column.container(border=True, height="stretch"):
            _about(study, part, cut[part], plan.cut_by == "rank" and len(rows) < len(PARTS))
            chosen[part] = _algorithm(study, part, getattr(plan, part), told.get(part), misfits.get(part, {}))
    return None if None in chosen.values() else plan.but(**chosen)


def suggested(study: OpenStudy, plan: Plan, rows: np.ndarray) -> Plan:
    """The plan with what is suggested for each part; as it is where nothing can be, or no part like it was measured."""
    found = _told(study, rows, plan)
    return plan.but(**{part: of.unlearner for part, of in found.items() if isinstance(of, Advice) and of.alike})


def against(study: OpenStudy, plan: Plan, rows: np.ndarray) -> str:
    """Where stored runs suggest another algorithm than the plan runs, in words; empty where none suggest anything."""
    return plan_words.against(plan, _told(study, rows, plan))


def _about(study: OpenStudy, part: str, rows: np.ndarray, too_few: bool) -> None:
    """`too_few`: so few images are cut by rank that not every part can have one."""
    head = f"**{part.capitalize()}: {images(len(rows))}**"
    if not len(rows):
        st.markdown(head)
        why = " So small a set fills no three parts by rank: cut by score to have its images where theirs lies."
        st.warning(f"This part is empty, so its algorithm will not run.{why if too_few else ''}")
        return
    facts = study.about(rows)
    st.markdown(
        f"{head}  \nMean {study.score_words.name} **{hundredths(facts.memorization)}**, entanglement "
        f"**{facts.entanglement.share_of_random:.2g}** of a random set (score {facts.entanglement.score:.0f})."
    )
    thumbnails.of_rows(study, rows, SHOWN)


def _algorithm(
    study: OpenStudy, part: str, now: Unlearner, told: Advice | str | None, misfits: dict[str, str]
) -> Unlearner | None:
    """The select, the suggestion with its reason, the settings, and what does not fit here."""
    place = f"{plan_editor.keys(study)}.{part}"
    before = short_name(now)
    # What was chosen stays in the list when other cuts make it unfit: the line below says so, nothing changes silently.
    held = {before, st.session_state.get(place)}
    offered = {n: algorithms.label(n) for n in ("original", *ALGORITHMS) if n not in misfits or n in held}
    name = plan_editor.select("Algorithm", offered, before, place, None)
    cls = ALGORITHMS[name]
    if name in misfits:
        st.warning(escape(misfits[name]))
    algorithms.beware(cls)
    if isinstance(told, Advice):
        badge = f":blue-badge[:material/lightbulb: Suggested: {escape(told.unlearner.title)}]"
        if not told.alike:
            badge = f":gray-badge[:material/help: On another kind of part: {escape(told.unlearner.title)}]"
        st.markdown(f"{badge}  \n:small[{reason(told, study.score_words.name)}]")
    elif told:
        st.caption(told)
    chosen = now if type(now) is cls else plan_editor.usual(study, cls)
    with fold(part, f"Advanced, and {len(misfits)} that do not fit" if misfits else "Advanced") as advanced:
        if counts(advanced, f"{place}.{name}.seen"):
            above = st.container()  # beside the learning rate, which is one of the first settings
            chosen = algorithms.settings(cls, f"{place}.{name}", chosen)
            if chosen is not None and (becomes := plan_words.rate(study, chosen)):
                above.caption(becomes)
        if misfits and advanced.open:
            st.caption("  \n".join(("These do not fit here:", *map(escape, misfits.values()))))
    return chosen


# -- what fits, and what is suggested ----------------------------------------------------------------------------------


def _misfits(study: OpenStudy, rows: np.ndarray, plan: Plan) -> dict[str, dict[str, str]]:
    """What cannot run on each part, for the order that is chosen further down on this page."""
    # The algorithms play no part in it, so another choice among them finds it kept.
    bare = plan_editor.in_course(study, plan).but(name="", low=Original(), medium=Original(), high=Original())
    return _unfit(study.key, key(chosen_set.spec(study, rows)), canonical(bare), study, rows, bare)


@st.cache_resource(max_entries=16, show_spinner=False)
def _unfit(finished: str, forget: str, plan: str, _study: OpenStudy, _rows: np.ndarray, _plan: Plan) -> dict:
    """Kept by the keys of study, set and cuts: it asks every algorithm."""
    return unfit(_study, _plan, _rows)


def _told(study: OpenStudy, rows: np.ndarray, plan: Plan) -> dict[str, Advice | str]:
    """For each part that has images what is suggested, or the sentence why nothing is."""
    if lost := study.about(rows).lost:
        names = ", ".join(escape(name) for name in lost[:5])
        nothing = f"Nothing is suggested: the set takes most of class {names}, of which runs on other sets say nothing."
        return {part: nothing for part, those in study.refine(plan, rows).items() if len(those)}
    found, misfits, scores = {}, _misfits(study, rows, plan), study.memorization.scores
    for part, those in study.refine(plan, rows).items():
        if len(those):
            mean = round(float(scores[those].mean()), 4)
            found[part] = _advice(study.key, mean, tuple(misfits[part]), study)
    return found


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _advice(finished: str, score: float, without: tuple[str, ...], _study: OpenStudy) -> Advice:
    """Kept for half a minute: it reads all finished studies."""
    return advice(_study, score, without)


def reason(a: Advice, score: str) -> str:
    """Why something is suggested: the stored runs behind it, and what choosing the runner-up would cost. `score` is
    what the study's scores are called.
    """
    runs = "one stored run" if a.runs == 1 else f"{a.runs} stored runs"
    of = f" of {a.studies} studies" if a.studies > 1 else ""
    of += ", from one original model, which says little" if a.tow.n == 1 else f", from {a.tow.n} original models"
    where = (
        f"on parts whose mean {score} is within {ALIKE:g} of this one"
        if a.alike
        else f"on the nearest part of this study's own set; none is within {ALIKE:g} in mean {score}"
    )
    text = f"{METRICS['tow'].label} **{numbers.estimate(a.tow)}** over {runs}{of}; {where}. "
    as_is = (
        ""
        if isinstance(a.unlearner, Original)
        else f"Leaving these images as they are reads {numbers.spread(a.left)}, "
    )
    text += f"{as_is}{'t' if as_is else 'T'}wo retrained models {numbers.spread(a.ceiling)}. "
    if a.rival is None:
        return f"{text}Nothing else was run."
    text += f"Runner-up: {escape(a.rival.title)}, "
    more = a.rival_seconds - a.seconds
    time = f"{duration(abs(more))} {'more' if more > 0 else 'less'} a run" if abs(more) >= 0.05 else "no more time"
    if a.lead is None:
        return f"{text}{numbers.estimate(a.rival_tow)}, never run on the same models; {time}."
    # The two were not always run on the same models, so the runner-up's own mean may be the higher one.
    if a.lead.mean <= 0:
        small = ", too little more to be worth a run" if isinstance(a.unlearner, Original) else ""
        return f"{text}on the same models {-a.lead.mean:.3f} closer{small} ({time})."
    spread = ""
    if a.lead.half_width is not None:
        spread = f" ({'beyond' if a.lead.mean > a.lead.half_width else 'within'} the spread between them)"
    return f"{text}on the same models {a.lead.mean:.3f} less close{spread}, {time}."
