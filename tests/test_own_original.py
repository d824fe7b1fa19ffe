"""A model from elsewhere as the original of a study: what is unlearned is that model, all else is of the recipe."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from unlearn_core import experiment
from unlearn_core.cli import app
from unlearn_core.data import Data
from unlearn_core.experiment import OpenStudy, Study, fulfil
from unlearn_core.experiment.advice import advice
from unlearn_core.experiment.bundle import export, import_bundle
from unlearn_core.experiment.forecast import forecast
from unlearn_core.experiment.own_weights import GONE, keep
from unlearn_core.experiment.rehearsal import rehearse
from unlearn_core.experiment.trained_models import training_rows
from unlearn_core.experiment.unlearned_models import refuse
from unlearn_core.forget import ByMemorization
from unlearn_core.params import BadValue, key, plain
from unlearn_core.report import write
from unlearn_core.store import Store
from unlearn_core.training import Training, promise
from unlearn_core.unlearning import ALGORITHMS

RECIPE = Training(data=Data(train=500, test=200), epochs=8, width=32)
FINE_TUNE, SCRUB = ALGORITHMS["fine-tune"](epochs=2), ALGORITHMS["scrub"](epochs=2)
USUAL = Study(
    training=RECIPE, models=10, forget=ByMemorization(size=8), unlearners=(FINE_TUNE,), plans=(), seeds=2,
    tuning_seeds=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with the usual study, and one whose original is the usual one's first, as a file."""
    store = Store(tmp_path_factory.mktemp("given") / "store")
    usual = OpenStudy(store, fulfil(store, USUAL))
    file = store.find(RECIPE).folder / "weights.safetensors"
    digest = keep(store, RECIPE, file).digest
    given = USUAL.but(training=RECIPE.but(weights=digest))
    return store, usual, OpenStudy(store, fulfil(store, given)), file


