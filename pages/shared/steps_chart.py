"""A plan step by step: what each step did to the thirds and to what is to stay, against the retrained models."""

from __future__ import annotations

import textwrap
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from pages.shared import comparison_words, label_places, legend, numbers, text, theme
from pages.shared.data_words import by_third
from unlearn_core.evaluation import reach
from unlearn_core.experiment import OpenStudy, comparison, measured_groups
from unlearn_core.experiment.measured_groups import third

# Beside the chart the names of the dashed lines stand this far apart, of an axis that begins at LOW.
LABEL, LOW = 0.06, -0.03
BROAD = 14  # letters of a line below a step: four steps stand side by side on a narrow screen too
SHAPES = {"low": "circle", "medium": "square", "high": "diamond"}
# Below the thirds a panel each, with a scale of its own, or a loss of one in a hundred would not be seen; and the name
# of what is dashed in it.
BELOW = {"retain_accuracy": "retrained", "test_accuracy": "retrained", "group_tow": "retrained again"}
SPAN = 0.1  # the least that such a scale spans: noise is not to fill it
KEPT = (
    "The outputs after every step are stored, so all of this is measured on them. The models between are not, so what "
    "needs a model itself, such as layers and maps, is known of the end alone."
)


def show(study: OpenStudy, method: str) -> None:
    """The chart of a plan of a finished study, which steps cost accuracy, and how its thirds lie beside the plan's
    parts.
    """
    fig, alt, paid = _made(study, method)
    theme.show(fig, alt, key=f"steps.{study.key}.{method}")
    st.markdown(paid)
    said = [measured_groups.beside_the_plan(study, method), measured_groups.left_as_it_is(study, method)]
    st.caption(" ".join(filter(None, ["Lines are thirds, steps are the plan's parts.", *said])), help=KEPT)


@theme.kept
def _made(study: OpenStudy, method: str) -> tuple[go.Figure, str, str]:
    """The chart, what it shows in words, and which steps cost accuracy."""
    steps = comparison.steps(study, method)
    thirds = steps.dropna(subset="part")
    worst = thirds.loc[thirds[thirds["step"] == thirds["step"].max()]["gap"].abs().idxmax()]
    side = "above" if worst["gap"] > 0 else "below"
    name = comparison_words.title_of(study, method)
    title = f"{name} ends {abs(worst['gap']):.2f} {side} retraining on the {third(worst['part'])}"
    said = "; ".join(f"{s.what}: {_label(s.metric)} {s.mean:.2f}" for s in steps.itertuples(index=False))
    about, paid = by_third(study), what_hurt(steps, study.spec.seeds)
    return _draw(escape(title), steps, about), f"{title}. {about}. {said}", paid


def what_hurt(steps: pd.DataFrame, seeds: int) -> str:
    """Which step cost most accuracy on kept and on test images; `steps` as unlearn_core.experiment.comparison.steps
    gives it.
    """
    if seeds == 1:
        return comparison_words.ONE_SEED
    said, none = [], []
    for metric, images in (("retain_accuracy", "kept images"), ("test_accuracy", "test images")):
        lost = steps[(steps["metric"] == metric) & (steps["side"] == -1)]
        if lost.empty:
            none.append(images)
            continue
        most = lost.loc[lost["change"].idxmin()]
        by = numbers.spread(most["change"], most["change_half"], signed=True)
        said.append(f"Accuracy on {images} fell most with **{text.escape(most['what'])}**: {by}.")
    if none:
        said.append(f"No step lowered the accuracy on {' or on '.join(none)} beyond the spread of seeds.")
    return " ".join(said)


def _label(metric: str) -> str:
    return comparison.COLUMNS[metric].label


