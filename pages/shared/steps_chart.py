"""A plan step by step: the accuracy on each third before it and after each step, against the retrained models'."""

from __future__ import annotations

from html import escape

import pandas as pd
import plotly.graph_objects as go

from pages.shared import legend, theme
from unlearn_core.experiment.measured_groups import third

SHAPES = {"low": "circle", "medium": "square", "high": "diamond"}


def draw(title: str, steps: pd.DataFrame) -> go.Figure:
    """`steps` as unlearn_core.experiment.comparison.steps gives it."""
    fig = theme.figure(title, "", "Accuracy on the third", height=380)
    ink, last = fig.layout.font.color, steps["step"].max()
    for part, lines in steps.groupby("part", sort=False):
        colour = theme.part_colour(part)
        fig.add_scatter(
            x=lines["step"],
            y=lines["mean"],
            error_y={"array": lines["half_width"], "color": colour, "thickness": 1.2, "width": 4},
            mode="lines+markers",
            line={"color": colour, "width": 3},
            marker={"symbol": SHAPES[part], "size": 10, "line": {"color": ink, "width": 1}},
            name=third(part),
            hovertemplate=f"{third(part)}: %{{y:.3f}}<extra></extra>",
        )
        fig.add_scatter(
            x=[0, last + 0.35],
            y=[lines["retrained"].iloc[0]] * 2,
            mode="lines",
            line={"color": colour, "width": 1.5, "dash": theme.DASHES["retrained"]},
            showlegend=False,
            hovertemplate=f"retrained, {third(part)}: %{{y:.3f}}<extra></extra>",
        )
        fig.add_annotation(
            x=last + 0.35, y=lines["retrained"].iloc[0], xanchor="right", yanchor="bottom",
            text=f"retrained, {third(part)}", font={"size": 11}, showarrow=False,
        )  # fmt: skip
    names = steps.drop_duplicates("step")["what"]
    fig.update_xaxes(tickvals=list(range(last + 1)), ticktext=[escape(n) for n in names], range=[-0.2, last + 0.4])
    fig.update_yaxes(range=[-0.03, 1.06])
    return legend.below(fig, 72)
