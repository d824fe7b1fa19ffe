"""Many unlearned models beside many retrained ones: can the two distributions be told apart?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.evidence import image_densities, offer
from pages.shared import address, legend, numbers, state, theme, thumbnails
from pages.shared.comparison_words import title_of
from pages.shared.text import WRAPPED, escape, hundredths
from unlearn_core.evaluation import METRICS
from unlearn_core.evaluation.challenge import LARGEST
from unlearn_core.experiment.measured_groups import third, where
from unlearn_core.experiment.tiers import exposed as core
from unlearn_core.experiment.tiers.distribution import margins
from unlearn_core.experiment.tiers.overview import SPLITS
from unlearn_core.result import Result

MOST = 16
SHOWS = (
    "Here will be seen how many of the images can be told from never seen by many models of each kind, what an "
    "attacker can be proved to learn (epsilon), and the images that are told apart best."
)


def draw(study, method: str, top) -> None:
    """`top` is the place for what it comes to."""
    found = offer.obtain(study, method, 3, SHOWS)
    if found is None:
        return
    lines, images, count = judged(found), found.table("many_models"), found.spec().models
    with top:
        st.markdown(in_words(title_of(study, method), lines, count))
    epsilons(images)
    st.caption(
        f"{count} models of each kind, each unlearned model from an original of its own. The strongest of up to "
        "100,000 attacks counts, so even retrained models against other retrained ones do not read 0, and the "
        "forgetting quality of a perfect run is far below 1. What is proved (right) holds with 95 % confidence for "
        "each image by itself; with few models little can be proved."
    )
    st.subheader("In numbers")
    in_numbers(lines)
    exposed(study, images)
    one_image(study, method, found, images)


def judged(found: Result) -> pd.DataFrame:
    """The lines of an audit that go by many models."""
    table = found.table()
    return table[table["unit"] == SPLITS]


def of_the_set(lines: pd.DataFrame) -> pd.DataFrame:
    """Those that speak of the whole forget set, by metric."""
    return lines[lines["on"].isin(["forget", ""])].set_index("metric")


def in_words(title: str, lines: pd.DataFrame, count: int) -> str:
    """Forgetting quality beside its ceiling, and how many images are told apart."""
    whole = of_the_set(lines)
    quality, apart, shift = (whole.loc[m] for m in ("forgetting_quality", "told_apart", "margin_shift"))
    if quality["side"] == 0 and apart["side"] == 0:
        says = "cannot be told from retrained ones"
    elif _everywhere(lines, shift):
        says = "differ from retrained ones on test images no less than on the forgotten"
    else:
        says = {
            1: "remember the forgotten images on average",
            -1: "over-unlearn the forgotten images on average",
        }.get(shift["side"], "treat the forgotten images otherwise than retrained ones")
    return (
        f"{count} models unlearned by **{escape(title)}** **{says}**: "
        f"forgetting quality F {quality['unlearned']:.2f}, where retrained models against each other read "
        f"{_span(quality)} (not 1) and originals {quality['original']:.2f}. A simple test tells "
        f"{apart['unlearned']:.0%} of the images apart; by chance it would be {_span(apart, percent=True)}."
        f"{_shifts(lines)}"
    )


def _everywhere(lines: pd.DataFrame, shift: pd.Series) -> bool:
    """Whether test images, which no model ever saw, moved the same way and at least as far as the forgotten ones."""
    test = lines[(lines["metric"] == "margin_shift") & (lines["on"] == "test")]
    if test.empty or not shift["side"] or pd.isna(shift["side"]):
        return False
    moved = test.iloc[0]
    return moved["side"] == shift["side"] and abs(moved["unlearned"]) >= abs(shift["unlearned"])


def _shifts(lines: pd.DataFrame) -> str:
    """How far margins lie from retrained models', third by third and on images that were not to be forgotten."""
    moved = lines[(lines["metric"] == "margin_shift") & lines["unlearned"].notna()].set_index("on")
    if moved.empty:
        return ""
    names = {"forget": "the forgotten images", "retain": "kept", "test": "test images"}
    each = [f"{value:+.2f} on {names.get(on, f'the {third(on)}')}" for on, value in moved["unlearned"].items()]
    floor = moved[["retrained_low", "retrained_high"]].abs().max(axis=None)
    return (
        f" Margins lie above those of retrained models by {', '.join(each)}; retrained ones among themselves lie no "
        f"further apart than {floor:.2f}."
    ).replace("-", "\u2212")


def _span(line: pd.Series, percent: bool = False) -> str:
    low, high = line["retrained_low"], line["retrained_high"]
    return f"{low:.0%} to {high:.0%}" if percent else f"{hundredths(low)} to {hundredths(high)}"