def _draw(title: str, steps: pd.DataFrame, about: str) -> go.Figure:
    """`steps` as unlearn_core.experiment.comparison.steps gives it; `about` says on what data they rest."""
    fig = theme.figure(title, "", "", height=680, about=about)
    grid, last = fig.layout.xaxis.gridcolor, steps["step"].max()
    heads = ["", *map(_label, BELOW)]
    make_subplots(
        rows=len(heads), cols=1, shared_xaxes=True, row_heights=[0.52, 0.16, 0.16, 0.16], vertical_spacing=0.06,
        subplot_titles=heads, figure=fig,
    )  # fmt: skip
    fig.update_annotations(x=0, xanchor="left", font={"size": theme.AXIS})
    thirds = steps.dropna(subset="part")
    for part, lines in thirds.groupby("part", sort=False):
        _line(fig, lines, theme.part_colour(part), theme.part_colour(part), third(part), SHAPES[part], 1)
    goals = thirds.drop_duplicates("part").set_index("part")["retrained"]
    for part, height in zip(goals.index, label_places.column(goals.tolist(), LABEL, LOW), strict=True):
        _beside(fig, height, f"retrained, {part}", 1)
    fig.update_yaxes(range=[LOW, 1.06], title="Accuracy on the third", row=1, col=1)
    for row, (metric, goal) in enumerate(BELOW.items(), start=2):
        lines = steps[steps["metric"] == metric]
        _line(fig, lines, fig.layout.font.color, theme.model_colour("retrained"), _label(metric), "circle", row)
        _beside(fig, lines["retrained"].iloc[0], goal, row)
        fig.update_yaxes(range=_scale(lines), nticks=4, row=row, col=1)
    names = [textwrap.wrap(name, BROAD) for name in steps.drop_duplicates("step")["what"]]
    ticks = ["<br>".join(escape(line) for line in lines) for lines in names]
    fig.update_xaxes(tickvals=list(range(last + 1)), ticktext=ticks, range=[-0.3, last + 0.2], tickangle=0)
    fig.update_xaxes(gridcolor=grid, zeroline=False)
    fig.update_yaxes(gridcolor=grid, zeroline=False)
    legend.below(fig, 44 + 16 * max(map(len, names)))
    return fig.update_layout(margin={"r": 112})


def _line(fig: go.Figure, lines: pd.DataFrame, colour: str, aim: str, name: str, shape: str, row: int) -> None:
    """One metric over the steps, and dashed what retrained models read."""
    metric = lines["metric"].iloc[0]
    down, up = reach(lines["mean"], lines["half_width"], comparison.COLUMNS[metric].ends)
    fig.add_scatter(
        x=lines["step"],
        y=lines["mean"],
        error_y={"array": up, "arrayminus": down, "color": colour, "thickness": 1.2, "width": 4},
        mode="lines+markers",
        line={"color": colour, "width": 3},
        marker={"symbol": shape, "size": 10, "line": {"color": fig.layout.font.color, "width": 1}},
        name=name,
        showlegend=row == 1,
        hovertemplate=f"{name}: %{{y:.3f}}<extra></extra>",
        row=row,
        col=1,
    )
    fig.add_scatter(
        x=[0, lines["step"].max() + 0.2],
        y=[lines["retrained"].iloc[0]] * 2,
        mode="lines",
        line={"color": aim, "width": 1.5, "dash": theme.DASHES["retrained"]},
        showlegend=False,
        hovertemplate=f"retrained, {name}: %{{y:.3f}}<extra></extra>",
        row=row,
        col=1,
    )


def _beside(fig: go.Figure, height: float, name: str, row: int) -> None:
    """The name of a dashed line, right of the plot."""
    fig.add_annotation(
        x=1, xref="paper", xanchor="left", y=height, yref=f"y{row}" if row > 1 else "y", yanchor="middle", text=name,
        showarrow=False,
    )  # fmt: skip


def _scale(lines: pd.DataFrame) -> list[float]:
    """The ends of a vertical axis that holds a line, its intervals and its aim, and spans SPAN at least."""
    half = lines["half_width"].fillna(0)
    low = min((lines["mean"] - half).min(), lines["retrained"].min())
    high = min(max((lines["mean"] + half).max(), lines["retrained"].max()), 1.0)
    whole = max(SPAN, 1.3 * (high - low))
    top = min((low + high + whole) / 2, 1.02)  # there is nothing above 1
    return [top - whole, top]
