"""A plan step by step: the accuracy on each third before it and after each step, against the retrained models'."""

from __future__ import annotations

import textwrap
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.shared import comparison_words, label_places, legend, theme
from pages.shared.data_words import by_third
from unlearn_core.evaluation import METRICS, reach
from unlearn_core.experiment import OpenStudy, comparison, measured_groups
from unlearn_core.experiment.measured_groups import third

# Beside the chart the names of the dashed lines stand this far apart, of an axis that begins at LOW.
LABEL, LOW = 0.06, -0.03
BROAD = 14  # letters of a line below a step: four steps stand side by side on a narrow screen too
SHAPES = {"low": "circle", "medium": "square", "high": "diamond"}


def show(study: OpenStudy, method: str) -> None:
    """The chart of a plan of a finished study, and how its thirds lie beside the plan's parts."""
    theme.show(*_made(study, method), key=f"steps.{study.key}.{method}")
    said = [measured_groups.beside_the_plan(study, method), measured_groups.left_as_it_is(study, method)]
    st.caption(" ".join(filter(None, ["Lines are thirds, steps are the plan's parts.", *said])))


@theme.kept
def _made(study: OpenStudy, method: str) -> tuple[go.Figure, str]:
    """The chart and what it shows in words."""
    steps = comparison.steps(study, method)
    worst = steps.loc[steps[steps["step"] == steps["step"].max()]["gap"].abs().idxmax()]
    side = "above" if worst["gap"] > 0 else "below"
    name = comparison_words.title_of(study, method)
    title = f"{name} ends {abs(worst['gap']):.2f} {side} retraining on the {third(worst['part'])}"
    said = "; ".join(f"{s.what}: {third(s.part)} {s.mean:.2f}" for s in steps.itertuples(index=False))
    about = by_third(study)
    return _draw(escape(title), steps, about), f"{title}. {about}. {said}"


def _draw(title: str, steps: pd.DataFrame, about: str) -> go.Figure:
    """`steps` as unlearn_core.experiment.comparison.steps gives it; `about` says on what data they rest."""
    fig = theme.figure(title, "", "Accuracy on the third", height=380, about=about)
    ink, last = fig.layout.font.color, steps["step"].max()
    for part, lines in steps.groupby("part", sort=False):
        colour = theme.part_colour(part)
        down, up = reach(lines["mean"], lines["half_width"], METRICS["forget_accuracy"].ends)
        fig.add_scatter(
            x=lines["step"],
            y=lines["mean"],
            error_y={"array": up, "arrayminus": down, "color": colour, "thickness": 1.2, "width": 4},
            mode="lines+markers",
            line={"color": colour, "width": 3},
            marker={"symbol": SHAPES[part], "size": 10, "line": {"color": ink, "width": 1}},
            name=third(part),
            hovertemplate=f"{third(part)}: %{{y:.3f}}<extra></extra>",
        )
        fig.add_scatter(
            x=[0, last + 0.2],
            y=[lines["retrained"].iloc[0]] * 2,
            mode="lines",
            line={"color": colour, "width": 1.5, "dash": theme.DASHES["retrained"]},
            showlegend=False,
            hovertemplate=f"retrained, {third(part)}: %{{y:.3f}}<extra></extra>",
        )
    goals = steps.drop_duplicates("part").set_index("part")["retrained"]
    for part, height in zip(goals.index, label_places.column(goals.tolist(), LABEL, LOW), strict=True):
        fig.add_annotation(
            x=1, xref="paper", xanchor="left", y=height, yanchor="middle", text=f"retrained, {part}",
            showarrow=False,
        )  # fmt: skip
    names = [textwrap.wrap(name, BROAD) for name in steps.drop_duplicates("step")["what"]]
    ticks = ["<br>".join(escape(line) for line in lines) for lines in names]
    fig.update_xaxes(tickvals=list(range(last + 1)), ticktext=ticks, range=[-0.3, last + 0.2], tickangle=0)
    fig.update_yaxes(range=[LOW, 1.06])
    legend.below(fig, 44 + 16 * max(map(len, names)))
    return fig.update_layout(margin={"r": 112})
