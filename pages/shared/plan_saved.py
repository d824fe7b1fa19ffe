"""Plans that are kept: under their names in the store, and as files."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared import access, address, folds, plan_editor, plan_file, plan_glyph, plan_words, state
from pages.shared.text import escape
from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.saved_plans import remove, save, saved
from unlearn_core.params import BadValue
from unlearn_core.rum import Plan

PER_PAGE = 8
SAID = "plan.saved.said"


def draw(study: OpenStudy, plan: Plan) -> None:
    """The section of the Plan page; `plan` is the one on screen."""
    kept = saved(state.store())
    label = f"Saved plans ({len(kept)}), and this plan as a file" if kept else "Save this plan, or load one"
    if SAID in st.session_state:
        st.session_state[folds.key("saved")] = True
    with folds.fold("saved", label, ":material/bookmark:") as box:
        if not box.open:
            return
        _save(plan, kept)
        page = address.page(-(-len(kept) // PER_PAGE), "plans-page")
        for i, each in enumerate(kept[(page - 1) * PER_PAGE : page * PER_PAGE]):
            _line(study, plan, each, i)
        st.divider()
        _file(study, plan)


def _save(plan: Plan, kept: list[Plan]) -> None:
    before = next((each for each in kept if each.name.casefold() == plan.name.casefold()), None)
    word = "Save" if before is None else "Saved" if before == plan else "Replace the saved plan of this name"
    with st.container(horizontal=True, vertical_alignment="center"):
        role = "runner" if before is None else "admin"
        if access.button(word, role, icon=":material/bookmark_add:", key="plan.save", disabled=before == plan):
            _tell(lambda: _kept(plan, role))
        st.markdown(f"{plan_glyph.glyph(plan)} **{escape(plan.name)}**: {plan_glyph.steps(plan)}")
    if said := st.session_state.pop(SAID, ""):
        st.caption(escape(said))


def _kept(plan: Plan, role: str) -> str:
    """Save it; whoever saved another plan of this name meanwhile is not replaced in silence."""
    access.need(role)
    another = save(state.store(), plan, replace=access.may("admin"), by=access.who())
    before = " Another plan of this name is in the trash, where you can undo it: Runs." if another else ""
    return f"{plan.name} is saved in this store.{before}"


def _removed(name: str) -> str:
    access.need("admin")
    remove(state.store(), name, by=access.who())
    return f"{name} is in the trash, where you can undo it: Runs. What it ran stays."


def _line(study: OpenStudy, plan: Plan, each: Plan, i: int) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"plan.saved.{i}"):
        st.markdown(f"{plan_glyph.glyph(each)} **{escape(each.name)}**  \n{plan_glyph.steps(each)}")
        if st.button("Load", key=f"plan.load.{i}", icon=":material/edit_note:", disabled=each == plan):
            plan_editor.load(study, each)
            st.rerun()
        if access.button("Remove", "admin", key=f"plan.remove.{i}", type="tertiary"):
            _tell(lambda: _removed(each.name))


def _tell(do: Callable[[], str]) -> None:
    """Do it, and say what it returns beside the list as it then is."""
    try:
        said = do()
    except (BadValue, StoreError) as error:
        said = str(error)
    st.session_state[SAID] = said
    st.rerun()


def _file(study: OpenStudy, plan: Plan) -> None:
    text = plan_file.to_text(plan)
    file = st.file_uploader("Load a plan", type="json", max_upload_size=1, key=f"{plan_editor.keys(study)}.file")
    if file is not None:
        try:
            plan_editor.load(study, plan_file.from_bytes(file.getvalue()))
        except BadValue as error:
            st.error(escape(str(error)))
        else:
            st.rerun()
    st.download_button("Download this plan", text, "plan.json", "application/json", on_click="ignore")
    if said := plan_words.rates(study, plan):
        st.caption(said)
    st.code(text, language="json", wrap_lines=True)
