"""A result made again is the stored one, damage is found, and neither look changes the store."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import save
from typer.testing import CliRunner

from unlearn_core import device
from unlearn_core.cli import app
from unlearn_core.data import Data
from unlearn_core.device import pick_device, processor, with_threads
from unlearn_core.disk import StoreError, digest_of
from unlearn_core.ensembles import Bank, at_least
from unlearn_core.experiment import (
    Audit,
    BankPart,
    Embedding,
    EqualRetention,
    Landscape,
    LayerCka,
    OpenStudy,
    PlanSearch,
    ProxyTable,
    Run,
    SharedMap,
    Stream,
    Study,
    TryEverything,
    added_images,
    again,
    embedded_images,
    forget_sets,
    fulfil,
    judged,
)
from unlearn_core.experiment.again import GIVEN, verify
from unlearn_core.experiment.differences import TOLERANCE, compare
from unlearn_core.experiment.door import MAKERS
from unlearn_core.experiment.search import BestSoFar
from unlearn_core.experiment.soundness import look
from unlearn_core.experiment.tiers import Distribution, PerExample, distribution, inversion
from unlearn_core.experiment.tiers.instant import Relearned
from unlearn_core.experiment.tiers.inversion import Inversion
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.experiment.trained_models import train_all
from unlearn_core.forget import AtRandom, ByMemorization
from unlearn_core.params import BadValue, key
from unlearn_core.result import find_fault
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, NegGrad

SMALL = Training(data=Data(train=200, test=60), width=8, epochs=2)
CNN = SMALL.but(model="cnn", width=7, epochs=2, lr=0.05, momentum=0.9)  # an odd number of weights
TUNED = FineTune(epochs=1), NegGrad(epochs=1)
STUDY = Study(
    name="Small",
    training=SMALL,
    models=10,
    forget=ByMemorization(size=12),
    unlearners=TUNED[:1],
    plans=(Plan(medium=TUNED[0], high=TUNED[1]),),
    controls=False,
    seeds=2,
    tuning_seeds=1,
)
SHARED = {"training": SMALL, "models": 10, "forget": STUDY.forget}


def snapshot(root):
    """Every path below a folder with its size, its number and when it was last written."""
    stats = {p.relative_to(root): p.lstat() for p in Path(root).rglob("*")}
    return {name: (s.st_size, s.st_ino, s.st_mtime_ns) for name, s in stats.items()}


@pytest.fixture(scope="module", autouse=True)
def quick():
    """What takes seconds and is tested elsewhere, shorter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
        patch.setattr(inversion, "STEPS", 3)
        patch.setattr(distribution, "SPLITTINGS", 2)
        yield


