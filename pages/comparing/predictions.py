"""What models take the images for: the share of each class that is predicted as each class."""

from __future__ import annotations

from html import escape as html

import numpy as np
import pandas as pd
import streamlit as st

from pages.comparing import matrix_chart
from pages.shared import address, numbers, theme
from pages.shared import comparison_words as words
from pages.shared.data_words import data
from pages.shared.folds import fold
from pages.shared.text import escape
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment import predictions as made

GROUPS = {"forget": "Forgotten images", "retain": "Kept images", "test": "Test images"}
ROWS = {"label": "True class", "original": "What the original predicts"}
VALUES = {"gap": "Difference to retraining", "shares": "Share of images"}


def draw(study, picked: list[str]) -> None:
    """A matrix each for the original, the methods picked, and the retrained model or, in differences, the noise."""
    st.subheader("What the models take the images for")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = address.choice(st.segmented_control, "Images", GROUPS, "group", required=True)
        value = address.choice(st.segmented_control, "Cells", VALUES, "cells", required=True)
        by = address.choice(st.selectbox, "Rows", ROWS, "rows", width=240)
    last = core.CEILING if value == "gap" else core.RETRAINED
    found = made.matrices(study, [core.ORIGINAL, *picked, last], group, by)
    names = words.titles(study, found)
    if not found[last].images[-1]:
        st.info("There are no such images.")
        return
    st.markdown(" ".join(f"**{escape(names[method])}**: {in_words(study, found[method], by)}." for method in picked))
    heads = names | ({core.CEILING: "Retrained again: the noise"} if value == "gap" else {})
    out = sum(int(found[method].stands_out.sum()) for method in picked)
    cells = sum(int(np.isfinite(found[method].gap).sum()) for method in picked)
    title = f"{GROUPS[group]}: {out} of {cells} cells of the methods stand out from the noise of retraining"
    if study.spec.seeds == 1:
        title += ", for one seed tells nothing"
    if value == "shares":
        title = f"{GROUPS[group]}: what each class is predicted as, in % of its images"
    seeds = study.spec.seeds
    about = data(study, group, over=f"means of {seeds} seeds" if seeds > 1 else "one seed")
    theme.show(
        matrix_chart.draw(html(title), {heads[m]: matrix for m, matrix in found.items()}, study.classes, value, about),
        alt=f"{title}. {about}. " + "; ".join(f"{names[m]}: {in_words(study, found[m], by)}" for m in picked),
    )
    st.caption(caption(study, value, by, found[last]))
    with fold("cells", "All cells in numbers") as box:
        if box.open:
            table(study, {names[m]: found[m] for m in (*picked, last)}, by)


def in_words(study, matrix: made.Matrix, by: str) -> str:
    """The cell furthest from retraining, and whether it can be told from the noise."""
    cell = made.widest(matrix, study.classes)
    if cell is None:
        return "every cell reads as with retraining"
    row, column, gap, half = cell
    what = f"of class {escape(row)}" if by == "label" else f"that the original takes for {escape(row)}"
    told = "stands out from the noise" if matrix.stands_out[: len(study.classes)].any() else "is inside the noise"
    return (
        f"the widest cell, images {what} taken for {escape(column)}, {told}: {numbers.spread(gap, half, signed=True)} "
        "of them against retraining"
    )


def caption(study, value: str, by: str, noise: made.Matrix) -> str:
    """How the charts are read, and how few images a row may have."""
    seeds, filled = study.spec.seeds, noise.images[:-1][noise.images[:-1] > 0]
    row = "of this true class" if by == "label" else "that the original model of the same seed takes for this class"
    few = f"A row is the images {row}: {filled.min():,.0f} to {filled.max():,.0f} of them; the last row is all."
    if value == "shares":
        return f"{few} A row adds up to 100 %."
    if seeds < 2:
        return f"{few} One seed has no interval, so nothing can be told from the noise and all cells are grey."
    return (
        f"{few} Points of 100, method minus the retrained model of the same seed. Grey cells "
        "are inside the spread of seeds: their 95 % interval holds 0, or a second retrained model may differ as much "
        "somewhere."
    )


def table(study, found: dict[str, made.Matrix], by: str) -> None:
    """Every cell with a gap as a line, the widest first."""
    lines, rows = [], [*study.classes, "all images"]
    for name, matrix in found.items():
        for i, j in zip(*np.nonzero(np.nan_to_num(matrix.gap)), strict=True):
            gap = numbers.spread(matrix.gap[i, j], matrix.half_width[i, j], signed=True)
            line = {"Method": name, ROWS[by]: rows[i], "Predicted": study.classes[j], "Images": matrix.images[i]}
            line |= {"Share": matrix.shares[i, j], "Difference": gap, "Stands out": bool(matrix.stands_out[i, j])}
            lines.append(line | {"size": abs(matrix.gap[i, j])})
    if not lines:
        st.markdown("All cells read as with retraining.")
        return
    st.dataframe(
        pd.DataFrame(lines).sort_values("size", ascending=False, kind="stable").drop(columns="size"),
        column_config={
            "Images": st.column_config.NumberColumn(format="%.0f"),
            "Share": st.column_config.NumberColumn(format="percent"),
            "Difference": st.column_config.TextColumn(help="Share, minus the retrained model's, seed by seed."),
            "Stands out": st.column_config.CheckboxColumn(help="Beyond the spread of seeds and of two retrained ones."),
        },
        hide_index=True,
    )
