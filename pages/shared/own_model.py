"""A model that was unlearned elsewhere, judged beside models retrained here."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.shared import access, address, cost_words, numbers, state, weights_file
from pages.shared.folds import fold
from pages.shared.forms import form
from pages.shared.new_study import RECIPE
from pages.shared.text import escape, images
from unlearn_core.data import DATASETS, Data, own
from unlearn_core.evaluation import METRICS, within
from unlearn_core.experiment.among_retrained import FEWEST, Placed
from unlearn_core.experiment.asking_cost import AskingCost
from unlearn_core.experiment.comparison import COLUMNS
from unlearn_core.experiment.judged import Judged, Verdict, ask, judgements
from unlearn_core.experiment.pace import judging_cost
from unlearn_core.job import Expected
from unlearn_core.params import BadValue, key
from unlearn_core.training import Training, recipe

PAIRS = "More say better what is chance: of truly retrained models 1 in 7 is called off target with 3, 1 in 21 with 10."
SHOWN = ("tow", "attack_auc", "forget_accuracy", "retain_accuracy", "test_accuracy")


def draw() -> None:
    """The form, and the judgements that are finished."""
    finished = judgements(state.store())
    with fold("judge", "Judge a model you unlearned elsewhere", ":material/gavel:"):
        st.markdown(
            "Give the weights as a .safetensors file, and say which images they should have forgotten. Models are "
            "retrained here without these images by the recipe below, and yours is measured beside them."
        )
        _form()
        if finished:
            _results(finished)


def _form() -> None:
    choices = _choices()
    name = st.selectbox("Images of the model", list(choices), format_func=lambda n: choices[n][0], key="judge.data")
    data, side = choices[name][1:]
    training = form(Training, f"judge.training.{name}", recipe(data, side), RECIPE)
    st.caption(
        "Names and shapes must be those of this architecture and width. Row numbers are those on Explore: training "
        "images without the tenth set apart for validation, which your model must not have been trained on either."
    )
    if training is not None:
        weights_file.names_and_shapes(training, "judge.needed")
    seeds = st.number_input("Pairs of retrained models", 2, 20, 3, width=200, help=PAIRS)
    foreseen = training and _say_cost(training, seeds)
    with st.form("judge", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            called = st.text_input("What the model is called", "My unlearned model", max_chars=60, width=260)
            rows = st.text_input("Rows it should have forgotten", placeholder="3,7-9", width=260)
        file = weights_file.upload()
        asked = access.button("Judge this model", widget=st.form_submit_button, icon=":material/gavel:")
    if asked and training is not None:
        if file is None:
            st.info("Choose a file of weights first.")
        else:
            _submit(called, training, rows, file.getvalue(), seeds, foreseen)


def _choices() -> dict[str, tuple[str, Data, int]]:
    """Name -> title, images, their side in pixels."""
    found = {name: (row.title, Data(name=name), row.shape[1]) for name, row in DATASETS.items()}
    for mine in own(state.store().root / "data"):
        found[mine.name] = mine.name, Data(name=mine.name, fingerprint=mine.fingerprint), min(mine.shape[1:])
    return found


def _say_cost(training: Training, seeds: int) -> Expected | None:
    """Say what the judgement takes, and give what its job is told to expect; None where nothing here tells."""
    store = state.store()
    if (cost := _cost(str(store.root), key(training), seeds, training)) is None:
        st.caption("How long this takes can be told once these images are here and any study is finished.")
        return None
    foreseen = cost_words.about(store, cost, "Judged")
    st.markdown(f":material/schedule: At most {3 * seeds} models to train: {cost_words.inside(foreseen)}.")
    return foreseen


@st.cache_resource(ttl=30, max_entries=16, show_spinner=False)
def _cost(root: str, recipe: str, seeds: int, _training: Training) -> AskingCost | None:
    try:
        return judging_cost(state.store(), _training, seeds)
    except BadValue:  # images that do not fit the architecture: said where the model is given
        return None


def _submit(called: str, training: Training, rows: str, weights: bytes, seeds: int, foreseen: Expected | None) -> None:
    if wanted := weights_file.take(lambda: _asked(called, training, rows, weights, seeds)):
        access.submit(state.store(), wanted, foreseen)
        st.switch_page("pages/runs.py", query_params={})


def _asked(called: str, training: Training, rows: str, weights: bytes, seeds: int) -> Judged:
    """The judgement to run, its weights kept."""
    access.need("runner")
    return ask(state.store(), called, training, rows, weights, seeds)


# -- what was found ----------------------------------------------------------------------------------------------------


def _results(finished: list[Verdict]) -> None:
    labels = {key(v.spec)[:8]: f"{v.spec.name} on {v.spec.training.data.name} #{key(v.spec)[:4]}" for v in finished}
    st.markdown("**Finished judgements**")
    chosen = address.choice(st.selectbox, "Judgement", labels, "judged", width=420)
    verdict = next(v for v in finished if key(v.spec)[:8] == chosen)
    st.markdown(_sentence(verdict))
    table = pd.DataFrame({"": verdict.table["title"]})
    for name in SHOWN:
        table[name] = [_cell(line, name) for _, line in verdict.table.iterrows()]
    heads = {
        name: st.column_config.TextColumn(COLUMNS[name].short, help=numbers.about(COLUMNS[name]))
        for name in ("tow", "attack_auc")
    }
    heads |= {f"{s}_accuracy": f"Accuracy, {w}" for s, w in (("forget", "forgotten"), ("retain", "kept"))}
    heads["test_accuracy"] = "Accuracy, test"
    st.dataframe(
        table, hide_index=True, column_config=heads, alt="Your model between retrained and original models of a recipe."
    )
    st.caption(
        f"Retrained: means over {verdict.models} models, in brackets the least and the largest. Closeness is the mean "
        "against all retrained models but the model itself, yours left out of theirs. There is one model of yours, so "
        "nothing here says how another run of your method would read. Original is the recipe before forgetting, not "
        "the model that yours was made from."
    )


def _cell(line: pd.Series, name: str) -> str:
    if not numbers.known(line[name]):
        return "not measurable"
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return f"{line[name]:.3f}" if low == high else f"{line[name]:.3f} ({low:.3f} to {high:.3f})"


def _sentence(verdict: Verdict) -> str:
    """Closeness and the attack, each beside what one more retrained model would read, and how often that errs."""
    given, retrained, n = verdict.table.loc["given"], verdict.table.loc["retrained"], verdict.models
    text = (
        f"**{escape(verdict.spec.name)}** after forgetting {images(verdict.forget)}: closeness to {n} retrained models "
        f"**{numbers.spread(given['tow'], None)}**. They read {numbers.spread(retrained['tow'], None)} to each other"
    )
    attack = f"The attack reads {numbers.spread(given['attack_auc'], None)}"
    if n < FEWEST:
        return (
            f"{text}. {attack}, on average {numbers.spread(retrained['attack_auc'], None)} on these. Whether your "
            f"model is on target **cannot be told** from {n} retrained models: judge it with {FEWEST // 2} pairs or "
            "more."
        )
    return f"{text}{_closeness(verdict.closeness)} {attack}, {_attack(verdict.attack)}"


def _closeness(close: Placed) -> str:
    if close.side is None:
        return "; which of all is the furthest off cannot be told."
    says = "**yours is the furthest off**" if close.side else "yours is not the furthest off"
    return (
        f", and {close.low:.3f} to {close.high:.3f} with yours among them: {says}. Of truly retrained models, 1 in "
        f"{round(1 / close.wrong)} would be called so."
    )


def _attack(attack: Placed) -> str:
    if attack.side is None:
        return "and whether a retrained model would read so cannot be told."
    where = {0: "inside", 1: "**above**", -1: "**below**"}[attack.side]
    low, high = within(attack.low, attack.high, METRICS["auc"].ends)
    return (
        f"{where} the range of {low:.3f} to {high:.3f} in which {1 - attack.wrong:.0%} of retrained "
        f"models read, so that 1 in {round(1 / attack.wrong)} of them would lie outside."
    )
