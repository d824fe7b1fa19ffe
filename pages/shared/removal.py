"""Removing finished studies and own images, and the trash: what is in it, the way back, and away for good."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared import access, address, came_of, folds, state
from pages.shared.text import ago, escape
from unlearn_core import jobs, removal, trash
from unlearn_core.disk import StoreError
from unlearn_core.experiment import studies
from unlearn_core.params import BadValue
from unlearn_core.removal import Leaving
from unlearn_core.room import in_words
from unlearn_core.trash import Entry

PER_PAGE = 8
ASKED = "removal.asked"  # in the session: the key of the study, or the name of the images, about to be removed
EMPTYING = "trash.emptying"  # in the session: whether the trash is about to be emptied
SAID = "trash.said"
KINDS = {"Study": "study", "Job": "record of a job", "Plan": "saved plan", "Images": "images"}
AGES = {0: "Everything", 7: "Older than a week", 30: "Older than a month"}


def button(study: str) -> None:
    """Remove a finished study: asks first, below."""
    if access.button(
        "Remove", "admin", key=f"remove.{study}", type="tertiary",
        help="Says first what would go and what stays. It can be undone.",
    ):  # fmt: skip
        st.session_state[ASKED] = study
        st.rerun()


def confirm(study: str, listed: bool = True) -> None:
    """What removing this study would move, where that was asked for; `listed` where a job of it stands on the list."""
    if st.session_state.get(ASKED) != study:
        return
    if not _told(lambda: removal.plan(state.store(), study), "Trash"):
        return
    with st.container(horizontal=True):
        if access.button("Move to the trash", "admin", key=f"removal.go.{study}", type="primary"):
            _do(lambda: _removed(study))
        if listed and access.button("Only take it off this list", "admin", key=f"removal.row.{study}"):
            _do(lambda: _off_the_list(study))
        if st.button("Keep it", key=f"removal.keep.{study}"):
            _do(lambda: "")


def images(name: str) -> None:
    """Remove a dataset of one's own: asks first, below."""
    if st.session_state.get(ASKED) != name:
        if access.button(
            "Remove these images", "admin", key=f"remove.images.{name}", type="tertiary", icon=":material/delete:",
            help="Says first what would go with them. It can be undone; the files they were made from stay.",
        ):  # fmt: skip
            st.session_state[ASKED] = name
            st.rerun()
        return
    if not _told(lambda: removal.plan_images(state.store(), name), "Trash on Runs"):
        return
    with st.container(horizontal=True):
        if access.button("Move to the trash", "admin", key=f"removal.go.{name}", type="primary"):
            _do(lambda: _images_removed(name))
        if st.button("Keep them", key=f"removal.keep.{name}"):
            _do(lambda: "")


def _told(plan: Callable[[], Leaving], place: str) -> bool:
    """Say what would leave the store; False where it cannot, and why."""
    try:
        leaving = plan()
    except (BadValue, StoreError) as error:
        del st.session_state[ASKED]
        st.error(escape(str(error)))
        return False
    st.markdown(
        f":material/delete: **Remove {escape(leaving.name)}?** {escape(leaving.says)} You can undo it under {place}, "
        "until somebody empties the trash."
    )
    return True


