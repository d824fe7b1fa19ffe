"""How stable the scores of a bank were as it grew, and what more models would change."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import streamlit as st

from pages.shared import legend, theme
from unlearn_core.experiment import OpenStudy

WORTH = 0.03  # a smaller gain in correlation does not pay for twice the models
NEAR = 0.2  # how far from half of the bank a point of the curve may lie and still count as its half
LINES = {
    "pearson": ("two halves of the bank", "retrained", "square"),
    "reliability": ("two banks of that size (expected)", "unlearned", "circle"),
}


def show(study: OpenStudy) -> None:
    """The curve and the sentence that it comes to."""
    fig, said = draw(study), words(study)
    theme.show(fig, alt=f"Correlation of memorization scores against models of the bank. {said.replace('*', '')}")
    st.caption(said)


def draw(study: OpenStudy) -> go.Figure:
    """Members of the bank against the correlations of OpenStudy.stability."""
    curve = study.stability
    fig = theme.figure(_title(study), "models of the bank", "correlation of the scores", height=320)
    for column, (name, model, shape) in LINES.items():
        line = {"color": theme.model_colour(model), "dash": theme.DASHES[model], "width": 2}
        tip = f"%{{x}} models, {name}: %{{y:.2f}}<extra></extra>"
        fig.add_scatter(
            x=curve["members"], y=curve[column], mode="lines+markers", name=name, line=line,
            marker={"symbol": shape, "size": 8}, hovertemplate=tip,
        )  # fmt: skip
    if study.spec.stop_at:
        fig.add_hline(
            study.spec.stop_at,
            line={"color": fig.layout.font.color, "width": 1, "dash": "dot"},
            annotation={"text": "stop here"},
        )
    lowest = curve[list(LINES)].min().min()
    fig.update_yaxes(range=[min(0.0, lowest if math.isfinite(lowest) else 0.0) - 0.03, 1.03])
    return legend.below(fig)


def _title(study: OpenStudy) -> str:
    last = study.stability.iloc[-1]
    if not last["pearson"] > 0:
        return "Too few models to say how stable the scores are"
    return f"The scores of two halves of the bank agree to {last['pearson']:.2f}"


def words(study: OpenStudy) -> str:
    """What the curve ends at, and what it says about more models."""
    last, asked = study.stability.iloc[-1], study.spec.models
    number = f"the {last['members']:,.0f} models"
    if not last["pearson"] > 0:
        return f"The two halves of {number} do not agree on how memorized the images are: train more of them."
    stopped = f"Training stopped early, as asked, after {last['members']:,.0f} of {asked:,} models. "
    few = last["images"] < len(study.labels)
    which = f"the {last['images']:,.0f} images that both halves can judge" if few else "the images"
    return (
        f"{stopped if last['members'] < asked else ''}Split in two, {number} score {which} with a correlation of "
        f"**{last['pearson']:.2f}** (1 = the same scores; the two rankings agree to {last['spearman']:.2f}). Two whole "
        f"banks of this size are expected to agree to **{last['reliability']:.2f}** (Spearman and Brown).{_more(study)}"
    )


def _more(study: OpenStudy) -> str:
    """What doubling the bank brought; nothing where its half is no point of the curve."""
    curve, last = study.stability, study.stability.iloc[-1]
    half = curve.loc[(2 * curve["members"] - last["members"]).abs().idxmin()]
    if abs(2 * half["members"] - last["members"]) > NEAR * last["members"] or math.isnan(half["pearson"]):
        return ""
    text = f" With half as many models the halves agreed to {half['pearson']:.2f}, so more models "
    gain = last["pearson"] - half["pearson"]
    return text + ("would still sharpen the scores." if gain >= WORTH else "would change the scores little.")
