"""Colours and chart defaults. Never colour alone: a shape, a dash or a label goes with it."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

# Told apart under the common colour vision deficiencies; on white and on dark grounds.
ROLES = {"forget": ("#D55E00", "x"), "retain": ("#0072B2", "circle"), "held-out": ("#6B7280", "circle-open")}
MODELS = {"original": "#4D4D4D", "unlearned": "#E69F00", "retrained": "#0072B2"}
DASHES = {"original": "dot", "unlearned": "solid", "retrained": "dash"}
PARTS = {"low": "#92dadd", "medium": "#ffa90e", "high": "#832db6"}
# What is too dark on a dark ground is lifted there.
LIFTED = {"original": "#B8B8B8", "retrained": "#56B4E9", "high": "#C58AE8"}
CLASSES = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
SEQUENTIAL = "Cividis"


def model_colour(role: str) -> str:
    """The colour of original, unlearned or retrained on the ground of now."""
    return _on_ground(MODELS, role)


def part_colour(part: str) -> str:
    """The colour of the low, medium or high part on the ground of now."""
    return _on_ground(PARTS, part)


def _on_ground(colours: dict[str, str], name: str) -> str:
    return LIFTED.get(name, colours[name]) if is_dark() else colours[name]


def is_dark() -> bool:
    return st.context.theme.type == "dark"


def figure(title: str, x: str, y: str, height: int = 360) -> go.Figure:
    """An empty chart titled by its conclusion, with axis titles."""
    ink, grid = ("#FAFAFA", "#3A3F4B") if is_dark() else ("#101014", "#E3E5E9")
    fig = go.Figure()
    fig.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left"},
        height=height,
        margin={"l": 56, "r": 16, "t": 48, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "size": 13},
        legend={"orientation": "h", "y": -0.22, "x": 0},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8A8F98"},
        xaxis={"title": x, "gridcolor": grid, "zeroline": False},
        yaxis={"title": y, "gridcolor": grid, "zeroline": False},
    )
    return fig


def show(fig: go.Figure, alt: str, **options) -> object:
    """Draw a chart; `alt` says in words what it shows, for those who cannot see it."""
    return st.plotly_chart(fig, theme=None, alt=alt, config={"displaylogo": False}, **options)