def others() -> None:
    """Finished studies that no job stands for on the list: from a file, or made by a command."""
    store = state.store()
    found = [study for study in studies(store) if jobs.get(store, study.key) is None]
    if not found:
        return
    count = f"{len(found)} finished {'study' if len(found) == 1 else 'studies'}"
    with folds.fold("studies", f"{count} without a job on record", ":material/science:") as box:
        if not box.open:
            return
        page = address.page(-(-len(found) // PER_PAGE), "studies-page")
        for each in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
            with st.container(border=True):
                name, buttons = st.columns((7, 3), vertical_alignment="center")
                name.markdown(
                    f"**{escape(each.name)}** #{each.key[:4]}  \n{escape(each.dataset)}: {each.forget:,} images to "
                    f"forget, {each.seeds} seeds, finished {escape(each.created[:10])}"
                )
                with buttons.container(horizontal=True, horizontal_alignment="right"):
                    if st.button("Open", key=f"studies.open.{each.key}", icon=":material/open_in_new:"):
                        state.open_study(each.key)
                    button(each.key)
                came_of.draw(each.key)
                confirm(each.key, listed=False)


def draw() -> None:
    """What was found damaged, and what is in the trash, folded away; nothing where there is neither."""
    found, damaged = trash.entries(state.store()), trash.damaged(state.store())
    if said():
        st.session_state[folds.key("trash")] = True  # so that the way back is in sight
    if damaged:
        one, since = len(damaged) == 1, ago(max(damaged.values()))
        were = "1 result was" if one else f"{len(damaged):,} results were"
        st.caption(
            f":material/healing: {were} found damaged and set aside, {'' if one else 'the last one '}{since}. What is "
            "damaged is made anew when it is asked for; what was set aside goes when the trash is emptied."
        )
    if not found and not damaged:
        return
    size = in_words(sum(entry.bytes for entry in found))
    with folds.fold("trash", f"Trash ({len(found):,}, {size})", ":material/delete:") as box:
        if not box.open:
            return
        st.caption("What was removed waits here until somebody empties the trash. Nothing is emptied by itself.")
        page = address.page(-(-len(found) // PER_PAGE), "trash-page")
        for entry in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
            _line(entry)
        _empty(found, damaged)


def said() -> bool:
    """Say what was just removed, brought back or emptied, if anything was."""
    if text := st.session_state.pop(SAID, ""):
        st.caption(f":material/info: {escape(text)}")
    return bool(text)


def _line(entry: Entry) -> None:
    by = f" by {escape(entry.by)}" if entry.by not in ("", access.LOCAL) else ""
    kind = KINDS.get(entry.kind, entry.kind or "not known").capitalize()
    about = (
        f"{entry.results:,} result{'' if entry.results == 1 else 's'}, {in_words(entry.bytes)}, "
        if entry.results
        else ""
    )
    with st.container(border=True, key=f"trash.{entry.id}"):
        name, buttons = st.columns((7, 3), vertical_alignment="center")
        name.markdown(f"**{escape(entry.title)}**  \n{escape(kind)}, {about}removed {ago(entry.removed)}{by}")
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            if access.button("Undo", "admin", key=f"trash.undo.{entry.id}", icon=":material/undo:"):
                _do(lambda: _restored(entry.id))


def _empty(found: list[Entry], damaged: dict[str, float]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = st.selectbox("What to empty", list(AGES), format_func=AGES.get, key="trash.age", width=220)
        if access.button("Empty the trash", "admin", key="trash.empty", icon=":material/delete_forever:"):
            st.session_state[EMPTYING] = True
    if not st.session_state.get(EMPTYING):
        return
    gone = trash.older(found, days)
    size = in_words(sum(entry.bytes for entry in gone))
    count = f"**{len(gone):,} of {len(found):,}** in the trash"
    also = ", and what was set aside as damaged" if damaged else ""
    st.markdown(f"{count}, {size}{also}, will be gone for good. This cannot be undone.")
    with st.container(horizontal=True):
        if access.button("Empty for good", "admin", key="trash.gone", type="primary", disabled=not (gone or damaged)):
            _do(lambda: _emptied(days))
        if st.button("Keep them", key="trash.keep"):
            _do(lambda: "")


def _do(what: Callable[[], str]) -> None:
    """Do it, and say what it returns beside the list as it then is."""
    try:
        said = what()
    except (BadValue, StoreError) as error:
        said = str(error)
    for name in (ASKED, EMPTYING):
        st.session_state.pop(name, None)
    st.session_state[SAID] = said
    st.rerun()


def _removed(study: str) -> str:
    access.need("admin")
    leaving, _ = removal.remove(state.store(), study, by=access.who())
    if st.query_params.get("study") == study:
        del st.query_params["study"]  # another one is shown from now on
    return f"{leaving.name} is in the trash, {in_words(leaving.bytes)}."


def _images_removed(name: str) -> str:
    access.need("admin")
    leaving, _ = removal.remove_images(state.store(), name, by=access.who())
    for told in ("study", "images"):  # what they named may be gone
        st.query_params.pop(told, None)
    return f"{name} is in the trash, {in_words(leaving.bytes)}."


def _off_the_list(job: str) -> str:
    access.need("admin")
    jobs.forget_job(state.store(), job, by=access.who())
    return "It is off the list; its results stay in the store."


def _restored(entry: str) -> str:
    access.need("admin")
    return removal.restore(state.store(), entry)


def _emptied(days: int) -> str:
    access.need("admin")
    count, size = trash.empty(state.store(), days)
    return f"{count:,} {'thing is' if count == 1 else 'things are'} gone for good, {in_words(size)}."
