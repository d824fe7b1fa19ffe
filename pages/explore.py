import streamlit as st

from pages.shared import frame, state


def draw() -> None:
    st.title("Explore")
    study = state.study()
    if study is None:
        frame.empty_state("This page")
        return


frame.page(draw)
