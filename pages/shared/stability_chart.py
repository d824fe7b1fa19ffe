"""How stable the scores of a bank were as it grew, and what more models would change."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import streamlit as st

from pages.shared import legend, theme
from unlearn_core.experiment import OpenStudy
from unlearn_core.memorization import with_twice_the_models

WORTH = 0.02  # a smaller gain in correlation does not pay for twice the models
LINES = {
    "spearman": ("two halves of the bank", "retrained", "square"),
    "reliability": ("two banks of that size (expected)", "unlearned", "circle"),
}


def show(study: OpenStudy) -> None:
    """The curve and the sentence that it comes to."""
    fig, said = draw(study), words(study)
    theme.show(fig, alt=f"Rank correlation of memorization scores against models of the bank. {said.replace('*', '')}")
    st.caption(said)


def draw(study: OpenStudy) -> go.Figure:
    """Members of the bank against the rank correlations of OpenStudy.stability."""
    curve = study.stability
    fig = theme.figure(_title(study), "models of the bank", "rank correlation of the scores", height=320)
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
            annotation={"text": "stop here", "font": {"size": 11}},
        )
    lowest = curve[list(LINES)].min().min()
    fig.update_yaxes(range=[min(0.0, lowest if math.isfinite(lowest) else 0.0) - 0.03, 1.03])
    return legend.below(fig)


def _title(study: OpenStudy) -> str:
    reached = study.stability["reliability"].iloc[-1]
    if not reached > 0:
        return "Too few models to say how stable the scores are"
    return f"A second such bank would rank the images alike to about {reached:.2f}"


def words(study: OpenStudy) -> str:
    """What the curve ends at, and what it says about more models."""
    last, asked = study.stability.iloc[-1], study.spec
    if not last["reliability"] > 0:
        return (
            f"The two halves of the {last['members']:.0f} models do not agree on how memorized the images are: train "
            "more of them."
        )
    more = with_twice_the_models(last["reliability"])
    pays = "so more models would still sharpen the ranking" if more - last["reliability"] >= WORTH else "hardly better"
    stopped = ""
    if last["members"] < asked.models:
        stopped = f"Training stopped at {last['members']:.0f} of {asked.models:,} models, as asked. "
    few = last["images"] < len(study.labels)
    which = f"the {last['images']:,.0f} images that both halves can judge" if few else "the images"
    return (
        f"{stopped}Split in two, the {last['members']:.0f} models rank {which} alike with a correlation of "
        f"**{last['spearman']:.2f}** (1 = in the same order), and two whole banks of this size are expected to agree "
        f"to **{last['reliability']:.2f}** (Spearman and Brown). With twice as many models it would be about "
        f"**{more:.2f}**, {pays}."
    )
