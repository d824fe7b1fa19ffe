"""What forgetting cost: the test accuracy a method lost against how far its forgetting is from retraining."""

from __future__ import annotations

from html import escape

import pandas as pd
import plotly.graph_objects as go

from pages.shared import dot_plot, legend, theme


def draw(title: str, points: pd.DataFrame, y_axis: str) -> go.Figure:
    """Points with intervals in both directions: columns title, kind, x, x_half, y, y_half, indexed by method.

    The retrained model is the target, the second retrained model shows the spread between seeds.
    """
    fig = theme.figure(title, "Test accuracy minus the retrained model's", y_axis, height=460)
    labelled = points[points["kind"].isin(["single", "plan"])].sort_values("x")
    # Those on the left are named to their left, the others to their right; neighbours take turns above and below.
    sides = ["left" if 2 * i < len(labelled) else "right" for i in range(len(labelled))]
    places = {name: f"{('top', 'bottom')[i % 2]} {sides[i]}" for i, name in enumerate(labelled.index)}
    for kind, (shape, name) in dot_plot.KINDS.items():
        rows = points[points["kind"] == kind]
        if len(rows):
            _points(fig, rows, name, shape, theme.model_colour("unlearned"), places)
    for method, model, shape in (
        ("original", "original", "triangle-up"),
        ("retrained-again", "retrained", "x"),
        ("retrained", "retrained", "star"),
    ):
        rows = points[points.index == method]
        name = f"{rows['title'].iloc[0]} (target)" if method == "retrained" else rows["title"].iloc[0]
        _points(fig, rows, name, shape, theme.model_colour(model), places)
    return legend.below(fig)


def _points(fig, rows: pd.DataFrame, name: str, shape: str, colour: str, places: dict[str, str]) -> None:
    """Points of one kind; those that have a place for it are named beside the point, the others in the legend or on
    hovering."""
    ink = fig.layout.font.color
    titles = [escape(t) for t in rows["title"]]
    bars = {"color": ink, "thickness": 0.8, "width": 0}
    fig.add_scatter(
        x=rows["x"],
        y=rows["y"],
        error_x={"array": rows["x_half"], **bars},
        error_y={"array": rows["y_half"], **bars},
        mode="markers+text" if rows.index.isin(places).any() else "markers",
        text=titles,
        textposition=[places.get(name, "top right") for name in rows.index],
        textfont={"size": 11},
        marker={"symbol": shape, "size": 11, "color": colour, "line": {"color": ink, "width": 1}},
        name=name,
        hovertemplate="%{text}: %{x:+.3f}, %{y:.3f}<extra></extra>",
    )
