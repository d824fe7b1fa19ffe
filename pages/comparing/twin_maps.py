"""Two maps of the same images with one scale, and arrows from where an image was to where it went."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.shared import legend, theme
from unlearn_core.experiment.shared_map import Moved

# More points than this are slow to draw and more arrows hide each other.
POINTS, ARROWS = 5000, 200


def draw(title: str, found: Moved, rows: np.ndarray, right: str, name: str, about: str) -> tuple[go.Figure, str]:
    """The original on the left, "unlearned" or "retrained" on the right with the `name`; `rows` are highlighted, and
    `about` says on what data it rests. Also a sentence on what was left out, or "".
    """
    fig = theme.figure(title, "", "", height=500, about=about)
    grid = fig.layout.xaxis.gridcolor
    make_subplots(rows=1, cols=2, subplot_titles=["Original", escape(name)], figure=fig, horizontal_spacing=0.02)
    others = np.setdiff1d(np.arange(len(found.study.labels)), rows)
    sets, said = {"others": _thinned(others), "rows": _thinned(rows)}, []
    cut = sum(len(own) for own in (others, rows)) - sum(len(own) for own in sets.values())
    if cut:
        said.append(f"{cut:,} points are left out, evenly over the rows, to draw the map at all.")
    for column, model in enumerate(("original", right), start=1):
        _points(fig, found, model, sets["others"], False, column)
        _points(fig, found, model, sets["rows"], True, column)
    moved = rows[found.beyond(right)[rows]]
    if len(moved) > ARROWS:
        moved = moved[np.argsort(-found.moved[right][0, moved], kind="stable")[:ARROWS]]
        said.append(f"The {ARROWS} longest movements have arrows.")
    _arrows(fig, found.places["original"][moved], found.places[right][moved])
    hidden = {"showticklabels": False, "gridcolor": grid, "zeroline": False, "title": ""}
    fig.update_xaxes(**hidden, matches="x")
    fig.update_yaxes(**hidden, matches="y")
    fig.update_layout(margin={"t": fig.layout.margin.t + 36, "l": 8, "r": 8})
    return legend.below(fig, 48), " ".join([*said, ""])


def _thinned(rows: np.ndarray) -> np.ndarray:
    """At most half of POINTS of these rows, evenly."""
    most = POINTS // 2
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _points(fig: go.Figure, found: Moved, model: str, rows: np.ndarray, lit: bool, column: int) -> None:
    """Images to forget are crosses, kept ones dots; those not highlighted are grey."""
    study, grey = found.study, "#4A505C" if theme.is_dark() else "#C9CDD4"
    forget = np.isin(rows, study.forget)
    for role, own in (("retain", rows[~forget]), ("forget", rows[forget])):
        if not len(own):
            continue
        colour, shape = theme.ROLES[role]
        where, names = found.places[model][own], {"retain": "kept", "forget": "to forget"}
        fig.add_scatter(
            x=where[:, 0],
            y=where[:, 1],
            mode="markers",
            marker={"symbol": shape, "size": 6 if lit else 4, "color": colour if lit else grey},
            name=names[role] if lit else f"{names[role]}, not highlighted",
            legendgroup=f"{role}{lit}",
            showlegend=column == 1,
            text=[f"row {row}, class {escape(study.classes[study.labels[row]])}" for row in own],
            customdata=own,
            hovertemplate="%{text}<extra></extra>",
            row=1,
            col=column,
        )


def _arrows(fig: go.Figure, start: np.ndarray, end: np.ndarray) -> None:
    """From start to end, (k, 2) each, on the right map."""
    gap = np.full(len(start), np.nan)
    x, y = (np.column_stack([start[:, i], end[:, i], gap]).ravel() for i in (0, 1))
    fig.add_scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": fig.layout.font.color, "width": 0.8},
        marker={"symbol": "arrow", "angleref": "previous", "size": np.tile([0, 7, 0], len(start))},
        opacity=0.55,
        name="moved further than kept ones by retraining",
        hoverinfo="skip",
        row=1,
        col=2,
    )
