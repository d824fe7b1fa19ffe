"""Choose what to forget: the map of all images, how memorized they are, and the forget set in hand."""

import numpy as np
import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.choosing import near_images, panel, recommended_sets, saved_sets, set_images
from pages.shared import (
    chosen_set,
    embedding_map,
    forget_builder,
    frame,
    plan_cuts,
    proxy_table,
    stability_chart,
    state,
    thumbnails,
)
from pages.shared.folds import fold
from pages.shared.plain_errors import with_plain_errors
from pages.shared.text import escape, hundredths, images
from unlearn_core import projection
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import SetNumbers, describe, quick_facts
from unlearn_core.rum import Plan
from unlearn_core.words import among_random, hardness

SHOWN = 8  # thumbnails of a part
ROW = {"horizontal": True, "vertical_alignment": "center", "gap": "small"}
SAID = {"all": "mean of all training images", "midpoint": "midpoint of the two sets"}


def draw() -> None:
    study = state.study()
    if study is None:
        st.title("Explore")
        frame.empty_state("The map of the images")
        return
    _choose(study)
    embedding_map.cards(study)
    embedding_map.pictures(study)
    # Only now, because a line on the map may just have changed it.
    chosen = chosen_set.rows(study)
    embedding_map.rest(study, chosen_set.version(study))
    if not chosen_set.in_address(study, chosen):
        st.caption(
            "A link to this page does not bring your set back: its row numbers are too many for an address, and it is "
            "not kept in the store. It stays in hand for this visit."
        )
    set_images.draw(study)
    st.subheader("Change the set", anchor=recommended_sets.CHANGE)
    # What a widget holds goes up with each line on the map, so those of this part wait until somebody wants them.
    asked = st.session_state.setdefault("change.asked", not st.query_params.keys().isdisjoint({"change", "rule"}))
    with fold("change", "A rule, row numbers, a file or a saved set", ":material/edit:", expanded=asked) as change:
        if change.open:
            _change(study, chosen)
    _memorization(study, chosen)


def _change(study: OpenStudy, chosen: np.ndarray) -> None:
    tabs = {"By a rule": forget_builder, "Saved sets": saved_sets}
    shown = st.tabs(list(tabs), key="change", bind="query-params", on_change="rerun")
    for tab, part in zip(shown, tabs.values(), strict=True):
        if tab.open:
            with tab:
                part.draw(study, chosen)


@st.fragment(key="choose")
def _choose(study: OpenStudy) -> None:
    """The map and the set in numbers, drawn again after each line on the map; the rest follows when hands rest."""
    with_plain_errors(lambda: _map_and_panel(study))


def _map_and_panel(study: OpenStudy) -> None:
    head, sentence, left_right = st.container(**ROW), st.container(), st.columns([2, 1], gap="medium")
    with head:
        st.title("Explore", width="content")
        worth = st.container(**ROW | {"gap": "xsmall"})
        near_images.find(study)
        kind = st.segmented_control(
            "Map", list(embedding_map.KINDS), format_func=embedding_map.KINDS.get, default="umap", required=True,
            key="map", bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
    with left_right[0]:
        said = _map(study, kind)
        chosen = chosen_set.rows(study, settled=False)
        embedding_map.news(study, chosen)
        center = panel.score(study, chosen)
    with worth:
        recommended_sets.draw(study, chosen)
    with left_right[1]:
        if said:  # beside the hand: what stands below the map may lie below the screen
            st.warning(escape(said))
        near = panel.draw(study, chosen)
    with sentence:
        _sentence(study, chosen, describe(study, chosen, center))
    with near:
        near_images.beside_map(study, chosen)


def _sentence(study: OpenStudy, chosen: np.ndarray, said: SetNumbers) -> None:
    """Why this set is hard to forget: the two reasons that the paper found, and which of them holds here."""
    whose = "The study's own forget set" if chosen_set.is_own(study, chosen) else "Your forget set"
    facts, es = said.facts, said.facts.entanglement
    if said.few_kept:
        left, of_all = images(said.kept), f"{said.kept + facts.images:,}"
        verdict = f"**Only {left} of {of_all} would be kept**: what can be learned from so few decides more than that."
    else:
        verdict = hardness(said.stands_out, said.apart, study.score_words.name)
    mean = hundredths(facts.memorization)
    st.markdown(
        f"{whose} of {images(facts.images)}: mean {study.score_words.name} **{mean}**, "
        f"{among_random(said.places.memorization, 'higher')}, and **{es.share_of_random:.2g} times as entangled** as "
        f"these. {verdict}",
        help=f"Random sets of its size. Entanglement with the images you keep: score {es.score:.0f}, measured from the "
        f"{SAID[es.center]}.",
    )


def _map(study: OpenStudy, kind: str) -> str:
    """The map; returns a sentence where a line drawn on it came to nothing."""
    said = embedding_map.draw(study, kind)
    everything = len(study.labels) + len(study.data.test.y)
    few = len(projection.fitted_rows(everything))
    if kind == "umap" and few < everything:
        st.caption(f"Fitted on {few:,} of {everything:,} images, drawn evenly; the others were placed on that map.")
    st.caption(
        "Draw around points and they become your set; with Shift they are added, with Alt taken out. Click a point to "
        "see its neighbours. The wheel zooms, space moves.",
        help="Where few points are left you see their images. With keys, arrows move the map under a cross and Enter "
        "sets corners there. Escape gives your set up for the study's own; Ctrl+Z and Ctrl+Y undo and redo. UMAP shows "
        "neighbourhoods; distances between far groups mean little. PCA shows the two directions of largest spread.",
    )
    return said


def _memorization(study: OpenStudy, chosen: np.ndarray) -> None:
    st.subheader("How strongly the images are memorized")
    memorized, parts = study.memorization, study.refine(Plan(), chosen)
    known = fits = ""
    if study.spec.models:
        error, widest = quick_facts(study, chosen).memorization_error, memorized.standard_error.max()
        known = (
            f" With the {study.summary['bank_models']} models of this study's bank a score in your set is known to "
            f"about ±{error:.2f} (standard error; at most ±{widest:.2f})."
        )
        fits = f"The models of the bank get {memorized.fitted:.1%} of the images they trained on right. "
    st.markdown(study.score_words.about + known)
    if memorized.warning:
        st.warning(memorized.warning)
    st.caption(
        f"{fits}Low, medium and high are thirds of your set by this score, with dashed lines between them above."
    )
    for tie in Plan().ties(chosen, memorized.scores[chosen], parts):
        st.caption(plan_cuts.tied(tie))
    if study.stability is not None:
        with fold("stability", "How stable the scores are", ":material/balance:") as stability:
            if stability.open:
                stability_chart.show(study)
    for column, (name, rows) in zip(st.columns(3), parts.items(), strict=True):
        with column:
            _part(study, name, rows)
    with fold("proxies", "Cheaper scores", ":material/savings:") as proxies:
        if proxies.open:
            proxy_table.draw(study)


def _part(study: OpenStudy, name: str, rows: np.ndarray) -> None:
    st.markdown(f"**{name.capitalize()}: {images(len(rows))}**")
    if not len(rows):
        st.caption("No image: the set is too small for three parts.")
        return
    thumbnails.of_rows(study, rows, SHOWN)


frame.page(draw)
