"""Light or dark: charts are drawn for the ground that they lie on, so they are drawn anew when it changes."""

from __future__ import annotations

import streamlit as st

# The theme is known in the browser alone, which says so with its next question; nothing asks when an evening comes. A
# change of a colour that is told to run over a moment is an event, and that of the ground is one of the theme's.
_JS = """export default function ({ parentElement, setTriggerValue }) {
  const ground = parentElement.querySelector("i");
  const changed = () => setTriggerValue("changed", true);
  ground.addEventListener("transitionend", changed);
  return () => ground.removeEventListener("transitionend", changed);
}"""
_CSS = "i {display: block; height: 0; color: var(--st-background-color); transition: color 50ms}"
_watch = st.components.v2.component("ground", html="<i></i>", css=_CSS, js=_JS)


def watch() -> None:
    """Have the page drawn anew when its theme changes."""
    _watch(key="ground", on_changed_change=lambda: None)
