"""Two maps in one frame: where the images lie under the original, and where they went under a method or retraining."""

from __future__ import annotations

import streamlit as st

from pages.comparing import picks, twin_maps
from pages.comparing.images import buttons
from pages.shared import access, address, cost_words, embedding_map, numbers, progress, recorded, state
from pages.shared import comparison_words as words
from pages.shared.data_words import data
from pages.shared.text import escape, images
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment import shared_map as made

# From this share of the kept images on nearly everything moved, and an arrow tells no image from another.
NEARLY_ALL = 0.9
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
# Why the clumps of Explore's map lie elsewhere: how each of the two is made.
EXPLORES = {
    kind: "Explore's map shows the original alone, with its test images; this one is fitted on the original's training "
    f"images, and the other models are carried onto it, so {what}."
    for kind, what in (("umap", "its clumps lie elsewhere"), ("pca", "places differ a little"))
}


def draw(study, picked: list[str]) -> None:
    """One method of the study: chosen here, in one line with all else that is, so that the maps are near."""
    titles = words.titles(study, core.ranked(study, "group_tow").index)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = address.choice(
            st.selectbox, "Method", titles, "of", default=picks.first(study), follows=True, width=190
        )
        kind = address.choice(st.segmented_control, "Map", embedding_map.KINDS, "plane", "pca", required=True)
        found = made.finished(study, method, kind)
        if found is not None:
            shown = address.choice(st.selectbox, "Highlight", SHOWN, "highlight", width=190)
            right = address.choice(st.segmented_control, "On the right", RIGHT, "right", required=True)
    if found is None:
        progress.live("compare.maps", lambda: _offer(study, method, kind))
        return
    rows, beyond, said = found.shown[shown], found.beyond(right), in_words(study, found)
    if not len(rows):
        st.info(f"There are none here: {ABOUT[shown]}. All points are grey.")
    title = (
        f"{images(len(rows))} highlighted, {int(beyond[rows].sum()):,} moved further than retraining moves kept ones"
    )
    name = words.title_of(study, method) if right == "unlearned" else "Retrained"
    about = data(study, "forget", "retain", over=f"places of the first of {study.spec.seeds} seeds")
    label = f"{title}. {about}. {said.replace('*', '').replace(chr(92), '')}"
    text = {"title": title, "about": about, "label": label, "name": name}
    chosen, nothing, left_out = twin_maps.draw(found, kind, rows, right, text)
    if nothing:
        st.warning(escape(nothing))
    buttons(study, chosen)
    st.markdown(said)
    st.caption(f"Highlighted: {ABOUT[shown]}. {left_out}{EXPLORES[kind]}", help=caption(found))


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
    """How far forgotten and kept images moved, as multiples of what retraining moves the kept ones by, and whether so
    many did that arrows tell little.
    """
    own = {group: times(found.times_kept("unlearned", group)) for group in ("forget", "retain")}
    name, moved = escape(words.title_of(study, found.method)), found.share_beyond("unlearned", "retain")
    all_moved = (
        f" Under {name} {moved:.0%} of the kept images moved beyond the limit for arrows too: nearly everything moved, "
        "so its arrows tell little, and what it answers can still be as after retraining."
    ) * (moved > NEARLY_ALL)
    return (
        f"**{name}**: median movement of the images to forget "
        f"**{own['forget']}** (by retraining: {times(found.times_kept('retrained', 'forget'))}); median movement of "
        f"the kept images **{own['retain']}** (by retraining: 1). At 1 an image moved as far as retraining moves a "
        "kept one; two retrained models with other first weights lie "
        f"{times(found.times_kept('floor', 'retain'))} apart.{all_moved}"
    )


def times(found) -> str:
    """A multiple with its interval: 1.3 ± 0.2."""
    if not numbers.known(found.mean):
        return "not measurable"
    half = f" ± {found.half_width:.1f}" if numbers.known(found.half_width) else ""
    return f"{found.mean:.1f}{half}"


def caption(found: made.Moved) -> str:
    """How the maps are read, and what of them is computed how."""
    study = found.study
    share = {of: " and ".join(f"{found.share_beyond(of, on):.0%}" for on in ("forget", "retain")) for of in RIGHT}
    return (
        "The image under the pointer has a ring around it on both maps. How far features move and what a model answers "
        "are two things: it can answer as a retrained one does while its features lie elsewhere. The features of the "
        "other models are turned and shifted to lie on the original's best on the kept images, which changes no "
        "distance between them. Arrows: images that moved further, in the full space, than retraining moves "
        f"{made.BEYOND:.0%} of the kept ones. So did, of the forgotten and of the kept images, {share['unlearned']} "
        f"under {escape(words.title_of(study, found.method))} and {share['retrained']} under retraining. Original, "
        "unlearned and retrained model have the same first weights; two retrained models with different ones lie "
        f"{times(found.times_kept('floor', 'retain'))} times as far apart on kept images, so they are no measure here. "
        f"Places and arrows are those of the first seed, the multiples are over {study.spec.seeds} seeds."
    )
