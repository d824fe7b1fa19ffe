"""How one attack sees the forget images: the distribution of its score before and after, in one frame."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go

from pages.shared import legend, theme

RATIOS = (-1000, -100, -10, -1, 0, 1, 10, 100, 1000)


def draw(
    title: str,
    edges: np.ndarray,
    shares: dict[str, np.ndarray],
    names: dict[str, str],
    cut: float,
    ratio: bool,
    about: str = "",
) -> go.Figure:
    """Outlines of histograms on common edges (bins + 1,), and the threshold `cut` as a line.

    `shares` and `names` by role: original, unlearned, retrained, and unseen for the images it compares with. With
    `ratio` the axis is that of arcsinh: even around 0, powers of ten further out. `about` says on what data it rests.
    """
    fig = theme.figure(title, "Score (higher = more like a member)", "Share of images", height=400, about=about)
    fig.layout.margin.t += 20 * bool(about)  # the word over the threshold stands between the plot and what is said here
    ink, place = fig.layout.font.color, np.arcsinh if ratio else np.asarray
    for role, share in shares.items():
        unseen, name = role == "unseen", escape(names[role])
        fig.add_scatter(
            x=np.repeat(place(edges), 2),
            y=np.r_[0, np.repeat(share, 2), 0],
            mode="lines",
            line={
                "color": theme.ROLES["held-out"][0] if unseen else theme.model_colour(role),
                "dash": "dashdot" if unseen else theme.DASHES[role],
                "width": 1.5 if unseen else 2.5,
            },
            fill="tozeroy" if role == "unlearned" else None,
            fillcolor="rgba(230, 159, 0, 0.18)",
            name=name,
            hovertemplate=f"{name}: %{{y:.1%}}<extra></extra>",
        )
    fig.add_vline(
        float(place(cut)),
        line={"color": ink, "width": 2},
        annotation={"text": "threshold", "yanchor": "bottom", "xanchor": "center"},
    )
    fig.update_yaxes(tickformat=".0%", rangemode="tozero")
    theme.brushed(fig)
    if ratio:
        fig.update_xaxes(tickvals=np.arcsinh(RATIOS), ticktext=[f"{r:g}".replace("-", "−") for r in RATIOS])
    return legend.below(fig)
