"""One attack on every third of the forget set: where all together look right, single thirds need not."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from pages.shared import legend, numbers, theme
from unlearn_core.experiment.measured_groups import group
from unlearn_core.experiment.verdicts import Verdict

SHAPES = {"original": "triangle-up", "unlearned": "circle", "retrained": "star"}


def draw(title: str, verdicts: list[Verdict], names: dict[str, str]) -> go.Figure:
    """One line per verdict, in each the attack's success on the original, the unlearned and the retrained models."""
    fig = theme.figure(title, "Attack success (AUC); target: retrained", "", height=120 + 46 * len(verdicts))
    ink = fig.layout.font.color
    for role, shape in SHAPES.items():
        found = [
            {"original": v.original, "unlearned": v.audited, "retrained": v.retrained}[role].success for v in verdicts
        ]
        fig.add_scatter(
            x=[f.value for f in found],
            y=list(range(len(verdicts))),
            error_x={
                "array": [f.high - f.value for f in found],
                "arrayminus": [f.value - f.low for f in found],
                "color": ink,
                "thickness": 1.2,
                "width": 3,
            },
            mode="markers",
            marker={"symbol": shape, "size": 12, "color": theme.model_colour(role), "line": {"color": ink, "width": 1}},
            name=escape(names[role]),
            text=[f"{numbers.interval(f)}, noise floor {v.noise:.3f}" for f, v in zip(found, verdicts, strict=True)],
            hovertemplate=f"{escape(names[role])}: %{{text}}<extra></extra>",
        )
    parts = [group(v.part) for v in verdicts]
    fig.update_yaxes(
        tickvals=list(range(len(verdicts))), ticktext=parts, range=[len(verdicts) - 0.5, -0.5], automargin=True
    )
    fig.layout.margin.l = theme.room_for(parts)
    return legend.below(fig)
