"""Weights from elsewhere: every mismatch is named, and a model is judged for what it is."""

import inspect
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from safetensors.torch import load_file, save
from typer.testing import CliRunner

from unlearn_core.cli import own_model
from unlearn_core.data import Data
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.among_retrained import FEWEST, closeness_to, furthest, outside
from unlearn_core.experiment.judged import Judged, ask, judgements
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.own_weights import BadWeights, keep, needed
from unlearn_core.experiment.trained_models import load_model
from unlearn_core.params import BadValue, build, key, plain
from unlearn_core.store import Store
from unlearn_core.training import Training

SMALL = Training(data=Data(train=500, test=200), epochs=10, width=64)
FORGET = "0-49"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with three models: the original, and the two retrained ones of seed 0."""
    store = Store(tmp_path_factory.mktemp("own") / "store")
    specs = SMALL, SMALL.but(without=FORGET), SMALL.but(without=FORGET, seed=AGAIN)
    return store, {name: fulfil(store, s) for name, s in zip(("original", "retrained", "again"), specs, strict=True)}


@pytest.fixture(scope="module")
def state(trained):
    return load_file(trained[1]["original"].folder / "weights.safetensors")


@pytest.fixture
def copied(trained, tmp_path):
    return Store(shutil.copytree(trained[0].root, tmp_path / "copied"))


def faults(store, state: dict) -> dict:
    with pytest.raises(BadWeights) as error:
        keep(store, SMALL, save(state))
    said = str(error.value)
    assert said.startswith("These are not the weights of the architecture One hidden layer: ") and said.endswith(".")
    assert not list((store.root / "results").glob("OwnWeights/*"))
    return dict(error.value.faults)


# -- the file ----------------------------------------------------------------------------------------------------------


def test_weights_come_back_as_they_were_and_have_one_key(copied, state, trained):
    kept = keep(copied, SMALL, save(state))
    for name, value in load_model(copied, SMALL, copied.find(kept)).state_dict().items():
        assert torch.equal(value.cpu(), state[name])
    assert keep(copied, SMALL, trained[1]["original"].folder / "weights.safetensors") == kept
    assert keep(copied, SMALL, save({f"module.{k}": v for k, v in state.items()})) == kept
    assert keep(copied, SMALL, save({k: v.double() for k, v in state.items()})) == kept
    assert keep(copied, SMALL, save({k: v for k, v in state.items() if k not in ("mean", "std")})) == kept
    assert keep(copied, SMALL, save(state | {"head.bias": state["head.bias"] + 1})) != kept
    other = keep(copied, SMALL, save(state | {"mean": state["mean"] + 0.1}))  # its own normalisation is its own
    assert torch.equal(load_model(copied, SMALL, copied.find(other)).mean.cpu(), state["mean"] + 0.1)


@pytest.mark.parametrize("model, width", [("mlp", 64), ("cnn", 4), ("resnet20", 8)])
def test_what_is_listed_as_needed_is_what_is_taken(store, model, width):
    asked = SMALL.but(model=model, width=width)
    rows, before = needed(store, asked), torch.get_rng_state()
    shapes = {r["name"]: [int(n) for n in r["shape"].split("x") if n.isdigit()] for r in rows}
    given = {r["name"]: torch.ones(shapes[r["name"]], dtype=getattr(torch, r["numbers"])) for r in rows}
    free = {r["name"] for r in rows if r["note"]}
    assert free == {"mean", "std"} and torch.equal(before, torch.get_rng_state())
    assert keep(store, asked, save(given)).width == width
    assert keep(store, asked, save({name: value for name, value in given.items() if name not in free}))
    with pytest.raises(BadWeights) as error:
        keep(store, asked, save({}))
    assert {name for name, _ in error.value.faults} == set(given) - free


def test_needed_weights_of_images_that_are_too_small_are_none_and_the_command_lists_them(store):
    with pytest.raises(BadValue, match="VGG-16-BN .* needs images of at least 32x32; these are 8x8"):
        needed(store, SMALL.but(model="vgg16", width=0))
    app = typer.Typer()
    app.command()(own_model.weights)
    run = CliRunner().invoke(app, ["--width", "64", "--json", "--store", str(store.root)])
    assert json.loads(run.stdout) == needed(store, SMALL)


def test_every_mismatch_is_named(copied, state):
    bad = {k: v for k, v in state.items() if k != "head.bias"} | {
        "head.weight": torch.zeros(10, 65),
        "trunk.1.bias": torch.full((64,), torch.nan),
        "trunk.1.weight": torch.zeros(64, 64, dtype=torch.int64),
        "std": torch.zeros(1, 1, 1),
        "extra": torch.zeros(1),
    }
    assert faults(copied, bad) == {
        "head.weight": "is 10x65, not 10x64",
        "head.bias": "is missing, 10",
        "trunk.1.bias": "holds values that are no finite numbers",
        "trunk.1.weight": "holds int64 numbers",
        "std": "must be more than 0 everywhere",
        "extra": "is no weight of this architecture",
    }
    assert "trunk.1.bias" in faults(copied, state | {"trunk.1.bias": torch.full((64,), 1e300, dtype=torch.float64)})
    assert len(faults(copied, {})) == 4


@pytest.mark.parametrize("data", [b"", b"no weights", b"\xff" * 9, (1 << 40).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_none_is_refused(copied, data):
    with pytest.raises(BadValue, match=r"^This is not a safetensors file, or it is cut off\.$"):
        keep(copied, SMALL, data)


def test_a_file_that_is_cut_off_too_large_or_not_there(copied, state, tmp_path):
    with pytest.raises(BadValue, match="cut off"):
        keep(copied, SMALL, save(state)[:-1])
    with pytest.raises(BadValue, match=r"holds 4\.0 MB, far more than this architecture has weights"):
        keep(copied, SMALL, save({"x": torch.zeros(1_000_000)}))
    with pytest.raises(BadValue, match="cannot be read: No such file"):
        keep(copied, SMALL, tmp_path / "nowhere.safetensors")


# -- the judgement -----------------------------------------------------------------------------------------------------


def test_known_models_are_judged_for_what_they_are(copied, trained):
    """Given a retrained model it is the target itself; given the original, it reads what the original reads."""
    wanted = {
        name: ask(copied, name, SMALL, FORGET, result.folder / "weights.safetensors", 2)
        for name, result in trained[1].items()
    }
    assert len({key(w) for w in wanted.values()}) == 3 and build(plain(wanted["again"])) == wanted["again"]
    tables = {name: fulfil(copied, w).table().set_index(["kind", "seed"]) for name, w in wanted.items()}
    assert tables["retrained"].loc[("given", 0), "tow"] == 1.0
    numbers = tables["original"].select_dtypes("number").columns
    for name, kind in (("original", "original"), ("again", "retrained-again")):
        ours, theirs = (tables[name].loc[(k, 0), numbers] for k in ("given", kind))
        where = [n for n in numbers if name == "original" or "accuracy" in n or n.startswith("tow")]
        np.testing.assert_allclose(ours[where].astype(float), theirs[where].astype(float))
    verdicts = {v.spec.name: v for v in judgements(copied)}
    assert set(verdicts) == set(trained[1]) and verdicts["original"].forget == 50
    for verdict in verdicts.values():
        line = verdict.table.loc["retrained"]
        assert verdict.models == 4 and line["tow_low"] <= line["tow"] <= line["tow_high"] < 1
        assert all(
            verdict.table.loc["given", f"{m}{end}"] == verdict.table.loc["given", m]
            for m in ("tow", "attack_auc", "test_accuracy")
            for end in ("_low", "_high")
        )
        # Two pairs are too few for a verdict.
        assert verdict.closeness.side is verdict.attack.side is None
    ours, usual = verdicts["original"].table.loc["given"], verdicts["original"].table.loc["retrained"]
    assert ours["tow"] < usual["tow"] and ours["attack_auc"] > usual["attack_auc_high"]
    forgot = verdicts["original"].table["forget_accuracy"]
    assert forgot["given"] > forgot["retrained"]  # it still knows the images; a retrained model never saw them


def test_three_pairs_tell_the_original_from_retrained_models(copied, trained):
    results = trained[1]
    for name, sides in (("original", (-1, 1)), ("retrained", (0, 0))):
        wanted = ask(copied, name, SMALL, FORGET, results[name].folder / "weights.safetensors", 3)
        fulfil(copied, wanted)
        found = judgements(copied)[0]
        assert found.spec == wanted and found.models == 6
        assert (found.closeness.side, found.attack.side) == sides
        assert found.closeness.wrong == pytest.approx(1 / 7) and found.attack.wrong == pytest.approx(0.05)
        assert found.attack.low < found.table.loc["retrained", "attack_auc"] < found.attack.high


def drawn(n: int, draws: int = 600):
    """Accuracies and an attack's AUC of retrained models, as normal as the theory has them: (draws, n) lines."""
    rng = np.random.default_rng(0)
    for _ in range(draws):
        forget, test, auc = rng.normal([0.6, 0.9, 0.55], [0.03, 0.006, 0.02], (n, 3)).T
        lines = {"forget_accuracy": forget, "retain_accuracy": 1.0, "test_accuracy": test, "attack_auc": auc}
        yield pd.DataFrame(lines)


