"""Every class's gap to retraining, beside a second retrained model's: who pays for the forgetting?"""

from __future__ import annotations

from html import escape as html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.shared import address, legend, numbers, theme
from pages.shared.folds import fold
from pages.shared.text import escape, images
from unlearn_core.evaluation import stands_out

GROUPS = {"retain": "Kept images", "test": "Test images", "forget": "Forgotten images"}
# What left and right of 0 means, by images.
WAYS = {"retain": ("worse", "better"), "test": ("worse", "better"), "forget": ("forgotten more", "forgotten less")}
# More lines than this in one chart are not read any more.
MOST = 24
NONE = 0.05  # to which the scale goes where there is no gap at all


def which() -> str:
    """The images to look at, one of GROUPS, from a control that is in the address."""
    return address.choice(st.segmented_control, "Images", GROUPS, "group", required=True)


def draw(classes: pd.DataFrame, on: str = "") -> None:
    """`classes` as unlearn_core.experiment.tiers.others gives it, or comparison.class_gaps, which has the original too;
    on one of GROUPS, else with a control to choose.
    """
    if not on:
        st.subheader("Class by class")
        on = which()
    ours, again, before = (of(classes, on, kind) for kind in ("unlearned", "retrained", "original"))
    if ours.empty:
        st.info("There are no such images.")
        return
    shown = ours.loc[ours["gap"].abs().sort_values(ascending=False, kind="stable").index[:MOST]]
    told = {"": ours, "retrained again ": again} | ({} if before.empty else {"original ": before})
    each = [", ".join(f"{who}{gap(lines, name)}" for who, lines in told.items()) for name in shown.index]
    said = [f"class {name}: {gaps}" for name, gaps in zip(shown.index, each, strict=True)]
    title = conclusion(ours, again, on)
    theme.show(
        chart(html(title), shown, again.loc[shown.index], list(standing_out(ours, again).index), before),
        alt=f"{title}. Accuracy minus the retrained model's: {'; '.join(said)}.",
    )
    st.caption(
        f"Left of 0 a class is {WAYS[on][0]} than by retraining; grey ones do not stand out."
        + left_out(classes, ours, on),
        help=f"Bars: 95 % intervals over {int(ours['seeds'].max())} seeds. A class stands out where its whole interval "
        "misses 0 and it lies further off than any class of a second retrained model may: the worst of many always "
        "looks bad.",
    )
    with fold("classes", "All classes in numbers") as box:
        if box.open:
            table(ours, again, before)


def in_words(classes: pd.DataFrame, on: str) -> str:
    """What the classes of one group of images come to, in a sentence."""
    ours, again = (of(classes, on, kind) for kind in ("unlearned", "retrained"))
    if ours.empty:
        return f"{GROUPS[on]}: there are none."
    most = ours["gap"].abs().idxmax()
    widest = "" if len(standing_out(ours, again)) else f"the widest gap, class {most}, is {gap(ours, most)}, "
    noise = gap(again, again["gap"].abs().idxmax())
    return escape(f"{conclusion(ours, again, on)}; {widest}the widest of a second retrained model {noise}.")


def of(classes: pd.DataFrame, on: str, kind: str) -> pd.DataFrame:
    """The lines of one group of images, by class, the largest loss first; classes without images are left out."""
    lines = classes[(classes["on"] == on) & (classes["kind"] == kind) & (classes["images"] > 0)]
    return lines.sort_values("gap", kind="stable").set_index("group")


def gap(lines: pd.DataFrame, name: str) -> str:
    return numbers.spread(lines.at[name, "gap"], lines.at[name, "half_width"], signed=True)


