"""Closeness to retraining, or the attack, against what makes a set hard: for each algorithm what a landscape foretells
as a line and a band, and behind them each set that it was learned from.
"""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.shared import legend, theme
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment.comparison import COLUMNS
from unlearn_core.experiment.difficulty import Difficulty
from unlearn_core.experiment.law import FACTORS

MEASURES = {"tow": METRICS["tow"].label, "auc_gap": f"{COLUMNS['attack_auc'].short} minus the retrained model's"}
AXES = {"memorization": "Mean memorization of the set", "entanglement": "Entanglement (1 = like a random set)"}
DASHES = ("solid", "dash", "dot", "dashdot")
MARKS = ("circle", "square", "diamond", "x")
COLOURS = ("#3f90da", "#ffa90e", "#832db6", "#94a4a2")
LIFTED = {"#832db6": "#C58AE8"}
MOST = len(DASHES)  # more bands hide each other


def draw(taught: Difficulty, facts: dict[str, float], names: list[str], title: str, measure: str = "tow") -> go.Figure:
    """One of MEASURES for these algorithms, at most MOST, as one factor changes and size, class mix and the other
    factor stay as in `facts`; a dotted line stands where the set itself is. Each faint mark is one measured set of any
    size and mix.
    """
    fig = theme.figure(title, "", "", height=420)
    grid, ink = fig.layout.xaxis.gridcolor, fig.layout.font.color
    make_subplots(rows=1, cols=len(FACTORS), shared_yaxes=True, horizontal_spacing=0.05, figure=fig)
    for column, factor in enumerate(FACTORS, start=1):
        for i, name in enumerate(names[:MOST]):
            sets = taught.measured(name, measure)
            fig.add_scatter(
                x=sets[factor].to_numpy(np.float32),
                y=sets["value"].to_numpy(np.float32),
                mode="markers",
                marker={"color": _colour(i), "size": 4, "symbol": MARKS[i], "opacity": 0.3},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=name,
                row=1,
                col=column,
            )
        for i, name in enumerate(names[:MOST]):  # no line behind another's marks
            _line(fig, taught, name, taught.along(name, factor, facts, measure), i, column)
        fig.add_vline(facts[factor], line={"color": ink, "width": 1, "dash": "dot"}, row=1, col=column)
        fig.update_xaxes(title=AXES[factor], gridcolor=grid, zeroline=False, row=1, col=column)
    fig.update_yaxes(gridcolor=grid, zeroline=False)
    fig.update_yaxes(title=MEASURES[measure], row=1, col=1)
    return legend.below(fig)


def _colour(i: int) -> str:
    return LIFTED.get(COLOURS[i], COLOURS[i]) if theme.is_dark() else COLOURS[i]


def _line(fig: go.Figure, taught: Difficulty, name: str, along: pd.DataFrame, i: int, column: int) -> None:
    if along.empty:
        return
    colour = _colour(i)
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    fig.add_scatter(
        x=[*along["at"], *along["at"][::-1]],
        y=[*along["high"], *along["low"][::-1]],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.13)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
        row=1,
        col=column,
    )
    fig.add_scatter(
        x=along["at"],
        y=along["said"],
        mode="lines",
        line={"color": colour, "width": 2.5, "dash": DASHES[i]},
        name=escape(taught.titles[name]),
        legendgroup=name,
        showlegend=column == 1,
        hovertemplate="%{x:.2f}: %{y:.3f}",
        row=1,
        col=column,
    )
