"""Kept images that look like forgotten ones, and those that were hit worst."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import numbers, thumbnails
from pages.shared.folds import fold
from pages.shared.text import escape, images
from unlearn_core.experiment.tiers.others import NEIGHBOURS, nearness

SETS = {
    "neighbours": "Nearest to a forgotten image",
    "others": "All others",
    "difference": "Difference: what nearness costs",
}
WAYS = {"more": "paid more than", "less": "fared better than", "untold": "cannot be told from"}
ACROSS = 8  # hit images in a line of the picture


def neighbours(near: pd.DataFrame) -> None:
    """Neighbours of the forgotten images against the other kept images; `near` as tiers.others gives it."""
    st.subheader("Kept images like the forgotten ones")
    st.markdown(paid(near))
    if not numbers.known(_line(near, "unlearned", "accuracy", "difference")["gap"]):
        return
    counts = [_line(near, "unlearned", "accuracy", which)["count"] for which in SETS]
    table = {"Kept images": list(SETS.values()), "Images": [f"{c:,.0f}" if numbers.known(c) else "" for c in counts]}
    for measure in ("accuracy", "confidence"):
        for kind, name in (("unlearned", measure.capitalize()), ("retrained", f"{measure.capitalize()}, noise")):
            table[name] = [_gap(_line(near, kind, measure, which)) for which in SETS]
    st.dataframe(
        pd.DataFrame(table),
        column_config={
            name: st.column_config.TextColumn(help="What a second retrained model reads in the unlearned one's place.")
            for name in table
            if name.endswith("noise")
        },
        hide_index=True,
        width="content",
    )
    st.caption(
        "Differences to the retrained model of the same seed with 95 % intervals; below 0 is damage. Confidence is the "
        f"probability of an image's own label. Near are the {NEIGHBOURS} kept images closest to each forgotten one in "
        "the embedding of the original model."
    )


def _line(near: pd.DataFrame, kind: str, measure: str, which: str) -> dict:
    rows = near[(near["kind"] == kind) & (near["measure"] == measure) & (near["images"] == which)]
    return rows.iloc[0].to_dict()


def _gap(line: dict) -> str:
    return numbers.spread(line["gap"], line["half_width"], signed=True)


def paid(near: pd.DataFrame) -> str:
    """Whether images that look like forgotten ones paid more than the others, in a sentence."""
    if (cost := nearness(near)) is None:
        return "Every kept image is near to a forgotten one, so there is nothing to compare them with."
    ours, noise = (_line(near, kind, "confidence", "difference") for kind in ("unlearned", "retrained"))
    count = int(_line(near, "unlearned", "confidence", "neighbours")["count"])
    return (
        f"The {images(count)} nearest to forgotten ones **{WAYS[cost]}** the other kept images: {_gap(ours)} in "
        f"confidence, where a second retrained model reads {_gap(noise)}."
    )


# -- single images -----------------------------------------------------------------------------------------------------


def worst_hit(study, title: str, hit: pd.DataFrame) -> None:
    """Those that fell furthest, each above the forgotten image nearest to it; `hit` as tiers.others gives it."""
    st.subheader("Kept images hit worst")
    ours, again = (hit[hit["kind"] == kind].reset_index(drop=True) for kind in ("unlearned", "retrained"))
    st.markdown(fell(title, ours, again))
    if ours.empty:
        return
    for start in range(0, len(ours), ACROSS):
        _pairs(study, ours[start : start + ACROSS])
    st.caption(
        "Above: a kept image, its class and how its confidence changed. Below it: the forgotten image nearest to it in "
        "the embedding of the original model, which may have nothing to do with it."
    )
    with fold("worst", "In numbers, with the worst of a second retrained model") as box:
        if box.open:
            _numbers(study, title, hit)


def fell(title: str, ours: pd.DataFrame, again: pd.DataFrame) -> str:
    """How far the worst fell, beside the worst of a second retrained model."""
    if ours.empty:
        return f"No kept image is less sure of its label under {escape(title)} than under retrained models."
    wrong = int((ours["right_unlearned"] < 0.5).sum())
    now = f"{wrong or 'None'} of them {'is' if wrong < 2 else 'are'} now wrong on more than half of the seeds."
    text = (
        f"The {images(len(ours))} that lost most confidence in their label under {escape(title)} fell {_span(ours)} "
        f"below retrained models. {now}"
    )
    if again.empty:
        return f"{text} Between two retrained models none falls."
    return f"{text} The worst of many always look bad: with a second retrained model they fell {_span(again)}."


def _span(lines: pd.DataFrame) -> str:
    least, most = -lines["change"].max(), -lines["change"].min()
    return f"by {most:.3f}" if len(lines) == 1 else f"by {least:.3f} to {most:.3f}"


def _pairs(study, lines: pd.DataFrame) -> None:
    """One picture: hit images in a line, and below each its nearest forgotten image."""
    rows, close = lines["row"].to_numpy(), lines["nearest"].to_numpy()
    names = [[study.classes[label] for label in study.labels[which]] for which in (rows, close)]
    hit = [(f"row {row}", f"{name}: {by:+.2f}") for row, name, by in zip(rows, names[0], lines["change"], strict=True)]
    near = [(f"near {row}", name) for row, name in zip(close, names[1], strict=True)]
    said = [f"{a}, class {b}, {c}, class {d}" for (a, b), (c, d) in zip(hit, near, strict=True)]
    pixels = study.pixels[np.concatenate([rows, close])]
    thumbnails.show(pixels, hit + near, alt="; ".join(said), across=len(lines))


def _numbers(study, title: str, hit: pd.DataFrame) -> None:
    models = hit["kind"].map({"unlearned": title, "retrained": "Retrained again"})
    number = st.column_config.NumberColumn
    columns = {
        "model": "Model",
        "row": number("Row", format="%d"),
        "class": "Class",
        "unlearned": number("Confidence", format="%.3f"),
        "retrained": number("Retrained", format="%.3f"),
        "change": number("Change", format="%.3f"),
        "half_width": number("±", format="%.3f", help="Half of the 95 % interval over seeds."),
        "right_unlearned": number("Still right", format="percent", help="Share of the seeds."),
        "nearest": number("Nearest forgotten", format="%d"),
        "distance": number("Distance", format="%.2f"),
    }
    st.dataframe(
        hit.assign(model=models, **{"class": [study.classes[label] for label in study.labels[hit["row"]]]}),
        column_order=list(columns),
        column_config=columns,
        hide_index=True,
    )
