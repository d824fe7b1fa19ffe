"""The numbers of the set in hand, each with its place among random sets: of any images, or of the same classes."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import address, chosen_set
from pages.shared.text import hundredths, images
from unlearn_core.entanglement import RANDOM_SETS
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.beside_random import among_same_classes, margin_agrees
from unlearn_core.experiment.set_numbers import SetNumbers
from unlearn_core.words import among_random

AMONG = {"any": "Any random sets", "same": "Of the same classes"}
ONLY_ONE = "Your set is made of whole classes, so no other set of its size has its class mix."


def draw(study: OpenStudy, chosen: np.ndarray, said: SetNumbers, own: SetNumbers) -> None:
    """Mean memorization, mean margin and entanglement of the set `chosen`, in a line each: the number, by how much it
    differs from that of the study's own set, and which random sets it exceeds.
    """
    mine, theirs, words, banked = said.facts, own.facts, study.score_words, study.spec.models
    with st.container(gap="xxsmall"):
        among = address.choice(
            st.segmented_control, "Compared with", AMONG, "among", label_visibility="collapsed", required=True
        )
        places = said.places if among == "any" else among_same_classes(study, chosen)
        if places is None:
            st.caption(ONLY_ONE)

        def line(label: str, shown: str, by: float, name: str, harder: str, about: str) -> None:
            left, right = st.columns([10, 9], vertical_alignment="center", gap="xxsmall")
            changed = "" if chosen_set.is_own(study, chosen) else f" :gray[:small[{_difference(by)}]]"
            if places is not None:
                about += f" {_reference(places.measured_on(name), mine.images, among)}"
                right.caption(among_random(getattr(places, name), harder, "**"))
            left.markdown(f":small[{label}]  \n**{shown}**{changed}", help=about)

        by = mine.memorization - theirs.memorization
        harder, about = "more memorized" if banked else "more unsure", f"Mean score: {words.ends}."
        line(words.name.capitalize(), hundredths(mine.memorization), by, "memorization", harder, about)
        line("Margin", hundredths(said.margin), said.margin - own.margin, "margin", "less sure", _about_margin(study))
        share = mine.entanglement.share_of_random
        by = share - theirs.entanglement.share_of_random
        about = f"{METRICS['entanglement'].help} Here as a share of a random set of the same size, which reads 1."
        # The number is beside any sets in both cases; only its place goes by those of the same classes.
        label = "Entanglement, × random" if among == "any" else "Entanglement, × any random set"
        line(label, f"{share:.2g}", by, "entanglement", "more entangled", about)


def _difference(by: float) -> str:
    return f"{round(by, 2) + 0.0:+.2f}".replace("-", "−")


def _about_margin(study: OpenStudy) -> str:
    """What a margin is, and how far a low one says harder to forget here."""
    agree, unsure = margin_agrees(study), "memorized" if study.spec.models else "unsure"
    known = "" if agree is None else f" (rank correlation over all training images here {hundredths(agree)})"
    return (
        "Mean margin: how sure the study's original models are of the labels of these images, as the logarithm of the "
        f"odds; 0 = even odds. Lower = harder to forget, as far as images with a low margin are the {unsure} ones"
        f"{known}."
    )


def _reference(size: int, wanted: int, among: str) -> str:
    """What the random sets are that a number is measured on."""
    sets = f"Measured on {RANDOM_SETS} random sets of {images(size)}"
    sets += " with its class mix" if among == "same" else ""
    return f"{sets}." if size == wanted else f"{sets}, brought to {wanted:,} by calculation."
