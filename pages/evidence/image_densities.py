"""What many models say of one image: its margin under each, by kind of model, as densities with the models below."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
from scipy.stats import gaussian_kde

from pages.shared import legend, theme


def draw(title: str, samples: dict[str, np.ndarray], names: dict[str, str]) -> go.Figure:
    """One smoothed density for each of original, unlearned and retrained from its models' margins (M,)."""
    fig = theme.figure(title, "Margin: how sure of the label (0 = even odds)", "Density", height=340)
    together = np.concatenate(list(samples.values()))
    reach = 0.15 * (np.ptp(together) or 1.0)
    grid = np.linspace(together.min() - reach, together.max() + reach, 300)
    for row, (role, values) in enumerate(samples.items()):
        colour, name = theme.model_colour(role), escape(names[role])
        if np.ptp(values) > 1e-9 and len(values) > 2:
            fig.add_scatter(
                x=grid,
                y=gaussian_kde(values, "silverman")(grid),
                mode="lines",
                line={"color": colour, "dash": theme.DASHES[role], "width": 2.5},
                fill="tozeroy" if role == "unlearned" else None,
                fillcolor="rgba(230, 159, 0, 0.18)",
                name=name,
                hoverinfo="skip",
            )
        fig.add_scatter(
            x=values,
            y=np.full(len(values), row),
            yaxis="y2",
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 9, "color": colour},
            name=name,
            showlegend=False,
            hovertemplate=f"{name}: %{{x:.2f}}<extra></extra>",
        )
    fig.update_layout(
        yaxis={"domain": [0.2, 1.0], "rangemode": "tozero", "showticklabels": False},
        yaxis2={"domain": [0.0, 0.15], "visible": False, "range": [-0.7, len(samples) - 0.3]},
    )
    return legend.below(fig)
