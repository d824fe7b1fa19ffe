"""Where a legend goes, and what stands in it for a shape whose marks have several colours."""

from __future__ import annotations

import plotly.graph_objects as go


def below(fig: go.Figure, room: int = 96) -> go.Figure:
    """The legend at the foot of the chart, below the axis title, however high the chart is."""
    return fig.update_layout(legend={"y": 0, "yref": "container", "yanchor": "bottom"}, margin={"b": room})


def shape(fig: go.Figure, symbol: str, name: str, size: float, group: str) -> None:
    """An entry for a shape alone, in no colour that means anything, whatever its marks look like; a click on it hides
    all traces of the `group`, which have no entry of their own.
    """
    ink = fig.layout.font.color
    hollow = symbol if symbol.endswith("-open") else f"{symbol}-open"
    fig.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"symbol": hollow, "size": size, "color": ink, "line": {"color": ink, "width": 1.5}},
        name=name,
        legendgroup=group,
        hoverinfo="skip",
    )
