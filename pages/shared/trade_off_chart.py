"""What forgetting cost: the accuracy a method lost against what an attack finds, or how far it is from retraining."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.shared import dot_plot, label_places, legend, numbers, theme
from pages.shared.text import cut, duration
from unlearn_core.evaluation import FROM_ZERO, reach

LEGEND = 11  # pixels of a mark in the legend
SMALLEST, LARGEST = 8, 24  # pixels of a mark; the logarithm of the seconds lies between
# Pixels of the plot at 1280 x 720; on a wider screen marks and labels only move apart.
ROOM = (748, 306)
LONGEST = 40  # letters of a label; the whole name is shown on hovering


@dataclass(frozen=True)
class Axes:
    """What the axes are called, and on what data the chart rests. `target` is the height to come to; with a `floor`
    above 0 the upward axis is one of powers of ten, and lower values, which have no place there, are drawn at it.
    `usable` is the least accuracy and the furthest from the target at which a method is called unbeaten.
    """

    x: str
    y: str
    about: str
    target: float = 0.0
    floor: float = 0.0
    usable: tuple[float, float] = (0.0, 0.0)


def draw(title: str, points: pd.DataFrame, picked: list[str], axes: Axes) -> go.Figure:
    """`points` as unlearn_core.experiment.trade_off.trade_off has them, `y` being what is drawn; those `picked`
    and those that no other beats are named beside their marks, the others on hovering.

    The retrained model is the target, the second retrained model shows the spread between seeds.
    """
    fig = theme.figure(title, axes.x, axes.y, height=470, about=axes.about)
    if axes.floor:
        low = (points["y"] - points["y_half"].fillna(0)).clip(lower=axes.floor)
        points = points.assign(y=points["y"].clip(lower=axes.floor), said=points["y"]).assign(
            down=lambda t: t["y"] - low
        )
        fig.update_yaxes(type="log", tickformat=".3~%", dtick="D2")
    else:
        points = points.assign(said=points["y"], down=reach(points["y"], points["y_half"], FROM_ZERO)[0])
    sizes = _sizes(points["seconds"])
    goal = max(axes.target, axes.floor)
    if goal:
        line = {"color": theme.model_colour("retrained"), "width": 1.5, "dash": theme.DASHES["retrained"]}
        fig.add_hline(goal, line=line, layer="below")
    front = points[points["verdict"] == "front"].sort_values(["x", "y"])
    fig.add_scatter(
        x=front["x"], y=front["y"], mode="lines", name="usable, unbeaten", hoverinfo="skip",
        line={"shape": "vh", "color": theme.model_colour("unlearned"), "width": 1.5, "dash": "dot"},
    )  # fmt: skip
    grey, colour = theme.grey(), theme.model_colour("unlearned")
    for kind, (shape, name) in dot_plot.KINDS.items():
        rows = points[points["kind"] == kind]
        if len(rows):
            colours = [grey if verdict in ("inside", "left", "lost") else colour for verdict in rows["verdict"]]
            _points(fig, rows, name, shape, colours, sizes, axes.y, kind)
            legend.shape(fig, shape, name, LEGEND, kind)
    for method, model, shape in (
        ("original", "original", "triangle-up"),
        ("retrained-again", "retrained", "x"),
        ("retrained", "retrained", "star"),
    ):
        rows = points[points.index == method]
        name = f"{rows['title'].iloc[0]} (target)" if method == "retrained" else rows["title"].iloc[0]
        _points(fig, rows, name, shape, [theme.model_colour(model)], pd.Series(float(LEGEND), points.index), axes.y)
    _labels(fig, points, {*picked, *front.index}, sizes, front[["x", "y"]].to_numpy(float), bool(axes.floor))
    _usable(fig, axes)
    return legend.below(fig)


def _usable(fig: go.Figure, axes: Axes) -> None:
    """The field of the chart in which a method may be called unbeaten, shaded; where it begins left of the chart or
    ends above it, it is cut off there."""
    least, reach = axes.usable
    low, high = (max(end, axes.floor) if axes.floor else end for end in (axes.target - reach, axes.target + reach))
    ends = fig.layout.xaxis.range
    fig.add_shape(
        type="rect", x0=max(least, ends[0]), x1=ends[1], y0=low, y1=high, layer="below", line={"width": 0},
        fillcolor=theme.model_colour("retrained"), opacity=0.07,
    )  # fmt: skip


def _sizes(seconds: pd.Series) -> pd.Series:
    """Pixels of each mark, by the logarithm of the seconds; in the middle where all took the same."""
    logs = np.log10(seconds.astype(float).clip(lower=1e-3))
    low, high = logs.min(), logs.max()
    share = (logs - low) / (high - low) if high > low else logs * 0 + 0.5
    return (SMALLEST + (LARGEST - SMALLEST) * share).fillna(SMALLEST)


def _points(fig, rows, name: str, shape: str, colours: list, sizes: pd.Series, upwards: str, group: str = "") -> None:
    """Points of one kind, named on hovering; those of a `group` are in the legend by its entry."""
    ink = fig.layout.font.color
    bars = {"color": ink, "thickness": 0.8, "width": 0}
    fig.add_scatter(
        x=rows["x"],
        y=rows["y"],
        error_x={"array": rows["x_half"], **bars},
        error_y={"array": rows["y_half"], "arrayminus": rows["down"], **bars},
        mode="markers",
        marker={
            "symbol": shape,
            "size": sizes[rows.index],
            "color": colours,
            "line": {"color": colours if "open" in shape else ink, "width": 1},
        },
        name=name,
        legendgroup=group or None,
        showlegend=not group,
        hovertext=[_said(row, upwards) for row in rows.itertuples()],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _labels(
    fig: go.Figure, points: pd.DataFrame, named: set[str], sizes: pd.Series, corners: np.ndarray, logs: bool
) -> None:
    """The names of some marks, placed so that none covers another and, where there is room, neither an interval
    nor the line through `corners`; axes that leave them room. On a logarithmic axis (`logs`) places are powers.
    """
    points = points[points[["x", "y"]].notna().all(axis=1)]
    middle = points[["x", "y"]].to_numpy(float)
    half = points[["x_half", "x_half", "down", "y_half"]].fillna(0).to_numpy(float)
    starts, ends = middle - half[:, [0, 2]], middle + half[:, [1, 3]]
    corners = corners.copy()
    for each in (middle, starts, ends, corners) if logs else ():
        each[:, 1] = np.log10(each[:, 1])
    low, high = starts.min(axis=0), ends.max(axis=0)
    pad = np.array([0.04, 0.08]) * np.where(high > low, high - low, 1)
    low, high = low - pad, high + pad
    fig.update_xaxes(range=[low[0], high[0]])
    fig.update_yaxes(range=[low[1], high[1]])
    # In pixels from the upper left corner.
    scale, corner = np.array(ROOM) / (high - low) * [1, -1], np.array([low[0], high[1]])
    marks, before, after, turns = ((each - corner) * scale for each in (middle, starts, ends, corners))
    lines = [np.c_[before[:, 0], marks[:, 1], after[:, 0], marks[:, 1]]]
    lines += [np.c_[marks[:, 0], before[:, 1], marks[:, 0], after[:, 1]]]
    # The line goes up first, then to the right.
    lines += [np.c_[turns[:-1], turns[:-1, 0], turns[1:, 1]], np.c_[turns[:-1, 0], turns[1:, 1], turns[1:]]]
    bars = np.vstack([np.c_[np.minimum(e[:, :2], e[:, 2:]) - 1, np.maximum(e[:, :2], e[:, 2:]) + 1] for e in lines])
    texts = {i: cut(title, LONGEST) for i, (name, title) in enumerate(points["title"].items()) if name in named}
    radii = sizes[points.index].to_numpy() / 2 + 1
    found = label_places.places(marks, radii, texts, bars, ROOM)
    for i, (right, down, far) in found.items():
        line = {"ax": right, "ay": down, "standoff": radii[i], "arrowcolor": fig.layout.font.color}
        line |= {"arrowhead": 0, "arrowwidth": 1}
        # So that a bar behind a name does not strike it through.
        ground = {"bgcolor": "rgba(24, 24, 24, 0.8)" if theme.is_dark() else "rgba(255, 255, 255, 0.8)"}
        near = {"showarrow": False, "xshift": right, "yshift": -down}
        fig.add_annotation(
            x=middle[i, 0],
            y=middle[i, 1],
            text=escape(texts[i]),
            **ground,
            **(line if far else near),
        )


def _said(row, upwards: str) -> str:
    took = f"<br>{duration(row.seconds)} a run" if numbers.known(row.seconds) else ""
    return (
        f"{escape(row.title)}<br>accuracy {numbers.spread(row.x, row.x_half, signed=True)}"
        f"<br>{upwards}: {numbers.spread(row.said, row.y_half)}{took}"
    )
