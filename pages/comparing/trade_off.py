"""What forgetting cost in accuracy, and what is left of it at one level of accuracy."""

from __future__ import annotations

from html import escape as html

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.shared import address, equal_retention, numbers, theme, trade_off_chart
from pages.shared import comparison_words as words
from pages.shared.data_words import data
from pages.shared.folds import fold
from pages.shared.text import duration, escape
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import audit
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment import trade_off as measured
from unlearn_core.experiment.views import NO_RATIO

TPR = METRICS["tpr_at_1_fpr"].label
# What the trade-off can show upwards, and how it is written at the axis.
FORGETTING = {
    "tpr_at_1_fpr": (TPR, METRICS["tpr_at_1_fpr"].short),
    "parts": ("Mean gap of the thirds", "Mean gap to retraining, over thirds"),
    **{name: (core.COLUMNS[name].label, core.COLUMNS[name].label) for name in ("lira_auc", "attack_auc")},
}
# The images on which accuracy is kept or lost, and what they are called in a sentence.
KEPT = {
    "test": ("Test images", METRICS["test_accuracy"].label),
    "retain": ("Kept images", METRICS["retain_accuracy"].label),
}


def draw(study, picked: list[str]) -> None:
    """All methods, those picked by name; then the methods at equal retention."""
    labels = {name: label for name, (label, _) in FORGETTING.items()}
    above = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        usual = measured.default_forgetting(study)
        by = address.choice(st.selectbox, "Forgetting measured by", labels, "forgetting", default=usual, width=370)
        names = {name: label for name, (label, _) in KEPT.items()}
        on = address.choice(st.segmented_control, "Accuracy on", names, "kept", required=True)
    drawn = chart(study, by, on, tuple(picked))
    with above:
        if by == "lira_auc" and not study.spec.models:
            st.info(NO_RATIO)
        elif drawn is None:
            why = audit.attack(study, core.ORIGINAL, "confidence").found_at(0.01).why
            st.info(f"{labels[by]}: {numbers.missing(why)}.")
        else:
            points, limit, fig, alt = drawn
            theme.show(fig, alt=alt)
    if drawn is not None:
        below(study, points, picked, by, limit)
        if not study.spec.models:
            st.caption(NO_RATIO)
    with fold("equal", "At equal retention: what each method forgot where all keep the same") as box:
        if box.open:
            equal_retention.draw(study)


@theme.kept
def chart(study, by: str, on: str, picked: tuple[str, ...]) -> tuple[pd.DataFrame, float, go.Figure, str] | None:
    """The points as they are drawn, up to where they are usable, the chart of who is beaten by whom, and the same in
    words; None where nothing was measured.
    """
    points = measured.trade_off(study, by, on)
    if not points["y"].notna().any():
        return None
    limit = measured.usable(points)
    if by != "parts":
        points = points.assign(y=points["success"], y_half=points["success_half"])
    title, goal = conclusion(points, study.spec.seeds), points.loc[core.RETRAINED, "y"]
    floor = measured.rarest(study) if by == "tpr_at_1_fpr" else 0.0
    axes = trade_off_chart.Axes(
        f"{KEPT[on][1]} minus the retrained model's",
        FORGETTING[by][1],
        rests_on(study, by, on),
        goal,
        floor,
        (-measured.MOST_LOST, limit),
    )
    fig = trade_off_chart.draw(html(title), points[~far_out(points)], list(picked), axes)
    return points, limit, fig, f"{title}. {axes.about}. " + "; ".join(place(p) for p in points.itertuples())


def far_out(points: pd.DataFrame) -> pd.Series:
    """Which methods lie so far out that a chart with them shows little else."""
    return measured.far_out(points["x"]) & (points["kind"] != "reference")


def below(study, points: pd.DataFrame, picked: list[str], by: str, limit: float) -> None:
    """What the chart shows of the methods picked, and how it is read."""
    st.markdown(in_words(study, points, picked, by, limit))
    if (out := far_out(points)).any():
        st.caption(f"Too far out to be drawn: {'; '.join(escape(place(p)) for p in points[out].itertuples())}.")
    st.caption(caption(study, by, bool((points["verdict"] == "inside").any())), help=marked(study, by))
    with fold("marks", "Every mark by name") as box:
        if box.open:
            widths = {name: st.column_config.TextColumn(width=260) for name in ("Method", "Beaten by")}
            st.dataframe(marks(points, by), column_config=widths, hide_index=True, height="content")


def rests_on(study, by: str, on: str) -> str:
    """What the chart rests on, and how much of it there is."""
    attacked = by in ("tpr_at_1_fpr", "attack_auc")
    return data(study, "forget", on, more=f"; attacked beside {study.target.unseen.sum():,} unseen ones" * attacked)


