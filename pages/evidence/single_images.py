"""What single images give away to an attacker with shadow models, beside what an attack on all images at once sees."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.evidence import deletions, image_by_image, offer, one_image, shadow_attack, shadows
from pages.shared import legend, numbers, state, theme
from pages.shared.comparison_words import title_of
from pages.shared.folds import fold
from pages.shared.text import escape
from unlearn_core.experiment.tiers import deepest
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.experiment.tiers.thirds import BLOCK
from unlearn_core.result import Result

SHOWS = (
    "Here will be seen, image by image, what an attacker finds who has models of his own that forgot it and models "
    "that never saw it: the images at most risk, and what single deletions give away."
)
ATTACKERS = {"per example": "knows each image", "population": "one rule for all images"}
QUESTIONS = {f"u_lira_{name}_auc": label for name, label in shadow_attack.QUESTIONS.items()}


def draw(study, method: str, top) -> None:
    """`top` is the place for what it comes to."""
    found = offer.obtain(study, method, 2, SHOWS)
    if found is None:
        return
    table, spec = found.table(), found.spec()
    if judged(found) is None:
        st.info(nothing(found))
        return
    images, lines = found.table("images"), _lines(table)
    with top:
        st.markdown(in_words(title_of(study, method), lines))
    if lost := shadows.lost(found.key):
        offer.anew(lost)
    else:
        shadow_attack.draw(study, method, found.key)
    image_by_image.at_most_risk(study, images, spec.shadows // BLOCK)
    with fold("one-rule", "Beside one rule for all images") as box:
        if box.open:
            _one_rule(study, found.key, spec.shadows)
    with fold("by-image", f"Image by image: {image_by_image.where(images)}") as box:
        if box.open:
            image_by_image.draw(study, found.key)
    with fold("deletions", "Deletions read from two models") as box:
        if box.open:
            deletions.draw(table)
    if not lost:
        with fold("one-image", "One image: how sure its models are") as box:
            if box.open:
                one_image.draw(study, found, images)


def _one_rule(study, audit: str, models: int) -> None:
    chart, alt = _attackers(study, audit)
    theme.show(chart, alt=alt)
    st.caption(
        f"{models} shadow models: each image was unlearned by {models // 3} of them, kept by as many, and "
        "never seen by as many. The forget images stand beside two others each, of the same class and as near in "
        "confidence during training as kept images are. No model judges itself; intervals are over blocks of three "
        "shadows. Before forgetting the same attack reads the bars of the original: its power."
    )


@theme.kept
def _attackers(study, audit: str) -> tuple[go.Figure, str]:
    return attackers_chart(_lines(state.store().open("Audit", audit).table()))


def _lines(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["metric"].isin(QUESTIONS) & (table["on"] == "forget")].set_index(["metric", "by"])


def told(study, method: str) -> str:
    """What they give away where shadow models were trained, in words; else "". Nothing is offered."""
    lines = _stored(study, method)
    return "" if lines is None else in_words(title_of(study, method), lines)


def there(study, method: str) -> bool:
    """Whether shadow models were asked about a method, and could be."""
    return _stored(study, method) is not None


def _stored(study, method: str) -> pd.DataFrame | None:
    found = deepest(state.store(), subject_of_method(study, method))
    return None if found is None or found.spec().tier < 2 else judged(found)


def judged(found: Result) -> pd.DataFrame | None:
    """What the attack with shadow models reads in an audit that asked it; None where it could not be asked."""
    lines = _lines(found.table())
    return None if lines["unlearned"].isna().all() else lines


def nothing(found: Result) -> str:
    """Why the attack with shadow models could not be asked in an audit."""
    return escape(numbers.missing(_lines(found.table())["why"].iloc[0], "readings of unseen images"))


def in_words(title: str, lines: pd.DataFrame) -> str:
    """What the attacker who knows each image finds, and what the other one misses."""
    single, together = (lines.loc[("u_lira_efficacy_auc", by)] for by in ATTACKERS)
    hidden = single["unlearned"] - together["unlearned"]
    more = single["side"] == 1 and single["unlearned_low"] > single["original_high"]
    worse = ": the forgetting itself gives it away more than remembering did" if more else ""
    says = {0: "cannot be told", 1: "can be told", -1: "can be told"}.get(single["side"], "may or may not be told")
    gap = f" One rule for all images reads {together['unlearned']:.2f}."
    if hidden > 0.05 and single["side"] == 1:
        most = "most" if hidden > (single["unlearned"] - 0.5) / 2 else "part"
        gap = f" One rule for all images reads only {together['unlearned']:.2f}: it would hide {most} of this."
    return (
        f"For an attacker with shadow models, what **{escape(title)}** leaves **{says}** from never having trained on "
        f"the image: AUC {_reading(single)} where two models that never saw it read {single['retrained']:.2f} and the "
        f"original {single['original']:.2f}{worse}.{gap}"
    )


def _reading(line: pd.Series) -> str:
    return f"{line['unlearned']:.2f} ({line['unlearned_low']:.2f} to {line['unlearned_high']:.2f})"


def attackers_chart(lines: pd.DataFrame) -> tuple[go.Figure, str]:
    """Both attackers on both questions: the unlearned models, the original and the ceiling."""
    title = "The attacker who knows each image against one rule for all"
    fig = theme.figure(title, "Attack success (AUC); a perfect run reads 0.5", "", height=300)
    ink = fig.layout.font.color
    rows = [(metric, by) for metric in QUESTIONS for by in ATTACKERS]
    for role, shape in (("original", "triangle-up"), ("unlearned", "circle"), ("retrained", "star")):
        values = [lines.loc[row, role] for row in rows]
        ends = [(lines.loc[row, f"{role}_low"], lines.loc[row, f"{role}_high"]) for row in rows]
        fig.add_scatter(
            x=values,
            y=list(range(len(rows))),
            error_x={
                "array": [high - v for v, (_, high) in zip(values, ends, strict=True)],
                "arrayminus": [v - low for v, (low, _) in zip(values, ends, strict=True)],
                "color": ink,
                "thickness": 1.2,
                "width": 3,
            },
            mode="markers",
            marker={"symbol": shape, "size": 12, "color": theme.model_colour(role), "line": {"color": ink, "width": 1}},
            name={"original": "before forgetting", "retrained": "never saw it, twice"}.get(role, role),
            hovertemplate="%{x:.3f}<extra></extra>",
        )
    fig.add_vline(0.5, line={"color": ink, "dash": "dot", "width": 1})
    ticks = [f"{QUESTIONS[metric]}<br><i>{ATTACKERS[by]}</i>" for metric, by in rows]
    fig.update_yaxes(tickvals=list(range(len(rows))), ticktext=ticks, range=[len(rows) - 0.5, -0.5], automargin=True)
    said = "; ".join(f"{QUESTIONS[m]} {ATTACKERS[b]}: {_reading(lines.loc[(m, b)])}" for m, b in rows)
    return legend.below(fig), f"{title}. {said}."