@pytest.mark.parametrize("n", [6, 19])
def test_a_retrained_model_left_out_is_called_off_target_as_often_as_stated(n):
    far = out = 0
    for lines in drawn(n + 1):
        close = closeness_to(lines)
        far += furthest(close[0, 1:], close[1:, 1:]).side != 0
        out += outside(lines["attack_auc"][0], lines["attack_auc"][1:].tolist()).side != 0
    assert far / 600 == pytest.approx(1 / (n + 1), abs=0.035) and out / 600 == pytest.approx(0.05, abs=0.025)


def test_of_each_group_of_models_exactly_one_is_furthest():
    """Each retrained model judged by all the others: the share called further is the one stated, not about it."""
    for lines in drawn(8, 20):
        close, rest = closeness_to(lines), [np.delete(np.arange(8), i) for i in range(8)]
        sides = [furthest(close[i, own], close[np.ix_(own, own)]) for i, own in enumerate(rest)]
        assert [s.side for s in sides].count(-1) == 1 and sides[0].wrong == pytest.approx(1 / 8)


def test_what_is_off_target_is_found_and_with_too_few_models_nothing_is():
    lines = next(drawn(10))
    off = lines.iloc[:1].assign(forget_accuracy=1.0)
    close = closeness_to(lines)
    assert furthest(closeness_to(lines, off)[0], close).side == -1
    assert furthest(close.mean(axis=0), close).side == 0
    aucs = lines["attack_auc"].tolist()
    assert [outside(v, aucs).side for v in (0.4, 0.55, 0.7)] == [-1, 0, 1]
    # By hand: Student's t of 9 degrees of freedom for one value more.
    found, half = outside(0.55, aucs), 2.262157 * np.std(aucs, ddof=1) * np.sqrt(1.1)
    assert (found.high - found.low) / 2 == pytest.approx(half) and np.mean(aucs) == pytest.approx(
        (found.low + found.high) / 2
    )
    few = FEWEST - 1
    assert furthest(closeness_to(lines[:few], off)[0], close[:few, :few]).side is None
    assert outside(0.7, aucs[:few]).side is outside(0.7, [*aucs[:few], None]).side is outside(None, aucs).side is None
    # Alike in all: what reads the same is on target, what does not is off.
    same = pd.concat([lines[:1]] * 6)
    assert furthest(closeness_to(same)[0], closeness_to(same)).side == outside(0.5, [0.5] * 6).side == 0
    assert furthest(closeness_to(same, off)[0], closeness_to(same)).side == -1 and outside(0.6, [0.5] * 6).side == 1


