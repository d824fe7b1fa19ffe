"""What a page stands on: charts are drawn for a light or a dark ground, so they are drawn anew when it changes; and
another page begins at its top, wherever on the one before the button was that led here.
"""

from __future__ import annotations

import streamlit as st

# The theme is known in the browser alone, which says so with its next question; nothing asks when an evening comes. A
# change of a colour that is told to run over a moment is an event, and that of the ground is one of the theme's.
_JS = """let shown;
export default function ({ parentElement, setTriggerValue, data }) {
  if (shown !== undefined && shown !== data.page) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
  shown = data.page;
  const ground = parentElement.querySelector("i");
  const changed = () => setTriggerValue("changed", true);
  ground.addEventListener("transitionend", changed);
  return () => ground.removeEventListener("transitionend", changed);
}"""
_CSS = "i {display: block; height: 0; color: var(--st-background-color); transition: color 50ms}"
_watch = st.components.v2.component("ground", html="<i></i>", css=_CSS, js=_JS)


def watch(page: str) -> None:
    """Have the page of this title drawn anew when its theme changes, and begin at its top."""
    _watch(key="ground", data={"page": page}, on_changed_change=lambda: None)
