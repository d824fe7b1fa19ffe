"""A model from elsewhere on Start: refused with reasons, submitted, and what was found."""

import shutil

import pytest
from safetensors.torch import load_file, save

from pages.shared import own_model, own_original
from unlearn_core.data import Data
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.judged import Judged, ask, judgements
from unlearn_core.experiment.own_weights import needed, own_weights
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.store import Store
from unlearn_core.training import Training, recipe

USUAL = recipe(Data())


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def judge(at, rows: str, weights: bytes | None):
    next(t for t in at.text_input if t.label == "Rows it should have forgotten").set_value(rows)
    if weights is not None:
        next(u for u in at.get("file_uploader") if u.label == "Weights").set_value(
            ("w.safetensors", weights, "application/octet-stream")
        )
    at = button(at, "Judge this model").click().run()
    assert not at.exception
    return at


def test_a_model_is_refused_with_reasons_or_submitted(open_page, store, submitted):
    model = load_file(fulfil(store, USUAL.but(epochs=1)).folder / "weights.safetensors")
    start = lambda: open_page("start", store.root, own="yes")  # noqa: E731
    assert [i.value for i in judge(start(), "0-9", None).info] == ["Choose a file of weights first."]
    at = judge(start(), "0-9", save({k: v[:-1] for k, v in model.items()}))
    assert "These are not the weights" in at.error[0].value
    assert "head.bias" in at.dataframe[0].value["Weight"].tolist()
    assert "not a safetensors file" in judge(start(), "0-9", b"x").error[0].value
    assert len(judge(start(), "5000", save(model)).error) == 1 and not submitted
    at = judge(start(), "0-9", save(model))
    assert at.title[0].value == "Runs"
    (asked,) = submitted
    assert isinstance(asked, Judged) and asked.training == USUAL and (asked.forget, asked.seeds) == ("0-9", 3)


@pytest.mark.parametrize("place", ["judge.needed", "new.weights.needed"])
def test_the_names_and_shapes_that_are_needed_are_listed_when_asked_for(open_page, store, place):
    def listed(at) -> list:
        assert not at.exception
        return [d.value for d in at.dataframe if "shape" in d.value.columns]

    at = open_page("start", store.root, own="yes")
    assert not listed(at)
    at.session_state[place] = True
    (table,) = listed(at.run())
    assert table.to_dict("records") == needed(store, USUAL)
    form = "judge" if place == "judge.needed" else "new"
    (table,) = listed(at.number_input(key=f"{form}.training.digits.width").set_value(16).run())
    assert table["shape"].tolist()[-2:] == ["10x16", "10"]
    at.selectbox(key=f"{form}.training.digits.model").set_value("vgg16").run()
    assert not listed(at) and any("needs images of at least" in e.value for e in at.error)


def test_what_a_judgement_takes_is_said_before_it_is_asked_for(open_page, filled_store, foreseen, tmp_path):
    store = Store(shutil.copytree(filled_store, tmp_path / "own"))
    model = load_file(fulfil(store, USUAL.but(epochs=1)).folder / "weights.safetensors")
    at = open_page("start", store.root, own="yes")
    assert any(m.value.startswith(":material/schedule: At most 9 models to train: about **") for m in at.markdown)
    pairs = next(n for n in at.number_input if n.label == "Pairs of retrained models")
    at = pairs.set_value(5).run()
    assert any("At most 15 models to train: about **" in m.value for m in at.markdown)
    judge(at, "0-9", save(model))
    assert foreseen[0].fastest < foreseen[0].seconds < foreseen[0].slowest


def test_what_a_look_at_a_model_takes_is_said(open_page, filled_store, foreseen, tmp_path):
    store = Store(shutil.copytree(filled_store, tmp_path / "own"))
    model = load_file(fulfil(store, USUAL.but(epochs=1)).folder / "weights.safetensors")
    at = open_page("start", store.root, own="yes")
    upload = next(u for u in at.get("file_uploader") if u.label == "Weights of your model")
    at = upload.set_value(("w.safetensors", save(model), "application/octet-stream")).run()
    assert any(m.value.startswith("To see takes about **") for m in at.markdown)
    button(at, "See how accurate it is").click().run()
    assert foreseen[0].fastest < foreseen[0].seconds < foreseen[0].slowest


def test_what_was_found_stands_beside_retrained_models(open_page, store):
    training = Training(data=Data(train=500, test=200), epochs=10)
    retrained = fulfil(store, training.but(without="0-49"))
    for pairs, says in (
        (2, "**cannot be told** from 4 retrained models"),
        (3, "yours is not the furthest off"),
    ):
        fulfil(store, ask(store, "Mine *", training, "0-49", retrained.folder / "weights.safetensors", pairs))
        at = open_page("start", store.root, own="yes")
        said = next(m.value for m in at.markdown if m.value.startswith("**Mine \\*** after forgetting 50 images"))
        assert says in said and ("1 in 7 would be called so" in said) == (pairs == 3)
    assert "1 in 20 of them would lie outside" in said and "inside the range" in said
    table = at.dataframe[0].value
    assert table[""].tolist() == ["Your model", "Retrained", "Original"]
    found = judgements(store)[0].table
    assert table["tow"].tolist() == [own_model._cell(line, "tow") for _, line in found.iterrows()]
    assert "(" in table["tow"].iloc[1] and "(" not in table["tow"].iloc[0]


def test_what_is_off_target_is_said(open_page, store):
    training = Training(data=Data(train=500, test=200), epochs=10)
    fulfil(store, ask(store, "Mine", training, "0-49", fulfil(store, training).folder / "weights.safetensors", 3))
    said = next(m.value for m in open_page("start", store.root, own="yes").markdown if m.value.startswith("**Mine**"))
    assert "**yours is the furthest off**" in said and "**above** the range" in said


def test_a_model_trained_elsewhere_becomes_the_original_of_a_study(open_page, store, submitted):
    model = load_file(fulfil(store, USUAL.but(epochs=1)).folder / "weights.safetensors")

    def give(at, weights: bytes):
        upload = next(u for u in at.get("file_uploader") if u.label == "Weights of your model")
        return upload.set_value(("w.safetensors", weights, "application/octet-stream")).run()

    at = give(open_page("start", store.root, own="yes"), save({k: v[:-1] for k, v in model.items()}))
    assert "These are not the weights" in at.error[0].value and button(at, "Run this study").disabled
    at = give(at, save(model))
    assert not at.error and any("Your model is the original of this study" in m.value for m in at.markdown)
    at = button(at, "See how accurate it is").click().run()
    (look,) = submitted
    assert isinstance(look, Training) and look.afresh == USUAL and look.weights
    submitted.clear()
    # Seen before the work of a study is begun: the same numbers as of the model that the file came from.
    fulfil(store, look)
    images, logits = dataset(store, Data()), store.find(USUAL.but(epochs=1)).arrays("logits")
    sides = {"train": images.train.y.numpy(), "test": images.test.y.numpy()}
    train, test = ((logits[side].argmax(axis=1) == labels).mean() for side, labels in sides.items())
    at.run()
    said = f"It gets **{train:.1%}** of the {len(sides['train']):,} training images right and **{test:.1%}** of the "
    assert said in "\n".join(m.value for m in at.markdown)
    assert any("has little of them to forget" in w.value for w in at.warning) == (train < own_original.POOR)
    at = button(at, "Run this study").click().run()
    assert at.title[0].value == "Runs" and not at.exception
    (asked,) = submitted
    assert asked.training.afresh == USUAL and store.find(own_weights(asked.training)) is not None
