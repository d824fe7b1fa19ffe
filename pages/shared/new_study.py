"""Setting up a study: images, model, how much work, what to forget."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.shared import access, add_images, algorithms, cost_words, forget_rule, own_original, state
from pages.shared.forms import form
from pages.shared.text import escape
from unlearn_core.data import DATASETS, Data, own
from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy, Study
from unlearn_core.experiment.first_cost import FirstCost, first_cost
from unlearn_core.experiment.forecast import Forecast, forecast, like
from unlearn_core.experiment.rehearsal import rehearse
from unlearn_core.experiment.study import PAPER
from unlearn_core.forget import FORGET_SETS
from unlearn_core.job import Expected
from unlearn_core.models import MODELS
from unlearn_core.params import BadValue, key
from unlearn_core.privacy import for_a_group
from unlearn_core.training import Training, promise, recipe
from unlearn_core.unlearning import ALGORITHMS

SPLITS = ("train", "test", "validation", "seed")
RECIPE = ("model", "width", "epochs", "lr", "momentum", "weight_decay", "batch", "schedule", "augment", "precision")
EXTENT = ("name", "models", "seeds", "tuning_seeds")


@dataclass(frozen=True)
class Choice:
    """A dataset in the list: what it is called, what is said of it, the images it stands for, and how many there are to
    train on.
    """

    title: str
    about: str
    data: Data
    side: int
    images: int


def draw() -> None:
    """The form; its button submits the study and goes to Runs."""
    st.subheader("A study of your own")
    add_images.draw()
    study = _form()
    fits = study is not None and _fits(study)
    if (
        access.button("Run this study", type="primary", icon=":material/play_arrow:", disabled=not fits)
        and study is not None
    ):
        access.submit(state.store(), study, _expected(study))
        st.switch_page("pages/runs.py", query_params={})


def _form() -> Study | None:
    choices = _choices()
    titles, rules = ({n: row.title for n, row in table.items()} for table in (choices, FORGET_SETS))
    st.markdown("**1. Images**")
    name = st.selectbox(
        "Dataset",
        list(titles),
        format_func=titles.get,
        key="new.dataset",
        persist_state="session",
        width=420,
    )
    chosen = choices[name]
    st.caption(chosen.about)
    with st.expander("Use fewer images, or split them differently"):
        data = form(Data, f"new.data.{name}", chosen.data, SPLITS)
    st.markdown("**2. Model**")
    usual = recipe(chosen.data, chosen.side)
    model = MODELS[usual.model].title
    st.caption(f"{model}, {usual.epochs} epochs, learning rate {usual.lr:g}: the usual recipe for these images.")
    with st.expander("Change the model or how it is trained"):
        training = form(Training, f"new.training.{name}", usual, RECIPE)
    with st.expander("Train with differential privacy"):
        st.caption(
            "The original and the retrained models are then trained by DP-SGD, which hides any single image; noise 0 "
            "is ordinary training. It needs Opacus (`python -m pip install -e '.[dp]'`) and a model without "
            "BatchNorm: one hidden layer, or the small CNN."
        )
        training = training and form(Training, f"new.privacy.{name}", training, ("noise", "clip"))
    with st.expander("Start from a model you trained elsewhere"):
        training = training and data and own_original.draw(training.but(data=data))
    st.markdown("**3. What to forget**")
    rule = st.selectbox(
        "How the images are chosen",
        list(rules),
        format_func=rules.get,
        key="new.rule",
        persist_state="session",
        width=420,
    )
    forget = forget_rule.draw(rule, *(data or chosen.data).counts(chosen.images))
    st.markdown("**4. How to forget**")
    singles = st.multiselect(
        "Algorithms",
        algorithms.SINGLE,
        default=PAPER,
        format_func=algorithms.label,
        key="new.algorithms",
        persist_state="session",
        help="Each runs on the whole set; a RUM plan runs beside them and can be changed on the Plan page afterwards.",
    )
    for single in singles:
        algorithms.beware(ALGORITHMS[single], named=True)
    st.markdown("**5. How much work**")
    st.caption(
        "The bank of models is most of the work: memorization is estimated from it. 64 models give a preview, 256 a "
        "result to build on; with 0 there is no bank, and images are ranked by their confidence during training."
    )
    study = form(Study, "new.study", Study(name="My study", models=64), EXTENT)
    with st.expander("Stop the bank early"):
        study = study and form(Study, "new.study", study, ("stop_at",))
    if study is not None and not study.models and rule == "memorization":
        st.caption("Without a bank, the rule takes confidence during training in the place of memorization.")
    if data is None or training is None or forget is None or study is None:
        return None
    return study.but(
        training=training.but(data=data), forget=forget, unlearners=tuple(ALGORITHMS[name]() for name in singles)
    )


def _choices() -> dict[str, Choice]:
    found = {}
    for name, row in DATASETS.items():
        size = f"{row.size[0]:,} training and {row.size[1]:,} test images"
        about = f"{row.about} {size}; {row.obtained}."
        found[name] = Choice(row.title, about, Data(name=name), row.shape[1], row.size[0])
    for mine in own(state.store().root / "data"):
        channels, height, width = mine.shape
        colour = "gray" if channels == 1 else "colour"
        about = f"Your images, {height}x{width} pixels, {colour}, {len(mine.classes)} classes"
        about = f"{about}: {mine.train:,} training and {mine.test:,} test images."
        found[mine.name] = Choice(
            mine.name, about, Data(name=mine.name, fingerprint=mine.fingerprint), min(height, width), mine.train
        )
    return found


def _promise(study: Study, forget: int, images: int) -> str | None:
    try:
        found = promise(study.training, images)
    except BadValue as error:
        return f":material/error: {escape(str(error))}"
    if found is None:
        return None
    together, delta = for_a_group(*found, forget)
    empty = ", which promises nothing" if delta >= 1 else ""
    return (
        f"Training so is differentially private: for any one image \u03b5 = {found[0]:.2f} at \u03b4 = {found[1]:.1e}; "
        f"for the {forget:,} images to forget together \u03b5 = {together:,.0f}{empty}."
    )


def _say_cost(study: Study) -> None:
    store = state.store()
    if (cost := _cost(study)) is not None:
        said = cost_words.cost(store, cost)
    elif (first := _first_cost(str(state.store().root), key(study), study)) is not None:
        said = cost_words.first(store, first)
    else:
        st.caption("What it costs can be told once any study is finished here: the example takes about a minute.")
        return
    st.markdown(f":material/schedule: {said}")


def _expected(study: Study) -> Expected | None:
    """What its job is told to expect; None where nothing here tells."""
    store = state.store()
    if (cost := _cost(study)) is not None:
        return cost_words.expected(store, cost)
    first = _first_cost(str(state.store().root), key(study), study)
    return first and cost_words.about(store, first)


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _first_cost(root: str, asked: str, _study: Study) -> FirstCost | None:
    return first_cost(state.store(), _study)


def _cost(study: Study) -> Forecast | None:
    """From a finished study like it; None where there is none, or where the two do not fit after all."""
    if (finished := like(state.store(), study)) is None:
        return None
    try:
        return _forecast(finished.key, key(study), finished, study)
    except BadValue:
        return None


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _forecast(finished: str, asked: str, _finished: OpenStudy, _study: Study) -> Forecast:
    """Kept for half a minute, by the keys of both studies: it looks for every stored result."""
    return forecast(_finished, _study)


def _fits(study: Study) -> bool:
    """Say what the study would do, or in one sentence why it cannot be done."""
    try:
        ahead = rehearse(state.store(), study)
    except (BadValue, StoreError) as error:
        st.error(escape(str(error)))
        return False
    if ahead is None:
        st.markdown("The images are downloaded first; then it is checked whether the request fits them.")
    else:
        forget, images = ahead
        share = study.training.data.validation
        apart = f" (the other {share:.0%} are set apart for validation)" if share else ""
        st.markdown(
            f"This forgets **{forget:,} of {images:,}** training images{apart}, from "
            f"{study.seeds} original model{'s' if study.seeds > 1 else ''}."
        )
        _say_cost(study)
        if (promised := _promise(study, forget, images)) is not None:
            st.markdown(promised)
    return True
