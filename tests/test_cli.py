"""The command line as a person or a script uses it: the last line of stdout is the result, errors are one sentence."""

import inspect
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from unlearn_core import experiment, jobs
from unlearn_core.attacks import svc_efficacy
from unlearn_core.cli import app, forgetting
from unlearn_core.cli.lists import IN_STORE, REGISTRIES
from unlearn_core.cli.options import RECIPE
from unlearn_core.experiment import OpenStudy, Study
from unlearn_core.experiment.advice import advice as advised
from unlearn_core.forget import FORGET_SETS
from unlearn_core.job import ACTIVE
from unlearn_core.params import build, key, params, plain
from unlearn_core.rows import unpack
from unlearn_core.rum import Plan
from unlearn_core.store import Store, default_root
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS, FineTune, Original

WORK = ("train", "bank", "map", "forget", "unlearn", "evaluate")
COMMANDS = (
    "example", "list", *WORK, "study", "tune", "landscape", "forecast", "compare", "suggest", "proxies", "audit",
    "judge", "weights", "report", "remove", "verify", "bundle", "algorithms", "data", "jobs", "trash",
)  # fmt: skip
SMALL = ("--epochs", "3")  # a recipe that trains in a fraction of a second


def run(*args):
    return CliRunner().invoke(app, [str(a) for a in args])


