"""A model that a person trained elsewhere, as the original of a new study."""

from __future__ import annotations

import streamlit as st

from pages.shared import access, cost_words, progress, state, weights_file
from unlearn_core.experiment.asking_cost import AskingCost
from unlearn_core.experiment.own_weights import OwnWeights, keep
from unlearn_core.experiment.pace import looking_cost
from unlearn_core.experiment.views import accuracies
from unlearn_core.params import key
from unlearn_core.training import Training

POOR = 0.5  # of the training images
KEPT = "new.weights"  # in the session: which file was checked against which recipe, and its digest


def draw(training: Training) -> Training | None:
    """The training with the given model as its original, itself where none is given; None where it does not fit."""
    st.caption(
        "Give its weights as a .safetensors file, with the names and shapes of the architecture above. "
        "Memorization and the retrained models still come from models trained here, so choose the recipe yours was "
        "trained by. It must not have seen the test images, which attacks take for unseen; images of the tenth set "
        "apart for validation cannot be forgotten here."
    )
    weights_file.names_and_shapes(training, "new.weights.needed")
    file = weights_file.upload("Weights of your model", key="new.weights.file")
    if file is None:
        return training
    asked = (file.file_id, training.data, training.model, training.width)
    before, digest = st.session_state.get(KEPT, (None, ""))
    if before != asked:  # a page is drawn again at every change, and a large file takes a while
        kept = weights_file.take(lambda: _keep(training, file.getvalue()))
        if kept is None:
            return None
        digest = kept.digest
        st.session_state[KEPT] = (asked, digest)
    st.markdown(
        f":material/check: Your model is the original of this study (weights `{digest[:8]}`). It is the same one for "
        "all seeds, which then differ in how it is unlearned and in the retrained models."
    )
    given = training.but(weights=digest)
    progress.live("own.original", lambda: _accuracy(given))
    return given


def _accuracy(given: Training) -> None:
    """What the model gets right, which says whether it is one of these images; or the button that has it seen."""
    store = state.store()
    if (known := accuracies(store, given.but(seed=0))) is None:
        if progress.under_way(given.but(seed=0)):
            return
        st.markdown("How accurate it is on these images is not known yet; a study would say it only afterwards.")
        cost = _cost(str(store.root), key(given), given)
        foreseen = cost and cost_words.about(store, cost, "Training")
        if foreseen:
            st.markdown(f"To see takes {cost_words.inside(foreseen)}.")
        if access.button("See how accurate it is", key="own.original.see", icon=":material/fact_check:"):
            access.submit(store, given.but(seed=0), foreseen)
            st.rerun()
        return
    (train, images), (test, unseen) = known["train"], known["test"]
    st.markdown(
        f"It gets **{train:.1%}** of the {images:,} training images right and **{test:.1%}** of the {unseen:,} test "
        "images."
    )
    if train < POOR:
        st.warning(
            f"A model that gets less than {POOR:.0%} of its training images right has little of them to forget. Were "
            "its classes numbered in this order, and its pixels scaled as here?"
        )


@st.cache_resource(ttl=30, max_entries=16, show_spinner=False)
def _cost(root: str, asked: str, _given: Training) -> AskingCost | None:
    return looking_cost(state.store(), _given)


def _keep(training: Training, weights: bytes) -> OwnWeights:
    access.need("runner")
    return keep(state.store(), training, weights)
