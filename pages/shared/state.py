"""What is on screen, shared by all pages: the store, and the study named in the address."""

from __future__ import annotations

import streamlit as st

from pages.shared.text import escape
from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy, studies
from unlearn_core.experiment.bundle import has_images
from unlearn_core.store import Store, default_root


@st.cache_resource
def _store(root: str) -> Store:
    return Store(root)


def store() -> Store:
    """The store of this server: UNLEARN_STORE, or a folder of the user's own."""
    return _store(str(default_root()))


@st.cache_resource(max_entries=8)
def _open(root: str, key: str, images: bool) -> OpenStudy:
    """With or without its images, which may be added while it is open."""
    return OpenStudy.open(Store(root), key)


def opened(key: str) -> OpenStudy:
    """A finished study. Raises StoreError where there is none of this key, or no longer."""
    return _open(str(store().root), key, has_images(store(), store().open("Study", key)))


def study() -> OpenStudy | None:
    """The study of the address (?study=KEY), or the newest finished one; None where there is none."""
    key = st.query_params.get("study")
    if not key:
        finished = studies(store())
        if not finished:
            return None
        key = finished[0].key
        st.query_params["study"] = key
    try:
        return opened(key)
    except StoreError as error:
        st.warning(f"{escape(str(error))} The newest study, if there is one, is shown instead.")
        del st.query_params["study"]
        return study()


def go(page: str) -> None:
    """Go to another page with the study and the set in hand. What else the address says belongs to widgets of the page
    that is left, and Streamlit refuses to set it from outside.
    """
    kept = {name: st.query_params[name] for name in ("study", "forget", "set") if name in st.query_params}
    st.switch_page(page, query_params=kept)


def to_start() -> None:
    """Go to Start with all that the address says."""
    st.switch_page("pages/start.py", query_params=st.query_params.to_dict())


def show_study(key: str) -> None:
    """Make this the study on screen."""
    st.query_params["study"] = key


def open_study(key: str) -> None:
    """Go to Explore with this study on screen."""
    st.switch_page("pages/explore.py", query_params={"study": key})


def open_report(key: str) -> None:
    """Go to Report with this study on screen."""
    st.switch_page("pages/report.py", query_params={"study": key})
