"""The forgotten images one by one: those at most risk, and each in models that unlearned it and that never saw it."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.shared import legend, state, theme, thumbnails
from pages.shared.folds import fold
from unlearn_core.attacks.blocks import by_chance
from unlearn_core.experiment.measured_groups import third

MOST = 24


def at_most_risk(study, images: pd.DataFrame, blocks: int) -> None:
    """Thumbnails of those that the audited models give away most."""
    st.subheader("Images at most risk")
    shift = (images["unlearned"] - images["never_seen"]).abs()
    worst = images.assign(shift=shift).sort_values(["auc", "shift"], ascending=False).head(MOST)
    low, high = by_chance(blocks)
    beyond = int((images["auc"] > high).sum())
    st.markdown(
        f"{beyond} of {len(images)} forgotten images read above {high:.2f}, which by chance 1 in 40 would. These are "
        f"the {len(worst)} whose unlearned models are told best from models that never saw them. Each line: how well "
        f"(AUC; of single images {low:.2f} to {high:.2f} is chance with {blocks} blocks of shadows), and whether it is "
        "remembered (+) or over-unlearned (−)."
    )
    shift = worst["unlearned"] - worst["never_seen"]
    labels = [
        (f"row {row}", f"{auc:.2f}, {'+' if by > 0 else '-'}{abs(by):.1f}")
        for row, auc, by in zip(worst["row"], worst["auc"], shift, strict=True)
    ]
    thumbnails.show(
        study.pixels[worst["row"]],
        labels,
        alt="The images at most risk: " + thumbnails.in_words(labels),
        across=8,
    )
    with fold("forgotten", "All forget images") as box:
        if box.open:
            st.dataframe(
                images,
                column_config={
                    "row": "Row",
                    "part": "Third",
                    "auc": st.column_config.NumberColumn("Told apart (AUC)", format="%.2f"),
                    "p_member": st.column_config.NumberColumn(
                        "Was unlearned",
                        format="%.2f",
                        help="Chance that the audited models unlearned it, even odds before.",
                    ),
                    "retrained_p_member": st.column_config.NumberColumn("Same, retrained", format="%.2f"),
                    "remembered": st.column_config.NumberColumn("Margin before", format="%.1f"),
                    "unlearned": st.column_config.NumberColumn("Margin after", format="%.1f"),
                    "never_seen": st.column_config.NumberColumn("Margin never seen", format="%.1f"),
                },
                hide_index=True,
            )


def draw(study, audit: str) -> None:
    """Every image of an audit, by its key: what models that unlearned it make of it."""
    chart, alt = _scatter(study, audit)
    theme.show(chart, alt=alt)
    st.caption(
        "Above the line models are surer of an image that they were made to forget than models that never saw it: it "
        "is remembered. Below it the image is over-unlearned. Both give it away."
    )


@theme.kept
def _scatter(study, audit: str) -> tuple[go.Figure, str]:
    return against_never_seen(state.store().open("Audit", audit).table("images"))


def where(images: pd.DataFrame) -> str:
    """How many lie above the line of models that never saw them, and how many would of a perfect run."""
    above = int((images["unlearned"] > images["never_seen"]).sum())
    return f"models are surer of {above} of {len(images)} images than those that never saw them; by chance of half"


def against_never_seen(images: pd.DataFrame) -> tuple[go.Figure, str]:
    """Each forget image by its mean margin in models that never saw it, and in models that unlearned it."""
    said = where(images)
    title = said[0].upper() + said[1:]
    fig = theme.figure(title, "Mean margin in models that never saw it", "Mean margin after unlearning it", height=420)
    both = pd.concat([images["unlearned"], images["never_seen"]])
    ends = [both.min(), both.max()]
    fig.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": fig.layout.font.color, "dash": "dashdot", "width": 1},
        showlegend=False,
        hoverinfo="skip",
    )
    for part, own in images.groupby("part", sort=False):
        colour = theme.part_colour(part) if part in theme.PARTS else theme.model_colour("unlearned")
        fig.add_scatter(
            x=own["never_seen"],
            y=own["unlearned"],
            mode="markers",
            marker={
                "color": colour,
                "size": 8,
                "symbol": {"low": "circle", "medium": "square", "high": "diamond"}.get(part, "circle"),
                "line": {"width": 0.5, "color": fig.layout.font.color},
            },
            name=third(part) if part else "forgotten images",
            text=[f"row {row}: {auc:.2f}" for row, auc in zip(own["row"], own["auc"], strict=True)],
            hovertemplate="%{text} told apart (AUC)<br>never seen %{x:.1f}, unlearned %{y:.1f}<extra></extra>",
        )
    return legend.below(fig), f"{title}. Scatter of mean margins, never seen against unlearned."
