"""The audit that a view rests on: found, under way, or offered with what it will cost."""

from __future__ import annotations

import streamlit as st

from pages.shared import access, address, cost_words, progress, recorded, state
from pages.shared.comparison_words import title_of
from pages.shared.text import escape
from unlearn_core import engines, job_forecast
from unlearn_core.experiment.tiers import TIERS, Audit, deepest
from unlearn_core.experiment.tiers.cost import Cost, cost
from unlearn_core.experiment.tiers.per_example import PerExample
from unlearn_core.experiment.tiers.subject import Subject, subject_of_method
from unlearn_core.job import Expected
from unlearn_core.params import BadValue
from unlearn_core.result import Result


def obtain(study, method: str, least: int, shows: str) -> Result | None:
    """The deepest finished audit of a method that goes at least to a tier; None, with the way to get it on screen, and
    first `shows`, a sentence on what will be seen then."""
    subject = subject_of_method(study, method)
    found = deepest(state.store(), subject)
    if found is not None and found.spec().tier >= least:
        return found
    progress.live(f"audit.{least}", lambda: _offer(study, method, subject, least, shows))
    return None


def _offer(study, method: str, subject: Subject, least: int, shows: str) -> None:
    st.info(
        f"{shows} Tier {least} of an audit: {TIERS[least].question} This takes {TIERS[least].models}.",
        icon=":material/fact_check:",
    )
    wanted = _wanted(study, method, subject, least)
    if progress.under_way(wanted):
        return
    try:
        expected = cost(state.store(), wanted)
    except BadValue as error:
        st.warning(escape(str(error)))
        return
    st.markdown(in_words(expected))
    if recorded.start("Collect this evidence", type="primary", icon=":material/fact_check:"):
        access.submit(state.store(), wanted, _foreseen(expected))
        st.rerun()


def anew(lost: PerExample) -> None:
    """The way to what shadow models said where it is gone though the audit that it served is there."""

    def ask() -> None:
        st.info(
            f"What the {lost.shadows} shadow models said of each image is not in this store any more: it was found "
            "damaged, or did not come along. What was concluded from it stands; curves and single images need it.",
            icon=":material/healing:",
        )
        made = progress.under_way(lost)
        if not made and recorded.start("Make it anew", type="primary", icon=":material/fact_check:"):
            access.submit(state.store(), lost)
            st.rerun()

    progress.live("audit.shadows", ask)


def _wanted(study, method: str, subject: Subject, least: int) -> Audit:
    """The audit that the widgets describe."""
    asked = {"seeds": study.spec.seeds if study.spec.seeds > 1 else 2}
    if least == 2:
        asked["shadows"] = st.number_input(
            "Shadow models",
            18,
            3000,
            48,
            3,
            key="shadows",
            bind=address.bound("shadows", 18, 3000, whole=True),
            help="A multiple of three: every image is kept, unseen and unlearned equally often. 48 are a sensible "
            "least.",
            width=220,
        )
        asked["shadows"] -= asked["shadows"] % 3
    if least == 3:
        asked["models"] = st.number_input(
            "Models of each kind",
            8,
            512,
            64,
            8,
            key="models",
            bind=address.bound("models", 8, 512, whole=True),
            help="Fewer than about 100 mostly show the noise floor of KLoM; the challenge used 512.",
            width=220,
        )
    return Audit(name=f"Audit of {title_of(study, method)}", subject=subject, tier=least, **asked)


def _foreseen(expected: Cost) -> Expected | None:
    """What its job is told to expect; None where a part is not known, which would make what is left look shorter."""
    if expected.ahead is None:
        return None
    work = Expected(*expected.ahead, megabytes=expected.megabytes or 0.0, how="Audit")
    return job_forecast.foreseen(state.store(), work, engines.at_once())


def in_words(expected: Cost) -> str:
    """What it will cost, in a sentence."""
    said = f"{expected.trainings} models to train and {expected.runs} to unlearn"
    said += f", {expected.reused} are there already" if expected.reused else ""
    if expected.seconds is None:
        return f"{said}. How long that takes is not known yet: no such model was made here before."
    taken = f"{cost_words.roughly(state.store(), 'Audit', expected.seconds)}, and {expected.megabytes:.0f} MB of disk"
    if not expected.unknown:
        return f"{said}: {taken}."
    if (foreseen := _foreseen(expected)) is not None:
        said = f"{said}." if expected.trainings + expected.runs else "All models are there already."
        return (
            f"{said} How long {' and '.join(expected.unknown)} takes was never seen here, so it is guessed: in all "
            f"{cost_words.inside(foreseen)}."
        )
    said = f"{said}: {taken} for the models" if expected.trainings + expected.runs else "All models are there already"
    return f"{said}. How long {' and '.join(expected.unknown)} takes is not known: it was never done here before."
