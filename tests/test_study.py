"""A study from the images to its numbers: every number can be traced back, and nothing is done twice."""

import hashlib
import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from unlearn_core.data import Data
from unlearn_core.disk import StoreError
from unlearn_core.ensembles import balanced_subsets
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment import (
    Embedding,
    Map,
    OpenStudy,
    Run,
    Study,
    Tuning,
    door,
    embedded_images,
    example,
    fulfil,
    listed,
    studies,
    study,
    trained_models,
    tuning,
    unlearned_models,
)
from unlearn_core.experiment.bank import parts_of
from unlearn_core.experiment.model_seeds import AGAIN, TUNING
from unlearn_core.experiment.outdated import outdated
from unlearn_core.experiment.soundness import look
from unlearn_core.experiment.study import REFERENCES, methods
from unlearn_core.experiment.trained_models import train_all
from unlearn_core.experiment.tuning import FACTORS, chosen, settings
from unlearn_core.experiment.unlearned_models import run_all
from unlearn_core.forget import AtRandom, ByMemorization, OfClass
from unlearn_core.params import BadValue, build, key, plain
from unlearn_core.progress import Cancelled
from unlearn_core.result import Result
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import PARTS, Plan, Rum
from unlearn_core.store import Store
from unlearn_core.training import Training, embed, predict
from unlearn_core.unlearning import FineTune, NegGrad, RandomLabel, Retrain
from unlearn_core.unlearning.ends.original import Original

SMALL = Training(data=Data(train=150, test=60), width=8, epochs=3)


@pytest.fixture(scope="module")
def opened(filled_store, filled_study):
    """The finished small study."""
    return OpenStudy.open(Store(filled_store), key(filled_study))


@pytest.fixture
def copied(filled_store, tmp_path):
    """A store of our own with the same results."""
    shutil.copytree(filled_store, tmp_path / "copy")
    return Store(tmp_path / "copy")


def forget_results(store, *kinds):
    for kind in kinds:
        shutil.rmtree(store.root / "results" / kind)


def share_right(logits, labels):
    return float((logits.argmax(1) == labels).mean())


# -- stages ------------------------------------------------------------------------------------------------------------


