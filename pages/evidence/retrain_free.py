"""What can be said without any retrained model: weaker evidence, and how far off it is here."""

from __future__ import annotations

from html import escape as html

import streamlit as st

from pages.shared import audit_words as words
from pages.shared import numbers, risk_by_part, theme
from pages.shared.comparison_words import ONE_SEED, title_of
from pages.shared.text import escape, images
from unlearn_core.experiment import audit
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.measured_groups import filled, group
from unlearn_core.experiment.retrain_free import STATISTIC, Reading, read

SAYS = {
    1: "remembers the images more than models that never saw them",
    -1: "knows the images less than models that never saw them: over-unlearned",
    0: "cannot be told from models that never saw them",
    None: "cannot be judged",
}
NOTHING = "nothing can be judged, neither of all together nor of any third"


def draw(study, method: str, top) -> None:
    """`top` is the place for what it comes to."""
    readings = [read(study, method, part) for part in ("all", *filled(study))]
    with top:
        st.markdown(result(study, title_of(study, method), readings))
        st.warning(why_weaker(study), icon=":material/scale:")
    theme.show(*chart(study, method, readings))
    st.caption(caption(study, readings[0]) + under_half(readings))
    st.markdown(check(study, readings[0]))


def finding(readings: list[Reading]) -> str:
    """What can be told, first: findings on thirds that all together hide, for hard and easy images blur in one mean;
    then what all together say, and of which thirds nothing can be said.
    """
    whole, *thirds = readings
    each = {side: [reading.part for reading in thirds if reading.side == side] for side in SAYS}
    told = [side for side in (1, -1, 0) if each[side] and side != whole.side and (side or whole.side is None)]
    said = [f"on the {_thirds(each[side])} it {SAYS[side]}" for side in told]
    if whole.side is not None:
        said.append(f"{'all together ' * bool(told)}it {SAYS[whole.side]}")
    elif not told:
        return NOTHING
    blind = [group("all")] * (whole.side is None) + [_thirds(each[None])] * bool(each[None])
    return "; ".join(said) + (f" ({' and '.join(blind)}: {SAYS[None]})" if blind else "")


def _thirds(parts: list[str]) -> str:
    return f"{' and '.join(parts)} third{'s' * (len(parts) > 1)}"


def result(study, title: str, readings: list[Reading]) -> str:
    """What the attack reads, beside test images and what a model that never saw the images is expected to read."""
    whole = readings[0]
    found, original = (numbers.interval(side.success) for side in (whole.audited, whole.original))
    one = f" {ONE_SEED}" * (study.spec.seeds == 1)
    said = (
        "Without asking a retrained model: after it the confidence attack tells forgotten from test "
        f"images with AUC {found}; the original reads {original}."
    )
    head = f"**{escape(title)}: {finding(readings)}**."
    if whole.expected is None:
        return (
            f"{head} {said} Like test images would be 0.5, but nothing here says what a model that never saw these "
            f"images reads.{one}"
        )
    never = f"{whole.expected.value:.2f} ({whole.expected.low:.2f} to {whole.expected.high:.2f})"
    blind = " Where even the original would pass, nothing can be judged." * (None in [each.side for each in readings])
    return f"{head} {said} Models of the bank that never saw them read {never}.{blind}{one}"


def why_weaker(study) -> str:
    """Why this is weaker evidence than the other views have."""
    said = (
        "Weaker evidence. Test images stand for images never seen, but the forgotten ones may be harder or easier than "
        "they, so 0.5 is no target; and one rule for all images misses single ones."
    )
    if not study.spec.models:
        return f"{said} No bank of models was trained, so what is hard cannot be told from what was forgotten."
    if lost := study.about(study.forget).lost:
        return (
            f"{said} The set takes most of class {escape(', '.join(lost))}: the bank's models knew it, so they do not "
            "stand for models that never saw these images."
        )
    return (
        f"{said} The bank's models say how hard they are, but each learned from {study.spec.bank.share:.0%} of the "
        "images only and never saw just some of these."
    )


def chart(study, method: str, readings: list[Reading]) -> tuple:
    """The readings on all images and on each third, and what they show in words."""
    title = f"{title_of(study, method)}: {finding(readings)}"
    names = words.models(title_of(study, method)) | {"retrained": "bank, never saw them (95 of 100)"}
    lines = []
    for each in readings:
        found = {"original": each.original.success, "unlearned": each.audited.success}
        lines.append(
            risk_by_part.Line(group(each.part), found | ({"retrained": each.expected} if each.expected else {}))
        )
    bank = f", {len(readings[0].never)} models of the bank" if readings[0].expected else ""
    about = (
        f"{images(len(study.forget))} forgotten, {readings[0].audited.unseen:,} test images of their classes, "
        f"{study.spec.seeds} seed{'s' * (study.spec.seeds > 1)}{bank}"
    )
    fig = risk_by_part.draw(html(title), "Attack success (AUC); 0.5: like test images", lines, names, about)
    fig.add_vline(0.5, line={"color": fig.layout.font.color, "width": 1, "dash": "dashdot"}, layer="below")
    said = "; ".join(f"{line.name}: {numbers.interval(line.found['unlearned'])}" for line in lines)
    return fig, f"{title}. {about}. AUC on {said}"


def caption(study, reading: Reading) -> str:
    """How the chart is read."""
    bars = "over seeds" if study.spec.seeds > 1 else "over images, of this one model"
    said = f"Bars: 95 % intervals {bars}."
    if reading.expected is None:
        return said
    return (
        f"{said} That of the bank: where 95 of 100 further models would read that never saw the images. A verdict asks "
        "that the whole bar lies outside of it. Each of these models never saw few of the images, so this finds less "
        "than retrained models do."
    )


def under_half(readings: list[Reading]) -> str:
    """Why a model may read less than test images would, where one of these does; else ""."""
    read = (value for r in readings for value in (r.original.success.value, r.audited.success.value, r.guess))
    if all(value is None or value >= 0.5 for value in read):
        return ""
    return (
        " Below 0.5 a model is less sure of the forgotten images than of test images. Images to forget are often the "
        "hard ones, so this is no sign of forgetting: a model that never saw them may read so too."
    )


def check(study, reading: Reading) -> str:
    """How far what was expected lies from what this study's retrained models do read."""
    target = audit.attack(study, core.RETRAINED, STATISTIC, reading.part).success
    name = "the bank" if reading.expected else "test images alone"
    apart = numbers.spread(reading.off_by(target.value), None, signed=True)
    return (
        "**How far off this is here.** This study has retrained models too. They read "
        f"{numbers.interval(target)}, where {name} would have you expect {reading.guess:.2f}: off by {apart}."
    )
