"""What forgetting cost in accuracy, and what is left of it at one level of accuracy."""

from __future__ import annotations

from html import escape as html

import pandas as pd
import streamlit as st

from pages.shared import address, equal_retention, numbers, theme, trade_off_chart
from pages.shared.folds import fold
from pages.shared.text import duration, escape
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import audit
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.views import NO_RATIO

TPR = METRICS["tpr_at_1_fpr"].label
# What the trade-off can show upwards, and how it is written at the axis.
FORGETTING = {
    "parts": ("Mean gap of the thirds", "Mean gap to retraining, over thirds"),
    "tpr_at_1_fpr": (TPR, f"{TPR}, gap to retraining"),
    "lira_auc": ("Likelihood-ratio attack", "Likelihood-ratio attack's gap to retraining (AUC)"),
    "attack_auc": ("Confidence attack", "Confidence attack's gap to retraining (AUC)"),
}


def draw(study, picked: list[str]) -> None:
    """All methods, those picked by name; then the methods at equal retention."""
    st.subheader("What forgetting cost")
    labels = {name: label for name, (label, _) in FORGETTING.items()}
    by = address.choice(st.segmented_control, "Forgetting measured by", labels, "forgetting", required=True)
    points = core.trade_off(study, by)
    if by == "lira_auc" and not study.spec.models:
        st.info(NO_RATIO)
    elif not points["y"].notna().any():
        st.info(f"{labels[by]}: {audit.attack(study, core.ORIGINAL, 'confidence').found_at(0.01).why}.")
    else:
        chart(study, points, picked, by)
    st.subheader("At equal retention")
    equal_retention.draw(study)


def chart(study, points: pd.DataFrame, picked: list[str], by: str) -> None:
    """The points, who is beaten by whom, and how the chart is read."""
    out = core.far_out(points["x"]) & (points["kind"] != "reference")
    title = conclusion(points)
    theme.show(
        trade_off_chart.draw(html(title), points[~out], picked, FORGETTING[by][1]),
        alt=f"{title}. " + "; ".join(place(p) for p in points.itertuples()),
    )
    st.markdown(in_words(points, picked))
    with fold("marks", "Every mark by name") as box:
        if box.open:
            widths = {name: st.column_config.TextColumn(width=260) for name in ("Method", "Beaten by")}
            st.dataframe(marks(points), column_config=widths, hide_index=True, height="content")
    if out.any():
        st.caption(f"Too far out to be drawn: {'; '.join(escape(place(p)) for p in points[out].itertuples())}.")
    st.caption(
        "Right is more accurate, down is closer to retraining; “Retrained again” is as close as another seed comes. "
        f"Larger marks took longer. Bars: 95 % intervals over {study.spec.seeds} seeds. The line joins the methods "
        "that no other beats at both in the mean; these are named, and the methods picked above, for more names than "
        "that would cover marks. Grey ones lie behind it by no more than the spread of seeds, so they "
        "are not called worse."
    )


def marks(points: pd.DataFrame) -> pd.DataFrame:
    """Every mark with its place, from left to right."""
    lines = points.dropna(subset=["x", "y"]).sort_values("x", kind="stable")
    return pd.DataFrame(
        [
            {
                "Method": p.title,
                "Test accuracy": numbers.spread(p.x, p.x_half, signed=True),
                "Gap": numbers.spread(p.y, p.y_half),
                "Beaten by": p.beaten_by or "",
            }
            for p in lines.itertuples()
        ]
    )


def conclusion(points: pd.DataFrame) -> str:
    counts = points["verdict"].value_counts()
    worse, run = int(counts.get("worse", 0)), int((points["kind"] != "reference").sum())
    beaten = f"{worse or 'none'} of {run} methods {'is' if worse < 2 else 'are'} beaten beyond the spread of seeds"
    front = list(points.loc[points["verdict"] == "front", "title"])
    if len(front) == 1:
        return f"{front[0]} is ahead at both; {beaten}"
    return f"{len(front)} methods trade accuracy for forgetting; {beaten}"


def in_words(points: pd.DataFrame, picked: list[str]) -> str:
    """What each method picked comes to, one after the other."""
    said = []
    for p in points.loc[picked].itertuples():
        says = {
            "front": "no method beats it at both",
            "inside": "behind others, by no more than the spread of seeds",
            "worse": f"beaten beyond the spread of seeds by {escape(p.beaten_by or '')}",
            "unknown": "not measurable",
        }[p.verdict]
        cost = f"test accuracy {numbers.spread(p.x, p.x_half, signed=True)}, gap {numbers.spread(p.y, p.y_half)}"
        said.append(f"- **{escape(p.title)}**: {says} ({cost}, {duration(p.seconds)} a run)")
    return "\n".join(said)


def place(point) -> str:
    return f"{point.title} at {numbers.spread(point.x, None, signed=True)}, {numbers.spread(point.y, None)}"