def test_the_same_model_from_a_file_is_unlearned_to_the_same_bits(made):
    store, usual, given, _ = made
    for method in ("original", "fine-tune", "retrained", "retrained-again"):
        for split, logits in usual.logits(method, 0).items():
            assert np.array_equal(given.logits(method, 0)[split], logits), (method, split)
    first, second = (given.logits("original", seed)["train"] for seed in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(usual.logits("original", 1)["train"], second)
    assert not np.array_equal(given.logits("fine-tune", 1)["train"], given.logits("fine-tune", 0)["train"])


def test_all_that_is_trained_here_is_shared_with_studies_of_the_recipe(made):
    store, usual, given, _ = made
    assert given.spec.bank == usual.spec.bank and np.array_equal(given.memorization.scores, usual.memorization.scores)
    assert np.array_equal(given.forget, usual.forget) and given.best == usual.best
    kinds = {r.key: r.spec() for r in store.results("Training")}
    assert sum(bool(t.weights) for t in kinds.values()) == given.spec.seeds
    assert not any(t.weights for t in kinds.values() if t.without)


def test_the_key_of_a_recipe_is_what_it_was_before_there_were_such_models():
    assert "weights" not in plain(RECIPE) and key(RECIPE.but(weights="")) == key(RECIPE)
    digest = "ab" * 32
    assert key(RECIPE.but(weights=digest)) != key(RECIPE)
    assert RECIPE.but(weights=digest, without="3") == RECIPE.but(without="3")
    for bad in ("x", "AB" * 32, "ab" * 31, "../" * 22):
        with pytest.raises(BadValue, match="64 hexadecimal digits"):
            RECIPE.but(weights=bad)


def test_what_was_not_seen_of_its_training_is_not_claimed(made):
    store, _, given, _ = made
    rows = given.forget
    assert len(training_rows(given.spec.training, 450)) == 450
    for name, cls in ALGORITHMS.items():
        if "history" in cls.needs:
            with pytest.raises(BadValue):
                refuse(store, given.spec.training, rows, cls())
            refuse(store, RECIPE, rows, cls()) if name != "sisa" else None
    private = RECIPE.but(noise=1.0)
    assert promise(private, 450) is not None and promise(private.but(weights="ab" * 32), 450) is None


def test_it_counts_as_one_original_however_many_seeds_there_are(made, tmp_path):
    store, usual, given, _ = made
    alone = Store(shutil.copytree(store.root, tmp_path / "alone"))
    shutil.rmtree(alone.find(USUAL).folder)
    score = float(given.memorization.scores[given.forget].mean())
    assert advice(OpenStudy.open(alone, given.key), score).tow.n == 1
    assert advice(usual, score).tow.n > 1


def test_no_training_of_it_is_foretold(made):
    _, usual, given, _ = made
    more = {"unlearners": (FINE_TUNE, SCRUB), "seeds": 4}
    ahead, usual_ahead = (forecast(s, s.spec.but(**more)) for s in (given, usual))
    assert usual_ahead.trainings - ahead.trainings == 2  # the originals of two more seeds
    assert ahead.runs > 0


def test_weights_that_are_not_there_are_asked_for_before_anything_is_trained(made, tmp_path):
    _, _, given, _ = made
    empty = Store(tmp_path / "empty")
    for ask in (rehearse, fulfil):
        with pytest.raises(BadValue) as error:
            ask(empty, given.spec)
        assert str(error.value) == GONE
    assert not list((empty.root / "results").glob("*/*")) if (empty.root / "results").exists() else True


def test_the_command_takes_a_file(made, tmp_path):
    store, _, given, file = made
    asked = tmp_path / "study.json"
    asked.write_text(json.dumps(plain(USUAL)))
    run = lambda *more: CliRunner().invoke(app, ["study", str(asked), *more, "--store", str(store.root)])  # noqa: E731
    done = run("--weights", str(file))
    assert done.exit_code == 0 and json.loads(done.stdout)["study"] == given.key
    asked.write_text(json.dumps(plain(given.spec)))
    assert json.loads(run().stdout)["cached"]
    other = store.find(RECIPE.but(seed=1)).folder / "weights.safetensors"
    refused = run("--weights", str(other))
    assert refused.exit_code and "names another original" in refused.output


def test_the_report_says_what_that_means_and_how_to_make_it_again(made):
    _, usual, given, _ = made
    said, plainly = write(given, "technical"), write(usual, "technical")
    marker = "The original is one model, trained elsewhere"
    assert marker in said and marker not in plainly
    assert "report.html --weights original.safetensors" in said and "--weights" not in plainly


def test_a_model_of_another_recipe_is_seen_by_what_it_keeps(made):
    """What it gets right is said beside the retrained models, and it is what the stored outputs say."""
    store, usual, given, _ = made
    assert usual.about_original == ""
    poor = fulfil(store, RECIPE.but(epochs=1, seed=5)).folder / "weights.safetensors"
    training = RECIPE.but(weights=keep(store, RECIPE, poor).digest)
    for study in (given, OpenStudy(store, fulfil(store, given.spec.but(training=training)))):
        kept = np.setdiff1d(np.arange(len(study.labels)), study.forget)
        right = {
            name: np.mean([(study.logits(name, s)["train"].argmax(1) == study.labels)[kept].mean() for s in range(2)])
            for name in ("original", "retrained")
        }
        said = f"it gets {right['original']:.1%} of the kept images right, retrained models {right['retrained']:.1%}."
        assert said in study.about_original
    assert right["original"] < right["retrained"] - 0.05


def test_it_travels_and_is_looked_at_elsewhere(made, tmp_path):
    _, _, given, _ = made
    file, elsewhere = tmp_path / "study.zip", Store(tmp_path / "elsewhere")
    export(given.store, given.key, file)
    there = OpenStudy.open(elsewhere, import_bundle(elsewhere, file))
    for method in ("original", "fine-tune"):
        assert np.array_equal(there.logits(method, 1)["test"], given.logits(method, 1)["test"])
    assert [listed.given for listed in experiment.studies(elsewhere)] == [True]
