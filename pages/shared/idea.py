"""The idea of unlearning as a drawing: before, forget, after. Made up, not measured."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from pages.shared import theme

KEPT_BELOW = (
    (0.6, 1.3),
    (1.3, 0.7),
    (2.2, 1.2),
    (3.2, 0.6),
    (4.3, 1.5),
    (5.2, 0.7),
    (6.2, 1.3),
    (7.3, 0.8),
    (8.6, 1.4),
)
KEPT_ABOVE = ((0.7, 3.4), (1.7, 4.2), (2.4, 3.2), (3.1, 4.3), (6.9, 4.3), (7.5, 3.3), (8.3, 4.2), (9.1, 3.2))
FORGOTTEN = ((4.4, 3.3), (5.0, 3.8), (5.6, 3.2))
TITLES = (
    "<b>Before</b>: bent around three images",
    "<b>Forget</b>: the bend stays behind",
    "<b>After</b>, the aim: as if never seen",
)


def drawing() -> go.Figure:
    """Three panels: images as points and the line by which the model tells two classes apart."""
    fig = theme.figure("", "", "", height=170)
    x = np.linspace(0, 10, 121)
    straight = np.full_like(x, 2.3)
    bent = straight + 2.3 * np.exp(-(((x - 5) / 1.15) ** 4))
    for panel in range(3):
        _points(fig, panel, "a class", KEPT_BELOW, theme.ROLES["retain"][0], "circle")
        _points(fig, panel, "another class", KEPT_ABOVE, theme.ROLES["held-out"][0], "square")
        if panel < 2:
            colour, shape = theme.ROLES["forget"]
            shape = shape if panel == 0 else "circle-open-dot"
            _points(fig, panel, "to forget" if panel == 0 else "taken out", FORGOTTEN, colour, shape)
            _line(fig, panel, "original", x, bent, 3)
        else:
            _line(fig, panel, "unlearned", x, straight, 7)
            _line(fig, panel, "retrained", x, straight, 2)
        axis = str(panel + 1) if panel else ""
        hidden = {"visible": False, "fixedrange": True}
        fig.layout[f"xaxis{axis}"] = hidden | {"domain": [panel * 0.345, panel * 0.345 + 0.31], "range": [0, 10]}
        fig.layout[f"yaxis{axis}"] = hidden | {"anchor": f"x{axis}", "range": [0, 5]}
        fig.add_annotation(
            text=TITLES[panel],
            xref="paper",
            yref="paper",
            x=panel * 0.345,
            y=1.0,
            yshift=24,
            showarrow=False,
            xanchor="left",
        )
    fig.update_layout(margin={"l": 0, "r": 0, "t": 28, "b": 28}, legend={"y": -0.05}, hovermode=False)
    return fig


def _points(fig: go.Figure, panel: int, name: str, at: tuple, colour: str, shape: str) -> None:
    xs, ys = zip(*at, strict=True)
    marker = {"color": colour, "symbol": shape, "size": 9, "line": {"width": 2 if "open" in shape else 0}}
    _add(fig, panel, name, x=xs, y=ys, mode="markers", marker=marker)


def _line(fig: go.Figure, panel: int, model: str, x: np.ndarray, y: np.ndarray, width: int) -> None:
    line = {"color": theme.model_colour(model), "dash": theme.DASHES[model], "width": width}
    _add(fig, panel, model, x=x, y=y, mode="lines", line=line)


def _add(fig: go.Figure, panel: int, name: str, **what) -> None:
    axis = str(panel + 1) if panel else ""
    shown = all(trace.name != name for trace in fig.data)
    fig.add_scatter(name=name, xaxis=f"x{axis}", yaxis=f"y{axis}", showlegend=shown, legendgroup=name, **what)


ALT = (
    "A drawing in three panels, not measured. Before: the line of the original model bends around three images. "
    "Forget: the three images are taken away, and the line is still bent. "
    "After, which is the aim: the line of the unlearned model is straight and lies on that of a model retrained "
    "without them."
)
