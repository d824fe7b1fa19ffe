"""Errors as sentences on the page."""

from __future__ import annotations

import logging
from collections.abc import Callable

import streamlit as st

from pages.shared.text import escape
from unlearn_core.disk import StoreError
from unlearn_core.params import BadValue

log = logging.getLogger(__name__)


def with_plain_errors(draw: Callable[[], None]) -> None:
    """A mistake in a request is one sentence on the page; anything else goes to the log, and the page says so."""
    try:
        draw()
    except (BadValue, StoreError) as error:
        st.error(escape(str(error)))
    except Exception as error:
        if type(error).__module__.startswith("streamlit"):
            raise
        log.exception("a page failed")
        st.error("This page could not be drawn. Reload it; if it fails again, the server's log has the details.")
