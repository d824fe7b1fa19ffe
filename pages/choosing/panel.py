"""Your forget set in numbers, while it is being chosen, each beside random sets of the same size."""

from __future__ import annotations

from html import escape as safe  # class names come from data, and Plotly reads a little HTML

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.choosing import beside_random, brush
from pages.shared import address, chosen_set, forget_builder, state, theme
from pages.shared.folds import fold
from pages.shared.text import cut, escape, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.set_numbers import describe
from unlearn_core.experiment.views import SetFacts
from unlearn_core.words import among_random

NAMED = 5  # classes that are named
SHOWN = 10  # classes that have a bar, where there are many
LONGEST = 14  # characters of a class beside its bar; all of it is in the words for those who cannot see it
CENTERS = {
    "all": "Mean of all training images (perhaps the paper's text)",
    "midpoint": "Midpoint of the two sets (the released code)",
}


def draw(study: OpenStudy, chosen: np.ndarray):  # noqa: ANN201 - Streamlit does not name the type
    """The set in numbers, beside the study's own and random ones. Returns a place above the numbers, in view of a hand
    on the map.
    """
    st.subheader(f"Your set: {images(len(chosen))}")
    with st.container(horizontal=True, gap="xsmall"):
        if st.button("Plan with this set", type="primary", icon=":material/account_tree:"):
            state.go("pages/plan.py")
        for step, can in ((chosen_set.undo, chosen_set.can_undo), (chosen_set.redo, chosen_set.can_redo)):
            st.button(
                step.__name__.capitalize(), type="tertiary", icon=f":material/{step.__name__}:",
                disabled=not can(study), on_click=step, args=(study,),
            )  # fmt: skip
    above = st.container()
    # The share of the random reference is the same from either centre; only the score itself changes.
    said, own = describe(study, chosen), describe(study, study.forget)
    facts, same = said.facts, chosen_set.is_own(study, chosen)
    beside_random.draw(study, chosen, said, own)
    if not same:
        shared = len(np.intersect1d(chosen, study.forget))
        st.caption(
            f"Grey: difference to the study's own set of {images(own.facts.images)}; {images(shared)} "
            f"{'is' if shared == 1 else 'are'} in both."
        )
    for warning in lost(facts.lost, facts.gone, len(study.classes)):
        st.warning(warning)
    brush.draw(study, chosen)
    _classes(study, facts)
    return above


def lost(names: tuple[str, ...], gone: tuple[str, ...], classes: int) -> list[str]:
    """A sentence on the classes of which all images are in the set, and one on those of which most are: to forget a
    class and to forget images of it are different things.
    """
    most, said = tuple(name for name in names if name not in gone), []
    if gone:
        them, are = ("the class", "is") if len(gone) == 1 else ("them", "are")
        said.append(
            f"**All of {_named(gone)}** {are} in your set: a retrained model never saw {them}, and a model that forgot "
            f"should not know {them} either."
        )
    if len(most) == classes > 1:
        said.append(f"**Most of each of the {classes:,} classes** is in your set: a retrained model hardly knows any.")
    elif most:
        them = ("the class", "it", "is") if len(most) == 1 else ("them", "them", "are")
        said.append(
            f"**Most of {_named(most)}** {them[2]} in your set: a retrained model hardly knows {them[0]}, so expect "
            f"errors on the images of {them[1]} that you keep."
        )
    return said


def _named(names: tuple[str, ...]) -> str:
    listed = ", ".join(escape(name) for name in names[:NAMED])
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{'class' if len(names) == 1 else 'classes'} {listed}{more}"


def score(study: OpenStudy, chosen: np.ndarray) -> str:
    """About the entanglement of the set, folded away. Returns where it is measured from."""
    with fold("score", "About the entanglement score") as about:
        if not about.open:
            named = st.query_params.get("center", st.session_state.get("address.center"))
            return named if named in CENTERS else next(iter(CENTERS))
        center = address.choice(st.radio, "Distances are measured from", CENTERS, "center")
        said = describe(study, chosen, center)
        st.caption(
            f"Its score is {among_random(said.places.entanglement, 'higher')} of {images(len(chosen))}. The score "
            "grows with the size of the set, so sets of different sizes are compared by their share of a random set, "
            "the same from either centre."
        )
        forget_builder.download(study, chosen)
    return center


def _classes(study: OpenStudy, facts: SetFacts) -> None:
    fig, said = _classes_chart(study, facts.per_class.tobytes(), facts.of_class.tobytes(), facts.shares.tobytes())
    theme.show(fig, alt=f"Images of each class in the set, of all its training images: {said}", still=True)


@theme.kept
def _classes_chart(study: OpenStudy, per_class: bytes, of_class: bytes, shares: bytes) -> tuple[go.Figure, str]:
    """The chart and what it shows in words."""
    counts, there = (np.frombuffer(column, np.int64) for column in (per_class, of_class))
    share, names = np.frombuffer(shares), [safe(name) for name in study.classes]
    order = np.argsort(-share, kind="stable")
    shown, most = order[:SHOWN] if len(counts) > SHOWN + 2 else np.arange(len(counts)), order[0]
    said = [f"{counts[i]:,} / {there[i]:,}" for i in range(len(counts))]
    only = f", {len(shown)} of {len(counts):,} classes" if len(shown) < len(counts) else ""
    alike = np.flatnonzero(share == share[most])
    who = f"Class {safe(cut(study.classes[most], LONGEST))} loses" if len(alike) == 1 else f"{len(alike)} classes lose"
    title = f"{who} most: {share[most]:.0%}<br><sub>in your set / all of the class{only}</sub>"
    fig = theme.figure(title, "", "", height=52 + 17 * len(shown))
    colour, _ = theme.ROLES["forget"]
    places, ends = list(range(len(shown))), [safe(cut(study.classes[i], LONGEST)) for i in shown]
    fig.add_bar(
        x=share[shown], y=places, orientation="h", marker_color=colour,
        text=[said[i] for i in shown], textposition="outside", cliponaxis=False, hoverinfo="skip",
    )  # fmt: skip
    # Room right of the longest bar for what stands there, in the bar's own units.
    fig.update_xaxes(visible=False, range=[0, max(share[most], 1e-9) * 1.45])
    fig.update_yaxes(autorange="reversed", tickvals=places, ticktext=ends, showgrid=False, title=None, automargin=True)
    fig.update_layout(margin={"l": theme.room_for(ends) - 28, "r": 8, "t": 64, "b": 4}, bargap=0.25)
    return fig, ", ".join(f"{names[i]} {counts[i]:,} of {there[i]:,}" for i in shown)