def result(*args):
    """What a command that succeeds prints last."""
    done = run(*args)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def refusal(*args):
    """The one sentence with which a command refuses a wrong value."""
    done = run(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.fullmatch(r"[^\n]+\n", done.stderr) and "Traceback" not in done.stderr
    return done.stderr.strip()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The --store option for a store that the tests of this file fill together."""
    return "--store", tmp_path_factory.mktemp("cli") / "store"


@pytest.fixture(scope="module")
def small_bank(small):
    return result("bank", "--models", 10, *SMALL, *small)


@pytest.fixture
def filled(filled_store, tmp_path):
    """The --store option for a copy of the finished small study."""
    return "--store", shutil.copytree(filled_store, tmp_path / "filled")


# -- help and errors ---------------------------------------------------------------------------------------------------


def test_help_lists_every_command_and_imports_nothing_slow():
    code = "import sys; from unlearn_core.cli import app; assert not {'torch', 'numpy'} & set(sys.modules); app()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert re.search(rf"^\W*{command}\b", done.stdout, re.MULTILINE), command
        assert run(command, "--help").exit_code == 0


def test_recipe_options_are_the_fields_of_a_training():
    assert set(RECIPE) == {p.name for p in params(Training)} - {"data", "without", "weights"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("trian",), "train"),
        (("train", "--epochs", "many"), "--epochs"),
        (("train", "--lr", "200"), "--lr must be at least 1e-06 and at most 10, not 200."),
        (("train", "--weight-decay", "-1"), "--weight-decay must be at least 0"),
        (("train", "--images", "-1"), "--images must be at least 0"),
        (("example", "--seeds", "0"), "--seeds must be at least 1"),
        (("train", "--model", "transformer"), "resnet18"),
        (("train", "--dataset", "nothing"), "digits-noisy"),
        (("bank", "--models", "5"), "--models must be at least 10"),
        (("forget", "--size", "0"), "--size must be at least 1, not 0."),
        (
            ("forget", "--by", "random", "--size", "99999999"),
            "Only 1,260 training images can be chosen from, not 99,999,999.",
        ),
        (("forget", "--by", "mood"), "mislabelled"),
        (("forget", "--by", "class", "--size", "3"), "--class, --share, --seed"),
        (("forget", "--by", "class", "--class", "ten"), "ten"),
        (("forget", "--by", "rows", "--rows", "3,x"), "x"),
        (("forget", "--by", "rows", "--rows", "999999"), "999999"),
        (("forget", "--by", "rows", "--rows", "1", "--file", "f.csv"), "both"),
        (("forget", "--file", "no-such-file.csv"), "no-such-file.csv"),
        (("unlearn", "--algorithm", "neggrad"), "--forget"),
        (("unlearn", "--forget", "1"), "--algorithm"),
        (("unlearn", "--forget", "", "--algorithm", "neggrad"), "empty"),
        (("unlearn", "--forget", "1", "--algorithm", "hypnosis"), "neggrad-plus"),
        (("unlearn", "--forget", "1", "--algorithm", "neggrad", "--set", "lr"), "lr=0.1"),
        (("unlearn", "--forget", "1", "--algorithm", "neggrad", "--set", "lr=fast"), "fast"),
        (("unlearn", "--forget", "1", "--algorithm", "neggrad", "--set", "lr=NaN"), "--set lr must be a finite number"),
        (("unlearn", "--forget", "1", "--algorithm", "neggrad", "--set", "epochs=2.5"), "whole number"),
        (("unlearn", "--forget", "1", "--algorithm", "neggrad", "--set", "speed=1"), "speed"),
        (("unlearn", "--forget", "1", "--plan", "no-such-plan.json"), "no-such-plan.json"),
        (("evaluate", "key"), "key"),
        (("evaluate", "0" * 32), "0" * 32),
        (("study",), "--show"),
        (("study", "no-such-study.json"), "no-such-study.json"),
        (("compare",), "no finished study"),
        (("list", "wishes"), "datasets"),
        (("list",), "datasets"),
        (("jobs", "show", "key"), "key"),
        (("data", "add", "no-such-folder", "--name", "mine"), "no-such-folder"),
    ],
)
def test_a_wrong_value_gives_one_sentence_and_status_2(args, says, small):
    assert says in refusal(*args, *(small if args != ("trian",) else ()))


def test_a_file_of_another_kind_is_refused_by_name(small, tmp_path):
    study, no_json = tmp_path / "study.json", tmp_path / "notes.txt"
    study.write_text(json.dumps(plain(experiment.example())))
    no_json.write_text("forget the cats")
    assert "Plan; it holds a Study" in refusal("unlearn", "--forget", "1", "--plan", study, *small)
    assert "not JSON" in refusal("study", no_json, *small)
    study.write_text(json.dumps(plain(Plan())))
    assert "Plan" in refusal("jobs", "start", study, *small)
    study.write_text(json.dumps({"spec": "Plan"}))
    assert "should hold a Study; it holds a Plan" in refusal("study", study, *small)
    assert "not a Plan as this program writes it" in refusal("unlearn", "--forget", "1", "--plan", study, *small)
    study.write_text(json.dumps(plain(Plan()) | {"high": plain(FineTune()) | {"lr": 99}}))
    assert "FineTune.lr must be" in refusal("unlearn", "--forget", "1", "--plan", study, *small)


def test_a_study_that_cannot_be_met_is_refused_before_any_work(tmp_path):
    file = tmp_path / "study.json"
    file.write_text(json.dumps(plain(experiment.example())).replace('"size": 120', '"size": 120000'))
    for command in (("study",), ("jobs", "start")):
        assert "120,000" in refusal(*command, file, "--store", tmp_path / "store")
    assert not list((tmp_path / "store" / "results").iterdir())


def test_an_unexpected_error_is_one_sentence_too_and_debug_shows_where(monkeypatch, small):
    monkeypatch.setattr(jobs, "listing", lambda store: 1 / 0)
    done = run("jobs", "list", *small)
    assert (done.exit_code, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1 and "--debug" in done.stderr
    assert "in <lambda>" in run("--debug", "jobs", "list", *small).stderr


def test_the_store_of_the_environment_is_used_where_none_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("UNLEARN_STORE", str(tmp_path / "mine"))
    Store(tmp_path / "mine")
    assert result("list", "results", "--json") == []
    monkeypatch.delenv("UNLEARN_STORE")
    assert default_root().parts[-2:] == ("unlearning-workbench", "store")


LOOKS = [
    ("list", "studies"), ("compare",), ("jobs", "list"), ("trash", "list"), ("remove", "0" * 32), ("verify",),
    ("data", "remove", "mine"), ("evaluate", "0" * 32), ("report", "-o", "report.html"),
]  # fmt: skip


@pytest.mark.parametrize("command", LOOKS, ids=lambda command: " ".join(command[:2]))
def test_a_look_into_a_mistyped_store_begins_none(command, tmp_path):
    said = refusal(*command, "--store", tmp_path / "nowhere")
    assert said.startswith(f"There is no store in {tmp_path / 'nowhere'}.") and not any(tmp_path.iterdir())


# -- lists -------------------------------------------------------------------------------------------------------------


def test_everything_can_be_listed_as_a_table_and_as_json(filled):
    for what in REGISTRIES | IN_STORE:
        rows = result("list", what, "--json", *filled)
        table = run("list", what, *filled)
        assert rows and table.exit_code == 0
        assert str(rows[0].get("name") or rows[0]["key"]) in table.stdout, what
    finished = result("list", "studies", "--json", *filled)
    assert [s["name"] for s in finished] == ["Small example"]
    assert result("list", "results", "--json", "--store", filled[1])[0]["kind"] == "Bank"


def test_algorithms_are_listed_with_source_and_hyperparameters():
    rows = {row["name"]: row for row in result("list", "algorithms", "--json")}
    assert list(rows) == list(ALGORITHMS)
    assert all(re.search(r"arXiv:\d{4}\.\d{5}", row["source"]) for row in rows.values())
    learning_rate = next(h for h in rows["neggrad-plus"]["hyperparameters"] if h["name"] == "lr")
    assert (learning_rate["low"], learning_rate["high"]) == (1e-7, 10.0)


def test_a_list_of_what_the_program_knows_makes_no_store(monkeypatch, tmp_path):
    monkeypatch.setenv("UNLEARN_STORE", str(tmp_path / "none"))
    result("list", "metrics", "--json")
    assert not (tmp_path / "none").exists()


# -- the stages --------------------------------------------------------------------------------------------------------


def test_training_twice_trains_once(small):
    first, second = (result("train", "--seed", 7, *SMALL, *small) for _ in range(2))
    assert (first["cached"], second["cached"]) == (False, True)
    assert first | {"cached": True} == second
    assert 0.8 < first["test_accuracy"] <= 1 and first["seconds"] > 0
    assert result("train", "--seed", 8, *SMALL, *small)["key"] != first["key"]


def test_a_bank_says_what_it_is_and_writes_its_scores(small, small_bank, tmp_path):
    assert not small_bank["cached"] and small_bank["models"] == 10
    assert 0.8 < small_bank["test_accuracy"] < 1 and 0.9 < small_bank["fitted"] <= 1
    assert small_bank["models_per_second"] == pytest.approx(10 / small_bank["seconds"])
    done = run("bank", "--models", 10, *SMALL, *small, "--out", tmp_path / "scores.csv")
    assert json.loads(done.stdout.splitlines()[-1]) == small_bank | {"cached": True}
    assert "nothing was computed" in done.stderr and "too low" in done.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores) == ["row", "memorization", "standard_error"] and len(scores) == 1260
    # The most memorized set is made of the largest scores in that file.
    high = result("forget", "--level", "high", "--size", 30, "--models", 10, *SMALL, *small)
    chosen = unpack(high["rows"], 1260)
    assert high["memorization"] == pytest.approx(scores.memorization[chosen].mean())
    assert scores.memorization[chosen].min() >= scores.memorization.drop(chosen).max()


@pytest.mark.parametrize(
    ("args", "size"),
    [
        (("--by", "memorization", "--level", "mix", "--size", 12), 12),
        (("--by", "entanglement", "--level", "low", "--size", 20), 20),
        (("--by", "random", "--size", 9, "--seed", 4), 9),
        (("--by", "class", "--class", "3", "--share", 0.5), 64),
        (("--by", "mislabelled", "--dataset", "digits-noisy"), 126),
        (("--by", "rows", "--rows", "3,7-9"), 4),
        (("--by", "band", "--scale", "rank", "--low", 0.9, "--high", 1.0), 126),
        (("--by", "near", "--row", 5, "--size", 7, "--measure", "cosine"), 7),
    ],
)
def test_every_way_to_choose_what_to_forget(args, size, small, small_bank):
    found = result("forget", "--models", 10, *args, *SMALL, *small)
    assert found["size"] == size == sum(found["classes"].values()) == len(unpack(found["rows"], 1260))
    assert found["rule"]["spec"] == FORGET_SETS[args[1]].__name__
    assert found["entanglement"] > 0 and found["share_of_random"] > 0
    assert (found["memorization"] is None) == ("digits-noisy" in args), "known where there is a bank of these images"
    if args[1] == "class":
        assert found["classes"] == {"3": 64}


def test_every_field_of_every_rule_is_an_option():
    options = set(inspect.signature(forgetting.forget).parameters)
    for cls in FORGET_SETS.values():
        assert {p.name for p in params(cls)} <= options, cls


def test_a_forget_set_goes_through_a_file(small, small_bank, tmp_path):
    file = tmp_path / "ids.csv"
    chosen = result("forget", "--by", "random", "--size", 15, "--out", file, *SMALL, *small)
    assert result("forget", "--file", file, *SMALL, *small)["rows"] == chosen["rows"]
    same = ("unlearn", "--algorithm", "neggrad", "--set", "epochs=1", *SMALL, *small, "--forget")
    assert result(*same, f"@{file}")["key"] == result(*same, chosen["rows"])["key"]


def test_unlearning_by_one_algorithm(small):
    args = ("unlearn", "--forget", "0-19", *SMALL, *small, "--algorithm")
    untouched = result(*args, "original")
    assert untouched["accuracy"] == untouched["accuracy_before"]
    strong = (*args, "neggrad", "--set", "lr=0.1", "--set", "epochs=10", "--set", "bn=train")
    first, second = result(*strong), result(*strong)
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["accuracy"]["forget"] < first["accuracy_before"]["forget"]
    assert first["cost"]["forget_gradients"] == 200 and first["forget"] == 20
    assert Store(small[1]).open("Run", first["key"]).spec().unlearner == ALGORITHMS["neggrad"](
        lr=0.1, epochs=10, bn="train"
    )


def test_the_algorithm_inside_another_is_set_by_name(small):
    settings = ("--set", "inner=scrub", "--set", "inner.lr=0.05")
    first = result("unlearn", "--forget", "0-19", "--algorithm", "uwc", *settings, *SMALL, *small)
    run = Store(small[1]).open("Run", first["key"]).spec().unlearner
    assert run == ALGORITHMS["uwc"](inner=ALGORITHMS["scrub"](lr=0.05)) and 0 <= first["cost"]["notes"]["alpha"] <= 1
    usual = result("unlearn", "--forget", "0-19", "--algorithm", "uwc", "--set", "inner.lr=0.05", *SMALL, *small)
    run = Store(small[1]).open("Run", usual["key"]).spec().unlearner
    assert run == ALGORITHMS["uwc"](inner=ALGORITHMS["uwc"]().inner.but(lr=0.05))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("uwc", "--set", "inner=nothing"), "There is no algorithm called 'nothing'"),
        (("uwc", "--set", "inner.depth=3"), "has no hyperparameter 'depth'"),
        (("scrub", "--set", "inner.lr=3"), "SCRUB has no hyperparameter 'inner.lr'"),
        (("unsir",), "UNSIR needs a forget set of whole classes"),
    ],
)
def test_an_algorithm_that_cannot_be_asked_is_refused(asked, says, small):
    assert says in refusal("unlearn", "--forget", "0-19", "--algorithm", *asked, *SMALL, *small)


def test_unlearning_by_a_plan(small, small_bank, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plain(Plan(medium=Original(), high=FineTune(epochs=1)))))
    args = ("unlearn", "--forget", "0-29", "--models", 10, "--plan", file, *SMALL, *small)
    found = result(*args)
    assert found["cost"]["plan"] == ["low", "medium", "high"]
    assert found["cost"]["retain_gradients"] == 1260 - 30 and found["cost"]["forget_gradients"] == 0
    assert result(*args)["cached"]
    assert "--set" in refusal(*args, "--set", "lr=1")


def test_evaluating_a_run_gives_the_numbers_of_its_study(filled):
    study = OpenStudy.open(Store(filled[1]), result("list", "studies", "--json", *filled)[0]["key"])
    line = study.table[(study.table.kind == "plan") & (study.table.seed == 1)].iloc[0]
    found = result("evaluate", line.result, *filled)
    assert found["cached"] and found["bank_models"] == 10
    for side, method in (("metrics", line.method), ("retrained_again", "retrained-again"), ("original", "original")):
        known = study.table[(study.table.method == method) & (study.table.seed == 1)].iloc[0]
        shared = {metric: value for metric, value in found[side].items() if metric in known}
        assert {"tow", "mia_efficacy", "lira_auc"} <= set(shared)
        for metric, value in shared.items():
            assert known[metric] == pytest.approx(value, nan_ok=True) or (value is None and pd.isna(known[metric])), (
                metric
            )


def test_evaluating_a_run_adds_what_a_study_leaves_out(filled):
    study = OpenStudy.open(Store(filled[1]), result("list", "studies", "--json", *filled)[0]["key"])
    line = study.table[(study.table.kind == "single") & (study.table.seed == 0)].iloc[0]
    found = result("evaluate", line.result, *filled)
    unlearned, retrained = found["metrics"], found["retrained"]
    gaps = [abs(unlearned[k] - retrained[k]) for k in ("forget_accuracy", "retain_accuracy", "test_accuracy")]
    gaps.append(abs(unlearned["mia_efficacy"] - retrained["mia_efficacy"]))
    assert unlearned["average_gap"] == pytest.approx(np.mean(gaps)) and retrained["average_gap"] == 0
    for part in ("forget", "test"):
        assert unlearned[f"{part}_agreement"] == pytest.approx(1 - unlearned[f"{part}_disagreement"])
        assert retrained[f"{part}_agreement"] == 1
    logits = study.logits(line.method, 0)
    sets = [(logits["train"][rows], study.labels[rows]) for rows in (study.target.retain, study.forget)]
    held_out = logits["test"], study.target.test_labels
    assert unlearned["mia_efficacy_svc"] == svc_efficacy(sets[0], held_out, sets[1])
    seconds = study.run_result("retrained", 0).manifest()["seconds"]
    assert found["speedup"] == pytest.approx(seconds / line.seconds)


def test_evaluating_without_a_bank_leaves_out_what_needs_one(tmp_path):
    store = "--store", tmp_path
    run_key = result("unlearn", "--forget", "5-14", "--algorithm", "original", *SMALL, *store)["key"]
    first, second = run("evaluate", run_key, *store), result("evaluate", run_key, *store)
    assert "bank" in first.stderr and second["bank_models"] is None
    assert json.loads(first.stdout) | {"cached": True} == second
    assert second["metrics"] == second["original"] and second["retrained"]["tow"] == 1
    assert second["metrics"]["group_tow"] is None and second["metrics"]["lira_auc"] is None
    whole = result("evaluate", run_key, "--models", 10, *store)
    assert whole["bank_models"] == 10 and 0 <= whole["metrics"]["lira_auc"] <= 1
    assert whole["metrics"]["tow"] == second["metrics"]["tow"]


def test_the_map_is_read_from_the_store_and_written_out(filled, tmp_path):
    images = "--images", 700, "--test-images", 200
    found = result("map", *images, "--epochs", 16, "--out", tmp_path / "map.csv", *filled)
    assert found["cached"] and found["points"] == {"train": 630, "test": 200}
    places = pd.read_csv(tmp_path / "map.csv")
    assert list(places) == ["split", "row", "umap_x", "umap_y", "pca_x", "pca_y"] and len(places) == 830
    assert np.isfinite(places.select_dtypes("number")).all(axis=None)


# -- studies -----------------------------------------------------------------------------------------------------------


def test_a_study_is_shown_changed_and_run_once(filled, tmp_path):
    finished = result("list", "studies", "--json", *filled)[0]["key"]
    spec = result("study", "--show", finished, *filled)
    file = tmp_path / "study.json"
    file.write_text(json.dumps(spec))
    again = result("study", file, *filled)
    assert again["cached"] and again["study"] == finished
    assert again["bank_models"] == 10 and {"seconds", "tow", "group_tow", "attack_auc", "entanglement"} <= set(again)

    file.write_text(json.dumps(spec | {"name": "One seed", "seeds": 1, "plans": []}))
    first, second = run("study", file, *filled), run("study", file, *filled)
    assert "unlearning" in first.stderr and "nothing was computed" in second.stderr
    first, second = (json.loads(done.stdout) for done in (first, second))
    assert not first["cached"] and first | {"cached": True} == second
    assert first["study"] != finished and set(first["tow"]) < set(again["tow"])


def test_the_example_to_start_from_is_the_one_that_the_example_command_runs(small, filled, monkeypatch, filled_study):
    assert result("study", "--show", "example", *small) == plain(experiment.example())
    asked = {}

    def example(**given) -> Study:
        asked.update(given)
        return filled_study

    monkeypatch.setattr(experiment, "example", example)
    done = run("example", "--models", 10, "--seeds", 3, *filled)
    assert asked == {"models": 10, "seeds": 3}
    assert "nothing was computed" in done.stderr and "random-label" in done.stderr
    found = json.loads(done.stdout)
    assert found["cached"] and found["study"] == key(filled_study)


def test_a_finished_study_is_compared_and_audited(filled):
    compared, table = result("compare", "--json", *filled), run("compare", *filled).stdout
    lines = {line["method"]: line for line in compared["methods"]}
    tuned = lines["fine-tune"]
    for shown in (f"{tuned['group_tow']:.3f} ± {tuned['group_tow_half_width']:.3f}", f"{tuned['seconds']:.4g}"):
        assert shown in next(line for line in table.splitlines() if "fine-tune" in line.split())
    assert lines["retrained"]["tow"] == 1 and lines["original"]["seconds"] is None
    plan = next(name for name, line in lines.items() if line["kind"] == "plan")
    found = result("audit", "--method", plan, *filled)
    assert found["auc"]["method"]["value"] == pytest.approx(lines[plan]["lira_auc"])
    assert found["auc"]["original"]["value"] == pytest.approx(lines["original"]["lira_auc"])
    same = result("audit", "--method", "retrained", "--attack", "confidence", "--part", "high", *filled)
    assert same["auc_above_retrained"]["mean"] == 0 and not same["differs_from_retrained"]
    refused = refusal("audit", "--method", "no-such-method", *filled)
    assert "no-such-method" in refused and plan in refused and "seed" not in refused
    for name in ("no-such-attack", "svc"):  # the latter gives no score for each image
        refused = refusal("audit", "--method", plan, "--attack", name, *filled)
        assert name in refused and "lira_online" in refused


def test_the_cost_of_a_study_is_foretold(filled, tmp_path):
    finished = result("list", "studies", "--json", *filled)[0]["key"]
    spec, file = result("study", "--show", finished, *filled), tmp_path / "study.json"
    file.write_text(json.dumps(spec))
    found = result("forecast", file, "--like", finished, *filled)
    assert found["like"] == finished and found["seconds"] == 0 and found["reused"] > 0
    file.write_text(json.dumps(spec | {"seeds": spec["seeds"] + 1}))
    more = result("forecast", file, *filled)
    assert more["trainings"] > 0 and more["runs"] > 0 and 0 < more["fastest"] <= more["seconds"] <= more["slowest"]
    file.write_text(json.dumps(plain(experiment.example())))
    assert "same bank" in refusal("forecast", file, "--like", finished, *filled)
    first = result("forecast", file, *filled)  # the digits example: more images and a larger bank
    assert first["like"] == spec["name"] and first["seconds"] > 0 and first["factor"] == 2 and first["models"] == 64
    Store(tmp_path / "empty")
    assert "No study is finished in this store" in refusal("forecast", file, "--store", tmp_path / "empty")


# -- one's own images, jobs, and being stopped -------------------------------------------------------------------------


def test_own_images_are_added_listed_and_trained_on(tmp_path):
    rng, store = np.random.default_rng(0), ("--store", tmp_path / "store")
    for name, low in (("dark", 0), ("light", 150)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(low, low + 100, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "mine" / name / f"{i}.png")
    (tmp_path / "mine" / "dark" / "notes.txt").write_text("all dark")
    added = result("data", "add", tmp_path / "mine", "--name", "shades", "--test-share", 0.25, *store)
    assert [file for file, _ in added["skipped"]] == ["dark/notes.txt"]
    assert (added["classes"], added["train"], added["test"]) == (["dark", "light"], 30, 10)
    assert [row["name"] for row in result("data", "list", "--json", *store)] == ["shades"]
    assert result("list", "datasets", "--json", *store)[-1]["name"] == "shades"
    trained = result("train", "--dataset", "shades", "--epochs", 2, *store)
    data = Store(store[1]).open("Training", trained["key"]).spec().data
    assert data.fingerprint == added["fingerprint"], "a result is tied to the images, not to their name"
    assert "shades" in refusal("data", "add", tmp_path / "mine", "--name", "shades", *store)


def test_a_job_is_started_followed_cancelled_resumed_and_removed(tmp_path):
    store, file = ("--store", tmp_path / "store"), tmp_path / "spec.json"
    file.write_text(json.dumps(plain(Training(epochs=3))))
    job = result("jobs", "start", file, *store)["key"]
    deadline = time.time() + 120
    while (now := result("jobs", "show", job, *store))["state"] not in ("done", "failed") and time.time() < deadline:
        time.sleep(0.2)
    assert now["state"] == "done", now
    assert result("train", *SMALL, *store)["cached"], "a job and a command make the same result"

    file.write_text(json.dumps(plain(Training(epochs=1000))))
    long = result("jobs", "start", file, *store)["key"]
    assert "under way" in refusal("jobs", "remove", long, *store)
    assert result("jobs", "cancel", long, *store)["state"] == "cancelled"
    assert result("jobs", "resume", long, *store)["state"] in ACTIVE
    assert result("jobs", "cancel", long, *store)["state"] == "cancelled"
    assert [j["key"] for j in result("jobs", "list", "--json", *store)] == [long, job]
    assert "cancelled" in run("jobs", "list", *store).stdout
    assert result("jobs", "remove", long, *store) == {"removed": long}
    assert "no job" in refusal("jobs", "show", long, *store)


def test_an_interrupt_keeps_what_was_finished(tmp_path):
    ours, theirs = pty.openpty()  # a terminal, so that bars are drawn
    endless = ("bank", "--models", "10000", "--images", "200", *SMALL)
    command = [sys.executable, "-m", "unlearn_core", *endless, "--store", tmp_path]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, cwd=root, text=True) as process:
        os.close(theirs)
        parts = tmp_path / "results" / "BankPart"
        deadline = time.time() + 120
        while not (parts.is_dir() and any(parts.iterdir())) and process.poll() is None and time.time() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        seen = b""
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            seen += chunk
        assert process.wait(60) == 130 and process.stdout.read() == ""
    os.close(ours)
    assert b"bank" in seen and b"%" in seen and b"Traceback" not in seen
    assert "Stopped. What was finished is kept" in seen.decode().splitlines()[-1]
    assert not list((tmp_path / "staging").iterdir())
    assert {row["kind"] for row in result("list", "results", "--json", "--store", tmp_path)} == {"BankPart"}


def test_suggest_says_what_did_best_on_each_part(filled, filled_study):
    study = OpenStudy.open(Store(filled[1]), key(filled_study))
    found = result("suggest", study.key, *filled)
    assert found["study"] == study.key and list(found["parts"]) == [p for p, rows in study.parts.items() if len(rows)]
    for part, advice in found["parts"].items():
        expected = advised(study, float(study.memorization.scores[study.parts[part]].mean()))
        assert build(advice["unlearner"]) == expected.unlearner and build(advice["rival"]) == expected.rival
        assert advice["tow"] == vars(expected.tow) and advice["left"] == expected.left
        assert (advice["runs"], advice["studies"]) == (expected.runs, expected.studies)