def epsilons(images: pd.DataFrame) -> None:
    """Histograms of epsilon over the forget images: as attacks read it, and as it is proved."""
    left, right = st.columns(2)
    for place, name, title in (
        (left, "epsilon", "Epsilon as the strongest attack reads it"),
        (right, "proved", "Epsilon as it is proved"),
    ):
        found, most = core.spreads(images, name), core.MOST
        fig = theme.figure(title, "epsilon", "Images", height=320)
        ends = [*range(0, int(most), 2), most]
        fig.update_xaxes(tickvals=ends, ticktext=[numbers.capped(end, most, 0) for end in ends])
        fig.layout.margin.r = 40  # the last of them is long, and left out where it finds no room
        for kind, own in found.items():
            fig.add_scatter(
                x=np.repeat(core.EDGES, 2),
                y=np.r_[0, np.repeat(own.counts, 2), 0],
                mode="lines",
                line={"color": theme.model_colour(kind), "dash": theme.DASHES[kind], "width": 2.5},
                fill="tozeroy" if kind == "unlearned" else None,
                fillcolor="rgba(230, 159, 0, 0.18)",
                name={"unlearned": "unlearned", "retrained": "retrained against retrained"}[kind],
                hovertemplate="%{y} images<extra></extra>",
            )
        medians = "; ".join(
            f"median {k} {numbers.capped(own.median, most, 2)}" for k, own in found.items() if own.median is not None
        )
        with place:
            theme.show(legend.below(fig), alt=f"{title}: histogram over {len(images)} forget images; {medians}.")


def in_numbers(lines: pd.DataFrame) -> None:
    shown = pd.DataFrame(
        {
            "what": [METRICS[m].label for m in lines["metric"]],
            "on": [where(on) for on in lines["on"]],
            "unlearned": [numbers.spread(v, None) for v in lines["unlearned"]],
            "retrained": [_span(line) for _, line in lines.iterrows()],
            "original": [numbers.spread(v, None) for v in lines["original"]],
            "says": list(lines["says"]),
        }
    )
    st.dataframe(
        shown,
        column_config={
            "what": st.column_config.TextColumn("What", width=264),
            "on": st.column_config.TextColumn("Images", width=100),
            "unlearned": st.column_config.TextColumn("Unlearned", width=88),
            "retrained": st.column_config.TextColumn(
                "Retrained",
                width=116,
                help="The span of 40 ways to split the retrained models in two: what a perfect run reads.",
            ),
            "original": st.column_config.TextColumn("Original", width=80),
            "says": st.column_config.TextColumn("Reads", width=170),
        },
        hide_index=True,
        row_height=WRAPPED,
        height=480,
    )


def exposed(study, images: pd.DataFrame) -> None:
    st.subheader("Images that are told apart best")
    worst = core.worst_first(images).head(MOST)
    labels = [
        (f"row {row}", f"KLoM {klom:.1f}") for row, klom in zip(worst["row"], worst["unlearned_klom"], strict=True)
    ]
    st.markdown(
        f"By KLoM, the distance of the two distributions of margins (at most 11.5); retrained models against each "
        f"other read {core.usual(images):.1f} at the 95th percentile here."
    )
    thumbnails.show(
        study.pixels[worst["row"]],
        labels,
        alt="Images told apart best: " + thumbnails.in_words(labels),
        across=8,
    )


@st.cache_resource(max_entries=4)
def _margins(root: str, audit: str) -> dict[str, np.ndarray]:
    store = state.store()
    wanted = store.open("Audit", audit).spec().distribution
    rows = wanted.subject.target(store).forget
    return {kind: margins(store.find(wanted), kind)[:, rows] for kind in ("original", "unlearned", "retrained")}


@st.fragment
def one_image(study, method: str, found, images: pd.DataFrame) -> None:
    """The margin of one image under all models of each kind."""
    st.subheader("One image")
    names = {str(r.row): f"row {r.row}, KLoM {r.unlearned_klom:.1f}" for r in core.worst_first(images).itertuples()}
    row = int(address.choice(st.selectbox, "Image", names, "image", width=260))
    said, place = _margins(str(state.store().root), found.key), list(images["row"]).index(row)
    samples = {role: table[:, place] for role, table in said.items()}
    line = images.iloc[place]
    title = (
        f"Row {row}, class {study.classes[study.labels[row]]}: epsilon "
        f"{numbers.capped(line['unlearned_epsilon'], LARGEST)}, proved {line['unlearned_proved']:.1f}"
    )
    left, right = st.columns([1, 4], vertical_alignment="center")
    with left:
        on = third(line["part"]) if line["part"] else ""
        thumbnails.show(study.pixels[[row]], [(f"row {row}", on)], alt=f"Image of row {row}", across=1)
    with right:
        names = {"original": "original", "unlearned": title_of(study, method), "retrained": "retrained"}
        image_densities.show(title, samples, names)
