"""The trials of a search: how close each plan came, and the best so far."""

from __future__ import annotations

from html import escape

import pandas as pd
import plotly.graph_objects as go

from pages.shared import legend, theme
from unlearn_core.evaluation import METRICS


def draw(table: pd.DataFrame) -> go.Figure:
    """Closeness of every plan tried, and the best so far, against the number of the trial."""
    top = table["group_tow"].idxmax()
    fig = theme.figure(
        f"Best of {table['plan'].nunique():,} different plans: {table['group_tow'][top]:.3f}, at trial "
        f"{table['trial'][top] + 1} of {len(table):,}",
        "Trial",
        METRICS["group_tow"].label,
        height=300,
    )
    numbers_from_one = table["trial"] + 1
    ink, colour = fig.layout.font.color, theme.model_colour("unlearned")
    fig.add_scatter(
        x=numbers_from_one,
        y=table["group_tow"],
        mode="markers",
        marker={"color": colour, "size": 6},
        name="plan tried",
        text=[escape(f"{line.low}; {line.medium}; {line.high}") for line in table.itertuples()],
        hovertemplate="%{text}<br>%{y:.3f}<extra></extra>",
    )
    fig.add_scatter(
        x=numbers_from_one,
        y=table["best"],
        mode="lines",
        line={"color": ink, "width": 2, "shape": "hv"},
        name="best so far",
        hovertemplate="best so far %{y:.3f}<extra></extra>",
    )
    return legend.below(fig, 88)
