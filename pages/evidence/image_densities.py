"""What many models say of one image: its margin under each, by kind of model, as densities with the models below."""

from __future__ import annotations

from html import escape as html

import numpy as np
import plotly.graph_objects as go

from pages.shared import legend, numbers, theme
from unlearn_core.evaluation.densities import Densities, densities


def show(title: str, samples: dict[str, np.ndarray], names: dict[str, str]) -> None:
    """One smoothed density for each of original, unlearned and retrained from its models' margins (M,)."""
    found = densities(samples)
    means = ", ".join(f"{names[role]} {numbers.spread(mean, None)}" for role, mean in found.means.items())
    theme.show(_figure(html(title), samples, names, found), alt=f"{title}. Mean margins: {means}")


def _figure(title: str, samples: dict[str, np.ndarray], names: dict[str, str], found: Densities) -> go.Figure:
    fig = theme.figure(title, "Margin: how sure of the label (0 = even odds)", "Density", height=340)
    for row, (role, values) in enumerate(samples.items()):
        colour, name = theme.model_colour(role), html(names[role])
        if role in found.curves:
            fig.add_scatter(
                x=found.at,
                y=found.curves[role],
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
        xaxis={"anchor": "y2"},  # below the single models, not through them
        yaxis={"domain": [0.2, 1.0], "rangemode": "tozero", "showticklabels": False},
        yaxis2={"domain": [0.0, 0.15], "visible": False, "range": [-0.7, len(samples) - 0.3]},
    )
    return legend.below(fig)
