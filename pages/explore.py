"""Choose what to forget: the map of all images, how memorized they are, and the forget set in hand."""

import numpy as np
import streamlit as st

from pages.shared import (
    chosen_set,
    embedding_chart,
    forget_builder,
    frame,
    memorization_chart,
    proxy_table,
    stability_chart,
    state,
    theme,
    thumbnails,
)
from pages.shared.text import escape, images
from unlearn_core.entanglement import RANDOM_SETS
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.views import SetFacts
from unlearn_core.rum import Plan

SHOWN = 8  # thumbnails of a part
SAID = {"all": "mean of all training images", "midpoint": "midpoint of the two sets"}
CENTERS = {
    "all": "Mean of all training images (the paper's text)",
    "midpoint": "Midpoint of the two sets (the released code)",
}


def draw() -> None:
    st.title("Explore")
    study = state.study()
    if study is None:
        frame.empty_state("The map of the images")
        return
    chosen = chosen_set.rows(study)
    sentence, left_right = st.container(), st.columns([9, 6], gap="medium")
    with left_right[0]:
        picked = _map(study, chosen)
    with left_right[1]:
        if len(picked):
            with st.container(border=True):
                forget_builder.offer(study, chosen, picked, "Selected on the map:", "map")
        center = _panel(study, chosen)
    with sentence:
        _sentence(study, chosen, study.about(chosen, center))
    with st.container(border=True):
        st.subheader("Change the set")
        forget_builder.draw(study, chosen)
    _memorization(study, chosen)


def _sentence(study: OpenStudy, chosen: np.ndarray, facts: SetFacts) -> None:
    whose = "The study's own forget set" if chosen_set.is_own(study, chosen) else "Your forget set"
    es = facts.entanglement
    st.markdown(
        f"{whose} of {images(facts.images)} is **{es.share_of_random:.2g} times as entangled** with the images you "
        f"keep as a random set of the same size (entanglement score {es.score:.0f}, measured from the "
        f"{SAID[es.center]}); the more entangled, the harder to forget without harm to the rest."
    )


def _panel(study: OpenStudy, chosen: np.ndarray) -> str:
    """Your forget set in numbers, beside the study's own. Returns where entanglement is measured from."""
    st.subheader(f"Your set: {images(len(chosen))}")
    # The share of the random reference is the same from either centre; only the score itself changes.
    facts, own = study.about(chosen), study.about(study.forget)
    same = chosen_set.is_own(study, chosen)

    def metric(label: str, value: float, other: float, help: str) -> None:
        delta = None if same else f"{value - other:+.2f}"
        st.metric(label, f"{value:.2g}", delta, delta_color="off", help=help)

    left, right = st.columns([2, 3])
    with left:
        about = f"Mean score: {study.score_words.ends}."
        metric(study.score_words.name.capitalize(), facts.memorization, own.memorization, about)
    with right:
        share, other = facts.entanglement.share_of_random, own.entanglement.share_of_random
        about = f"{METRICS['entanglement'].help} Here as a share of a random set of the same size, which reads 1."
        metric("Entanglement, × random", share, other, about)
    if not same:
        shared = len(np.intersect1d(chosen, study.forget))
        st.caption(f"Grey: difference to the study's own set of {images(own.images)}; {shared:,} images are in both.")
    _classes(study, facts)
    if facts.lost:
        names = ", ".join(escape(name) for name in facts.lost[:5])
        st.warning(f"Most of class {names} is in the set: a model retrained without it hardly knows the class.")
    with st.container(horizontal=True):
        st.button(
            "Undo", icon=":material/undo:", disabled=not chosen_set.can_undo(study), on_click=_undo, args=(study,)
        )
        if st.button("Plan with this set", type="primary", icon=":material/account_tree:"):
            st.switch_page("pages/plan.py", query_params=st.query_params.to_dict())
    with st.expander("About the entanglement score"):
        center = st.radio(
            "Distances are measured from", list(CENTERS), format_func=CENTERS.get, key="center", bind="query-params"
        )
        lower = study.about(chosen, center).entanglement.percentile
        st.caption(
            f"Of {RANDOM_SETS} random sets of {facts.images:,} images, {lower:.0%} have a lower score. The score grows "
            "with the size of the set, so sets of different sizes are compared by their share of a random set, which "
            "is the same from either centre."
        )
        forget_builder.download(study, chosen)
    return center