def images(top: Path) -> Path:
    for name, shade in (("dark", 20), ("light", 200)):
        (top / name).mkdir()
        for i in range(8):
            Image.fromarray(np.full((8, 8), shade + i, np.uint8)).save(top / name / f"{i}.png")
    return top


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A store with at least one result of every kind. Read-only."""
    store = Store(tmp_path_factory.mktemp("everything"))
    study = OpenStudy(store, fulfil(store, STUDY))
    method = study.table.loc[study.table["kind"] == "plan", "method"].iloc[0]
    about_it = (EqualRetention, LayerCka, ProxyTable)
    subject = subject_of_method(study, method)
    search = PlanSearch(**SHARED, algorithms=TUNED[:1], trials=3, together=2, tuning_seeds=1, seeds=2, best=1)
    given = save({k: v.copy() for k, v in study.run_result(method, 0).arrays("weights").items()})
    for wanted in (
        *(kind(study=STUDY) for kind in about_it),
        SharedMap(study=STUDY, method=method),
        Audit(subject=subject, tier=0),
        Relearned(subject=subject, orders=1),
        PerExample(subject=subject, shadows=18),
        Inversion(subject=subject, requests=2),
        Distribution(subject=subject, models=8),
        Stream(training=SMALL, requests=("0-3", "4-7"), unlearner=TUNED[0], seeds=2),
        TryEverything(**SHARED, unlearners=TUNED[:1], plans=(), seeds=2),
        search,
        BestSoFar(search=search, rounds=1),
        Landscape(training=SMALL, models=10, unlearners=TUNED[:1], sets=16, sizes=(8,), originals=2),
        judged.ask(store, "Mine", SMALL, "0-9", given, 2),
        added_images.ask(store, images(tmp_path_factory.mktemp("images")), "mine"),
    ):
        fulfil(store, wanted)
    forget_sets.keep(study, np.arange(3))
    return store


def one_of(store, kind):
    return next(store.results(kind), None) or pytest.fail(f"have a {kind} made in the store `everything` of this file")


def test_every_kind_is_there(everything):
    for kind in MAKERS:
        one_of(everything, kind.__name__)
    assert len(everything.kinds()) == len(MAKERS)


# -- made again --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted({kind.__name__ for kind in MAKERS} - set(GIVEN)))
def test_every_kind_comes_out_the_same_to_the_last_bit(everything, kind, monkeypatch):
    """It is really made: the same result is asked for in a store where everything but it is found."""
    before, made = snapshot(everything.root), []
    honest = Store._make
    monkeypatch.setattr(Store, "_make", lambda self, spec, *rest: made.append(spec) or honest(self, spec, *rest))
    asked = one_of(everything, kind)
    found = verify(everything, asked.key)
    assert (found["verdict"], found["differing"], found["same_machine"]) == ("same bits", [], True), found
    assert made == [asked.spec()]  # it, and nothing else
    assert snapshot(everything.root) == before
    json.dumps(found, allow_nan=False)


def test_the_rest_says_why_not(everything):
    for kind, why in GIVEN.items():
        with pytest.raises(BadValue, match=f"A {kind} cannot be made anew: {why}"):
            verify(everything, one_of(everything, kind).key)
    assert set(GIVEN) < {kind.__name__ for kind in MAKERS}


def test_what_was_measured_is_left_out_and_said(everything):
    assert verify(everything, key(STUDY))["left_out"] == ["summary: seconds"]
    run = next(everything.results("Run"))
    assert set(verify(everything, run.key)["left_out"]) == {"cost: seconds", "cost: peak_megabytes"}


@pytest.mark.parametrize("bad", ["", "x", "../layout", "0" * 32, "A" * 32, "0" * 32 + "/.."])
def test_a_key_of_nothing(everything, bad):
    with pytest.raises(StoreError, match="^There is no result"):
        verify(everything, bad)


def forged(store, spec, **changes):
    """Rewrite a stored result with other weights, whole in every way that a checksum can tell."""
    folder = store.find(spec).folder
    weights = store.find(spec).arrays("weights") | changes
    (folder / "weights.safetensors").write_bytes(save(weights))
    manifest = json.loads((folder / "manifest.json").read_text())
    file = folder / "weights.safetensors"
    manifest["files"]["weights.safetensors"] = [file.stat().st_size, digest_of(file)]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert find_fault(folder, deep=True) is None
    return weights


def test_a_result_that_somebody_changed_is_found_out(store):
    weights = fulfil(store, SMALL).arrays("weights")
    changed = weights["head.weight"].copy()
    changed[0, 0] += 2 * TOLERANCE * np.abs(changed).max()
    forged(store, SMALL, **{"head.weight": changed})
    found = verify(store, key(SMALL))
    assert (found["verdict"], found["where"], found["same_machine"]) == ("differs", "weights: head.weight", True)
    assert found["largest_difference"] == pytest.approx(2 * TOLERANCE * np.abs(weights["head.weight"]).max(), rel=1e-3)
    assert "another result than the stored one" in found["says"]
    # One bit is seen too, but it may be rounding.
    changed = weights["head.bias"].copy()
    changed[0] = np.nextafter(changed[0], np.float32(9))
    forged(store, SMALL, **weights | {"head.bias": changed})
    found = verify(store, key(SMALL))
    assert (found["verdict"], found["differing"]) == ("within tolerance", ["weights: head.bias"])
    assert 0 < found["largest_difference"] < 1e-6


def test_a_damaged_result_is_named_and_stays_where_it_is(store):
    folder = fulfil(store, SMALL).folder
    (folder / "weights.safetensors").write_bytes(b"")
    before = snapshot(store.root)
    with pytest.raises(StoreError, match=r"damaged \(weights.safetensors has another size.*--mend"):
        verify(store, key(SMALL))
    assert snapshot(store.root) == before


@pytest.mark.parametrize("error", [RuntimeError("oh"), KeyboardInterrupt()])
def test_nothing_is_left_behind_by_an_error(store, tmp_path, monkeypatch, error):
    result = fulfil(store, SMALL)
    (tmp_path / "aside").mkdir()
    monkeypatch.setattr(again.tempfile, "tempdir", str(tmp_path / "aside"))

    def fails(scratch, *_):
        assert Path(scratch.root).parent == tmp_path / "aside"
        raise error

    monkeypatch.setitem(MAKERS, Training, fails)
    before = snapshot(store.root)
    with pytest.raises(type(error)):
        verify(store, result.key)
    assert snapshot(store.root) == before and list((tmp_path / "aside").iterdir()) == []


def test_what_it_rests_on_may_be_damaged_or_gone(store):
    """Then that is made too, aside, and the damage stays where it is."""
    embedding = fulfil(store, Embedding(training=SMALL))
    shutil.rmtree(store.find(SMALL).folder)
    assert verify(store, embedding.key)["verdict"] == "same bits" and store.find(SMALL) is None
    fulfil(store, SMALL)
    file = store.find(SMALL).folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    before = snapshot(store.root)
    assert verify(store, embedding.key)["verdict"] == "same bits"
    assert snapshot(store.root) == before


def test_an_old_manifest_is_read(store):
    folder = fulfil(store, SMALL).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    new = {"device_name", "cpu_capability", "threads", "together", "matmul_precision", "cudnn_tf32"}
    new |= {"stacked_products", "batch_norm"}
    assert new < set(manifest)
    old = {name: value for name, value in manifest.items() if name not in new}
    old["versions"] = {name: old["versions"][name] for name in ("torch", "numpy")}  # all that it named once
    (folder / "manifest.json").write_text(json.dumps(old))
    assert store.find(SMALL).manifest() == old
    found = verify(store, key(SMALL))
    assert (found["verdict"], found["same_machine"], set(found["provenance"])) == ("same bits", False, new)
    assert found["provenance"]["device_name"] == [None, processor()]
    old["versions"]["torch"] = "2.0"
    (folder / "manifest.json").write_text(json.dumps(old))
    assert "versions" in verify(store, key(SMALL))["provenance"]


def test_a_gpu_is_asked_for_kernels_that_repeat_themselves(monkeypatch):
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is as it was afterwards
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    for name, value in (("deterministic", False), ("benchmark", True), ("allow_tf32", True)):
        monkeypatch.setattr(torch.backends.cudnn, name, value)
    assert pick_device().type == "cuda"
    chosen = torch.backends.cudnn
    assert chosen.deterministic and not chosen.benchmark and not chosen.allow_tf32
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_result_of_a_gpu_is_the_same_there_again(store, monkeypatch, model):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda")
    spec = SMALL.but(model=model)
    fulfil(store, spec)
    assert verify(store, key(spec))["verdict"] == "same bits"


# -- how things are compared -------------------------------------------------------------------------------------------


def pair(tmp_path, first, second):
    """What differs between two results of one spec with these contents."""
    results = [Store(tmp_path / name).remember(AtRandom(), make) for name, make in (("a", first), ("b", second))]
    return compare(*results)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([1.0, np.nan], [1.0, np.nan], "same bits"),
        ([1.0, 100.0], [1.5, 100.0], "within tolerance"),  # half a hundredth of the largest
        ([1.0, 100.0], [1.0, 102.0], "differs"),
        ([1.0, np.nan], [1.0, 1.0], "differs"),
        ([1.0, np.inf], [1.0, -np.inf], "differs"),
        ([1.0, 1.0], [1.0, np.inf], "differs"),
        ([0.0], [-0.0], "within tolerance"),
        ([0.0], [1e-30], "differs"),
        ([1.0], [1.0, 1.0], "differs"),
        ([True] * 200, [False] + [True] * 199, "within tolerance"),
        ([True] * 200, [False] * 3 + [True] * 197, "differs"),
        ([1.0], [1], "differs"),
        ([], [], "same bits"),
    ],
)
def test_arrays(tmp_path, a, b, verdict):
    found = pair(tmp_path, lambda d: d.arrays(x=np.array(a)), lambda d: d.arrays(x=np.array(b)))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("a", "b", "verdict", "where"),
    [
        ({"x": [1.0, 2.0], "seconds": [1, 2]}, {"x": [1.0, 2.0], "seconds": [3, 4]}, "same bits", []),
        ({"x": [0.5] * 200}, {"x": [1.0] + [0.5] * 199}, "within tolerance", ["table: x"]),  # one image on the border
        ({"x": [0.5] * 9}, {"x": [1.0] + [0.5] * 8}, "differs", ["table: x"]),
        ({"x": ["a", None]}, {"x": ["a", "b"]}, "differs", ["table: x"]),
        ({"x": [[1, 2]]}, {"x": [[1, 2]]}, "same bits", []),
        ({"x": [1.0]}, {"y": [1.0]}, "differs", ["table, in columns or lines"]),
        ({"x": [1.0]}, {"x": [1.0, 1.0]}, "differs", ["table, in columns or lines"]),
        (
            {"metric": ["tow", "speedup"], "value": [1.0, 9.0]},
            {"metric": ["tow", "speedup"], "value": [1.0, 5.0]},
            "same bits",
            [],
        ),
    ],
)
def test_tables(tmp_path, a, b, verdict, where):
    found = pair(tmp_path, lambda d: d.table(pd.DataFrame(a)), lambda d: d.table(pd.DataFrame(b)))
    assert (found.verdict, [each.where for each in found.found]) == (verdict, where)
    assert ("table: seconds" in found.left_out) == ("seconds" in a)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ({"x": 1, "total_seconds": 3, "of": {"peak_megabytes": 1}}, {"x": 1, "of": {}}, "same bits"),
        ({"x": [1, {"y": 0.5}]}, {"x": [1, {"y": 0.505}]}, "within tolerance"),
        ({"x": [1, {"y": 0.5}]}, {"x": [1, {"y": 0.6}]}, "differs"),
        ({"x": "a"}, {"x": "b"}, "differs"),
        ({"x": None}, {"x": 0}, "differs"),
        ({"x": True}, {"x": 0.999}, "differs"),
        ({"x": 1}, {}, "differs"),
        ({"x": [1]}, {"x": [1, 2]}, "differs"),
    ],
)
def test_notes(tmp_path, a, b, verdict):
    assert pair(tmp_path, lambda d: d.json("note", a), lambda d: d.json("note", b)).verdict == verdict


def test_a_file_that_only_one_has(tmp_path):
    found = pair(tmp_path, lambda d: d.arrays(x=np.zeros(1)), lambda d: None)
    assert [each.where for each in found.found] == ["arrays.safetensors, which only one of them has"]


# -- what bits go by ---------------------------------------------------------------------------------------------------


def weights_of(results):
    return [{name: w.tobytes() for name, w in r.arrays("weights").items()} for r in results]


def test_a_model_has_the_same_bits_whoever_is_trained_beside_it(tmp_path):
    """Also the last of a stack, whose numbers lie at the end of all numbers in memory."""
    wanted = [CNN.but(seed=s) for s in range(7)]
    stores = [Store(tmp_path / name) for name in ("together", "alone", "in threes", "among many")]
    together = weights_of(train_all(stores[0], wanted))
    assert {r.manifest()["together"] for r in stores[0].results("Training")} == {7}
    assert weights_of(train_all(stores[1], [w])[0] for w in wanted) == together
    assert {r.manifest()["together"] for r in stores[1].results("Training")} == {2}  # each with its twin
    assert weights_of(r for i in (0, 3, 6) for r in train_all(stores[2], wanted[i : i + 3])) == together
    with at_least(11):
        assert weights_of(train_all(stores[3], wanted[-1:])) == together[-1:]
    assert next(stores[3].results("Training")).manifest()["together"] == 11


def test_a_gpu_is_given_as_many_models_as_there_were(store, monkeypatch):
    """On a CPU their number changes nothing, so it is not repeated there."""
    part = BankPart(training=Bank(training=SMALL).training, count=3)
    folder = fulfil(store, part).folder
    told = {"together": 9, "threads": device.THREADS + 1}
    for where, together in (("cpu", 3), ("cuda", 9)):
        about = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(about | told | {"device": where}))
        found = verify(store, key(part))
        assert found["verdict"] == "same bits" and "threads" not in found["provenance"]
        assert found["provenance"].get("together", [9, 9])[1] == together
        assert found["same_machine"] == (where == "cpu")


def test_threads_are_those_of_then(monkeypatch):
    before = device.THREADS
    with pytest.raises(RuntimeError), with_threads(before + 3):
        assert before + 3 == device.THREADS
        raise RuntimeError
    assert before == device.THREADS


def test_float32_is_float32_on_a_gpu(monkeypatch):
    """cuDNN's convolutions would take 10 bits of it. Nothing here asks for a GPU that is not there."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    monkeypatch.setenv("UNLEARN_DEVICE", "cpu")
    pick_device()
    assert torch.backends.cudnn.allow_tf32
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda:1")
    assert pick_device() == torch.device("cuda:1")
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


