"""What all kinds of evidence that are here come to, one each, the strongest first."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.evidence import (
    all_numbers,
    collateral_damage,
    kept_images,
    many_models,
    requests_words,
    retrain_free,
    single_images,
)
from pages.shared import state
from pages.shared.audit_words import HIDDEN
from pages.shared.comparison_words import title_of
from pages.shared.text import escape
from unlearn_core.experiment import stream, telling
from unlearn_core.experiment.measured_groups import filled
from unlearn_core.experiment.retrain_free import read
from unlearn_core.experiment.tiers import TIERS, deepest
from unlearn_core.experiment.tiers.others import nearness
from unlearn_core.experiment.tiers.overview import tells
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.result import Result

# Whether evidence tells the method from retraining -> the icon, and the words beside it.
VERDICTS = {
    True: (":material/error:", "told from retraining"),
    False: (":material/check_circle:", "not told from retraining"),
    None: (":material/help:", "no verdict"),
}


@dataclass(frozen=True)
class Line:
    """One kind of evidence: the `view` that shows it, by its name in the address, its name here, whether it tells the
    method from retraining (None: it gives no verdict), what it says, as the view puts it, and `on` which images the
    verdict is, where it is not all that the view speaks of.
    """

    view: str
    name: str
    apart: bool | None
    says: str
    on: str = ""


def draw(study, method: str, top) -> None:
    """`top` is the place for what they come to together."""
    title, found = title_of(study, method), deepest(state.store(), subject_of_method(study, method))
    asked = _requests(study, method, title)
    lines = [*_audited(title, found), _attacked(study, method), *asked, _alone(study, method, title)]
    with top:
        st.markdown(in_words(title, lines))
    for line in lines:
        icon, verdict = VERDICTS[line.apart]
        with st.container(gap=None):
            st.button(
                f"**{line.name}: {verdict}{line.on}**", icon=icon, type="tertiary", key=f"together.{line.view}",
                on_click=st.query_params.__setitem__, args=("evidence", line.view), help="See this evidence",
            )  # fmt: skip
            st.markdown(line.says)
    tier = 0 if found is None else found.spec().tier
    missing = [f"**{each.name.capitalize()}**: {each.question}" for each in TIERS[tier + 1 :]]
    missing += ["**Kept images**: Did forgetting cost those who stay?"] * (tier < 1)
    missing += ["**Requests in a row**: Does what was forgotten stay forgotten?"] * (not asked)
    if missing:
        st.caption(f"Not collected yet, each offered with its cost under its name above. {' '.join(missing)}")


def in_words(title: str, lines: list[Line]) -> str:
    """Which kinds tell the method from retraining."""
    apart = [line.name.split(",")[0].lower() for line in lines if line.apart]
    judging = sum(line.apart is not None for line in lines)
    if not judging:
        return f"No evidence that is here gives a verdict on **{escape(title)}**: more seeds or more images would."
    if not apart:
        return (
            f"**None of {judging}** kinds of evidence that give a verdict tells **{escape(title)}** from retraining. "
            "Others that were not collected still may."
        )
    tell = "tells" if len(apart) == 1 else "tell"
    enough = " Evidence that finds nothing may only be too weak, so one that finds something counts." * (
        len(apart) < judging
    )
    chance = " It rests on 95 % intervals, and one kind alone can be chance." * (len(apart) == 1)
    return (
        f"**{len(apart)} of {judging}** kinds of evidence that give a verdict {tell} **{escape(title)}** from "
        f"retraining: {', '.join(apart)}.{enough}{chance}"
    )


def _audited(title: str, found: Result | None) -> list[Line]:
    """What the deepest audit of the method has collected, the strongest first."""
    tier = 0 if found is None else found.spec().tier
    lines = []
    if tier >= 3:
        splits = many_models.judged(found)
        whole = many_models.of_the_set(splits)
        off = _any([tells(whole.loc[metric]) for metric in ("forgetting_quality", "told_apart")])
        lines.append(Line("models", "Many models", off, many_models.in_words(title, splits, found.spec().models)))
    if tier >= 2:
        images = single_images.judged(found)
        if images is None:
            lines.append(Line("images", "Single images", None, single_images.nothing(found)))
        else:
            off = tells(images.loc[("u_lira_efficacy_auc", "per example")])
            lines.append(Line("images", "Single images", off, single_images.in_words(title, images)))
    if tier >= 1:
        table, near = found.table(), found.table("neighbours")
        harm = [tells(kept_images.one(table, metric)) for metric in kept_images.JUDGED]
        says = f"{kept_images.in_words(title, table, found.table('classes'))} {collateral_damage.paid(near)}"
        lines.append(Line("kept", "Kept images", _any([*harm, nearness(near) == "more" or None]), says))
        # Its numbers hold those of all others, and many of them measure the same: a count of them is no verdict.
        lines.append(Line("numbers", "All numbers", None, all_numbers.in_words(title, table)))
    return lines


def _attacked(study, method: str) -> Line:
    """The attack that the report goes by."""
    told = telling.told(study, method)
    says = telling.says(told.whole, told.statistic)
    if told.off:
        beside = "" if told.whole.side else HIDDEN
        on = "" if told.whole.side else " on single thirds"
        return Line("attack", "One attack", True, f"By “{told.label}” {told.finding}{beside}.", on)
    silent = told.whole.blind or len(told.whole.audited.seeds) == 1
    return Line("attack", "One attack", None if silent else False, f"By “{told.label}” it {says}.")


def _requests(study, method: str, title: str) -> list[Line]:
    """The stream of requests that was run last, where one was."""
    if (found := stream.newest(study, method)) is None:
        return []
    drifts = {metric: found.drift(metric) for metric in stream.METRICS if found.table[metric].notna().any()}
    judged = [table[which].dropna() for table in drifts.values() for which in ("resurges", "remembered")]
    off = _any([bool(column.any()) if len(column) else None for column in judged])
    return [Line("requests", "Requests in a row", off, requests_words.forgotten(title, drifts))]


def _alone(study, method: str, title: str) -> Line:
    """What can be said without a retrained model: nothing is right on the whole of which only a third can be judged."""
    readings = [read(study, method, part) for part in ("all", *filled(study))]
    sides = [None if reading.side is None else reading.side != 0 for reading in readings]
    told = True if True in sides else sides[0]
    on = " on single thirds" if told and not sides[0] else " on all images at once" if told is None else ""
    return Line(
        "free", "Without retraining, weaker evidence", told, retrain_free.result(study, title, readings),
        on if any(side is not None for side in sides) else "",
    )  # fmt: skip


def _any(told: list[bool | None]) -> bool | None:
    """Whether any of these tells the method from retraining; None where none does and none of the others can."""
    return True if True in told else False if False in told else None
