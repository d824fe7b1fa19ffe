"""The attacker who knows each image (U-LiRA): what he reads before and after, at every threshold, and on each third."""

from __future__ import annotations

from functools import lru_cache
from html import escape as html

import plotly.graph_objects as go
import streamlit as st

from pages.evidence import attack_numbers, before_and_after, shadows
from pages.shared import address, numbers, risk_by_part, theme
from pages.shared.audit_words import counted, hundred
from pages.shared.comparison_words import title_of
from pages.shared.folds import fold
from pages.shared.text import hundredths
from unlearn_core.attacks.roc import FALSE_ALARMS_NEEDED
from unlearn_core.experiment.measured_groups import filled, group, third
from unlearn_core.experiment.tiers.shadow_attack import ShadowVerdict, beside_mates

QUESTIONS = {
    "efficacy": "Unlearned or never trained on it? (efficacy)",
    "privacy": "Forgot it or never saw it? (privacy)",
}
# What forgot it is compared with, for each question.
BESIDE = {
    "efficacy": "models that never saw it and forgot nothing",
    "privacy": "models that never saw it and forgot others",
}
MATES = "mates"
APART = 0.1  # in mean score: from here on it is said that the others are easier


def draw(study, method: str, audit: str) -> None:
    """`audit` is the key of an audit with shadow models."""
    groups = {name: group(name) for name in ("all", *filled(study))} | {MATES: "with two like each"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        question = address.choice(
            st.selectbox,
            "Question of the attacker (U-LiRA)",
            QUESTIONS,
            "question",
            width=340,
            help="The score says how much likelier the confidence in an image is among models that forgot it than "
            "among the others (natural log of the ratio).\n"
            + "\n".join(f"- **{QUESTIONS[name]}** The others are {text}." for name, text in BESIDE.items()),
        )
        on = address.choice(
            st.selectbox,
            "Images",
            groups,
            "third",
            width=180,
            help="The forgotten images, a third of them, or all that the shadow models share out: two more for each, "
            "of the same class and as near in confidence during training as kept images are, so that rarer false "
            "alarms can be measured.",
        )
    verdict = _verdict(study, audit, question, on)
    before_and_after.draw(shown(study, method, question, on, verdict))
    attack_numbers.draw(
        {
            "Before forgetting (what there was to find)": verdict.original,
            title_of(study, method): verdict.audited,
            "Never saw it (the target)": verdict.retrained,
        }
    )
    blocks = len(verdict.audited.seeds)
    st.caption(
        f"{verdict.audited.shadows} shadow models in {blocks} blocks of three. 95 % intervals over blocks, so that "
        "readings of one image or one model never count as independent. AUC is the mean over blocks; TPR is of all "
        f"blocks in one, and not measurable below {FALSE_ALARMS_NEEDED} false alarms. {attack_numbers.LEAST}"
    )
    if easier := _easier(study, audit):
        st.caption(easier)
    by_third(study, method, audit, question)


def _easier(study, audit: str) -> str:
    """Where what shadows forget is easier than what was audited, and by how much; else ""."""
    lines = beside_mates(shadows.observed(audit), study.memorization.scores, study.parts)
    apart = lines[lines["own"] - lines["mates"] > APART]
    if apart.empty:
        return ""
    named = zip(apart.index, apart["own"], apart["mates"], strict=True)
    each = "; ".join(f"{third(part)} {hundredths(own)}, others {hundredths(mates)}" for part, own, mates in named)
    return (
        "Each shadow forgets some of these images and others in place of the rest, the nearest that are kept, and "
        f"those are easier here: mean {study.score_words.name} of the {each}. So what shadows read of such images is "
        "what is left when they are forgotten among easier ones."
    )


def _verdict(study, audit: str, question: str, on: str) -> ShadowVerdict:
    rows = {"all": study.forget, MATES: None} | study.parts
    return shadows.verdict(audit, question, on, rows[on])


@lru_cache(maxsize=8)  # as many as studies are kept open, for each of these holds on to its own
def shown(study, method: str, question: str, on: str, verdict: ShadowVerdict) -> before_and_after.Shown:
    """The attack with its threshold and its ROC."""
    models = {"original": verdict.original, "unlearned": verdict.audited, "retrained": verdict.retrained}
    audited = verdict.audited
    named = "With two like each" if on == MATES else group(on).capitalize()
    return before_and_after.Shown(
        f"u_lira_{question}",
        True,
        models,
        {"original": verdict.original.members, "unlearned": audited.members, "retrained": audited.others},
        names(study, method),
        f"{named}: {told(verdict)}",
        f"AUC {audited.success.value:.2f} where models that never saw it read {verdict.retrained.success.value:.2f}",
        f"{len(audited.rows):,} images; each in {len(audited.seeds)} models that forgot and as many that never saw it",
        lambda cut: at_threshold(cut, verdict),
        "readings of unseen images",
        f"U-LiRA beside {BESIDE[question]}; before forgetting, the same attacker is taught on models that still "
        "remember. The histograms pool the shadow models, and their outermost bars hold everything beyond. ROC curves "
        "pool them too, with 95 % intervals from drawing blocks again",
    )


def names(study, method: str) -> dict[str, str]:
    return {"original": "before forgetting", "unlearned": title_of(study, method), "retrained": "never saw it"}


def told(verdict: ShadowVerdict) -> str:
    """Whether what was forgotten is told from what was never seen, in words."""
    if verdict.blind:
        return "cannot be judged, for there was nothing to find"
    return f"{'can' if verdict.side else 'cannot'} be told from never seen"


def at_threshold(cut: float, verdict: ShadowVerdict) -> str:
    """What the attacker achieves at a threshold."""
    audited = verdict.audited
    pairs, images = len(audited.seeds), len(audited.rows)
    (found, accused), (before, blamed) = audited.at(cut), verdict.original.at(cut)
    if audited.can_tell(accused):
        say, why = hundred, f"This goes by {images:,} images in {pairs} pairs of models."
    else:

        def say(share: float) -> str:
            return counted(share, audited.readings)

        why = (
            f"Each image counts once in each of {pairs} pairs of models. Fewer than {FALSE_ALARMS_NEEDED} false alarms "
            "are too few to speak of a rate."
        )
    return (
        f"At this threshold an attacker finds **{say(found)}** forgotten images while wrongly accusing "
        f"**{say(accused)}** that the model never saw. Before forgetting, the same threshold finds {say(before)} and "
        f"accuses {say(blamed)}. {why}"
    )


def by_third(study, method: str, audit: str, question: str) -> None:
    """The same attacker on each third."""
    fig, title, alt = _thirds(study, method, audit, question)
    with fold("thirds", f"Third by third: {title[0].lower()}{title[1:]}") as box:
        if box.open:
            theme.show(fig, alt=alt)


@theme.kept
def _thirds(study, method: str, audit: str, question: str) -> tuple[go.Figure, str, str]:
    """The chart, its title, and what it shows in words."""
    found = {name: _verdict(study, audit, question, name) for name in ("all", *filled(study))}
    title = in_thirds({name: verdict for name, verdict in found.items() if name != "all"})
    lines = [
        risk_by_part.Line(
            group(name),
            {"original": v.original.success, "unlearned": v.audited.success, "retrained": v.retrained.success},
        )
        for name, v in found.items()
    ]
    axis = "Attack success (AUC); target: never saw it"
    read = "; ".join(f"{line.name}: {numbers.interval(line.found['unlearned'])}" for line in lines)
    return risk_by_part.draw(html(title), axis, lines, names(study, method)), title, f"{title}. AUC on {read}."


def in_thirds(found: dict[str, ShadowVerdict]) -> str:
    """Which thirds are told from images that were never seen."""
    off, blind = ([name for name, v in found.items() if getattr(v, of)] for of in ("side", "blind"))
    said = f"{_all_of(off)} can be told from never seen" if off else "no third can be told from never seen"
    if blind:
        said += f"; {_all_of(blind)} cannot be judged, for there was nothing to find"
    return said[0].upper() + said[1:]


def _all_of(thirds: list[str]) -> str:
    listed = " and ".join(filter(None, [", ".join(thirds[:-1]), thirds[-1]]))
    return f"the {third(listed)}{'s' * (len(thirds) > 1)}"
