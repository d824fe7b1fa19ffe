"""Two maps in one frame: where the images lie under the original, and where they went under a method or retraining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from pages.comparing import twin_maps
from pages.comparing.images import buttons
from pages.shared import access, address, cost_words, embedding_map, numbers, progress, recorded, state, theme
from pages.shared import comparison_words as words
from pages.shared.data_words import data
from pages.shared.text import escape, images
from unlearn_core.experiment import shared_map as made

CHART = "compare.maps.chart"  # its key; Streamlit makes a class of it
_link = st.components.v2.component(
    "hover_link", html="<i></i>", js=(Path(__file__).parent / "hover_link.js").read_text(encoding="utf-8")
)

RIGHT = {"unlearned": "The method", "retrained": "The retrained model"}
SHOWN = {
    "forget": "To forget",
    "forgotten": "Forgotten",
    "recognised": "Still recognised",
    "damage": "Collateral damage",
    "all": "All",
}
ABOUT = {
    "forget": "the images to forget",
    "forgotten": "images to forget that the unlearned model now gets wrong",
    "recognised": "images to forget that the unlearned model still gets right",
    "damage": "kept images that the original gets right and the unlearned model wrong",
    "all": "all training images",
}


def draw(study, picked: list[str]) -> None:
    """One of the methods picked."""
    st.subheader("Where the images moved")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = address.choice(st.segmented_control, "Method", words.titles(study, picked), "of", required=True)
        kind = address.choice(st.segmented_control, "Map", embedding_map.KINDS, "plane", "pca", required=True)
    found = made.finished(study, method, kind)
    if found is None:
        progress.live("compare.maps", lambda: _offer(study, method, kind))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = address.choice(st.segmented_control, "Highlight", SHOWN, "highlight", required=True)
        right = address.choice(st.segmented_control, "On the right", RIGHT, "right", required=True)
    st.markdown(in_words(study, found))
    rows, beyond = found.shown[shown], found.beyond(right)
    if not len(rows):
        st.info(f"There are none here: {ABOUT[shown]}. All points are grey.")
    title = (
        f"{images(len(rows))} highlighted, {int(beyond[rows].sum()):,} moved further than retraining moves kept ones"
    )
    name = words.title_of(study, method) if right == "unlearned" else "Retrained"
    about = data(study, "forget", "retain", over=f"places of the first of {study.spec.seeds} seeds")
    fig, left_out = twin_maps.draw(title, found, rows, right, name, about)
    alt = f"{title}. {about}. {in_words(study, found).replace('*', '')}"
    drawn = theme.show(fig, alt=alt, key=CHART, on_select="rerun", selection_mode=("lasso", "box"))
    _link(key="compare.maps.link", data={"chart": f"st-key-{CHART.replace('.', '-')}"}, height=1)
    buttons(study, selected(drawn, len(study.labels)))
    st.caption(caption(found, shown, left_out))


def selected(drawn, n: int) -> np.ndarray:
    """The rows that a line on either map surrounds, sorted; arrows among them are no images."""
    told = [point.get("customdata") for point in drawn.selection.points]
    rows = [each[0] if isinstance(each, list) and each else each for each in told]
    return np.array(sorted({row for row in rows if type(row) is int and 0 <= row < n}), np.int64)


def _offer(study, method: str, kind: str) -> None:
    """The button that has the map made, or how far it is."""
    asked = made.asked(study, method, kind)
    if progress.under_way(asked):
        return
    said, foreseen = cost_words.again(state.store(), study, asked)
    st.markdown(
        f"This lays {escape(words.title_of(study, method))}, its original and two retrained models over each other, "
        f"for each of {study.spec.seeds} seeds. {said}"
    )
    if recorded.start("Make this map", type="primary", icon=":material/map:"):
        access.submit(state.store(), asked, foreseen)
        st.rerun()


def in_words(study, found: made.Moved) -> str:
    """How far forgotten and kept images moved, as multiples of what retraining moves the kept ones by."""
    own = {group: times(found.times_kept("unlearned", group)) for group in ("forget", "retain")}
    return (
        f"**{escape(words.title_of(study, found.method))}**: median movement of the images to forget "
        f"**{own['forget']}** (by retraining: {times(found.times_kept('retrained', 'forget'))}); median movement of "
        f"the kept images **{own['retain']}** (by retraining: 1). At 1 an image moved as far as retraining moves a "
        "kept one."
    )


def times(found) -> str:
    """A multiple with its interval: 1.3 ± 0.2."""
    if not numbers.known(found.mean):
        return "not measurable"
    half = f" ± {found.half_width:.1f}" if numbers.known(found.half_width) else ""
    return f"{found.mean:.1f}{half}"


def caption(found: made.Moved, shown: str, left_out: str) -> str:
    """How the maps are read, and what of them is computed how."""
    study = found.study
    share = {of: " and ".join(f"{found.share_beyond(of, on):.0%}" for on in ("forget", "retain")) for of in RIGHT}
    return (
        f"Highlighted: {ABOUT[shown]}. {left_out}The image under the pointer has a ring around it on the other "
        "map. How far features move and what a model answers are two things: it can answer as a retrained one does "
        "while its features lie elsewhere. Draw around images with the chart's lasso to choose them. The map is "
        "made once, from the original's features; those of the "
        "other models are turned and shifted to lie on it best on the kept images, which changes no distance between "
        f"them. Arrows: images that moved further, in the full space, than retraining moves {made.BEYOND:.0%} of the "
        f"kept ones. So did, of the forgotten and of the kept images, {share['unlearned']} under "
        f"{escape(words.title_of(study, found.method))} and {share['retrained']} under retraining. Original, unlearned "
        "and retrained model have the same first weights; two retrained models with different ones lie "
        f"{times(found.times_kept('floor', 'retain'))} times as far apart on kept images, so they are no measure here. "
        f"Places and arrows are those of the first seed, the multiples are over {study.spec.seeds} seeds."
    )
