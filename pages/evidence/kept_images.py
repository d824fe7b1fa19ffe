"""Those who stay: did forgetting cost them accuracy, and does it give away who was kept?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.evidence import collateral_damage, offer
from pages.shared import class_gaps, numbers
from pages.shared.comparison_words import title_of
from pages.shared.text import escape
from unlearn_core.evaluation import METRICS

JUDGED = ("retain_accuracy", "test_accuracy", "retain_leakage")  # what is said of all who stay
SHOWS = (
    "Here will be seen what forgetting did to those who stay: the accuracy of each class, the neighbours of the "
    "forgotten images and those hit worst, and whether an attacker can tell who was kept."
)


def draw(study, method: str, top) -> None:
    """`top` is the place for what it comes to."""
    found = offer.obtain(study, method, 1, SHOWS)
    if found is None:
        return
    title, overview, classes = title_of(study, method), found.table(), found.table("classes")
    with top:
        st.markdown(in_words(title, overview, classes))
    class_gaps.draw(classes)
    collateral_damage.neighbours(found.table("neighbours"))
    leakage(title, overview)
    collateral_damage.worst_hit(study, title, found.table("worst_hit"))


def in_words(title: str, overview: pd.DataFrame, classes: pd.DataFrame) -> str:
    """Whether forgetting hurt those who stay, each number beside what a second retrained model reads."""
    said = [
        f"{numbers.spread(line['unlearned'], None)} of the {name} images right, **{line['says']}** (retrained "
        f"{numbers.spread(line['retrained'], None)}, difference {gap(line)}, noise floor "
        f"{numbers.spread(line['floor'], None)})"
        for name, line in (("kept", one(overview, "retain_accuracy")), ("test", one(overview, "test_accuracy")))
    ]
    leak = one(overview, "retain_leakage")
    more = f" {leaks(title, leak)}" if leak["side"] == 1 else ""
    return f"**{escape(title)}** gets {' and '.join(said)}. {class_gaps.in_words(classes, 'retain')}{more}"


def one(overview: pd.DataFrame, metric: str) -> dict:
    """The only line of a metric."""
    return overview[overview["metric"] == metric].iloc[0].to_dict()


def gap(line: dict) -> str:
    return numbers.spread(line["gap"], line["gap_half_width"], signed=True)


# -- who was kept is a secret too --------------------------------------------------------------------------------------


def leakage(title: str, overview: pd.DataFrame) -> None:
    """How well an attacker tells kept images from unseen ones."""
    st.subheader("Are kept images given away?", help=METRICS["retain_leakage"].help)
    line = one(overview, "retain_leakage")
    st.markdown(leaks(title, line))
    if not numbers.known(line["gap"]):
        return
    models = {"Original": "original", title: "unlearned", "Retrained (the target)": "retrained"}
    aucs = [numbers.spread(line[kind], line[f"{kind}_high"] - line[kind]) for kind in models.values()]
    st.dataframe(pd.DataFrame({"Model": list(models), "AUC": aucs}), hide_index=True, width="content")
    st.caption(
        "Confidence attack: how often a kept image looks more like a training image than an unseen test image does; "
        "at 0.5 it finds nothing. 95 % intervals over seeds."
    )


def leaks(title: str, line: dict) -> str:
    """Retain-set leakage in a sentence."""
    if not numbers.known(line["gap"]):
        return "This could not be measured: there are no unseen images to compare with."
    now, target, floor = (numbers.spread(line[name], None) for name in ("unlearned", "retrained", "floor"))
    said = {
        1: "forgetting some **gives away more** of the others",
        -1: "it gives away **less** of them, often because the model knows kept images less well",
        0: "this attack cannot tell the two apart",
    }.get(line["side"], "whether that is more cannot be told")
    return (
        f"Someone who guesses which images were kept reads AUC {now} after {escape(title)} and {target} with retrained "
        f"models: {said} (difference {gap(line)}, noise floor {floor})."
    )