# -- the whole store ---------------------------------------------------------------------------------------------------


def command(*args):
    return CliRunner().invoke(app, ["verify", *map(str, args)])


def damage(store):
    """A store with one fault of each sort; returns kind -> what is said of it."""
    fulfil(store, Embedding(training=SMALL))
    fulfil(store, SMALL.but(seed=1))
    fulfil(store, Run(training=SMALL, forget="0-3", unlearner=TUNED[0]))
    weights = store.find(SMALL).folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)  # one bit: the size is right
    (store.find(Embedding(training=SMALL)).folder / "arrays.safetensors").unlink()
    (store.find(SMALL.but(seed=1)).folder / "spec.json").write_text("{}")
    (store.root / "jobs" / ("0" * 32)).mkdir()
    (store.root / "jobs" / ("0" * 32) / "job.json").write_text('{"spec": 1}')
    (store.root / "staging" / f"{'1' * 32}.dead").mkdir()


def test_a_whole_store(everything):
    before = snapshot(everything.root)
    for deep in ((), ("--deep",)):
        done = command("--store", everything.root, *deep)
        assert done.exit_code == 0 and "Everything is whole." in done.stderr and "LandscapePart" in done.stdout
    said = json.loads(command("--store", everything.root, "--deep", "--json").stdout)
    assert said["whole"] and said["faults"] == []
    assert {line["kind"] for line in said["results"]} == set(everything.kinds())
    assert all(line["whole"] == line["results"] > 0 for line in said["results"])
    assert snapshot(everything.root) == before