def _undo(study: OpenStudy) -> None:
    chosen_set.undo(study)


def _classes(study: OpenStudy, facts: SetFacts) -> None:
    counts, names = facts.per_class, [embedding_chart.safe(name) for name in study.classes]
    shown = np.argsort(-counts, kind="stable")[:10] if len(counts) > 12 else np.arange(len(counts))
    title = f"{counts.min():,} to {counts.max():,} images of each class"
    fig = theme.figure(title, "", "", height=52 + 17 * len(shown))
    colour, _ = theme.ROLES["forget"]
    fig.add_bar(
        x=counts[shown], y=[names[i] for i in shown], orientation="h", marker_color=colour,
        text=counts[shown], textposition="outside", cliponaxis=False, hoverinfo="skip",
    )  # fmt: skip
    fig.update_xaxes(visible=False)
    fig.update_yaxes(autorange="reversed", type="category", showgrid=False, title=None)
    fig.update_layout(margin={"l": 8, "r": 28, "t": 40, "b": 4}, bargap=0.25)
    theme.show(
        fig, alt="How many images of each class are in the set: " + ", ".join(f"{names[i]} {counts[i]}" for i in shown)
    )


def _map(study: OpenStudy, chosen: np.ndarray) -> np.ndarray:
    """The map; returns the rows selected on it."""
    with st.container(horizontal=True):
        kind = st.segmented_control(
            "Map", list(embedding_chart.KINDS), format_func=embedding_chart.KINDS.get, default="umap", required=True,
            key="map", bind="query-params",
            help="UMAP shows neighbourhoods; distances between far groups mean little. PCA shows the two directions of "
            "largest spread.",
        )  # fmt: skip
        colours = embedding_chart.COLOURS | {"memorization": study.score_words.name.capitalize()}
        colour = st.segmented_control(
            "Colour by", list(colours), format_func=colours.get, default="role", required=True, key="colour",
            bind="query-params",
        )  # fmt: skip
    fig = embedding_chart.figure(study, chosen, kind, colour)
    few = len(study.labels) + len(study.data.test.y) <= embedding_chart.POINTS
    alt = (
        f"Map of {len(study.labels):,} training images, of which {len(chosen):,} are to be forgotten, and "
        f"{len(study.data.test.y):,} held-out test images. {fig.layout.title.text}."
    )
    if not few:
        theme.show(fig, alt=alt)
        return np.zeros(0, np.int64)
    event = theme.show(fig, alt=alt, key="selection", on_select="rerun", selection_mode=("box", "lasso"))
    st.caption("Draw around points to select images; double-click the map to clear the selection.")
    return embedding_chart.selected(event)


def _memorization(study: OpenStudy, chosen: np.ndarray) -> None:
    st.subheader("How strongly the images are memorized")
    memorized, parts = study.memorization, study.refine(Plan(), chosen)
    known = fits = ""
    if study.spec.models:
        error, widest = study.about(chosen).memorization_error, memorized.standard_error.max()
        known = (
            f" With the {study.summary['bank_models']} models of this study's bank a score in your set is known to "
            f"about ±{error:.2f} (standard error; at most ±{widest:.2f})."
        )
        fits = f"The models of the bank get {memorized.fitted:.1%} of the images they trained on right. "
    st.markdown(study.score_words.about + known)
    if memorized.warning:
        st.warning(memorized.warning)
    fig = memorization_chart.of_all(study, chosen, parts)
    theme.show(fig, alt=f"Histogram of {study.score_words.name} scores. {fig.layout.title.text}.")
    st.caption(f"{fits}Low, medium and high are thirds of your set by this score, with dashed lines between them.")
    if study.stability is not None:
        with st.expander("How stable the scores are", icon=":material/balance:"):
            stability_chart.show(study)
    for column, (name, rows) in zip(st.columns(3), parts.items(), strict=True):
        with column:
            _part(study, name, rows)
    with st.expander("Cheaper scores", icon=":material/savings:"):
        proxy_table.draw(study)


def _part(study: OpenStudy, name: str, rows: np.ndarray) -> None:
    st.markdown(f"**{name.capitalize()}: {images(len(rows))}**")
    if not len(rows):
        st.caption("No image: the set is too small for three parts.")
        return
    thumbnails.of_rows(study, rows, SHOWN)


frame.page(draw)
