"""Where a legend goes."""

from __future__ import annotations

import plotly.graph_objects as go


def below(fig: go.Figure, room: int = 96) -> go.Figure:
    """The legend at the foot of the chart, below the axis title, however high the chart is."""
    return fig.update_layout(legend={"y": 0, "yref": "container", "yanchor": "bottom"}, margin={"b": room})
