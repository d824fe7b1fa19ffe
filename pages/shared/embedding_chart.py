"""The map: every image as a point where the original model's embedding puts it."""

from __future__ import annotations

from html import escape as safe  # class names come from data, and Plotly reads a little HTML

import numpy as np
import plotly.graph_objects as go

from pages.shared import theme
from unlearn_core.experiment import OpenStudy

POINTS = 5000  # above this many, a chart that tells and returns every point gets slow
COLOURS = {"role": "Role", "class": "Class", "memorization": "Memorization"}
KINDS = {"umap": "UMAP", "pca": "PCA"}
NAMED = 20  # classes whose names still fit on the map


def figure(study: OpenStudy, forget: np.ndarray, kind: str, colour: str) -> go.Figure:
    """The map of all training and test images. A training point carries its row number as its first custom value, a
    test point -1, because a point's place in its trace is not its identity.
    """
    train, test = study.map(kind)
    stays = np.setdiff1d(np.arange(len(train)), forget)
    fig = theme.figure(_title(study, forget), f"{KINDS[kind]} 1", f"{KINDS[kind]} 2", height=440)
    fig.update_layout(
        legend={"y": -0.04, "itemsizing": "constant"},
        margin={"l": 8, "r": 36, "t": 40, "b": 8},
        dragmode="lasso",
        modebar={"orientation": "v"},
    )
    fig.update_xaxes(showticklabels=False, title=None, showgrid=False)
    fig.update_yaxes(showticklabels=False, title=None, showgrid=False)
    tells = len(train) + len(test) <= POINTS
    for role, name, rows in (("retain", "stays", stays), ("forget", "to forget", forget)):
        if role == "forget":
            fig.add_trace(_held_out(study, test, tells))
        fig.add_trace(_training(study, train, rows, role, name, colour, tells))
    if colour == "memorization":
        fig.update_layout(coloraxis=_memorization_axis(study))
    if colour == "class" and len(study.classes) <= NAMED:
        _name_classes(fig, study, train)
    if colour != "role":
        _legend_of_shapes(fig)
    return fig


def _legend_of_shapes(fig: go.Figure) -> None:
    """Where colour says something else, the legend shows the shapes alone: a swatch would take some point's colour."""
    for trace in list(fig.data):
        marker = {"symbol": trace.marker.symbol, "size": 6, "color": fig.layout.font.color}
        fig.add_scatter(x=[None], y=[None], mode="markers", name=trace.name, marker=marker, hoverinfo="skip")
        trace.showlegend = False


def selected(event) -> np.ndarray:
    """Row numbers of the training images in a box or lasso, from what the chart returned."""
    points = event.selection.points if event else []
    rows = [int(point["customdata"][0]) for point in points if point.get("customdata")]
    return np.unique(np.array([row for row in rows if row >= 0], np.int64))


def _title(study: OpenStudy, forget: np.ndarray) -> str:
    counts = study.about(forget).per_class
    most, present = int(counts.argmax()), int((counts > 0).sum())
    if present == 1:
        return f"All {len(forget)} images to forget are of class {safe(study.classes[most])}"
    return (
        f"{len(forget):,} images to forget, from {present} of {len(counts)} classes, "
        f"most from class {safe(study.classes[most])} ({counts[most]})"
    )


def _training(study: OpenStudy, xy, rows, role: str, name: str, colour: str, tells: bool) -> go.Scattergl:
    shade, symbol = theme.ROLES[role]
    size = 5 if role == "forget" else 4
    marker = {"symbol": symbol, "size": size, "color": shade, "opacity": 0.8 if role == "forget" else 0.7}
    if colour == "memorization":
        marker |= {
            "color": study.memorization.scores[rows].astype(np.float32),
            "coloraxis": "coloraxis",
            "opacity": 0.9,
        }
    elif colour == "class":
        marker["color"] = [theme.CLASSES[c % len(theme.CLASSES)] for c in study.labels[rows]]
    tip = f"row %{{customdata[0]}}<br>class %{{customdata[1]}}<br>{study.score_words.name} %{{customdata[2]:.2f}}"
    about = (
        [(int(r), safe(study.classes[study.labels[r]]), float(study.memorization.scores[r])) for r in rows]
        if tells
        else None
    )
    return _points(xy[rows], f"{name} ({len(rows):,})", marker, about, f"{tip}<extra>{name}</extra>")


def _held_out(study: OpenStudy, xy, tells: bool) -> go.Scattergl:
    shade, symbol = theme.ROLES["held-out"]
    labels = study.data.test.y.numpy()
    about = [(-1, safe(study.classes[c]), i) for i, c in enumerate(labels)] if tells else None
    tip = "test image %{customdata[2]}<br>class %{customdata[1]}<extra>held-out</extra>"
    return _points(
        xy, f"held-out ({len(xy):,})", {"symbol": symbol, "size": 4, "color": shade, "opacity": 0.8}, about, tip
    )


def _points(xy, name: str, marker: dict, about, tip: str) -> go.Scattergl:
    seen = {"customdata": about, "hovertemplate": tip} if about is not None else {"hoverinfo": "skip"}
    # What lies outside a selection turns pale and never vanishes.
    pale = {"marker": {"opacity": 0.15}}
    return go.Scattergl(x=xy[:, 0], y=xy[:, 1], name=name, mode="markers", marker=marker, unselected=pale, **seen)


def _memorization_axis(study: OpenStudy) -> dict:
    low, high = np.percentile(study.memorization.scores, [1, 99])
    bar = {"title": {"text": study.score_words.name, "side": "right"}, "thickness": 12, "len": 0.8}
    return {"colorscale": theme.SEQUENTIAL, "cmin": float(low), "cmax": float(max(high, low + 0.1)), "colorbar": bar}


def _name_classes(fig: go.Figure, study: OpenStudy, xy) -> None:
    """Each class's name at the middle of its points, so that colours need not be looked up."""
    ground = "rgba(20,22,30,0.75)" if theme.is_dark() else "rgba(255,255,255,0.8)"
    for c, name in enumerate(study.classes):
        x, y = np.median(xy[study.labels == c], axis=0)
        fig.add_annotation(
            x=float(x),
            y=float(y),
            text=f"<b>{safe(name)}</b>",
            showarrow=False,
            yshift=20,
            bgcolor=ground,
            borderpad=2,
            font={"size": 12},
        )
