"""Dot plots: one line per method, one dot with its interval per panel, references as vertical lines."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from html import escape

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.shared import legend, numbers, theme
from unlearn_core.evaluation import Ends, reach

# Kinds of methods by shape, so that nothing hangs on colour.
KINDS = {
    "single": ("circle", "single algorithm"),
    "plan": ("diamond", "RUM plan"),
    "control": ("square-open", "control of a plan"),
}


# Pixels of a chart at 1280 x 720, and a letter of an axis title: what is longer than its panel takes further lines.
WIDE, LETTER = 916, 7
BETWEEN = 0.05  # of the width, between panels: less, and the last tick of one touches the first of the next
CLEAR = 8  # pixels between the names and the plot
NAME = 44  # letters of a name in one line


@dataclass(frozen=True)
class Line:
    """A vertical reference: its value, its colours and dash after a model, and its name in the legend."""

    value: float | None
    model: str
    name: str


@dataclass(frozen=True)
class Panel:
    """One panel: `values` has a line per method with `mean` and `half_width`; those with `inside` (a column that may be
    absent) cannot be told from the noise, and are grey. No interval is drawn beyond the `ends` of what can be read.
    """

    axis: str
    values: pd.DataFrame
    lines: tuple[Line, ...] = field(default=())
    ends: Ends = (None, None)


def draw(title: str, heads: pd.DataFrame, panels: list[Panel], about: str, zero: bool = False, one_scale: bool = False):
    """The methods of `heads` (columns `title` and `kind`, the first on top) in every panel, with one legend.

    Those with `picked` (a column of `heads` that may be absent) have bold names. `about` says on what data they rest.
    `zero` draws a line at 0 in every panel, for differences; with `one_scale` all panels share their scale.
    """
    # Escaped afterwards: what stands for a letter is not to be torn.
    names = [textwrap.wrap(title, NAME) or [""] for title in heads["title"]]
    left = theme.room_for(line for lines in names for line in lines) + CLEAR
    letters = int((WIDE - left) * (1 - BETWEEN * (len(panels) - 1)) / len(panels) / LETTER)
    axes = [textwrap.wrap(panel.axis, letters) for panel in panels]
    more = theme.LINE * (max(map(len, axes)) - 1)
    fig = theme.figure(title, "", "", height=150 + more + 27 * len(heads) * max(map(len, names)), about=about)
    ink, grid = fig.layout.font.color, fig.layout.xaxis.gridcolor
    make_subplots(rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=BETWEEN, figure=fig)
    for column, panel in enumerate(panels, start=1):
        for kind, (shape, name) in KINDS.items():
            _dots(fig, kind, heads, panel, column)
            if column == 1 and kind in set(heads["kind"]):
                legend.shape(fig, shape, name, 10, kind)
        for line in panel.lines:
            _reference(fig, line, len(heads), column)
        if zero:
            fig.add_vline(0, line={"color": ink, "width": 1}, row=1, col=column)
        scale = {"matches": "x"} if one_scale and column > 1 else {}
        fig.update_xaxes(
            title="<br>".join(axes[column - 1]), gridcolor=grid, zeroline=False, row=1, col=column, **scale
        )
    places = list(range(len(heads)))
    bold = ["<b>{}</b>" if picked else "{}" for picked in heads.get("picked", [False] * len(heads))]
    shown = [form.format("<br>".join(map(escape, lines))) for form, lines in zip(bold, names, strict=True)]
    ticks = {"tickvals": places, "ticktext": shown}
    fig.update_yaxes(**ticks, range=[len(heads) - 0.4, -0.6], gridcolor=grid, zeroline=False)
    fig.update_yaxes(automargin=True, ticklabelstandoff=CLEAR, row=1, col=1)
    fig.layout.margin.l = left
    return legend.below(fig, 96 + more)


def _dots(fig: go.Figure, kind: str, heads: pd.DataFrame, panel: Panel, column: int) -> None:
    shape, name = KINDS[kind]
    places = [i for i, k in enumerate(heads["kind"]) if k == kind]
    if not places:
        return
    titles, values = heads["title"].iloc[places], panel.values.loc[heads.index[places]]
    down, up = reach(values["mean"], values["half_width"], panel.ends)
    colour, ink = theme.model_colour("unlearned"), fig.layout.font.color
    grey, inside = theme.grey(), values.get("inside", [False] * len(values))
    colours = [grey if near else colour for near in inside]
    texts = [numbers.spread(*pair) for pair in zip(values["mean"], values["half_width"], strict=True)]
    fig.add_scatter(
        x=values["mean"],
        y=places,
        error_x={"array": up, "arrayminus": down, "color": ink, "thickness": 1.2, "width": 3},
        mode="markers",
        marker={
            "symbol": shape,
            "size": 12 if kind == "plan" else 10,
            "color": colours,
            "line": {"color": colours if "open" in shape else ink, "width": 1.5},
        },
        name=name,
        legendgroup=kind,
        showlegend=False,
        text=[f"{escape(title)}: {text}" for title, text in zip(titles, texts, strict=True)],
        hovertemplate="%{text}<extra></extra>",
        row=1,
        col=column,
    )


def _reference(fig: go.Figure, line: Line, rows: int, column: int) -> None:
    if not numbers.known(line.value):
        return
    fig.add_scatter(
        x=[line.value, line.value],
        y=[-0.6, rows - 0.4],
        mode="lines+markers",
        marker={"color": "rgba(0, 0, 0, 0)", "size": 12},  # a line alone may lie at the very edge, on the names
        line={"color": theme.model_colour(line.model), "dash": theme.DASHES[line.model], "width": 2},
        name=line.name,
        legendgroup=line.name,
        showlegend=column == 1,
        hovertemplate=f"{line.name}: {line.value:.3f}<extra></extra>",
        row=1,
        col=column,
    )
