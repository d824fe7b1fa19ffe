import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.comparing import all_numbers, classes, images, layers, maps, picks, predictions, ranking, trade_off
from pages.shared import address, cost_words, frame, state
from pages.shared import comparison_words as words
from pages.shared.text import escape
from unlearn_core.experiment import comparison as core

# Short name in the address -> what is shown, who draws it, and whether it follows the methods picked.
VIEWS = {
    "trade-off": ("Trade-off", trade_off, True),
    "ranking": ("Ranking", ranking, False),
    "predictions": ("Predictions", predictions, True),
    "classes": ("Classes", classes, True),
    "images": ("Single images", images, True),
    "layers": ("Layers", layers, True),
    "maps": ("Maps", maps, True),
    "numbers": ("All numbers", all_numbers, False),
}


def draw() -> None:
    st.title("Compare")
    study = state.study()
    if study is None:
        frame.empty_state("This page")
        return
    st.markdown(words.closest(study))
    for found in core.plan_against_best_single(study):
        st.markdown(words.plan_verdict(study, found))
    if same := words.same_runs(study):
        st.markdown(same)
    for method, count in core.diverged(study).items():
        st.warning(
            f"{escape(words.title_of(study, method))} diverged in {count} of {study.spec.seeds} runs: its loss was no "
            "longer finite, so its last finite state was measured."
        )
    if study.about_original:
        st.caption(study.about_original)
    if told := cost_words.of_study(study):
        st.caption(told)
    names = {name: title for name, (title, _, _) in VIEWS.items()}
    view = address.choice(st.segmented_control, "Look at", names, "compare", required=True)
    _, drawn, follows = VIEWS[view]
    drawn.draw(study, picks.draw(study) if follows else [])
    st.page_link("pages/audit.py", label="Next: what an attacker can still tell", icon=":material/policy:")


frame.page(draw)