def test_what_cannot_be_judged_is_refused(copied, state):
    for rows, says in (("", "empty"), ("0-9999", "Row 9999 does not exist"), ("x", "x")):
        with pytest.raises(BadValue, match=says):
            ask(copied, "a", SMALL, rows, save(state))
    wanted = ask(copied, "a", SMALL, FORGET, save(state), 2)
    with pytest.raises(BadValue, match="of the same images and the same architecture"):
        Judged(training=SMALL.but(width=32), forget=FORGET, weights=wanted.weights)
    shutil.rmtree(copied.find(wanted.weights).folder)
    with pytest.raises(BadValue, match="are not in this store; give the file again"):
        fulfil(copied, wanted)


def test_the_command_answers_with_every_line(copied, trained):
    app = typer.Typer()
    app.command()(own_model.judge)
    file = trained[1]["retrained"].folder / "weights.safetensors"
    recipe = ["--images", "500", "--test-images", "200", "--epochs", "10", "--width", "64"]
    asked = [str(file), "--forget", FORGET, "--pairs", "2", *recipe, "--store", str(copied.root)]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 0, run.output
    answer = json.loads(run.stdout.splitlines()[-1])
    assert set(answer["models"]) == {"given", "retrained", "original"} and answer["models"]["retrained"]["tow"] < 1
    assert answer["models"]["given"]["tow"] > answer["models"]["original"]["tow"]
    assert answer["closeness"] == {"side": None, "wrong": pytest.approx(0.2), "low": None, "high": None}
    assert answer["attack"]["side"] is None
    assert inspect.getdoc(own_model.judge)
