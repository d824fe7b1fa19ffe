import streamlit as st

import pages.shared.loaded  # noqa: F401 - the first of ours, see there
from pages.comparing import classes, images, layers, maps, numbers_by_method, picks, predictions, ranking, trade_off
from pages.shared import address, cost_words, frame, state
from pages.shared import comparison_words as words
from pages.shared.text import escape
from unlearn_core.experiment import comparison as core

# Methods of this study, or those of others too.
OWN = "own"
ANY = "any"
# Short name in the address -> what is shown, who draws it, and which methods can be picked for it.
VIEWS = {
    "trade-off": ("Trade-off", trade_off, ANY),
    "ranking": ("Ranking", ranking, None),
    "predictions": ("Predictions", predictions, ANY),
    "classes": ("Classes", classes, ANY),
    "images": ("Single images", images, ANY),
    "layers": ("Layers", layers, OWN),
    "maps": ("Maps", maps, None),
    "numbers": ("Numbers by method", numbers_by_method, None),
}


def draw() -> None:
    st.title("Compare")
    study = state.study()
    if study is None:
        frame.empty_state("This page")
        return
    st.markdown(words.closest(study))
    if verdicts := core.plan_against_best_single(study):
        said = [words.plan_verdict(study, found) for found in verdicts]
        st.markdown("  \n".join([*said, words.other_plans(study)]))
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
    drawn.draw(*(picks.draw(study, follows == ANY) if follows else (study, [])))
    st.page_link("pages/audit.py", label="Next: what an attacker can still tell", icon=":material/policy:")


frame.page(draw)
