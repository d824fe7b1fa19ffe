"""What all kinds of evidence that are here come to, one line each, the strongest first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from pages.evidence import all_numbers, kept_images, many_models, retrain_free, single_images
from pages.shared import state
from pages.shared.comparison_words import title_of
from pages.shared.text import escape
from unlearn_core.experiment import telling
from unlearn_core.experiment.measured_groups import filled
from unlearn_core.experiment.retrain_free import read
from unlearn_core.experiment.tiers import TIERS, deepest
from unlearn_core.experiment.tiers.overview import beyond_chance
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.result import Result

# Whether evidence tells the method from retraining -> the icon, and the words beside it.
VERDICTS = {
    True: (":material/error:", "told from retraining"),
    False: (":material/check_circle:", "not told from retraining"),
    None: (":material/help:", "cannot judge"),
}


@dataclass(frozen=True)
class Line:
    """One kind of evidence: its name, whether it tells the method from retraining (None: it cannot judge), and what it
    says, as the view that shows it puts it.
    """

    name: str
    apart: bool | None
    says: str


def draw(study, method: str, top) -> None:
    """`top` is the place for what they come to together."""
    title, found = title_of(study, method), deepest(state.store(), subject_of_method(study, method))
    lines = [*_audited(title, found), _attacked(study, method), _alone(study, method, title)]
    with top:
        st.markdown(in_words(title, lines))
    for line in lines:
        icon, verdict = VERDICTS[line.apart]
        st.markdown(f"{icon} **{line.name}: {verdict}.** {line.says}")
    least = 1 if found is None else found.spec().tier + 1
    if least < len(TIERS):
        missing = " ".join(f"**{tier.name.capitalize()}**: {tier.question}" for tier in TIERS[least:])
        st.caption(f"Not collected yet, each offered with its cost under its name above: {missing}")


def in_words(title: str, lines: list[Line]) -> str:
    """Which kinds tell the method from retraining."""
    apart = [line.name.split(",")[0].lower() for line in lines if line.apart]
    judging = sum(line.apart is not None for line in lines)
    if not judging:
        return f"No evidence that is here can judge **{escape(title)}**: more seeds or more images would."
    if not apart:
        return (
            f"**None of {judging}** kinds of evidence that can judge **{escape(title)}** tells it from retraining. "
            "Others that were not collected still may."
        )
    tell = "tells" if len(apart) == 1 else "tell"
    enough = " One is enough: evidence that finds nothing may only be too weak." if len(apart) < judging else ""
    return (
        f"**{len(apart)} of {judging}** kinds of evidence that can judge **{escape(title)}** {tell} it from "
        f"retraining: {', '.join(apart)}.{enough}"
    )


def _audited(title: str, found: Result | None) -> list[Line]:
    """What the deepest audit of the method has collected, the strongest first."""
    tier = 0 if found is None else found.spec().tier
    lines = []
    if tier >= 3:
        splits = many_models.judged(found)
        off = _any(list(many_models.of_the_set(splits).loc[["forgetting_quality", "told_apart"], "side"]))
        lines.append(Line("Many models", off, many_models.in_words(title, splits, found.spec().models)))
    if tier >= 2 and (images := single_images.judged(found)) is not None:
        side = images.loc[("u_lira_efficacy_auc", "per example"), "side"]
        lines.append(Line("Single images", _told(side), single_images.in_words(title, images)))
    if tier >= 1:
        table = found.table()
        lines.append(Line("All numbers", beyond_chance(table), all_numbers.in_words(title, table)))
        hurt = [kept_images.one(table, metric)["side"] for metric in kept_images.HARM]
        lines.append(Line("Kept images", _any(hurt), kept_images.in_words(title, table, found.table("classes"))))
    return lines


def _attacked(study, method: str) -> Line:
    """The attack that the report goes by."""
    told = telling.told(study, method)
    if told.off:
        return Line("One attack", True, f"By “{told.label}” {told.finding}.")
    if told.whole.blind or len(told.whole.audited.seeds) == 1:
        return Line("One attack", None, f"“{told.label}” {telling.says(told.whole, told.statistic)}.")
    return Line("One attack", False, f"By “{told.label}” it {telling.says(told.whole, told.statistic)}.")


def _alone(study, method: str, title: str) -> Line:
    """What can be said without a retrained model."""
    readings = [read(study, method, part) for part in ("all", *filled(study))]
    return Line(
        "Without retraining, weaker evidence",
        _any([r.side for r in readings]),
        retrain_free.result(study, title, readings),
    )


def _told(side: float | None) -> bool | None:
    return None if pd.isna(side) else bool(side)


def _any(sides: list[float | None]) -> bool | None:
    """Whether any of these lies off retraining; None where none can be judged and none does."""
    told = [_told(side) for side in sides]
    return True if True in told else False if False in told else None