def test_damage_is_found_said_and_mended(store):
    damage(store)
    before = snapshot(store.root)
    shallow = {fault["kind"]: fault for fault in json.loads(command("--store", store.root, "--json").stdout)["faults"]}
    assert set(shallow) == {"Embedding", "Training", "job", "staging"}
    assert shallow["Training"]["key"] == key(SMALL.but(seed=1))
    done = command("--store", store.root, "--deep", "--json")
    found = json.loads(done.stdout)
    faults = {(f["kind"], f["key"]): f["fault"] for f in found["faults"]}
    assert done.exit_code == 1 and not found["whole"]
    assert faults == {
        ("Embedding", key(Embedding(training=SMALL))): faults["Embedding", key(Embedding(training=SMALL))],
        ("Training", key(SMALL)): "weights.safetensors has other content than when it was written",
        ("Training", key(SMALL.but(seed=1))): "spec.json does not belong to this key",
        ("job", "0" * 32): "job.json is damaged",
        ("staging", f"{'1' * 32}.dead"): "its writer is gone",
    }
    assert "arrays.safetensors" in faults["Embedding", key(Embedding(training=SMALL))]
    counts = {line["kind"]: (line["results"], line["whole"], line["damaged"]) for line in found["results"]}
    assert counts == {"Embedding": (1, 0, 1), "Run": (1, 1, 0), "Training": (2, 0, 2)}
    text = command("--store", store.root, "--deep")
    assert text.exit_code == 1 and "4 damaged; verify --mend" in text.stderr and key(SMALL) in text.stdout
    assert snapshot(store.root) == before  # looking changes nothing

    mended = command("--store", store.root, "--deep", "--mend")
    assert mended.exit_code == 0 and "4 set aside" in mended.stderr
    assert command("--store", store.root, "--deep").exit_code == 0
    aside = sorted(p.name.partition(".")[0] for p in (store.root / "quarantine").iterdir())
    assert aside == sorted([key(Embedding(training=SMALL)), key(SMALL), key(SMALL.but(seed=1)), "0" * 32])
    assert all((p / "fault.txt").read_text() for p in (store.root / "quarantine").iterdir())
    assert list((store.root / "staging").iterdir()) == []
    assert fulfil(store, SMALL).key == key(SMALL)  # made anew when it is asked for


