"""Every set over the requests: where it stood before, and what later requests did to it."""

from __future__ import annotations

from html import escape

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.shared import legend, numbers, theme
from unlearn_core.evaluation import SHARE, reach

SHAPES = {"unlearned": "circle", "retrained": "diamond-open"}


def draw(title: str, axis: str, means: pd.DataFrame, sets: list[str]) -> go.Figure:
    """A panel for each set, all on one scale; `means` as Finished.over_requests gives it. Solid with 95 % intervals is
    unlearned, dashed is retrained each time, dotted the original. All that is measured there are shares.
    """
    down = 1 if len(sets) <= 5 else 2
    across = -(-len(sets) // down)
    fig = theme.figure(title, "", "", height=360 if down == 1 else 560)
    grid, last = fig.layout.xaxis.gridcolor, int(means["request"].max())
    names = [escape(name) for name in sets]
    make_subplots(
        down, across, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.025, vertical_spacing=0.12,
        subplot_titles=names, figure=fig,
    )  # fmt: skip
    fig.update_annotations(font={"size": theme.AXIS})
    for at, name in enumerate(names):
        own, place = means[means["set"] == at + 1], {"row": at // across + 1, "col": at % across + 1}
        _original(fig, name, own[own["kind"] == "original"]["mean"].iloc[0], last, at == 0, place)
        for kind in ("retrained", "unlearned"):
            _line(fig, name, kind, own[own["kind"] == kind], at == 0, place)
    every = 1 if last * across <= 25 else 3
    fig.update_xaxes(range=[0.6, last + 0.4], tick0=1, dtick=every, gridcolor=grid, zeroline=False, showticklabels=True)
    fig.update_xaxes(title="after request", row=down, col=(across + 1) // 2)
    fig.update_yaxes(range=_range(means), gridcolor=grid, zeroline=False)
    fig.update_yaxes(title=axis, col=1)
    fig.update_layout(margin={"t": 84})
    return legend.below(fig)


def _range(means: pd.DataFrame) -> list[float]:
    """From the lowest to the highest end of any interval, with some air."""
    half = means["half_width"].astype(float).fillna(0.0).where(means["kind"] == "unlearned", 0.0)
    below, above = reach(means["mean"], half, SHARE)
    low, high = (means["mean"] - below).min(), (means["mean"] + above).max()
    air = max(0.05 * (high - low), 0.01)
    return [low - air, high + air]


def _original(fig: go.Figure, name: str, value: float, last: int, first: bool, place: dict) -> None:
    reading = numbers.spread(value, None)
    fig.add_scatter(
        x=[0.6, last + 0.4],
        y=[value, value],
        mode="lines",
        line={"color": theme.model_colour("original"), "dash": theme.DASHES["original"], "width": 2},
        name="original",
        legendgroup="original",
        showlegend=first,
        hovertemplate=f"{name}, original: {reading}<extra></extra>",
        **place,
    )


def _line(fig: go.Figure, name: str, kind: str, lines: pd.DataFrame, first: bool, place: dict) -> None:
    colour, ink = theme.model_colour(kind), fig.layout.font.color
    below, above = reach(lines["mean"], lines["half_width"], SHARE)
    bars = {"array": above, "arrayminus": below, "color": ink, "thickness": 1.2, "width": 3}
    fig.add_scatter(
        x=lines["request"],
        y=lines["mean"],
        error_y=bars if kind == "unlearned" else None,
        mode="lines+markers",
        line={"color": colour, "dash": theme.DASHES[kind], "width": 2.5},
        marker={"symbol": SHAPES[kind], "size": 9, "color": colour, "line": {"color": colour, "width": 1.5}},
        name=kind,
        legendgroup=kind,
        showlegend=first,
        text=[
            f"{name}, {kind} after request {line.request}: {numbers.spread(line.mean, line.half_width)}"
            for line in lines.itertuples()
        ],
        hovertemplate="%{text}<extra></extra>",
        **place,
    )
