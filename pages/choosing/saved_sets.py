"""Forget sets with a name: save the one in hand, lay it beside others, take one of those in hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import access, address, forget_builder
from pages.shared.text import ago, escape, images
from unlearn_core import trash
from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy, forget_sets
from unlearn_core.experiment.forget_sets import LONGEST, Named
from unlearn_core.params import BadValue

TAKEN = "sets.taken"  # in the session: the set whose name was taken away last, for undo
NEW = "sets.new"


def draw(study: OpenStudy, chosen: np.ndarray) -> None:
    """Save the set in hand under a name; then all named sets beside it, and what can be done with one of them."""
    named = forget_sets.listed(study)
    _save(study, chosen, named)
    _undo(study)
    if not named:
        st.caption("No set has a name yet. A saved set is found by everyone who works with this store.")
        return
    _table(study, chosen, named)
    labels = {one.key: f"{one.name}, {images(one.images)} #{one.key[:4]}" for one in named}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = address.choice(st.selectbox, "Saved set", labels, "with", width=420)
        access.button(
            "Remove the name", "admin", icon=":material/label_off:", on_click=_take, args=(study, picked),
            help="It leaves this list. Links to the set stay good, and Undo brings the name back.",
        )  # fmt: skip
    one = next(one for one in named if one.key == picked)
    forget_builder.offer(study, chosen, one.rows, f"**{escape(one.name)}** holds", "saved")


def _save(study: OpenStudy, chosen: np.ndarray, named: list[Named]) -> None:
    own = forget_sets.key_of(study, chosen)
    name = next((one.name for one in named if one.key == own), "")
    if name:
        st.markdown(f"Your set of {images(len(chosen))} is saved as **{escape(name)}** #{own[:4]}.")
    else:
        st.markdown(f"Your set of {images(len(chosen))} #{own[:4]} has no name yet.")
    with st.form("sets.save", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Name", key=NEW, max_chars=LONGEST, width=420, placeholder="for example: blurred eights",
            help="Names are kept in the store, beside its results.",
        )  # fmt: skip
        what, role = ("Rename", "admin") if name else ("Save as", "runner")
        pressed = access.button(what, role, widget=st.form_submit_button, icon=":material/save:")
    if pressed:
        try:
            access.need(role)
            forget_sets.give_name(study, chosen, st.session_state[NEW])
        except BadValue as error:
            st.error(escape(str(error)))
            return
        st.session_state.pop(TAKEN, None)
        st.rerun()


def _table(study: OpenStudy, chosen: np.ndarray, named: list[Named]) -> None:
    """All of them beside the set in hand."""
    table = forget_sets.beside(study, chosen, named)
    shown = pd.DataFrame(
        {
            "set": ["Your set", *table["name"][1:]],
            "images": table["images"],
            "in your set": table["shared"],
            study.score_words.name: table["memorization"],
            "entanglement, × random": table["share_of_random"],
            "hash": [forget_sets.key_of(study, chosen)[:8], *(key[:8] for key in table["key"][1:])],
            "named": ["", *(ago(since) for since in table["since"][1:])],
        }
    )
    number = st.column_config.NumberColumn(format="%.2f")
    columns = {study.score_words.name: number, "entanglement, × random": number}
    st.dataframe(shown, hide_index=True, column_config=columns, height=38 + 35 * min(len(shown), 8))
    st.caption(
        f"{study.score_words.name.capitalize()}: mean score of the set's images. Entanglement: as a share of random "
        "sets of the same size, which read 1."
    )


def _take(study: OpenStudy, kept: str) -> None:
    try:
        access.need("admin")
        st.session_state[TAKEN] = (study.key, kept, forget_sets.take_name(study, kept, by=access.who()))
    except (BadValue, StoreError) as error:
        st.warning(escape(str(error)))


def _undo(study: OpenStudy) -> None:
    """Offer the name back that was taken away last."""
    of, kept, name = st.session_state.get(TAKEN, ("", "", ""))
    if of == study.key and name:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{escape(name)}** #{kept[:4]} has no name any more.", width="content")
            access.button("Undo the removal", icon=":material/undo:", on_click=_give_back, args=(study, kept, name))


def _give_back(study: OpenStudy, kept: str, name: str) -> None:
    try:
        access.need("runner")
        entry = next((each for each in trash.entries(study.store) if each.note.get("set") == kept), None)
        if entry is None or not forget_sets.give_back(study.store, entry):
            forget_sets.give_name(study, forget_sets.rows_of(study, kept), name)
        st.session_state.pop(TAKEN, None)
    except (BadValue, StoreError) as error:
        st.warning(escape(str(error)))
