"""Several requests in a row on small digits: what equals retraining, what equals doing nothing, and the numbers."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from unlearn_core import evaluation
from unlearn_core.cli import app
from unlearn_core.cli.stream import sentences
from unlearn_core.data import Data
from unlearn_core.experiment import OpenStudy, Run, Stream, fulfil
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.stream import KINDS, METRICS, RISES, _Measured, _onion, deal_requests, finished
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.params import BadField, BadValue, build, plain
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import Rum
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS, FineTune, RandomLabel

TRAINING = Training(data=Data(train=700, test=200), epochs=16)
REQUESTS, SEEDS = ("0-9,30", "10-19", "20-29"), 3


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("stream") / "store")


@pytest.fixture(scope="module")
def streamed(ours):
    """streamed(unlearner) -> the finished stream of that algorithm."""

    def run(unlearner, **more):
        stream = Stream(training=TRAINING, requests=REQUESTS, unlearner=unlearner, seeds=SEEDS, **more)
        assert finished(ours, stream) is None
        fulfil(ours, stream)
        return finished(ours, stream)

    return run


def values(done, kind, metric):
    table = done.table[done.table["kind"] == kind]
    return table.set_index(["seed", "request", "set"])[metric]


# -- the two ends ------------------------------------------------------------------------------------------------------


def test_retraining_each_time_neither_drifts_nor_comes_back(streamed):
    done = streamed(ALGORITHMS["retrain"]())
    for metric in METRICS[:2]:
        found = done.drift(metric)
        assert not found["drifts"].any() and not found["resurges"].any()
    # The step of the first request trains the very model that it is compared with.
    for metric in ("forget_accuracy", "attack_auc", "retain_accuracy", "test_accuracy"):
        first, reference = (values(done, kind, metric).xs(1, level="request") for kind in ("unlearned", "retrained"))
        assert np.array_equal(first, reference)
    beyond = [line for line in done.summary["onion"] if line["models"] == "beyond-retraining"]
    assert beyond[0]["exposed"] == 0 and beyond[0]["median_rise"] == 0


def test_doing_nothing_reads_like_the_original_for_every_set(streamed):
    done = streamed(ALGORITHMS["original"]())
    for metric in ("forget_accuracy", "attack_auc", "retain_accuracy", "test_accuracy"):
        assert values(done, "unlearned", metric).equals(values(done, "original", metric))
    for metric in METRICS[:2]:
        assert done.drift(metric)["resurges"].tolist() == [None] * 3
    own = [line for line in done.summary["onion"] if line["models"] == "unlearned"]
    assert all(line["exposed"] == 0 and line["median_rise"] == 0 for line in own)
    assert not (done.exposed["models"] == "unlearned").any()


# -- a real stream -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def relabelled(streamed):
    return streamed(RandomLabel(epochs=2), models=10)


def test_every_set_is_measured_after_its_own_and_every_later_request(relabelled):
    table = relabelled.table
    assert len(table) == SEEDS * len(KINDS) * 6
    cells = table.groupby(["seed", "kind"])[["request", "set"]].apply(lambda g: list(map(tuple, g.to_numpy())))
    assert all(set(x) == {(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)} for x in cells)
    for metric in ("forget_accuracy", "attack_auc", "lira_auc", "retain_accuracy", "test_accuracy"):
        assert table[metric].between(0, 1).all()
    assert relabelled.gone == [11, 21, 31]
    assert relabelled.summary["images"] == [11, 10, 10] and relabelled.summary["score"] == "lira"


def test_the_numbers_by_hand(ours, relabelled):
    images = dataset(ours, TRAINING.data)
    labels, rows = images.train.y.numpy(), [unpack(text, len(images.train.y)) for text in REQUESTS]
    run = ours.find(
        Run(
            training=TRAINING.but(seed=1),
            forget=pack(np.concatenate(rows)),
            unlearner=relabelled.spec.plan,
            seed=1,
        )
    )
    logits = run.arrays("step1")
    found = relabelled.table.set_index(["seed", "request", "set", "kind"]).loc[(1, 2, 1, "unlearned")]
    assert found["forget_accuracy"] == evaluation.accuracy(logits["train"][rows[0]], labels[rows[0]])
    kept = np.setdiff1d(np.arange(len(labels)), np.concatenate(rows[:2]))
    assert found["retain_accuracy"] == evaluation.accuracy(logits["train"][kept], labels[kept])
    for seed, kind in ((1, "retrained"), (AGAIN + 1, "retrained-again")):
        again = ours.find(TRAINING.but(seed=seed, without=pack(np.concatenate(rows[:2])))).arrays("logits")
        own = relabelled.table.set_index(["seed", "request", "set", "kind"]).loc[(1, 2, 2, kind)]
        assert own["forget_accuracy"] == evaluation.accuracy(again["train"][rows[1]], labels[rows[1]])
    assert np.array_equal(run.arrays("step2")["train"], run.arrays("logits")["train"])


def test_two_retrained_models_are_each_others_unseen_side(relabelled):
    mirrored = values(relabelled, "retrained", "lira_auc") + values(relabelled, "retrained-again", "lira_auc")
    assert mirrored.to_numpy() == pytest.approx(1)
    assert values(relabelled, "original", "lira_auc").mean() > 0.55


def test_the_onion_counts_what_its_table_lists(relabelled):
    counts = relabelled.summary["onion"]
    assert [(c["since"], c["request"]) for c in counts[:: len(RISES)]] == [(0, 1), (1, 2), (2, 3), (0, 3)]
    asked = np.concatenate([unpack(text, 1000) for text in REQUESTS])
    assert not np.isin(relabelled.exposed["row"], asked).any()
    for line in counts:
        own = relabelled.exposed
        for name in ("models", "since", "request"):
            own = own[own[name] == line[name]]
        assert len(own) == line["exposed"] and own["retrained"].sum() == line["also_retrained"]
        assert (own["q"] <= 0.05).all() and (own["rise"] > 0).all()


def test_the_cost_is_of_the_runs_and_of_retraining_each_time(ours, relabelled):
    cost = relabelled.summary["cost"]
    without = [pack(np.arange(10).tolist() + [30]), "0-19,30", "0-30"]
    seconds = [
        np.mean([ours.find(TRAINING.but(seed=s, without=w)).manifest()["seconds"] for s in range(SEEDS)])
        for w in without
    ]
    assert cost["retraining"] == pytest.approx(seconds) and cost["retraining_all"] == pytest.approx(sum(seconds))
    assert cost["unlearning_all"] == pytest.approx(3 * cost["unlearning"])
    assert cost["speedup"] == pytest.approx(cost["retraining_all"] / cost["unlearning_all"])


def test_means_over_seeds_by_request(relabelled):
    means = relabelled.over_requests("forget_accuracy").set_index(["request", "set", "kind"])
    own = values(relabelled, "unlearned", "forget_accuracy").loc[:, 3, 1]
    assert means.loc[(3, 1, "unlearned"), "mean"] == pytest.approx(own.mean()) and (means["n"] == SEEDS).all()
    with pytest.raises(BadValue):
        relabelled.over_requests("seed")


def test_what_is_kept_shrinks_with_every_request(digits):
    """On made-up logits, where every number has its own value."""
    rng, n = np.random.default_rng(0), len(digits.train.y)
    rows = [np.arange(40), np.arange(40, 400)]
    measured = _Measured(digits, rows, [rows[0], np.arange(400)], None)
    labels = digits.train.y.numpy()
    logits = {"train": rng.normal(size=(n, 10)), "test": rng.normal(size=(len(digits.test.y), 10))}
    logits["train"][40:400][np.arange(360), labels[40:400]] += 9
    first, second = ({line["set"]: line for line in measured.lines(k, dict.fromkeys(KINDS, logits))} for k in (0, 1))
    for line, since in ((first[1], 40), (second[1], 400), (second[2], 400)):
        assert line["retain_accuracy"] == evaluation.accuracy(logits["train"][since:], labels[since:])
    assert second[2]["forget_accuracy"] > 0.9 > 0.3 > second[1]["forget_accuracy"]
    assert np.array_equal(measured.kept, np.arange(400, n)) and np.isnan(second[1]["lira_auc"])


def test_planted_rises_are_counted_where_they_are():
    rng = np.random.default_rng(0)
    seeds, n, rows = 5, 300, np.arange(1000, 1300)
    original = rng.normal(size=(seeds, n)) - 5
    scores = {k: original[:, None] + 0.2 * rng.normal(size=(seeds, 2, n)) for k in KINDS[1:]}
    scores["unlearned"][:, :, :20] += 9  # with the first request, across 0
    for kind in ("unlearned", "retrained"):
        scores[kind][:, 1, 50:60] += 3  # with the second, by retraining too, below 0
    exposed, counts = _onion(original, scores, rows, ratios=True)
    found = exposed.groupby(["models", "since", "request"])["row"].agg(set)
    count = {(c["models"], c["since"], c["request"]): c for c in counts}

    def there(name, since, request, lines):
        named = found.get((name, since, request), set())
        assert lines <= named and len(named - lines) <= 3
        return count[name, since, request]

    first, second = set(rows[:20]), set(rows[50:60])
    assert there("unlearned", 0, 1, first)["crossed"] >= 19
    assert there("unlearned", 1, 2, second) | {"crossed": 0} == count["unlearned", 1, 2]
    assert there("unlearned", 1, 2, second)["also_retrained"] >= 10
    assert there("unlearned", 0, 2, first | second)["tested"] == n
    there("retrained", 0, 1, set()), there("retrained", 1, 2, second), there("retrained-again", 0, 2, set())
    there("beyond-retraining", 0, 1, first), there("beyond-retraining", 1, 2, set())
    assert count["beyond-retraining", 0, 1]["crossed"] is None
    assert {c["crossed"] for c in _onion(original, scores, rows, ratios=False)[1]} == {None}


# -- what is asked -----------------------------------------------------------------------------------------------------


def test_a_stream_is_a_plan_with_one_algorithm_and_comes_back_from_its_text():
    stream = Stream(training=TRAINING.but(seed=3), requests=REQUESTS, unlearner=FineTune(), stop_at=0.5)
    assert isinstance(stream.plan, Rum) and [p.rows for p in stream.plan.parts] == list(REQUESTS)
    assert {p.unlearner for p in stream.plan.parts} == {FineTune()} and not stream.plan.exclude_all
    assert stream.training.seed == 0 and stream.stop_at == 0 and build(plain(stream)) == stream


def test_requests_are_dealt_without_overlap():
    rows = np.arange(5, 28)
    hands = [unpack(text, 100) for text in deal_requests(rows, 4, seed=1)]
    assert np.array_equal(np.sort(np.concatenate(hands)), rows)
    assert sorted(map(len, hands)) == [5, 6, 6, 6]
    assert deal_requests(rows[::-1], 4, seed=1) == deal_requests(rows, 4, seed=1) != deal_requests(rows, 4, seed=2)
    for count in (1, 24):
        with pytest.raises(BadValue):
            deal_requests(rows, count)


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        (("0-9", "9-19"), "same image"),
        (("0-9", ""), "empty"),
        (("0-9", "5000"), "does not exist"),
        (("0-299", "300-629"), "leave at least one"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_before_anything_is_trained(store, requests, says):
    with pytest.raises(BadValue, match=says):
        fulfil(store, Stream(training=TRAINING, requests=requests, unlearner=FineTune()))
    assert not list(store.kinds())


def test_specs_that_make_no_stream_are_refused():
    for bad in (("0-9",), (), (1, 2)):
        with pytest.raises(BadValue, match="at least two requests"):
            Stream(training=TRAINING, requests=bad, unlearner=FineTune())
    with pytest.raises(BadField):
        Stream(training=TRAINING, requests=REQUESTS, unlearner=FineTune(), models=3)
    with pytest.raises(BadField):
        Stream(training=TRAINING, requests=REQUESTS, unlearner=FineTune(), seeds=1)


def test_an_algorithm_that_cannot_go_on_from_an_unlearned_model_is_refused(store):
    """What needs the history of the original, or ends in several models, can meet one request only."""
    for name in ("sisa", next(n for n, cls in ALGORITHMS.items() if "history" in cls.needs)):
        with pytest.raises(BadValue):
            fulfil(store, Stream(training=TRAINING, requests=REQUESTS, unlearner=ALGORITHMS[name]()))
    assert not list(store.kinds())


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(unbanked_store, tmp_path_factory):
    return shutil.copytree(unbanked_store, tmp_path_factory.mktemp("command") / "store")


def command(place, *args):
    return CliRunner().invoke(app, ["stream", "--store", str(place), *args])


def test_the_command_runs_the_studys_own_setting_and_says_what_it_found(place, unbanked_study):
    asked = ("--study", unbanked_study.name, "--method", "random-label", "--requests", "3", "--seeds", "3")
    done = command(place, *asked, "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["score"] == "confidence" and set(said["drift"]) == set(METRICS[:2])
    assert len(said["lines"]) == 3 * 6 * len(KINDS) and said["images"] == [10, 10, 10]
    store = Store(place)
    study, stream = OpenStudy.open(store, said["study"]), store.open("Stream", said["stream"]).spec()
    assert stream.unlearner == study.run_result("random-label", 0).spec().unlearner
    assert np.array_equal(np.sort(np.concatenate([unpack(r, 1000) for r in stream.requests])), study.forget)

    shown = command(place, *asked)
    assert shown.exit_code == 0 and "retrained-again" in shown.stdout and "lira" not in shown.stdout
    for sentence in sentences(said, said["drift"]):
        assert sentence in shown.stdout
    assert sum(line.startswith("Drift by") for line in shown.stdout.splitlines()) == 2
    assert sum(line.startswith("Onion, ") for line in shown.stdout.splitlines()) == 4


def test_an_algorithm_that_the_study_did_not_run_has_its_defaults(place):
    done = command(place, "--method", "original", "--requests", "2", "--seeds", "2", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert "nothing can come back" in " ".join(sentences(said, said["drift"])) and said["unlearner"] == "original"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--method", "hypnosis"), "neggrad-plus"),
        (("--method", "rum"), "one algorithm"),
        (("--method", "scrub", "--study", "nothing"), "Without a bank"),
        (("--method", "scrub", "--requests", "1"), "requests"),
        (("--method", "scrub", "--seeds", "1"), "--seeds must be at least 2"),
    ],
)
def test_what_the_command_refuses(place, args, says):
    done = command(place, *args)
    assert done.exit_code == 2 and says in done.stderr and done.stdout == ""


def test_a_resurgence_and_a_divergence_are_said():
    line = {"drifts": True, "resurges": True, "back": 0.2, "remembered": True, "set": 1, "request": 3}
    onion = {"since": 0, "request": 2, "tested": 9, "exposed": 1, "also_retrained": 0, "crossed": 1, "median_rise": 0.0}
    summary = {
        "score": "lira",
        "onion": [onion | {"models": name} for name in RISES],
        "cost": {"unlearning": 1.0, "retraining": [3.0, 3.0], "retraining_all": 6.0, "speedup": 3.0},
        "diverged": [2],
    }
    said = " ".join(sentences(summary, {"forget_accuracy": [line, line | {"drifts": False, "resurges": False}]}))
    assert "1 of 2 readings" in said and "set 1 after request 3 (0.200 towards the original)" in said
    assert "1 of them now surely nearer to it" in said and "of which 1 now look like members" in said
    assert "seed 2 diverged" in said and "3 times as long" in said and "the whole stream" in said