def caption(study, by: str, grey: bool) -> str:
    """How the chart is read, with `grey` marks in it or without."""
    goal = "Down is closer to retraining"
    if by != "parts":
        goal = "The dashed line is what retrained models read: the nearer to it, from above or below, the better"
    near = " or lie behind by no more than the spread of seeds" * (grey and study.spec.seeds > 1)
    return (
        f"Right is more accurate. {goal}. Shaded is what is usable; the dotted line joins the methods there that no "
        f"other beats at both in the mean. Grey ones are extreme in one thing alone{near}."
    )


def marked(study, by: str) -> str:
    """What is usable, and what else is in the marks."""
    none = " Where no seed's attack found any, the mark stands at half an image." * (by == "tpr_at_1_fpr")
    return (
        f"Usable is what lost at most {measured.MOST_LOST:.2f} of accuracy against retraining and has at most half of "
        "the original's distance to it left, or as much as a second retrained model has. “Retrained again” is as close "
        "as another seed comes. Those that no other beats are named, and those you picked. Larger marks took longer."
        f"{none} {words.yardstick(study)}"
    )


def marks(points: pd.DataFrame, by: str) -> pd.DataFrame:
    """Every mark with its place, from left to right."""
    lines = points.dropna(subset=["x", "y"]).sort_values("x", kind="stable")
    return pd.DataFrame(
        [
            {
                "Method": p.title,
                "Accuracy": numbers.spread(p.x, p.x_half, signed=True),
                FORGETTING[by][0]: numbers.spread(p.y, p.y_half),
                "Seconds a run": duration(p.seconds),
                "Of retraining, work": f"{p.work:.0%}" if numbers.known(p.work) else "",
                "Beaten by": p.beaten_by or "",
            }
            for p in lines.itertuples()
        ]
    )


def conclusion(points: pd.DataFrame, seeds: int) -> str:
    counts, front = points["verdict"].value_counts(), list(points.loc[points["verdict"] == "front", "title"])
    worse, run = int(counts.get("worse", 0)), int((points["kind"] != "reference").sum())
    beaten = f"{worse or 'none'} of {run} methods {'is' if worse < 2 else 'are'} beaten beyond the spread of seeds"
    mean = "" if worse or seeds == 1 else " in the mean"
    if seeds == 1:
        beaten = "one seed tells nothing of how another would read"
    if run == 1:
        return f"{points.loc[points['kind'] != 'reference', 'title'].iloc[0]} is all that this study ran"
    if not front:
        return f"No method both forgets and keeps enough to be usable; {beaten}"
    if len(front) == 1:
        extreme = points["verdict"].isin(["left", "lost"]).any()
        return f"{front[0]} is ahead {'of all usable methods' if extreme else 'at both'}{mean}; {beaten}"
    return f"{len(front)} usable methods trade accuracy for forgetting; {beaten}"


def paid(point) -> str:
    """What a method that no other beats gives away at one thing for the other."""
    said = [f"{numbers.spread(point.pays_x, None)} less accurate than the most accurate"] * (point.pays_x > 0)
    said += [f"{numbers.spread(point.pays_y, None)} further from retraining than the closest"] * (point.pays_y > 0)
    return f", and pays by being {' and '.join(said)} of these" if said else ""


def in_words(study, points: pd.DataFrame, picked: list[str], by: str, limit: float) -> str:
    """What each method picked comes to, one after the other."""
    said, one, what = [], study.spec.seeds == 1, FORGETTING[by][0]
    what = f"{what[0].lower()}{what[1:]}"
    for p in points.loc[picked].itertuples():
        says = {
            "front": "usable, and no method beats it at both" + " for this one seed" * one + paid(p),
            "left": f"extreme in accuracy alone: more than {numbers.spread(limit, None)} from retraining is left",
            "lost": f"extreme in forgetting alone: it loses more than {measured.MOST_LOST:.2f} of accuracy",
            "inside": "behind others"
            + (" for this one seed" if one else ", but at neither beyond the spread of seeds"),
            "worse": f"{escape(p.beaten_by or '')} is as good at both or better, at one beyond the spread of seeds",
            "unknown": "not measurable",
        }[p.verdict]
        cost = f"accuracy {numbers.spread(p.x, p.x_half, signed=True)}, {what} {numbers.spread(p.y, p.y_half)}"
        work = f", {p.work:.0%} of the work of retraining" if numbers.known(p.work) else ""
        work += ", but longer than retraining took" * bool(p.seconds > points.loc[core.RETRAINED, "seconds"])
        said.append(f"- **{escape(p.title)}**: {says} ({cost}; {duration(p.seconds)} a run{work})")
    return "\n".join(said)


def place(point) -> str:
    return f"{point.title} at {numbers.spread(point.x, None, signed=True)}, {numbers.spread(point.y, None)}"
