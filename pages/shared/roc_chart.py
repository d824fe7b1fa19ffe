"""ROC curves of one attack on several models, in one chart."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.shared import legend, theme
from unlearn_core.attacks.roc import FALSE_ALARMS_NEEDED
from unlearn_core.experiment.audit import Scored

BANDS = {
    "original": "rgba(120, 120, 120, 0.15)",
    "unlearned": "rgba(230, 159, 0, 0.2)",
    "retrained": "rgba(0, 114, 178, 0.15)",
}
APART = 0.001  # of an axis: less than a pixel
RARE = 0.01  # false alarms below this share are spread wide on a logarithmic axis


def seen(curve: pd.DataFrame) -> pd.DataFrame:
    """The points without which a curve (`fpr`, `tpr`, its band `low` to `high`, all rising) would look otherwise: those
    of rare false alarms, and of the others those that lie more than APART from the line between their neighbours that
    stay. One of many images has thousands.
    """
    x, heights = curve["fpr"].to_numpy(), curve.drop(columns="fpr").dropna(axis="columns").to_numpy().T
    keep = x < RARE
    keep[[0, -1]] = True
    spans = [(int(np.argmin(np.r_[x < RARE, False])) - 1, len(x) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        away, across = x[first + 1 : last] - x[first], x[last] - x[first]
        off = [
            np.abs(away * (y[last] - y[first]) - (y[first + 1 : last] - y[first]) * across)
            / max(np.hypot(across, y[last] - y[first]), 1e-12)
            for y in heights
        ]
        farthest = int(np.max(off, axis=0).argmax())
        if np.max(off) > APART:
            keep[first + 1 + farthest] = True
            spans += [(first, first + 1 + farthest), (first + 1 + farthest, last)]
    return curve[keep]


def draw(
    title: str,
    attacked: dict[str, Scored],
    names: dict[str, str],
    at: tuple[float, float],
    logs: bool,
    about: str = "",
) -> go.Figure:
    """One curve per role (original, unlearned, retrained), with bands of 95 % intervals where there are several models.

    `at` is the point of the unlearned models (share found, share accused) at the chosen threshold; `logs` draws both
    axes as powers of ten; `about` says on what data.
    """
    fig = theme.figure(title, "Unseen images wrongly accused", "Forgotten images found", height=400, about=about)
    ink = fig.layout.font.color
    # On a logarithmic axis zero has no place: it is drawn at half of one image.
    floor = 1 / (2 * max(a.readings for a in attacked.values())) if logs else 0.0
    fig.add_scatter(
        x=[floor, 1],
        y=[floor, 1],
        mode="lines",
        line={"color": ink, "width": 1, "dash": "dashdot"},
        showlegend=False,
        hoverinfo="skip",
    )
    for role, model in attacked.items():
        # Half of the bytes of float64 go to the browser, with more digits than a screen has dots.
        curve = seen(model.curve).clip(lower=floor).astype(np.float32)
        if len(model.seeds) > 1:
            fig.add_scatter(
                x=np.r_[curve["fpr"], curve["fpr"][::-1]],
                y=np.r_[curve["high"], curve["low"][::-1]],
                fill="toself",
                fillcolor=BANDS[role],
                mode="none",
                showlegend=False,
                hoverinfo="skip",
            )
        fig.add_scatter(
            x=curve["fpr"],
            y=curve["tpr"],
            mode="lines",
            line={"color": theme.model_colour(role), "dash": theme.DASHES[role], "width": 2.5},
            name=escape(names[role]),
            hovertemplate=f"{escape(names[role])}: %{{y:.1%}} found, %{{x:.1%}} accused<extra></extra>",
        )
    found, accused = (max(share, floor) for share in at)
    fig.add_scatter(
        x=[accused],
        y=[found],
        mode="markers",
        marker={
            "symbol": "cross",
            "size": 12,
            "color": theme.model_colour("unlearned"),
            "line": {"color": ink, "width": 1.5},
        },
        name="at the threshold",
        hovertemplate="%{y:.1%} found, %{x:.1%} accused<extra></extra>",
    )
    if logs:
        rarest = min(1.0, FALSE_ALARMS_NEEDED / max(a.readings for a in attacked.values()))
        fig.add_vrect(floor, rarest, fillcolor=theme.grey(), opacity=0.18, line_width=0, layer="below")
        fig.add_annotation(  # by the frame: one at the very end of an axis is left out where it is rounded to beyond it
            x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="top", showarrow=False, align="left",
            text=f"fewer than {FALSE_ALARMS_NEEDED} false alarms:<br>not measurable",
        )  # fmt: skip
        fig.update_xaxes(type="log", dtick=1)
        fig.update_yaxes(type="log", dtick=1)
    fig.update_xaxes(tickformat=".3~%")
    fig.update_yaxes(tickformat=".3~%")
    return legend.below(fig)