def standing_out(ours: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """The classes beyond what any class of a second retrained model may differ by."""
    return ours[stands_out(ours["gap"], ours["half_width"], again["gap"], again["half_width"])]


def conclusion(ours: pd.DataFrame, again: pd.DataFrame, on: str) -> str:
    out = standing_out(ours, again)
    if ours["half_width"].isna().all():
        return f"{GROUPS[on]}: one seed tells no class from the noise of retraining"
    if out.empty:
        return f"{GROUPS[on]}: no class can be told from the noise of retraining"
    below, above = (int((out["gap"] * side > 0).sum()) for side in (-1, 1))
    said = f"{below} of {len(ours)} classes {WAYS[on][0]} and {above} {WAYS[on][1]} than by retraining"
    most = out["gap"].abs().idxmax()
    return f"{GROUPS[on]}: {said}, most class {most} ({gap(out, most)})"


def left_out(classes: pd.DataFrame, ours: pd.DataFrame, on: str) -> str:
    """What is not on the chart, in a sentence or two."""
    said = f" The {MOST} widest of {len(ours)} gaps are drawn; the table has all." if len(ours) > MOST else ""
    absent = classes["group"].nunique() - len(ours)
    return f"{said} Classes without such images: {absent}." if absent else said


def chart(
    title: str, ours: pd.DataFrame, again: pd.DataFrame, told: list, before: pd.DataFrame | None = None
) -> go.Figure:
    """A bar from 0 to the gap of each class with its interval, and below it the gap of a second retrained model; the
    classes that are `told` apart from the noise have colour, the others are grey. A cross is where the original was,
    the gaps `before`, where they are known.
    """
    fig = theme.figure(title, "Accuracy minus the retrained model's", "", height=150 + 27 * len(ours))
    ink, places = fig.layout.font.color, np.arange(len(ours))
    grey, colour = theme.grey(), theme.model_colour("unlearned")
    colours = [colour if name in told else grey for name in ours.index]
    for lines, fill, name, shape, lift in (
        (ours, colours, "unlearned", "circle", -0.15),
        (again, theme.model_colour("retrained"), "retrained again: the noise", "diamond-open", 0.22),
    ):
        edge = ink if lines is ours else fill
        fig.add_scatter(
            x=lines["gap"],
            y=places + lift,
            error_x={"array": lines["half_width"], "color": edge, "thickness": 1.2, "width": 3},
            mode="markers",
            marker={"symbol": shape, "size": 9, "color": fill, "line": {"color": edge, "width": 1.5}},
            name=name,
            legendgroup=name,
            showlegend=lines is again,
            text=[f"class {html(str(c))}, {name}: {gap(lines, c)}, {images(n)}" for c, n in lines["images"].items()],
            hovertemplate="%{text}<extra></extra>",
        )
    legend.shape(fig, "circle", "unlearned", 9, "unlearned")
    was = ours[:0] if before is None or before.empty else before.loc[ours.index]
    if len(was):
        fig.add_scatter(
            x=was["gap"],
            y=places + 0.04,
            mode="markers",
            marker={"symbol": "x-thin", "size": 7, "line": {"color": theme.model_colour("original"), "width": 1.5}},
            name="original: where it began",
            text=[f"class {html(str(c))}, original: {gap(was, c)}" for c in was.index],
            hovertemplate="%{text}<extra></extra>",
        )
    if not any(lines["gap"].any() for lines in (ours, again, was)):
        fig.update_xaxes(range=[-NONE, NONE])  # or gaps that are all 0 would stand on a scale from -1 to 1
    fig.add_bar(
        x=ours["gap"],
        y=places - 0.15,
        orientation="h",
        width=0.2,
        marker={"color": colours, "opacity": 0.45},
        hoverinfo="skip",
        showlegend=False,
    )
    fig.add_vline(0, line={"color": ink, "width": 1})
    names = [html(str(name)) for name in ours.index]
    fig.update_yaxes(tickvals=places, ticktext=names, range=[len(ours) - 0.4, -0.6], automargin=True, type="linear")
    return legend.below(fig)


def table(ours: pd.DataFrame, again: pd.DataFrame, before: pd.DataFrame) -> None:
    """Accuracies and gaps of every class; the original's where it is known."""
    was = {} if before.empty else {"Original": [numbers.spread(before.at[c, "unlearned"], None) for c in ours.index]}
    st.dataframe(
        pd.DataFrame(
            {
                "Class": ours.index,
                "Images": ours["images"].to_numpy(),
                **was,
                "Unlearned": [numbers.spread(value, None) for value in ours["unlearned"]],
                "Retrained": [numbers.spread(value, None) for value in ours["retrained"]],
                "Difference": [gap(ours, name) for name in ours.index],
                "Retrained again": [gap(again, name) for name in ours.index],
            }
        ),
        column_config={
            "Difference": st.column_config.TextColumn(help="Accuracy, unlearned minus retrained, seed by seed."),
            "Retrained again": st.column_config.TextColumn(
                help="The same difference for a second retrained model: the noise."
            ),
        },
        hide_index=True,
        width="content",
    )