def test_a_retrained_model_is_what_retraining_gives(store):
    """Training without the rows and the algorithm Retrain, with one seed, are the same model to the bit."""
    rows = "3,7-9,40"
    (without,) = train_all(store, [SMALL.but(seed=5, without=rows)])
    run = fulfil(store, Run(training=SMALL, forget=rows, unlearner=Retrain(), seed=5))
    a, b = without.arrays("weights"), run.arrays("weights")
    assert a.keys() == b.keys() and all((a[k] == b[k]).all() for k in a)
    assert run.json("cost")["steps"] == 3 * -(-(135 - 5) // 32) and run.json("cost")["retain_gradients"] == 3 * 130
    assert np.isnan(without.arrays("trajectory")["confidence"][[3, 7, 8, 9, 40]]).all()


def test_models_trained_together_are_those_trained_alone(store, tmp_path):
    trainings = [SMALL.but(seed=s, without=w) for s, w in ((0, ""), (1, ""), (0, "1-5"), (1, "2-6"))]
    together = train_all(store, [*trainings, trainings[0]])
    assert [r.spec() for r in together] == [*trainings, trainings[0]]
    other = Store(tmp_path / "other")
    for result, training in zip(together, trainings, strict=False):
        alone = fulfil(other, training).arrays("logits")
        for split, logits in result.arrays("logits").items():
            np.testing.assert_allclose(logits, alone[split], rtol=1e-3, atol=1e-4)


def test_what_is_kept_of_a_model_is_the_model(store):
    result = fulfil(store, SMALL)
    model, images = trained_models.load_model(store, SMALL, result), trained_models.dataset(store, SMALL.data)
    for split in ("train", "validation", "test"):
        np.testing.assert_allclose(
            predict(model, getattr(images, split)).logits, result.arrays("logits")[split], atol=1e-5
        )
        kept = trained_models.outputs(store, SMALL.data, result, split)
        assert len(kept.labels) == len(kept.logits) == len(getattr(images, split).y)
    found = fulfil(store, Embedding(training=SMALL)).arrays()
    np.testing.assert_allclose(found["train"], embed(model, images.train), atol=1e-5)
    assert found["test"].shape == (60, 8)
    assert embedded_images.embedding_sums(store, SMALL).score(np.arange(9)) == EmbeddingSums(found["train"]).score(
        np.arange(9)
    )


def test_runs_that_go_together_are_those_that_go_alone(store, tmp_path):
    """Over seeds, and with a plan; and each is made once."""
    plan = Plan(low=Original(), medium=FineTune(epochs=1), high=RandomLabel(epochs=1)).resolve(
        {"low": np.arange(4), "medium": np.arange(4, 8), "high": np.arange(8, 12)}
    )
    for unlearner in (NegGrad(), plan):
        runs = [Run(training=SMALL.but(seed=s), forget="0-11", unlearner=unlearner, seed=s) for s in (0, 1)]
        together = run_all(store, runs)
        for run, result in zip(runs, together, strict=True):
            alone = fulfil(Store(tmp_path / "alone"), run)
            assert result.spec() == run
            for k, v in alone.arrays("weights").items():
                np.testing.assert_allclose(result.arrays("weights")[k], v, rtol=1e-3, atol=1e-5)
            assert {**result.json("cost"), "seconds": 0, "peak_megabytes": 0} == {
                **alone.json("cost"),
                "seconds": 0,
                "peak_megabytes": 0,
            }
        before = [r.folder.stat().st_mtime_ns for r in together]
        assert [r.folder.stat().st_mtime_ns for r in run_all(store, runs)] == before


# -- what a study is ---------------------------------------------------------------------------------------------------


def test_a_study_has_something_to_run():
    with pytest.raises(BadValue, match="at least one algorithm or plan"):
        Study(unlearners=(), plans=())
    with pytest.raises(BadValue, match="lists algorithms and RUM plans"):
        Study(unlearners=(Plan(),))
    with pytest.raises(BadValue, match="lists algorithms and RUM plans"):
        Study(plans=(FineTune(),))
    assert Study(training=SMALL.but(seed=4, without="1")) == Study(training=SMALL)


def test_the_example_runs_all_algorithms_over_five_seeds():
    made = example()
    assert made.seeds == 5 and made.models == 64 and made.tuning_seeds >= 1 and made.controls
    assert {type(u).__name__ for u in made.unlearners} == {
        "FineTune", "L1Sparse", "NegGrad", "NegGradPlus", "RandomLabel", "SalUn", "Scrub"
    }  # fmt: skip
    assert build(json.loads(json.dumps(plain(made)))) == made
    (plan,) = made.plans
    assert [type(getattr(plan, p)) for p in PARTS] == [Original, FineTune, RandomLabel]


# -- its numbers -------------------------------------------------------------------------------------------------------


def test_every_method_has_a_line_for_every_seed(opened):
    table = opened.table
    kinds = table.groupby("kind")["method"].unique().map(set).to_dict()
    assert kinds == {
        "reference": set(REFERENCES),
        "single": {"fine-tune", "neggrad-plus", "random-label"},
        "plan": {"rum"},
        "control": {
            "rum-shuffle", "rum-f-fine-tune", "rum-vanilla-fine-tune", "rum-f-random-label", "rum-vanilla-random-label"
        },
    }  # fmt: skip
    assert (table.groupby("method")["seed"].apply(sorted).map(tuple) == (0, 1, 2)).all()
    assert len(table) == 12 * 3 and table["title"].notna().all()


def test_the_forget_set_is_the_rule_applied_to_the_scores(opened, filled_study):
    parts = [opened.store.find(part).arrays() for part in parts_of(filled_study.bank)]
    correct = np.concatenate([part["correct"] for part in parts])
    member = balanced_subsets(correct.shape[1], len(correct), 0.7, 0)
    inside, outside = (np.where(side, correct, np.nan) for side in (member, ~member))
    scores = np.nanmean(inside, axis=0) - np.nanmean(outside, axis=0)
    np.testing.assert_allclose(opened.memorization.scores, scores, atol=1e-12)
    rows = opened.forget
    assert len(rows) == 30 and (np.diff(rows) > 0).all()
    by_score = sorted(range(len(scores)), key=lambda i: (-round(scores[i], 9), i))
    assert set(by_score[:10]) <= set(rows)
    assert sorted(np.concatenate(list(opened.parts.values()))) == rows.tolist()
    assert [len(p) for p in opened.parts.values()] == [10, 10, 10]
    means = [scores[opened.parts[p]].mean() for p in PARTS]
    assert means == sorted(means) and means[0] < 0.1 and means[2] > 0.8


def test_accuracies_and_tow_follow_from_the_kept_logits(opened):
    """Recomputed from the stored models, by the definition: the product of one minus each absolute gap."""
    labels, test = opened.labels, opened.data.test.y.numpy()
    keep = np.setdiff1d(np.arange(len(labels)), opened.forget)

    def shares(method, seed):
        logits = opened.run_result(method, seed).arrays("logits")
        train = logits["train"]
        parts = [share_right(train[r], labels[r]) for r in opened.parts.values()]
        rows = opened.forget
        return [share_right(train[r], labels[r]) for r in (rows, keep)] + [share_right(logits["test"], test)], parts

    for method in ("original", "retrained-again", "fine-tune", "rum", "rum-shuffle"):
        for seed in range(3):
            line = opened.table[(opened.table["method"] == method) & (opened.table["seed"] == seed)].iloc[0]
            (own, parts), (reference, reference_parts) = shares(method, seed), shares("retrained", seed)
            assert [line["forget_accuracy"], line["retain_accuracy"], line["test_accuracy"]] == pytest.approx(own)
            assert [line[f"{p}_accuracy"] for p in PARTS] == pytest.approx(parts)
            factors = [1 - abs(a - b) for a, b in zip(own, reference, strict=True)]
            assert line["tow"] == pytest.approx(np.prod(factors))
            gap = np.mean([abs(a - b) for a, b in zip(parts, reference_parts, strict=True)])
            assert line["group_tow"] == pytest.approx((1 - gap) * factors[1] * factors[2])


def test_the_reference_is_perfect_and_the_ceiling_nearly(opened):
    table = opened.table.set_index("method")
    assert (table.loc["retrained", ["tow", "group_tow"]] == 1).all(axis=None)
    assert (table.loc["retrained", ["forget_disagreement", "test_disagreement"]] == 0).all(axis=None)
    assert (table.loc["retrained-again", "tow"] < 1).any()
    # Group ToW cannot cancel gaps, so it is never above plain ToW.
    assert (table["group_tow"] <= table["tow"] + 1e-12).all()


def test_the_second_retrained_model_is_another_one(opened):
    for seed in range(3):
        specs = [opened.run_result(m, seed).spec() for m in REFERENCES]
        rows = pack(opened.forget)
        assert [(s.seed, s.without) for s in specs] == [(seed, ""), (seed, rows), (AGAIN + seed, rows)]


def test_runs_are_of_the_models_they_are_compared_with(opened):
    for method in ("fine-tune", "rum", "rum-vanilla-fine-tune"):
        for seed in range(3):
            run = opened.run_result(method, seed).spec()
            assert (run.training.seed, run.seed, run.forget) == (seed, seed, pack(opened.forget))
    plan = opened.run_result("rum", 0).spec().unlearner
    assert isinstance(plan, Rum) and [p.name for p in plan.parts] == list(PARTS)
    assert {p.name: unpack(p.rows, 10**6).tolist() for p in plan.parts} == {p: opened.parts[p].tolist() for p in PARTS}
    shuffle = opened.run_result("rum-shuffle", 0).spec().unlearner
    assert [len(unpack(p.rows, 10**6)) for p in shuffle.parts] == [10, 10, 10]
    assert {p.rows for p in shuffle.parts} != {p.rows for p in plan.parts}
    other = opened.run_result("rum-shuffle", 2).spec().unlearner  # each seed has a shuffle of its own
    assert {p.rows for p in shuffle.parts} != {p.rows for p in other.parts}
    assert opened.run_result("rum-vanilla-fine-tune", 0).spec().unlearner.epochs == 6


def test_learning_rates_were_chosen_elsewhere(opened, filled_study):
    """On models of other seeds, with other seeds of the algorithms, and always on a mixed set."""
    found = {type(r.spec().unlearners[0]): (r.spec(), r.table()) for r in opened.store.results("Tuning")}
    assert set(found) == {type(u) for u in filled_study.unlearners}
    for unlearner in filled_study.unlearners:
        spec, table = found[type(unlearner)]
        assert spec.seeds == (TUNING,) and set(table["seed"]) == {TUNING}
        tried = [u.lr for u in spec.unlearners]
        assert tried == pytest.approx([unlearner.lr * f for f in FACTORS])
        used = opened.run_result(study.short_name(unlearner), 0).spec().unlearner
        best = table.groupby("lr")["group_tow"].mean()
        assert best[used.lr] == best.max() and unlearner.but(lr=used.lr) == used
        assert opened.summary["learning_rates"][study.short_name(unlearner)] == used.lr


def test_tuning_runs_never_share_a_seed_with_reported_ones(store, monkeypatch):
    seen = []
    unlearn = unlearned_models.unlearn
    monkeypatch.setattr(tuning, "unlearn", lambda s, runs, *rest: seen.extend(runs) or unlearn(s, runs, *rest))
    fulfil(
        store,
        Tuning(
            training=SMALL,
            forget="0-8",
            parts=("0-2", "3-5", "6-8"),
            unlearners=(FineTune(epochs=1),) * len(FACTORS),
            seeds=(TUNING, TUNING + 1),
        ),
    )
    assert len(seen) == 2 * len(FACTORS) and {(r.seed, r.training.seed) for r in seen} == {
        (TUNING, TUNING),
        (TUNING + 1, TUNING + 1),
    }


@pytest.mark.parametrize("lr", [1e-7, 0.0123456, 0.5, 10.0])
def test_the_grid_stays_in_range_and_holds_what_was_given(lr):
    """A rate at the end of its range is tried as far as the range goes; a rate with many digits is tried as it is."""
    given = FineTune(lr=lr)
    grid = settings(given)
    assert given in grid and len(set(grid)) == len(grid) <= len(FACTORS)
    assert all(1e-7 <= u.lr <= 10 for u in grid) and [u.lr for u in grid] == sorted(u.lr for u in grid)
    assert settings(Original()) == ()


def test_the_best_setting_is_the_best_mean_and_of_equals_the_gentlest():
    grid = settings(FineTune(lr=0.1))
    spec = Tuning(training=SMALL, forget="0-8", parts=(), unlearners=grid, seeds=(1, 2))

    def best(values):
        values = (values + [0.0] * len(FACTORS))[: len(FACTORS)]
        table = pd.DataFrame(
            [{"setting": j, "group_tow": v + noise} for j, v in enumerate(values) for noise in (-0.1, 0.1)]
        )
        return chosen(spec, table).lr

    assert best([0.1, 0.2, 0.9, 0.3, 0.2, 0.1]) == grid[2].lr
    assert best([0.1, 0.7, 0.7, 0.7, 0.2, 0.1]) == grid[1].lr


def test_learning_rates_are_chosen_on_validation_images(store):
    """The same search judged on test images would read other numbers: the two splits are kept apart."""
    search = Tuning(
        training=SMALL,
        forget="0-8",
        parts=("0-2", "3-5", "6-8"),
        unlearners=(FineTune(epochs=1),),
        seeds=(TUNING,),
    )
    images = trained_models.dataset(store, SMALL.data)
    (unlearned, _), *_ = unlearned_models.unlearn(
        store, [Run(training=SMALL.but(seed=TUNING), forget="0-8", unlearner=FineTune(epochs=1), seed=TUNING)]
    )
    measured = fulfil(store, search).table()["test_accuracy"].item()
    on = {s: predict(unlearned.model, getattr(images, s)) for s in ("validation", "test")}
    accuracy = {s: (o.logits.argmax(1) == o.labels).mean() for s, o in on.items()}
    assert measured == pytest.approx(accuracy["validation"]) and measured != pytest.approx(accuracy["test"])


def test_a_study_of_another_version_is_left_alone(copied):
    """It is neither listed nor thrown away."""
    before = studies(copied)
    place = copied.root / "results" / "Study"
    (kept,) = place.iterdir()
    text = json.loads((kept / "spec.json").read_text()) | {"version": 99}
    body = json.dumps(text, sort_keys=True, separators=(",", ":"))
    other = place / hashlib.sha256(body.encode()).hexdigest()[:32]
    shutil.copytree(kept, other)
    (other / "spec.json").write_text(body)
    files = json.loads((other / "manifest.json").read_text())
    files["files"]["spec.json"] = [len(body), hashlib.sha256(body.encode()).hexdigest()]
    (other / "manifest.json").write_text(json.dumps(files))
    assert studies(copied) == before and other.exists()


def test_intervals_are_over_seeds(opened):
    values = opened.table[opened.table["method"] == "rum"]["group_tow"]
    half = 4.302652729911275 * values.std(ddof=1) / np.sqrt(3)  # the t quantile at two degrees of freedom
    line = opened.means("group_tow").loc["rum"]
    assert (line["mean"], line["half_width"]) == pytest.approx((values.mean(), half))
    assert opened.summary["intervals"]["group_tow"]["rum"] == pytest.approx(
        {"mean": values.mean(), "half_width": half, "n": 3}
    )
    (against,) = opened.summary["plans_against_best_single"]
    single = opened.table[opened.table["kind"] == "single"].pivot(index="seed", columns="method", values="group_tow")
    rival = single.mean().idxmax()
    assert against["plan"] == "rum" and against["best_single"] == rival
    assert against["mean"] == pytest.approx(values.mean() - single[rival].mean())


def test_the_summary_is_plain_and_says_what_the_table_says(opened):
    assert json.loads(json.dumps(opened.summary, allow_nan=False)) == opened.summary
    means = opened.table.groupby("method")["tow"].mean()
    assert opened.summary["tow"] == pytest.approx(means.drop("retrained").to_dict())
    es = opened.summary["entanglement"]
    assert es["score"] == pytest.approx(opened.sums.score(opened.forget)) and es["center"] == "all"
    assert opened.summary["bank_fitted"] > 0.99 and opened.summary["forget"] == 30
    assert list(opened.summary["seconds"]) == [
        "data", "original models", "bank", "map", "forget set", "retrained models", "tuning", "unlearning", "evaluation"
    ]  # fmt: skip


def test_a_study_that_goes_while_all_are_listed_is_left_out(filled_store, filled_study, monkeypatch):
    def removed(result):
        raise StoreError("It was removed.")

    monkeypatch.setattr(listed, "_line", removed)
    assert studies(Store(filled_store)) == []


@pytest.mark.parametrize(
    ("summary", "wrong"),
    [
        ({}, "forget is missing in its summary"),
        ({"tow": {}, "forget": "9"}, "forget in its summary is not as this program writes it"),
    ],
)
def test_a_study_that_does_not_say_what_it_should_is_left_out_and_named(copied, filled_study, summary, wrong):
    before = studies(copied)
    broken = copied.remember(filled_study.but(name="Broken"), lambda draft: draft.json("summary", summary))
    assert studies(copied) == before and [r.key for r in listed.whole_studies(copied)] == [before[0].key]
    with pytest.raises(StoreError, match=f"^The study is not whole: {wrong}.$"):
        OpenStudy.open(copied, broken.key)
    ((kind, found, fault),) = look(copied).damaged
    assert (kind, found) == ("Study", broken.key) and fault == listed.fault(broken)
    # What is listed may lack what others ask of it: then it stands for itself alone.
    copied.remember(filled_study.but(name="Half"), lambda draft: draft.json("summary", {"tow": {}, "forget": 3}))
    assert studies(copied)[0].name == "Half" and [r.key for r in listed.whole_studies(copied)] == [before[0].key]


@pytest.mark.parametrize("read", ["written", "json"])
def test_a_study_of_an_earlier_version_that_goes_while_it_is_read_is_left_out(store, monkeypatch, read):
    monkeypatch.setattr(Study, "version", 0)
    old = store.remember(Study(), lambda draft: draft.json("summary", {"seconds": {"data": 2.0}}))
    monkeypatch.undo()
    (found,) = outdated(store)
    assert (found.key, found.seconds) == (old.key, 2.0)
    honest = getattr(Result, read)

    def too_late(result, *what):
        shutil.rmtree(result.folder, ignore_errors=True)
        return honest(result, *what)

    monkeypatch.setattr(Result, read, too_late)
    assert outdated(store) == []


# -- as it is opened ---------------------------------------------------------------------------------------------------


def test_a_finished_study_is_listed_and_opened(opened, filled_store, filled_study):
    (listed,) = studies(Store(filled_store))
    assert (listed.key, listed.name, listed.forget, listed.seeds) == (key(filled_study), "Small example", 30, 3)
    assert opened.spec == filled_study and opened.classes == tuple("0123456789")
    n, test = len(opened.labels), len(opened.data.test.y)
    for kind in ("umap", "pca"):
        a, b = opened.map(kind)
        assert a.shape == (n, 2) and b.shape == (test, 2) and np.isfinite(a).all()
    assert opened.pixels.shape == (n, 1, 8, 8)
    with pytest.raises(StoreError, match="no Study result"):
        OpenStudy.open(Store(filled_store), "0" * 32)
    with pytest.raises(BadValue, match="no method 'nothing' with seed 0"):
        opened.run_result("nothing", 0)


def test_the_attack_sees_the_original_and_not_the_retrained(opened):
    """The likelihood-ratio attack ranks the original's forget images above the same images under a retrained model."""
    before, after = (np.concatenate([opened.lira(m, s) for s in range(3)]) for m in ("original", "retrained"))
    assert (before[:, None] > after).mean() > 0.7
    auc = opened.summary["lira_auc"]
    assert auc["before"] > auc["retrained"] and abs(auc["retrained"] - 0.5) < 0.15
    margins = opened.margins("original", 0)
    assert len(margins["forget"]) == 30 and len(margins["held_out"]) == len(opened.data.test.y)


def test_a_plan_can_be_followed_step_by_step(opened):
    steps = opened.after_each_step("rum", 1)
    assert list(steps.index) == ["before", "after low", "after medium", "after high"]
    line = opened.table[(opened.table["method"] == "rum") & (opened.table["seed"] == 1)].iloc[0]
    original = opened.table[(opened.table["method"] == "original") & (opened.table["seed"] == 1)].iloc[0]
    assert steps.loc["after high", "forget"] == line["forget_accuracy"]
    assert steps.loc["before", "forget"] == original["forget_accuracy"]
    assert steps.loc["before"].equals(steps.loc["after low"])  # the plan leaves the low part as it is


# -- nothing twice -----------------------------------------------------------------------------------------------------


def numbers(result):
    return result.table().drop(columns="seconds")


def test_a_second_run_makes_nothing(copied, filled_study, monkeypatch):
    for name in door.MAKERS:
        monkeypatch.setitem(door.MAKERS, name, lambda *a: pytest.fail("something was made again"))
    assert fulfil(copied, filled_study).key == key(filled_study)


def test_a_lost_result_is_made_from_what_is_kept(copied, filled_study):
    before, kept = (
        numbers(copied.find(filled_study)),
        {p: p.stat().st_mtime_ns for p in (copied.root / "results").glob("*/*")},
    )
    forget_results(copied, "Study")
    pd.testing.assert_frame_equal(numbers(fulfil(copied, filled_study)), before)
    others = {p: t for p, t in kept.items() if p.parent.name != "Study"}
    assert all(p.stat().st_mtime_ns == t for p, t in others.items())
    assert {p for p in (copied.root / "results").glob("*/*") if p.parent.name != "Study"} == set(others)


@pytest.mark.parametrize("stop_in", ["retrained models", "tuning", "unlearning"])
def test_an_interrupted_study_goes_on_and_ends_the_same(copied, filled_study, stop_in):
    before = numbers(copied.find(filled_study))
    forget_results(copied, "Study", "Run", "Tuning")
    kept = [r for r in copied.results("Training") if not r.spec().without]
    if stop_in == "retrained models":
        for result in copied.results("Training"):
            if result.spec().without:
                shutil.rmtree(result.folder, ignore_errors=True)
    told = []

    def stop(stage, done, total):
        told.append(stage)
        if stage == stop_in and total > 1 and done > total / 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(copied, filled_study, stop)
    assert copied.find(filled_study) is None and told[-1] == stop_in
    halfway = {r.key: r.folder.stat().st_mtime_ns for r in copied.results("Run")}
    assert bool(halfway) == (stop_in == "unlearning")
    stages_told = []
    table = numbers(fulfil(copied, filled_study, lambda stage, *_: stages_told.append(stage)))
    pd.testing.assert_frame_equal(table, before, rtol=1e-4)
    assert all(copied.open("Run", k).folder.stat().st_mtime_ns == t for k, t in halfway.items())
    assert len([r for r in copied.results("Training") if not r.spec().without]) == len(kept)
    assert [s for s, _ in itertools.groupby(stages_told)] == [*fulfil(copied, filled_study).json("summary")["seconds"]]


def test_a_second_study_shares_what_it_can(copied, filled_study):
    """Another plan on the same models: nothing is trained, and runs it has in common are not repeated."""
    trained = {r.key for r in copied.results("Training")}
    runs = {r.key for r in copied.results("Run")}
    other = filled_study.but(name="Backwards", plans=(filled_study.plans[0].but(order=PARTS[::-1]),), controls=False)
    table = fulfil(copied, other).table()
    assert {r.key for r in copied.results("Training")} == trained
    new = {r.key for r in copied.results("Run")} - runs
    assert len(new) == 3 and new == set(table[table["kind"] == "plan"]["result"])
    assert len(studies(copied)) == 2


# -- odd studies -------------------------------------------------------------------------------------------------------


@pytest.fixture
def nearly(store, monkeypatch):
    """A store in which maps are made in no time: they are tested elsewhere."""
    monkeypatch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
    return store


TINY = {"training": SMALL, "models": 10, "tuning_seeds": 0, "unlearners": (FineTune(epochs=1), NegGrad(epochs=1))}
ODD = {
    "one image": Study(forget=AtRandom(size=1), seeds=3, **TINY),
    "one seed": Study(forget=AtRandom(size=9), seeds=1, **TINY),
    "a whole class": Study(forget=OfClass(label="3"), seeds=2, **TINY),
    "nearly everything": Study(forget=AtRandom(size=134), seeds=1, **TINY),
    "no plan": Study(forget=AtRandom(size=9), seeds=1, plans=(), **TINY),
    "only a plan": Study(forget=AtRandom(size=9), seeds=1, **TINY | {"unlearners": ()}),
    "a plan by distance": Study(forget=ByMemorization(size=9), seeds=1, plans=(Plan(by="entanglement"),), **TINY),
    "a plan by confidence": Study(forget=ByMemorization(size=9), seeds=1, plans=(Plan(by="confidence"),), **TINY),
    "names that are taken": Study(
        forget=AtRandom(size=9),
        seeds=1,
        plans=(
            Plan(name="Original"),
            Plan(name="retrained again"),
            Plan(name="fine-tune"),
            Plan(name="?!"),
            Plan(name="<b>"),
        ),
        controls=False,
        **TINY | {"unlearners": (Original(), FineTune(epochs=1), FineTune(epochs=2))},
    ),
    "a run that diverges": Study(
        forget=AtRandom(size=9),
        seeds=1,
        plans=(),
        **TINY | {"unlearners": (NegGrad(lr=10.0, momentum=0.999, epochs=100, batch=2),)},
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_studies_come_to_an_end(case, nearly):
    result = fulfil(nearly, ODD[case])
    table, spec = result.table(), ODD[case]
    assert set(REFERENCES) <= set(table["method"])
    references = table[table["kind"] == "reference"]
    assert len(references) == 3 * spec.seeds and set(references["method"]) == set(REFERENCES)
    assert len(table) == len(table.drop_duplicates(["method", "seed"]))  # no two methods share a name
    assert (table["tow"].dropna().between(0, 1)).all()
    summary = result.json("summary")
    assert summary["forget"] == len(result.arrays()["forget"])
    opened = OpenStudy.open(nearly, result.key)
    for method in dict.fromkeys(table["method"]):
        assert np.isfinite(opened.lira(method, 0)).all()
    if case == "one seed":
        assert opened.means("tow").loc["fine-tune", "half_width"] is None
    if case == "a run that diverges":
        assert table.set_index("method").loc["neggrad", "diverged_at"] > 0


def test_methods_are_named_apart(nearly):
    rows = np.arange(9)
    spec = ODD["names that are taken"]
    names = [m.id for m in methods(nearly, spec, rows, {})]
    assert len(set(names)) == len(names) == 8 and not set(names) & set(REFERENCES)
    assert all(c.isalnum() or c == "-" for name in names for c in name)


def test_a_map_holds_training_and_test_images(nearly):
    found = fulfil(nearly, Map(training=SMALL))
    for kind in ("umap", "pca"):
        assert found.arrays(kind)["train"].shape == (135, 2) and found.arrays(kind)["test"].shape == (60, 2)