def test_what_is_at_work_is_no_damage(store):
    (store.root / "jobs" / ("0" * 32)).mkdir()  # its record is about to be written
    (store.root / "staging" / f"{'1' * 32}.alive").mkdir()
    with store.lock(f"job-{'0' * 32}"), store.lock("1" * 32):
        found = look(store, mend=True)
        assert found.faults() == [] and found.sound and found.locks == 2
    assert len(list((store.root / "staging").iterdir())) == 1
    assert len(look(store).faults()) == 2


def test_files_that_do_not_open_and_results_in_the_wrong_place(store):
    def bad(draft):
        (draft.folder / "arrays.safetensors").write_bytes(b"no arrays")

    store.remember(AtRandom(), bad)
    (odd := store.find(AtRandom()).folder).rename(odd.parent.parent / "moved")
    (store.root / "results" / "OfClass").mkdir()
    (odd.parent.parent / "moved").rename(store.root / "results" / "OfClass" / odd.name)
    assert [fault for *_, fault in look(store).damaged] == ["it is a AtRandom"]
    (store.root / "results" / "OfClass" / odd.name).rename(odd)
    assert look(store).sound
    ((_, _, fault),) = look(store, deep=True).damaged
    assert "\n" not in fault and "Error" in fault


def test_results_of_another_version_are_whole(store):
    data = {"spec": "Training", "version": 99}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    place = store.root / "results" / "Training" / hashlib.sha256(text.encode()).hexdigest()[:32]
    place.mkdir(parents=True)
    (place / "spec.json").write_text(text)
    (place / "manifest.json").write_text(json.dumps({"files": {}}))
    found = look(store, deep=True)
    assert found.sound and found.kinds() == [
        {"kind": "Training", "results": 1, "whole": 1, "damaged": 0, "other_version": 1}
    ]
    done = command(place.name, "--store", store.root)
    assert done.exit_code == 2 and "version 99 cannot be read" in done.stderr


