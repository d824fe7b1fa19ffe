"""Adding a person's own images: a folder or a parquet file on the server becomes a dataset, by a job."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.shared import access, address, folds, progress, removal, state
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.data.left_out import FEW, named
from unlearn_core.disk import StoreError
from unlearn_core.experiment.added_images import added, ask
from unlearn_core.experiment.own_images import Overview
from unlearn_core.job import STARTS, Job
from unlearn_core.params import BadValue

LINES = 10  # classes that are seen without scrolling
REASONS = 5  # reasons that are counted
NEWEST = "images.newest"  # in the session: the dataset that was the newest when this was drawn last


def draw() -> None:
    """The form, what is being read, and what was found in the datasets that are there."""
    if "images" in st.query_params or _unfinished():
        st.session_state.setdefault(folds.key("images"), True)
    with folds.fold("images", "Add images of your own", ":material/add_photo_alternate:") as box:
        if box.open:
            _form()
            progress.live("images", _jobs)
            _found()


def _form() -> None:
    st.markdown(
        "A folder with one folder of images for each class (or with `train` and `test` folders of such), or a parquet "
        "file. It is read on the machine where this program runs; nothing is uploaded, and the files stay as they are."
    )
    with st.form("add-images", border=False):
        path = st.text_input("Folder or parquet file", placeholder="/home/me/images", width=520)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name of the dataset", placeholder="my-images", width=240)
            share = st.number_input(
                "Test share",
                0.01,
                0.5,
                0.2,
                0.05,
                width=136,
                help="Where the source has no test part, this share of the images becomes it.",
            )
            size = st.number_input(
                "Side in pixels",
                0,
                1024,
                0,
                width=136,
                help="Images are resized to a square with this side; 0 leaves them as they are.",
            )
        asked = access.button("Add these images", widget=st.form_submit_button)
    if asked:
        try:
            access.need("runner")
            with st.spinner("Looking for images"):
                wanted = ask(state.store(), Path(path), name, test_share=share, size=size or None)
            access.submit(state.store(), wanted)
        except (BadValue, StoreError) as error:
            st.error(escape(str(error)))
        else:
            st.rerun()


# -- what is being read ------------------------------------------------------------------------------------------------


def _unfinished() -> list[Job]:
    """The imports that are under way, and the last one where it was stopped or failed."""
    found = [job for job in jobs.listing(state.store()) if job.kind == "AddedImages"]
    return [job for i, job in enumerate(found) if job.active or (i == 0 and job.state != "done")]


def _jobs() -> None:
    for job in _unfinished():
        with st.container(border=True, key=f"adding.{job.key}"):
            waits = f": {job.message}" if job.state in ("starting", "queued") else ""
            st.markdown(f"{progress.status(job)} **{escape(job.title)}** · {duration(job.seconds)}{escape(waits)}")
            progress.stages(job)
            if job.active:
                begins = "Starting takes a few seconds. " if job.stage in ("", STARTS) else ""
                st.caption(f"{begins}It goes on when this page is closed, and everybody sees it on Runs.")
            else:
                progress.words(job)
            progress.actions(job)


# -- what was found ----------------------------------------------------------------------------------------------------


def _found() -> None:
    """What was found in one of the datasets, the newest unless the address or the person chooses another one."""
    removal.said()
    found = {one.about.name: one for one in added(state.store())}
    if not found:
        return
    newest = next(iter(found))
    if st.session_state.setdefault(NEWEST, newest) != newest:  # it came during this visit
        st.session_state[NEWEST] = st.query_params["images"] = newest
    chosen = newest
    if len(found) > 1:
        names = {name: name for name in found}
        chosen = address.choice(st.selectbox, "Images that were added", names, "images", width=420)
    _report(found[chosen])


def _report(found: Overview) -> None:
    about = found.about
    channels, height, width = about.shape
    st.success(
        f"{escape(about.name)} is there: {about.train:,} training and {about.test:,} test images in "
        f"{len(about.classes)} classes, {height}x{width} pixels, {'gray' if channels == 1 else 'colour'}. Choose it "
        "below as the dataset.",
        icon=":material/check_circle:",
    )
    for problem in found.problems:
        st.warning(escape(problem), icon=":material/warning:")
    st.dataframe(
        found.classes,
        hide_index=True,
        height=36 * (min(LINES, len(found.classes)) + 1),
        column_config={
            "class": "Class",
            "train": st.column_config.NumberColumn("Training images", format="localized"),
            "test": st.column_config.NumberColumn("Test images", format="localized"),
        },
        alt="Number of training and test images of each class.",
    )
    if found.skipped:
        st.warning(_left_out(found))
    removal.images(about.name)


def _left_out(found: Overview) -> str:
    """The first files that were not used with their reasons; of more than these, how many there are of each reason."""
    lines = named(found.skipped, lambda name, why: f"“{escape(name)}”: {escape(why)}")
    said = f"Not used: {len(found.skipped):,} of the files"
    if len(found.skipped) > FEW:
        why = "; ".join(f"{escape(reason)}: {count:,}" for reason, count in list(found.reasons.items())[:REASONS])
        said = f"{said} ({why})"
    return "\n- ".join([f"{said}.\n", *lines])
