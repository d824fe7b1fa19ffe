"""Prediction matrices side by side, one scale for all; differences are centred at 0 and grey inside the noise."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.shared import numbers, theme
from pages.shared.text import cut
from unlearn_core.experiment.predictions import Matrix

ACROSS = 3
# More classes than this have no room for numbers in their cells.
WRITTEN = 12
# Names longer than this are cut at the axes; the whole name is shown on hovering.
LONGEST = 10
# Differences smaller than this fill no scale of their own.
LEAST = 0.05


def draw(title: str, found: dict[str, Matrix], classes: tuple[str, ...], value: str, about: str) -> go.Figure:
    """A panel for each name of `found`; `value` is "gap" or "shares", `about` says on what data they rest."""
    across, down = min(ACROSS, len(found)), -(-len(found) // ACROSS)
    ends = [cut(name, LONGEST) for name in classes]
    # Names that are wider than a cell stand upright, and take room below.
    upright = 6 * max(map(len, ends)) if max(map(len, ends), default=0) > 2 else 0
    fig = theme.figure(title, "", "", height=110 + (330 + upright) * down, about=about)
    make_subplots(
        rows=down, cols=across, subplot_titles=[escape(name) for name in found], shared_yaxes=True, figure=fig,
        horizontal_spacing=0.03, vertical_spacing=0.3 / down / (1 + down / 4) + upright / fig.layout.height,
    )  # fmt: skip
    fig.update_annotations(font={"size": theme.AXIS, "color": fig.layout.font.color})
    reach = max(LEAST, *(np.nanmax(np.abs(matrix.gap), initial=0) for matrix in found.values()))
    for i, (name, matrix) in enumerate(found.items()):
        place = {"row": 1 + i // ACROSS, "col": 1 + i % ACROSS}
        if value == "gap":
            for told in (False, True):
                _panel(
                    fig, name, matrix, classes, matrix.gap, matrix.stands_out == told, _diverging(told, reach), place
                )
        else:
            style = {"colorscale": _shares(), "zmin": 0, "zmax": 1}
            _panel(fig, name, matrix, classes, matrix.shares, np.isfinite(matrix.shares), style, place)
    places, ends = list(range(len(classes))), [escape(end) for end in ends]
    axis = {"tickvals": places, "ticktext": ends, "showgrid": False, "zeroline": False}
    fig.update_xaxes(**axis, title={"text": "predicted", "standoff": 4}, tickangle=-90 if upright else 0)
    axis |= {"tickvals": [*places, len(places)], "ticktext": [*ends, "all"]}
    fig.update_yaxes(**axis, range=[len(classes) + 0.5, -0.5])
    room = theme.room_for([*ends, "all"]) - 20
    return fig.update_layout(margin={"t": fig.layout.margin.t + 24, "b": 56 + upright, "l": room}, showlegend=False)


def _panel(fig, name: str, matrix: Matrix, classes, values, where, style: dict, place: dict) -> None:
    """The cells of one panel that are `where`; the others are left to another trace."""
    z = np.where(where & np.isfinite(values), values, np.nan)
    fig.add_heatmap(
        z=z,
        customdata=_hover(name, matrix, classes),
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        xgap=1,
        ygap=1,
        showscale=False,
        **style,
        **place,
    )
    if len(classes) <= WRITTEN:
        _numbers(fig, z, style, place)


def _numbers(fig, z: np.ndarray, style: dict, place: dict) -> None:
    """The percent of each cell on it, black or white by what can be read there: a heatmap has one colour for all."""
    texts = {(i, j): _on_cell(value, style["zmin"] < 0) for (i, j), value in np.ndenumerate(z)}
    shown = [cell for cell, text in texts.items() if text]
    if shown:
        fig.add_scatter(
            x=[j for _, j in shown],
            y=[i for i, _ in shown],
            text=[texts[cell] for cell in shown],
            textfont={"size": theme.CELL, "color": [theme.ink_on(colour_of(z[cell], style)) for cell in shown]},
            mode="text",
            hoverinfo="skip",
            **place,
        )


def colour_of(value: float, style: dict) -> str:
    """The colour that a cell of this value has in a scale of evenly spaced colours, as #rrggbb."""
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _, colour in style["colorscale"]]
    at = np.clip((value - style["zmin"]) / (style["zmax"] - style["zmin"]), 0, 1)
    mixed = [np.interp(at, np.linspace(0, 1, len(ends)), part) for part in zip(*ends, strict=True)]
    return "#" + "".join(f"{round(part):02x}" for part in mixed)


def _on_cell(value: float, signed: bool) -> str:
    """A share in percent without the sign for it; nothing where it rounds to 0."""
    rounded = 0 if np.isnan(value) else round(100 * value)
    return (f"{rounded:+d}" if signed else f"{rounded}").replace("-", "−") if rounded else ""


def _hover(name: str, matrix: Matrix, classes) -> list[list[str]]:
    rows = [f"class {escape(row)}" for row in classes] + ["all images"]
    return [
        [
            f"{escape(name)}<br>{rows[i]} ({matrix.images[i]:,.0f} images) taken for {escape(column)}<br>"
            f"share {numbers.spread(matrix.shares[i, j], None)}, against retraining "
            f"{numbers.spread(matrix.gap[i, j], matrix.half_width[i, j], signed=True)}"
            for j, column in enumerate(classes)
        ]
        for i in range(len(rows))
    ]


def _ground() -> str:
    return "#1B1E26" if theme.is_dark() else "#F4F5F7"


def _diverging(told: bool, reach: float) -> dict:
    """Blue below 0, orange above it; greys of the same lengths for what cannot be told from the noise."""
    grey = "#5B616D" if theme.is_dark() else "#B4B9C2"
    ends = ("#0072B2", "#E69F00") if told else (grey, grey)
    return {"colorscale": [[0, ends[0]], [0.5, _ground()], [1, ends[1]]], "zmin": -reach, "zmax": reach}


def _shares() -> list[list]:
    return [[0, _ground()], [1, "#0072B2"]]