def test_a_store_that_cannot_be_mended_says_so(store, monkeypatch):
    damage(store)
    before = snapshot(store.root)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("unlearn_core.store.os.rename", refuse)
    monkeypatch.setattr("unlearn_core.store.shutil.rmtree", refuse)
    monkeypatch.setattr("unlearn_core.disk.lock", refuse)  # whose file is made there too
    done = command("--store", store.root, "--mend")
    assert done.exit_code == 1 and "cannot be written to" in done.stderr and snapshot(store.root) == before


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_makes_one_anew(everything):
    training = next(everything.results("Training"))
    done = command(training.key, "--store", everything.root)
    said = json.loads(done.stdout)
    assert (done.exit_code, said["key"], said["verdict"]) == (0, training.key, "same bits") and said[
        "says"
    ] in done.stderr


def test_the_command_says_when_it_differs(store):
    weights = fulfil(store, SMALL).arrays("weights")
    forged(store, SMALL, **{"head.bias": weights["head.bias"] + 1})
    done = command(key(SMALL), "--store", store.root)
    assert done.exit_code == 1 and json.loads(done.stdout)["verdict"] == "differs"


def test_what_the_command_refuses(everything, tmp_path):
    assert "There is no store in" in command("--store", tmp_path / "none").stderr and not (tmp_path / "none").exists()
    done = command("0" * 32, "--mend", "--store", everything.root)
    assert done.exit_code == 2 and "leave the key out" in done.stderr
    done = command("0" * 32, "--store", everything.root)
    assert done.exit_code == 2 and "There is no result" in done.stderr
