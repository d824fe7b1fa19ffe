"""The difficulty landscape: sets that differ by design, measured as they would be alone, and nothing is lost."""

import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from unlearn_core import evaluation
from unlearn_core.cli.landscape import landscape as command
from unlearn_core.disk import StoreError
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment import OpenStudy, fulfil, studies
from unlearn_core.experiment import landscape as landscape_module
from unlearn_core.experiment.forecast import peak
from unlearn_core.experiment.landscape import (
    Landscape,
    LandscapePart,
    landscape_for,
    landscapes,
    table_so_far,
    usual,
)
from unlearn_core.experiment.landscape_cost import landscape_cost
from unlearn_core.experiment.landscape_sets import (
    ATTRIBUTES,
    MOST,
    TOGETHER,
    LandscapeSets,
    Seen,
    draw,
    facts_of,
)
from unlearn_core.experiment.model_seeds import LANDSCAPE
from unlearn_core.experiment.try_everything import Attempt
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.params import BadValue
from unlearn_core.progress import Cancelled
from unlearn_core.rows import pack
from unlearn_core.rum import Part, Rum
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS, FineTune, NegGrad, Original, Retrain


@pytest.fixture(scope="module")
def about() -> Seen:
    """1,000 images in ten classes that lie apart, with a few memorized ones."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 100)
    x = rng.normal(0, 1, (1000, 8)) + 4 * rng.normal(0, 1, (10, 8))[labels]
    memorization = np.clip(rng.normal(0, 0.3, 1000), 0, 1)
    return Seen(labels, memorization, 1 - 0.5 * memorization, EmbeddingSums(x.astype(np.float32)))


def block(**changes) -> LandscapeSets:
    return LandscapeSets(training=Training(), **{"size": 40} | changes)


def test_the_facts_of_a_set(about):
    whole, half = np.arange(100), np.r_[0:50, 100:150]
    assert facts_of(about, whole)["classes"] == pytest.approx(1) and facts_of(about, whole)["class_share"] == 1
    found = facts_of(about, half)
    assert found["classes"] == pytest.approx(2) and found["class_share"] == 0.5 and found["size"] == 100
    assert found["memorization"] == pytest.approx(about.memorization[half].mean())
    assert found["entanglement"] == pytest.approx(about.sums.describe(half).share_of_random)
    assert list(found) == list(ATTRIBUTES)


def test_sets_differ_in_what_they_are(about):
    sets = [draw(about, block(number=b), i) for b in range(6) for i in range(TOGETHER)]
    assert all(len(np.unique(rows)) == 40 and (np.diff(rows) > 0).all() for rows in sets)
    facts = {name: np.array([facts_of(about, rows)[name] for rows in sets]) for name in ATTRIBUTES}
    low, high = np.quantile(facts["memorization"], [0.1, 0.9])
    assert low < 0.05 and high > 0.4
    assert facts["entanglement"].min() < 0.2 and facts["entanglement"].max() > 0.8
    assert facts["classes"].min() < 1.01 and facts["classes"].max() > 8
    # Two that always went together could not be told apart.
    assert abs(np.corrcoef(facts["memorization"], facts["entanglement"])[0, 1]) < 0.5
    assert facts["class_share"].max() <= MOST
    # Nor could entanglement be read at one class mix if it followed from it.
    mix = np.c_[
        np.ones(len(sets)), facts["classes"], facts["class_share"], facts["classes"] ** 2, np.log(facts["size"])
    ]
    left = facts["entanglement"] - mix @ np.linalg.lstsq(mix, facts["entanglement"], rcond=None)[0]
    assert left.var() > 0.1 * facts["entanglement"].var()


def test_a_draw_hangs_on_its_counters_alone(about):
    assert np.array_equal(draw(about, block(), 3), draw(about, block(), 3))
    others = [block(seed=1), block(number=1)]
    assert not any(np.array_equal(draw(about, block(), 3), draw(about, other, 3)) for other in others)
    with pytest.raises(BadValue, match="at most a third of the 1,000"):
        draw(about, block(size=400), 0)


def test_a_class_that_is_too_small_is_filled_up_from_others(about):
    rows = [draw(about, block(size=120), i) for i in range(TOGETHER)]
    assert all(len(r) == 120 for r in rows) and max(facts_of(about, r)["class_share"] for r in rows) <= 0.9


def test_a_small_landscape_is_the_beginning_of_a_large_one():
    small, large = (Landscape(sets=n).parts() for n in (64, 256))
    assert large[: len(small)] == small
    assert len({part.sets.size for part in small}) == 4  # a preview has every size
    few, more = usual(slow=False), (*usual(slow=False), ALGORITHMS["munba"]())
    small, more = (Landscape(sets=64, unlearners=chosen).parts() for chosen in (few, more))
    assert set(small) < set(more) and {type(part.unlearner) for part in set(more) - set(small)} == {ALGORITHMS["munba"]}


RUM = Rum(parts=(Part(name="all", rows="0-3", unlearner=FineTune()),))  # which is an Unlearner, too


@pytest.mark.parametrize(
    "changes",
    [{"unlearners": ()}, {"sizes": ()}, {"sizes": (1,)}, {"sizes": (20, 20)}, {"models": 3}, {"unlearners": (RUM,)}],
)
def test_what_cannot_be_measured_is_refused(changes):
    with pytest.raises(BadValue):
        Landscape(**changes)


def test_all_algorithms_for_single_images_are_usual():
    fits = {cls for n, cls in ALGORITHMS.items() if n not in ("original", "retrain") and cls.scope != "classes"}
    assert {type(u) for u in usual()} == fits and {type(u) for u in usual(slow=False)} < fits


# -- a measured one ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wanted(filled_study) -> Landscape:
    training, few = filled_study.training, (FineTune(epochs=2), NegGrad(epochs=1))
    return Landscape(training=training, models=10, unlearners=few, sets=24, sizes=(20, 40), originals=2)


@pytest.fixture(scope="module")
def measured(filled_store, wanted, tmp_path_factory) -> Store:
    """A store with the small study, in which the landscape was stopped once and then finished."""
    root = tmp_path_factory.mktemp("landscape") / "store"
    shutil.copytree(filled_store, root)
    store = Store(root)

    def stop(stage, done, total):
        if stage == "landscape" and done / total > 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(store, wanted, stop)
    done = sum(store.find(part) is not None for part in wanted.parts())
    assert 0 < done < len(wanted.parts()) == 8 and store.find(wanted) is None
    assert set(table_so_far(store, wanted)["set"]) == set(range(TOGETHER))
    kept = {r.key: (r.folder / "manifest.json").stat().st_mtime_ns for r in store.results("LandscapePart")}
    fulfil(store, wanted)
    for result in store.results("LandscapePart"):
        assert kept.get(result.key) in (None, (result.folder / "manifest.json").stat().st_mtime_ns)
    return store


def test_a_part_that_goes_while_the_whole_is_put_together_is_one_sentence(measured, wanted, tmp_path, monkeypatch):
    store, honest = Store(shutil.copytree(measured.root, tmp_path / "store")), landscape_module.fulfil_all
    shutil.rmtree(store.find(wanted).folder)

    def and_gone(store, parts, tell):
        made = honest(store, parts, tell)
        shutil.rmtree(made[0].folder)
        return made

    monkeypatch.setattr(landscape_module, "fulfil_all", and_gone)
    with pytest.raises(StoreError, match="^LandscapePart .* was removed or set aside while it was needed"):
        fulfil(store, wanted)
    assert store.find(wanted) is None


def test_a_line_for_every_set_and_algorithm(measured, wanted):
    table = measured.find(wanted).table()
    assert list(dict.fromkeys(table["algorithm"])) == ["retrained-again", "original", "fine-tune", "neggrad"]
    assert (table.groupby("algorithm")["set"].apply(list).apply(lambda s: s == list(range(24)))).all()
    assert set(table["seed"]) == {LANDSCAPE, LANDSCAPE + 1}  # none that a study reports
    assert table["tow"].between(0, 1).all() and set(table["size"]) == {20, 40}
    assert (table.loc[table["algorithm"] != "original", "seconds"] > 0).all()


def test_a_number_of_the_table_is_that_of_a_run_by_itself(measured, wanted):
    """One set again by the ordinary way: its run, and a model retrained without it."""
    table, number = measured.find(wanted).table(), 17
    line = table[(table["set"] == number) & (table["algorithm"] == "fine-tune")].iloc[0]
    sets = LandscapePart(sets=list(wanted.blocks())[1][0], count=8, unlearner=Retrain()).sets
    rows, seed = measured.find(sets).arrays()["rows"][number - TOGETHER], int(line["seed"])
    training = wanted.training.but(seed=seed)
    run = fulfil(measured, Run(training=training, forget=pack(rows), unlearner=FineTune(epochs=2), seed=seed))
    retrained = fulfil(measured, training.but(without=pack(rows)))
    images = OpenStudy.open(measured, studies(measured)[0].key).data
    labels, keep = images.train.y.numpy(), np.setdiff1d(np.arange(len(images.train.y)), rows)

    def said(result) -> dict:
        logits = result.arrays("logits")
        right = logits["train"].argmax(1) == labels
        held_out = logits["validation"].argmax(1) == images.validation.y.numpy()
        return {"forget": right[rows].mean(), "retain": right[keep].mean(), "test": held_out.mean()}

    assert line["tow"] == pytest.approx(evaluation.tow(said(run), said(retrained)), abs=0.06)  # up to rounding
    assert line["forget_gap"] == pytest.approx(said(run)["forget"] - said(retrained)["forget"], abs=0.06)


def test_the_original_stands_for_forgetting_nothing(measured, wanted):
    table = measured.find(wanted).table().set_index(["algorithm", "set"])
    assert table.loc["original", "forget_gap"].mean() > 0 and table.loc["original", "auc_gap"].mean() > 0
    assert table.loc["retrained-again", "tow"].mean() > table.loc["original", "tow"].mean()


def test_a_landscape_is_found_by_training_and_bank(measured, wanted, filled_study):
    assert [r.spec() for r in landscapes(measured, filled_study.bank)] == [wanted]
    assert landscapes(measured, filled_study.but(models=0).bank) == []


def test_cost_counts_what_is_left(measured, wanted):
    opened = OpenStudy.open(measured, studies(measured)[0].key)
    assert landscape_cost(opened, wanted).seconds == 0 and landscape_cost(opened, wanted).runs == 0
    more = landscape_cost(opened, wanted.but(sets=32))  # the last block is measured whole, and anew
    assert (more.sets, more.trainings, more.runs) == (16, 32, 48) and more.seconds > 0
    assert (more.memory, more.device) == peak(opened) and not landscape_cost(opened, wanted).memory
    with pytest.raises(BadValue, match="same training and the same bank"):
        landscape_cost(opened, wanted.but(models=11))


def test_what_trying_everything_took_is_known_of_algorithms_that_the_study_never_ran(measured, wanted, tmp_path):
    store = Store(shutil.copytree(measured.root, tmp_path / "store"))
    opened, slow = (
        OpenStudy.open(store, studies(store)[0].key),
        wanted.but(unlearners=(ALGORITHMS["rni"](), ALGORITHMS["scrub"]()), sets=16),
    )
    before = landscape_cost(opened, slow)
    assert (before.guessed, before.slow) == (2, 1)
    tried = Attempt(
        training=wanted.training, forget="0-9", parts=("0-2", "3-5", "6-9"), unlearner=ALGORITHMS["rni"](), seeds=2
    )
    store.remember(tried, lambda out: out.table(pd.DataFrame({"seconds": [99.0, 101.0]})), device="cpu")
    after = landscape_cost(opened, slow)
    assert (after.guessed, after.slow) == (1, 0)
    assert after.seconds - before.seconds > 0.9 * 16 * 100 / after.at_once


def test_sizes_fit_the_images(measured, filled_study):
    asked = landscape_for(measured, filled_study.bank, 48)
    assert asked.bank == filled_study.bank and asked.sizes == (20, 60, 120) and Original() not in asked.unlearners
    too_large = asked.but(sizes=(20, 400), sets=32)
    with pytest.raises(BadValue, match="at most a third"):
        fulfil(measured, too_large)


def test_the_command_tells_the_law(measured, wanted, tmp_path):
    import json

    import typer

    app = typer.Typer()
    app.command()(command)
    data, recipe = wanted.training.data, wanted.training
    given = ["--images", data.train, "--test-images", data.test, "--epochs", recipe.epochs, "--models", 10]
    given += ["--sets", 24, "--algorithm", "neggrad", "--out", tmp_path / "lines.csv", "--store", measured.root]
    told = CliRunner().invoke(app, [*map(str, given)], catch_exceptions=False)
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["sets"] == 24 and set(found["law"]) == {"neggrad", "original", "retrained-again", "all algorithms"}
    assert found["held"] == ["number of images", "number of classes", "largest share of a class"]
    assert (
        found["same"] == {} and "Held fixed: the other of the two, number of images, number of classes" in told.stderr
    )
    line = found["law"]["original"]
    assert line["memorization_low"] <= line["memorization"] <= line["memorization_high"]
    assert len((tmp_path / "lines.csv").read_text().splitlines()) == 1 + 3 * 24
