import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.evidence import (
    all_numbers,
    kept_images,
    many_models,
    one_attack,
    requests_in_a_row,
    retrain_free,
    single_images,
    together,
)
from pages.shared import address, frame, state
from pages.shared.comparison_words import titles
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.tiers import TIERS

# Short name in the address -> what is shown, and who draws it.
VIEWS = {
    "together": ("All evidence", together),
    "attack": ("One attack", one_attack),
    "numbers": (TIERS[1].name.capitalize(), all_numbers),
    "images": (TIERS[2].name.capitalize(), single_images),
    "models": (TIERS[3].name.capitalize(), many_models),
    "kept": ("Kept images", kept_images),
    "free": ("Without retraining", retrain_free),
    "requests": ("Requests in a row", requests_in_a_row),
}


def draw() -> None:
    st.title("Audit")
    study = state.study()
    if study is None:
        frame.empty_state("This page")
        return
    top = st.container()
    ranked = core.ranked(study, "group_tow")
    plans = ranked.index[ranked["kind"] == "plan"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = address.choice(
            st.selectbox,
            "Method",
            titles(study, ranked.index),
            "method",
            default=plans[0] if len(plans) else "",
            width=260,
        )
        names = {name: title for name, (title, _) in VIEWS.items()}
        # The stronger attack first, where it was made; where it was not, what every study has.
        usual = "images" if single_images.there(study, method) else "attack"
        view = address.choice(
            st.segmented_control, "Evidence", names, "evidence", default=usual, follows=True, required=True
        )
    if study.about_original:
        st.caption(study.about_original)
    VIEWS[view][1].draw(study, method, top)
    st.page_link("pages/report.py", label="Next: the report for others", icon=":material/summarize:")


frame.page(draw)
