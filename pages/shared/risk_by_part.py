"""One attack on every third of the forget set: where all together look right, single thirds need not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from pages.shared import legend, numbers, theme
from unlearn_core.attacks import Measured
from unlearn_core.experiment.measured_groups import group
from unlearn_core.experiment.verdicts import Verdict

SHAPES = {"original": "triangle-up", "unlearned": "circle", "retrained": "star"}


@dataclass(frozen=True)
class Line:
    """What an attack reads on the images called `name`, by role: original, unlearned, retrained (or what stands for
    it), each with its interval; and what else is shown on hovering."""

    name: str
    found: dict[str, Measured]
    note: str = ""


def of_verdicts(verdicts: Sequence[Verdict]) -> list[Line]:
    """A line for each verdict."""
    lines = []
    for v in verdicts:
        models = {"original": v.original, "unlearned": v.audited, "retrained": v.retrained}
        read = {role: model.success for role, model in models.items()}
        lines.append(Line(group(v.part), read, f", noise floor {v.noise:.3f}"))
    return lines


def draw(title: str, axis: str, lines: Sequence[Line], names: dict[str, str], about: str = "") -> go.Figure:
    """The attack's success under `axis`, line by line; `names` by role, those that the lines have. A line may lack a
    role.
    """
    fig = theme.figure(title, axis, "", height=120 + 46 * len(lines), about=about)
    ink = fig.layout.font.color
    for role in SHAPES:
        there = [place for place, line in enumerate(lines) if role in line.found]
        if not there:
            continue
        found = [lines[place].found[role] for place in there]
        fig.add_scatter(
            x=[f.value for f in found],
            y=there,
            error_x={
                "array": [f.high - f.value for f in found],
                "arrayminus": [f.value - f.low for f in found],
                "color": ink,
                "thickness": 1.2,
                "width": 3,
            },
            mode="markers",
            marker={
                "symbol": SHAPES[role],
                "size": 12,
                "color": theme.model_colour(role),
                "line": {"color": ink, "width": 1},
            },
            name=escape(names[role]),
            text=[f"{numbers.interval(lines[place].found[role])}{lines[place].note}" for place in there],
            hovertemplate=f"{escape(names[role])}: %{{text}}<extra></extra>",
        )
    parts = [line.name for line in lines]
    fig.update_yaxes(tickvals=list(range(len(lines))), ticktext=parts, range=[len(lines) - 0.5, -0.5], automargin=True)
    fig.layout.margin.l = theme.room_for(parts)
    return legend.below(fig)
