"""A study as one file: it comes out as it went in, and a file with anything wrong in it places nothing."""

import hashlib
import io
import json
import shutil
import stat
import zipfile
from itertools import count

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save

from unlearn_core import arrivals
from unlearn_core.data import Data, add, kept
from unlearn_core.disk import StoreError, digest_of
from unlearn_core.experiment import (
    Audit,
    EqualRetention,
    Landscape,
    LayerCka,
    Map,
    OpenStudy,
    ProxyTable,
    Run,
    Stream,
    Study,
    again,
    door,
    embedded_images,
    forget_sets,
    fulfil,
    layers,
    shared_map,
    studies,
)
from unlearn_core.experiment.advice import advice
from unlearn_core.experiment.bundle import contents, export, import_bundle, placing, reading, recorded
from unlearn_core.experiment.comparison import everything
from unlearn_core.experiment.landscape import LandscapePart
from unlearn_core.experiment.landscape_sets import LandscapeSets
from unlearn_core.experiment.proxy_scores import stage
from unlearn_core.experiment.stream import deal_requests
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.experiment.verdicts import judge
from unlearn_core.forget import AtRandom
from unlearn_core.kinds import CARRIED
from unlearn_core.params import BadValue, key, params
from unlearn_core.proxies import PROXIES
from unlearn_core.result import Result, find_fault
from unlearn_core.rows import pack
from unlearn_core.rum import Rum
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune

NAME = {"name": "a", "since": 1.0}
SMALL = {"models": 0, "seeds": 2, "tuning_seeds": 0, "plans": (), "controls": False}


@pytest.fixture(scope="module")
def filled(filled_store):
    """The small study that other tests know too, with a bank, plans and controls."""
    store = Store(filled_store)
    return store, studies(store)[0].key


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A study of a few results, for files with something wrong in them."""
    store = Store(tmp_path_factory.mktemp("source") / "store")
    training = Training(epochs=1, data=Data(train=200, test=50))
    study = Study(training=training, forget=AtRandom(size=9), unlearners=(FineTune(epochs=1),), **SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
        fulfil(store, study)
    return store, key(study)


@pytest.fixture(scope="module")
def written(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "study.zip"
    return path, export(*source, path)


@pytest.fixture
def members(written):
    """Name -> bytes of everything in the file, to be changed at will."""
    with zipfile.ZipFile(written[0]) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture
def refused(store):
    """refused(file) -> the one sentence; nothing was placed."""

    def ask(file) -> str:
        with pytest.raises(BadValue) as said:
            import_bundle(store, file)
        assert not [p for p in (store.root / "results").rglob("*") if p.is_file()]
        assert not list((store.root / "staging").iterdir()) and not (store.root / "data").exists()
        assert str(said.value).endswith(".") and "\n" not in str(said.value)
        return str(said.value)

    return ask


def packed(members, how=zipfile.ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file


def of_kind(members, kind, file):
    return next(name for name in members if name.startswith(f"results/{kind}/") and name.endswith(f"/{file}"))


def rewritten(members, name, data):
    """The members with one file changed and every checksum made to fit: only its meaning is wrong."""
    folder = name.rsplit("/", 1)[0]
    manifest = json.loads(members[f"{folder}/manifest.json"])
    members[name] = data
    manifest["files"][name.rsplit("/", 1)[1]] = [len(data), digest(data)]
    return with_manifest(members, folder, manifest)


def with_manifest(members, folder, manifest):
    members[f"{folder}/manifest.json"] = json.dumps(manifest).encode()
    sheet = json.loads(members["bundle.json"])
    sheet["results"][folder.removeprefix("results/")] = digest(members[f"{folder}/manifest.json"])
    members["bundle.json"] = json.dumps(sheet).encode()
    return members


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# -- out and in again --------------------------------------------------------------------------------------------------


def test_what_comes_out_is_what_went_in_and_nothing_is_computed(filled, store, tmp_path, monkeypatch):
    there, study_key = filled
    export(there, study_key, tmp_path / "study.zip")
    assert import_bundle(store, tmp_path / "study.zip") == study_key
    for place in (store.root / "results").glob("*/*"):
        assert find_fault(place, deep=True) is None
        original = there.root / "results" / place.parent.name / place.name
        for file in original.iterdir():
            assert digest_of(file) == digest_of(place / file.name)
    monkeypatch.setattr(door, "MAKERS", {})  # asking for anything that is missing is an error now
    before, after = OpenStudy.open(there, study_key), OpenStudy.open(store, study_key)
    assert everything(after).equals(everything(before))
    assert judge(after, "rum", "lira_online_pooled").apart == judge(before, "rum", "lira_online_pooled").apart
    assert np.array_equal(after.memorization.scores, before.memorization.scores)
    assert after.about(after.forget).entanglement == before.about(before.forget).entanglement
    assert np.array_equal(after.map()[0], before.map()[0]) and advice(after, 0.5) == advice(before, 0.5)
    assert len(after.stability) == len(before.stability) and len(after.after_each_step("rum", 0)) == 4


def test_an_imported_study_is_marked_and_one_that_was_run_is_not(source, written, store, tmp_path):
    import_bundle(store, written[0])
    assert recorded(store, source[1])["imported"].endswith("Z") and recorded(*source) is None
    assert recorded(store, "../" * 3) is None and recorded(store, "0" * 32) is None
    # The mark stays behind when it goes on to somebody else.
    export(store, source[1], tmp_path / "again.zip")
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        assert not [n for n in archive.namelist() if "recorded" in n]


def test_a_study_that_is_there_stays_as_it_is(source, written, tmp_path):
    root = shutil.copytree(source[0].root, tmp_path / "own")
    before = {p: p.stat().st_mtime_ns for p in (root / "results").rglob("*.*")}
    assert import_bundle(Store(root), written[0]) == source[1]
    assert {p: p.stat().st_mtime_ns for p in (root / "results").rglob("*.*")} == before
    assert recorded(Store(root), source[1]) is None


def test_only_what_the_study_needs_goes_along(source, written, tmp_path):
    root = shutil.copytree(source[0].root, tmp_path / "own")
    fulfil(Store(root), Training(epochs=2, data=Data(train=200, test=50)))
    assert export(Store(root), source[1], tmp_path / "b.zip").results == written[1].results


def test_without_weights_all_can_be_seen_and_nothing_run(source, written, store, tmp_path):
    there, study_key = source
    lighter = export(there, study_key, tmp_path / "light.zip", weights=False)
    assert lighter.results == written[1].results and lighter.bytes < written[1].bytes
    # A file that would be larger than it may is not written, and what lay there stays.
    with pytest.raises(BadValue, match=r"would take .* MB, more than the .* Without the models' weights it is smaller"):
        export(there, study_key, tmp_path / "light.zip", most=written[1].bytes - 1)
    assert (tmp_path / "light.zip").stat().st_size == lighter.bytes and len(list(tmp_path.glob(".light*"))) == 0
    assert export(there, study_key, tmp_path / "light.zip", False, lighter.bytes).bytes == lighter.bytes
    with zipfile.ZipFile(tmp_path / "light.zip") as archive:
        assert not [name for name in archive.namelist() if "weights" in name]
    assert import_bundle(store, tmp_path / "light.zip") == study_key
    before, after = (OpenStudy.open(each, study_key) for each in (there, store))
    assert everything(after).equals(everything(before))
    one = after.run_result("original", 0)
    assert one.lacks == ("weights.safetensors",) and find_fault(one.folder, deep=True) is None
    assert before.run_result("original", 0).lacks == ()
    # Whatever needs a model says what is wrong, and so does making it again to compare.
    rows = np.arange(5)
    with pytest.raises(StoreError, match="came in a file without its weights, so nothing can be made from it"):
        fulfil(store, Run(training=after.spec.training, forget=pack(rows), unlearner=FineTune(epochs=1)))
    with pytest.raises(BadValue, match="without its weights.safetensors: it cannot be compared"):
        again.verify(store, one.key)
    # It goes on as it came; and the whole file puts the weights where they are missing, the lighter never takes them.
    export(store, study_key, tmp_path / "on.zip")
    third = Store(tmp_path / "third")
    import_bundle(third, tmp_path / "on.zip")
    for file, lacking in ((written[0], ()), (tmp_path / "light.zip", ())):
        import_bundle(third, file)
        assert third.open("Training", one.key).lacks == lacking
    assert fulfil(third, Run(training=after.spec.training, forget=pack(rows), unlearner=FineTune(epochs=1)))


@pytest.fixture(scope="module")
def looked_into(source, tmp_path_factory):
    """The small study after all that its pages can have made about it, and with two sets that have names."""
    store = Store(shutil.copytree(source[0].root, tmp_path_factory.mktemp("looked") / "store"))
    study = OpenStudy.open(store, source[1])
    training, forget = study.spec.training, study.forget
    stream = Stream(training=training, requests=deal_requests(forget, 2), unlearner=FineTune(epochs=1), seeds=2)
    made = [LayerCka(study=study.spec), shared_map.asked(study, "fine-tune", "pca"), stream]
    for spec in made:
        fulfil(store, spec)
    # Carried as they are, so made up: measuring one takes minutes.
    made.append(Landscape(training=training, models=0, sets=48, sizes=(20,)))
    store.remember(made[-1], lambda draft: draft.table(pd.DataFrame({"group_tow": [0.5]})))
    # Of other sets and models: they stay behind.
    fulfil(store, stream.but(requests=("150-151", "152")))
    forget_sets.give_name(study, np.arange(3), "first")
    made.append(forget_sets.KeptSet(data=training.data, named="0-2"))
    forget_sets.give_name(study, np.arange(5), "other ones")
    return study, made


def test_what_was_made_about_a_study_later_goes_along(looked_into, store, tmp_path):
    study, made = looked_into
    export(study.store, study.key, tmp_path / "b.zip")
    here = OpenStudy.open(store, import_bundle(store, tmp_path / "b.zip"))
    assert all(store.find(spec) for spec in made) and len(list(store.results("Stream"))) == 1
    assert layers.finished(here).equals(layers.finished(study))
    one, other = (shared_map.finished(each, "fine-tune", "pca") for each in (here, study))
    assert all(np.array_equal(one.moved[name], other.moved[name]) for name in other.moved)
    assert [(one.name, one.rows.tolist(), one.since) for one in forget_sets.listed(here)] == [
        (one.name, one.rows.tolist(), one.since) for one in forget_sets.listed(study)
    ]
    # And on from there.
    export(store, here.key, tmp_path / "again.zip")
    third = Store(tmp_path / "third")
    forget_sets.give_name(study_in(third, tmp_path / "again.zip"), np.arange(7), "last")
    names = {about["name"] for about in json.loads((third.root / forget_sets.FILE).read_text()).values()}
    assert names == {"first", "other ones", "last"}


def study_in(store, file) -> OpenStudy:
    return OpenStudy.open(store, import_bundle(store, file))


def test_names_that_are_taken_here_are_numbered(looked_into, source, written, tmp_path):
    study, _ = looked_into
    own = Store(tmp_path / "own")
    before = study_in(own, written[0])
    forget_sets.give_name(before, np.arange(9), "FIRST")
    forget_sets.give_name(before, np.arange(5), "mine")  # the same set under another name
    export(study.store, study.key, tmp_path / "b.zip")
    after = study_in(own, tmp_path / "b.zip")
    assert {one.name: one.images for one in forget_sets.listed(after)} == {"FIRST": 9, "mine": 5, "first 2": 3}


def test_one_name_of_two_sets_is_numbered(looked_into, store, tmp_path):
    """Two who saved at once could once give the same."""
    root = shutil.copytree(looked_into[0].store.root, tmp_path / "own")
    names = json.loads((root / forget_sets.FILE).read_text())
    (root / forget_sets.FILE).write_text(json.dumps({key: NAME for key in names}))
    export(Store(root), looked_into[0].key, tmp_path / "b.zip")
    assert {one.name for one in forget_sets.listed(study_in(store, tmp_path / "b.zip"))} == {"a", "a 2"}


@pytest.fixture(scope="module")
def all_kinds(filled, tmp_path_factory):
    """The small study with one result about it of every kind that goes along; what was made later is made up."""
    store = Store(shutil.copytree(filled[0].root, tmp_path_factory.mktemp("kinds") / "store"))
    study = OpenStudy.open(store, filled[1])
    spec, about = study.spec, {"models": study.spec.models, "stop_at": study.spec.stop_at}
    audit = Audit(subject=subject_of_method(study, "fine-tune"))
    for later in (
        *(kind(study=spec) for kind in (EqualRetention, LayerCka, ProxyTable)),
        shared_map.asked(study, "fine-tune", "pca"),
        *(audit, audit.per_example, audit.distribution),
        *(stage(spec.training, name) for name in PROXIES),
        Stream(training=spec.training, requests=deal_requests(study.forget, 2), unlearner=FineTune(), **about),
        Landscape(training=spec.training, **about),
    ):
        store.remember(later, lambda draft: draft.json("summary", {}))
    forget_sets.give_name(study, np.arange(3), "first")
    return study


@pytest.mark.parametrize("kind", CARRIED)
def test_a_kind_that_goes_along_is_found_and_can_be_imported(all_kinds, kind):
    found = {r.key: r for r in (*contents.needed(all_kinds), *contents.welcome(all_kinds))}.values()
    own = [result.spec() for result in found if result.folder.parent.name == kind]
    assert own, f"{kind} goes along by its row, and welcome() finds none: add a line there, and one to `all_kinds`."
    assert all(contents.belongs(spec, all_kinds.spec) for spec in own), f"belongs() refuses what is of kind {kind}."


def test_nothing_else_goes_along(all_kinds, looked_into):
    for study in (all_kinds, looked_into[0]):
        for result in (*contents.needed(study), *contents.welcome(study)):
            assert result.folder.parent.name in CARRIED and contents.belongs(result.spec(), study.spec)
    assert [p.choices for p in params(shared_map.SharedMap) if p.name == "kind"] == [contents.MAPS]


def test_any_spec_can_be_asked_whether_it_belongs(all_kinds):
    """What is about this training in some way may; what is about another, or about no images at all, does not."""
    study, training = all_kinds.spec, all_kinds.spec.training
    for other in (training.but(epochs=training.epochs + 1), training.but(data=Data(train=100))):
        sets = LandscapeSets(training=other)
        for spec in (other, Map(training=other), sets, LandscapePart(sets=sets, unlearner=FineTune())):
            assert not contents.belongs(spec, study)
    assert contents.belongs(LandscapeSets(training=training), study) and not contents.belongs(AtRandom(), study)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: [],
        lambda key: {"0" * 32: NAME},
        lambda key: {"../x": NAME},
        lambda key: {key: "a"},
        lambda key: {key: NAME | {"more": 1}},
        lambda key: {key: {"name": "a"}},
        lambda key: {key: NAME | {"name": 3}},
        lambda key: {key: NAME | {"name": ""}},
        lambda key: {key: NAME | {"name": " a"}},
        lambda key: {key: NAME | {"name": "a\x00"}},
        lambda key: {key: NAME | {"name": "a" * 61}},
        lambda key: {key: NAME | {"since": "now"}},
        lambda key: {key: NAME | {"since": True}},
        lambda key: {key: NAME | {"since": float("nan")}},
        lambda key: {key: NAME | {"since": 1e300}},
    ],
)
def test_names_as_nobody_could_give_them(looked_into, refused, tmp_path, change):
    study, _ = looked_into
    export(study.store, study.key, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    sheet = json.loads(members["bundle.json"])
    members["bundle.json"] = json.dumps(sheet | {"names": change(next(iter(sheet["names"])))}).encode()
    assert "names of forget sets in it are not as this program writes them" in refused(packed(members))


def test_a_file_without_names_is_from_before_there_were_any(members, store, source):
    sheet = json.loads(members["bundle.json"])
    del sheet["names"]
    assert import_bundle(store, packed(members | {"bundle.json": json.dumps(sheet).encode()})) == source[1]


def test_an_open_file_serves_as_well_as_a_path(source, written, store):
    assert import_bundle(store, io.BytesIO(written[0].read_bytes())) == source[1]


def test_without_a_bank_and_with_ones_own_images(store, tmp_path, monkeypatch, tiny):
    for i, (x, y) in enumerate(zip(tiny.train.x[:160], tiny.train.y[:160], strict=True)):
        folder = tmp_path / "images" / tiny.classes[int(y)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[0].numpy()).save(folder / f"{i:03}.png")
    monkeypatch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
    add(tmp_path / "images", "mine", store.root / "data")
    training = Training(model="mlp", width=16, epochs=2, lr=0.2, batch=32, data=Data(name="mine"))
    study = Study(training=training, forget=AtRandom(size=9), unlearners=(FineTune(epochs=1),), **SMALL)
    fulfil(store, study)
    said = export(store, key(study), tmp_path / "mine.zip").images
    assert "holds your own images, mine" in said

    other = Store(tmp_path / "other")
    assert import_bundle(other, tmp_path / "mine.zip") == key(study)
    there, here = OpenStudy.open(other, key(study)), OpenStudy.open(store, key(study))
    assert np.array_equal(there.pixels, here.pixels) and there.data.fingerprint() == here.data.fingerprint()

    third = Store(tmp_path / "third")  # other images have the name
    shutil.rmtree(tmp_path / "images" / "a")
    add(tmp_path / "images", "mine", third.root / "data")
    with pytest.raises(BadValue, match="has other images under the name mine"):
        import_bundle(third, tmp_path / "mine.zip")
    assert not third.kinds()

    monkeypatch.setattr("unlearn_core.experiment.bundle.writing.IMAGES_BYTES", 10)
    assert "grey squares stand for them" in export(store, key(study), tmp_path / "bare.zip").images
    fourth = Store(tmp_path / "fourth")
    import_bundle(fourth, tmp_path / "bare.zip")
    there = OpenStudy.open(fourth, key(study))
    assert np.array_equal(there.labels, here.labels) and there.classes == here.classes
    assert there.pixels.shape == here.pixels.shape and set(there.pixels.ravel()) == {128}
    assert everything(there).equals(everything(here)) and there.data.grey and not here.data.grey
    # No path of the machine that it came from, and nothing that could be trained on.
    assert "asked" not in json.loads((fourth.root / "data/own/mine/about.json").read_text())
    with pytest.raises(BadValue, match="Of mine only the labels are in this store: add the same images"):
        fulfil(fourth, training.but(seed=5))
    # It goes on as it came; other images cannot take the name, the same ones take their place.
    export(fourth, key(study), tmp_path / "on.zip")
    assert import_bundle(Store(tmp_path / "fifth"), tmp_path / "on.zip") == key(study)
    with pytest.raises(BadValue, match="A recorded study has images called mine, and these are others"):
        add(tmp_path / "images", "mine", fourth.root / "data")
    restored = tmp_path / "images" / "a"
    restored.mkdir()
    for i in np.flatnonzero(tiny.train.y[:160].numpy() == 0):
        Image.fromarray(tiny.train.x[i][0].numpy()).save(restored / f"{i:03}.png")
    # Stopped at any step, they are there whole, or the labels still are.
    place = fourth.root / "data/own/mine"
    for step, whole in enumerate((False, False, True)):
        with monkeypatch.context() as patch:
            steps = count()
            for owner, name in ((kept.os, "replace"), (kept.Path, "unlink")):
                honest = getattr(owner, name)
                stop = lambda *args, honest=honest: 1 / 0 if next(steps) == step else honest(*args)  # noqa: B023, E731
                patch.setattr(owner, name, stop)
            with pytest.raises(ZeroDivisionError):
                add(tmp_path / "images", "mine", fourth.root / "data")
        assert kept.has_images(place) == whole and len(kept.read(place).train.y) == len(kept.labels(place)[0])
    there = OpenStudy.open(fourth, key(study))
    assert np.array_equal(there.pixels, here.pixels) and not there.data.grey
    assert [p.name for p in (fourth.root / "data/own").iterdir() if not p.name.startswith(".lock")] == ["mine"]
    with pytest.raises(BadValue, match="There is already a dataset called mine"):
        add(tmp_path / "images", "mine", fourth.root / "data")

    # Labels that are not as they should be.
    with zipfile.ZipFile(tmp_path / "bare.zip") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    about = json.loads(members["data/about.json"])
    train, test = (np.array([0, 1]), np.array([1]))
    for wrong in (
        {"about.json": json.dumps(about | {"train": about["train"] + 1}).encode()},
        {"about.json": json.dumps(about | {"shape": [1, 10**6, 10**6]}).encode()},
        {"about.json": json.dumps(about | {"shape": "abc"}).encode()},
        {"about.json": json.dumps(about | {"more": 1}).encode()},
        {"about.json": json.dumps(about | {"fingerprint": "0" * 64}).encode()},
        {"about.json": b"{"},
        {"labels.safetensors": save({"train_y": train, "test_y": test})},
        {"labels.safetensors": save({"train_y": train.astype(np.float32), "test_y": test})},
        {"labels.safetensors": save({"train_y": train})},
        {"labels.safetensors": b"0" * 100},
    ):
        changed = members | {f"data/{name}": content for name, content in wrong.items()}
        sixth = Store(tmp_path / "sixth")
        with pytest.raises(BadValue, match="the labels of 'mine' in it are damaged"):
            import_bundle(sixth, packed(changed))
        assert not sixth.kinds() and not (sixth.root / "data").exists()


# -- a file with something wrong in it ---------------------------------------------------------------------------------


def test_a_tampered_byte(members, refused):
    """In every file, with the archive's own checksum made to fit."""
    for name in [of_kind(members, "Run", f) for f in ("weights.safetensors", "cost.json", "manifest.json")] + [
        of_kind(members, "Study", f) for f in ("table.parquet", "spec.json", "summary.json")
    ]:
        data = bytearray(members[name])
        data[len(data) // 2] ^= 1
        assert "This file cannot be imported" in refused(packed(members | {name: bytes(data)}))


def test_a_flipped_bit_in_any_file_is_seen(written, refused):
    whole, rng = written[0].read_bytes(), np.random.default_rng(0)
    with zipfile.ZipFile(written[0]) as archive:
        infos = archive.infolist()
    for info in rng.choice(infos, 6):
        data = bytearray(whole)
        data[info.header_offset + 30 + len(info.filename) + rng.integers(info.compress_size)] ^= 16
        assert "This file cannot be imported" in refused(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_cut_zip(written, refused, share):
    whole = written[0].read_bytes()
    assert "damaged, cut off, or no .zip file" in refused(io.BytesIO(whole[: int(share * len(whole))]))


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "results/Run/../../evil.json",
        "/etc/evil.json",
        "results/Run/" + "0" * 32 + "/x.py",
        "results/Run/" + "0" * 32 + "/x.pkl",
        "results/Run/" + "0" * 32 + "/../spec.json",
        "results\\Run\\x.json",
        "results/Run/short/spec.json",
        "results/Run/" + "A" * 32 + "/spec.json",
        "evil.json",
        "data/../../about.json",
        "x" * 500,
    ],
)
def test_a_name_that_the_store_never_gives(members, refused, name):
    assert "is not a name that the store gives" in refused(packed(members | {name: b"{}"}))


def test_an_extra_file(members, refused):
    extra = of_kind(members, "Run", "spec.json").replace("spec.json", "extra.json")
    assert "belongs to nothing" in refused(packed(members | {extra: b"{}"}))


@pytest.mark.parametrize("lacks", [["logits.safetensors"], "weights.safetensors", ["weights.safetensors"], 3, None])
def test_only_weights_may_be_left_out(members, refused, lacks):
    folder = of_kind(members, "Training", "manifest.json").removesuffix("/manifest.json")
    manifest = json.loads(members[f"{folder}/manifest.json"])
    assert "weights.safetensors" in manifest["files"]
    changed = with_manifest(members, folder, manifest | {"lacks": lacks})
    assert "not as the store writes it" in refused(packed(changed))


def test_the_mark_cannot_be_brought_along(members, refused):
    folder = of_kind(members, "Study", "spec.json").rsplit("/", 1)[0]
    assert "not as the store writes it" in refused(packed(rewritten(members, f"{folder}/recorded.json", b"{}")))


def test_a_link_and_a_folder(members, refused):
    for name, mode in (("results/Run/" + "0" * 32 + "/x.json", stat.S_IFLNK | 0o777), ("results/Run/", stat.S_IFDIR)):
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        file = packed(members)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(info, "/etc/passwd" if "x" in name else "")
        assert "is a link or a folder" in refused(file)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(members, refused):
    file = packed(members)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("bundle.json", "{}")
    assert "'bundle.json' twice" in refused(file)


def test_a_bomb(members, refused, monkeypatch):
    big = of_kind(members, "Run", "spec.json").replace("spec.json", "big.safetensors")
    said = refused(packed({"bundle.json": members["bundle.json"], big: bytes(20 << 20)}))
    assert "unpacked it would take 21 MB, too much for a file of 0.0 MB" in said
    assert "too large for a text" in refused(packed({"bundle.json": b" " * (17 << 20)}))
    monkeypatch.setattr(reading, "MOST_BYTES", 1000)
    assert "unpacked it would take" in refused(packed(members, zipfile.ZIP_STORED))
    monkeypatch.setattr(reading, "MOST_FILES", 10)
    assert "more than 10" in refused(packed(members))


def test_a_table_that_is_a_bomb(members, refused):
    rows = io.BytesIO()
    pd.DataFrame({f"c{i}": np.zeros(1_100_000) for i in range(20)}).to_parquet(rows, compression="zstd")
    name = of_kind(members, "Study", "table.parquet")
    assert "too large for a table" in refused(packed(rewritten(members, name, rows.getvalue())))


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_a_table_that_tells_few_large_texts_many_times(members, refused, monkeypatch, compression):
    """200 cells of a small file that take 400 MB: nothing may read them whole."""
    monkeypatch.setattr(pd, "read_parquet", lambda *_: pytest.fail("it was read whole"))
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: pytest.fail("it was read whole"))
    text = pa.DictionaryArray.from_arrays(np.zeros(200, np.int32), ["x" * (2 << 20)])
    file = io.BytesIO()
    pq.write_table(pa.table({"method": text}), file, compression=compression, store_schema=False)
    assert file.tell() < 500_000
    name = of_kind(members, "Study", "table.parquet")
    said = refused(packed(rewritten(members, name, file.getvalue())))
    assert ("too large for a table" if compression == "snappy" else "not a table as this program writes it") in said


def test_a_table_with_lists_in_its_cells(members, refused):
    """A list in one cell can be of any length, and a batch of one row of any size."""
    rows = io.BytesIO()
    pq.write_table(pa.table({"x": [[1, 2], [3]]}), rows)
    name = of_kind(members, "Study", "table.parquet")
    assert "not a table as this program writes it" in refused(packed(rewritten(members, name, rows.getvalue())))


def test_a_foreign_spec(members, refused, store):
    name = of_kind(members, "Run", "spec.json")
    folder = name.rsplit("/", 1)[0]
    # Another class under the name of a run, with a key that is right for it.
    other = json.dumps({"spec": "AtRandom", "version": 1, "size": 3, "seed": 0}).encode()
    text = json.dumps(json.loads(other), sort_keys=True, separators=(",", ":"))
    moved = f"results/Run/{digest(text.encode())[:32]}"
    there = {n.replace(folder, moved): d for n, d in members.items()}
    sheet = json.loads(there["bundle.json"])
    sheet["results"][moved.removeprefix("results/")] = sheet["results"].pop(folder.removeprefix("results/"))
    there["bundle.json"] = json.dumps(sheet).encode()
    assert "not the one that its name stands for" in refused(packed(rewritten(there, f"{moved}/spec.json", other)))
    unknown = json.dumps({"spec": "os.system", "version": 1}).encode()
    key_of = digest(json.dumps(json.loads(unknown), sort_keys=True, separators=(",", ":")).encode())[:32]
    there = {n.replace(folder, f"results/Run/{key_of}"): d for n, d in members.items()}
    sheet = json.loads(members["bundle.json"])
    sheet["results"][f"Run/{key_of}"] = sheet["results"].pop(folder.removeprefix("results/"))
    there["bundle.json"] = json.dumps(sheet).encode()
    said = refused(packed(rewritten(there, f"results/Run/{key_of}/spec.json", unknown)))
    assert "'os.system' is nothing this version knows" in said


def test_a_kind_that_is_no_part_of_a_study(members, refused):
    there = {n.replace("results/Map/", "results/PlanSearch/"): d for n, d in members.items()}
    there["bundle.json"] = there["bundle.json"].replace(b'"Map/', b'"PlanSearch/')
    assert "'PlanSearch', which is no part of a study" in refused(packed(there))


def test_a_result_of_another_study(source, members, refused, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
    other = fulfil(Store(tmp_path / "x"), Map(training=Training(epochs=2, data=Data(train=200, test=50))))
    folder = f"results/Map/{other.key}"
    there = members | {f"{folder}/{p.name}": p.read_bytes() for p in other.folder.iterdir()}
    there = with_manifest(there, folder, other.manifest())
    assert "belongs to another study" in refused(packed(there))


def test_a_result_that_is_missing(members, refused):
    folder = of_kind(members, "Map", "spec.json").rsplit("/", 1)[0]
    there = {n: d for n, d in members.items() if not n.startswith(folder)}
    assert "is missing in it" in refused(packed(there))
    sheet = json.loads(there["bundle.json"])
    del sheet["results"][folder.removeprefix("results/")]
    there["bundle.json"] = json.dumps(sheet).encode()
    assert "the study in it is not whole: its Map" in refused(packed(there))


@pytest.mark.parametrize("file", ["weights.safetensors", "cost.json"])
def test_a_file_that_is_not_what_its_name_ends_on(members, refused, file):
    name = of_kind(members, "Run", file)
    assert f"{file} of Run" in refused(packed(rewritten(members, name, b"cos\nsystem\n(S'true'\ntR.")))


def test_a_table_without_its_columns(members, refused):
    empty = io.BytesIO()
    pd.DataFrame({"x": [1]}).to_parquet(empty)
    name = of_kind(members, "Study", "table.parquet")
    assert "not as this program writes it" in refused(packed(rewritten(members, name, empty.getvalue())))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "forget is missing in its summary"),
        ({"forget": 9, "tow": {}}, "seconds is missing in its summary"),
        ({"forget": "9"}, "forget in its summary is not as"),
        ({"tow": []}, "tow in its summary is not as"),
        ({"parts": {"low": {"memorization": "x"}}}, "parts in its summary is not as"),
        ({"seconds": {"bank": None}}, "seconds in its summary is not as"),
    ],
)
def test_a_summary_that_no_page_could_draw(members, refused, change, says):
    name = of_kind(members, "Study", "summary.json")
    whole = json.loads(members[name])
    file = packed(rewritten(members, name, json.dumps(whole | change if len(change) == 1 else change).encode()))
    assert f"the study in it is not whole: {says}" in refused(file)


@pytest.mark.parametrize("change", [{"created": 1}, {"seconds": "1"}, {"seconds": None}])
@pytest.mark.parametrize("kind", ["Study", "Training"])
def test_a_manifest_that_does_not_say_when(members, refused, kind, change):
    folder = of_kind(members, kind, "manifest.json").removesuffix("/manifest.json")
    manifest = json.loads(members[f"{folder}/manifest.json"]) | change
    assert f"the manifest of {kind}" in refused(packed(with_manifest(members, folder, manifest)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "it has format '2'"),
        ({"study": "../x"}, "not as this program writes it"),
        ({"study": "0" * 32}, "the study itself is missing"),
        ({"results": []}, "not as this program writes it"),
        ({"data": None}, "not as this program writes it"),
        ({"data": {"name": "CIFAR-10", "fingerprint": ""}}, "are not those of its study"),
    ],
)
def test_a_sheet_that_does_not_fit(members, refused, change, says):
    sheet = json.loads(members["bundle.json"]) | change
    assert says in refused(packed(members | {"bundle.json": json.dumps(sheet).encode()}))


def test_what_is_no_bundle_at_all(refused, tmp_path):
    assert refused(packed({})) == "This file is not a study of this program."
    assert refused(packed({"a.txt": b"a", "of/another.txt": b"b"})) == "This file is not a study of this program."
    assert "bundle.json cannot be read" in refused(packed({"bundle.json": b"[" * 100_000}, zipfile.ZIP_STORED))
    assert "There is no file" in refused(tmp_path / "nothing.zip")


# -- when something goes wrong on the way ------------------------------------------------------------------------------


def test_what_was_placed_is_taken_back_when_the_disk_fails(written, store, monkeypatch):
    placed, honest = [], placing.take_in

    def fails(to, folder):
        if len(placed) == 5:
            raise OSError(28, "No space left on device")
        placed.append(folder)
        return honest(to, folder)

    monkeypatch.setattr(placing, "take_in", fails)
    with pytest.raises(StoreError, match="No space left on device"):
        import_bundle(store, written[0])
    assert len(placed) == 5 and not list((store.root / "results").glob("*/*"))
    assert not list((store.root / "staging").iterdir())


def test_what_lay_there_before_is_put_back_when_the_disk_fails(source, written, store, tmp_path, monkeypatch):
    there, study_key = source
    export(there, study_key, tmp_path / "light.zip", weights=False)
    import_bundle(store, tmp_path / "light.zip")
    before = sorted(p.relative_to(store.root) for p in (store.root / "results").glob("*/*/*"))

    def fails(*_):
        raise OSError(28, "No space left on device")

    for where, broken in ((placing, "bring_names"), (arrivals, "flush")):
        with monkeypatch.context() as patch:
            patch.setattr(where, broken, fails)
            with pytest.raises(StoreError, match="No space left on device"):
                import_bundle(store, written[0])
        assert sorted(p.relative_to(store.root) for p in (store.root / "results").glob("*/*/*")) == before
        study = OpenStudy.open(store, study_key)
        assert study.run_result("original", 0).lacks == ("weights.safetensors",)
        assert not list((store.root / "quarantine").iterdir())
    import_bundle(store, written[0])
    assert OpenStudy.open(store, study_key).run_result("original", 0).lacks == ()


def test_the_study_is_placed_last(written, store, monkeypatch):
    order, honest = [], placing.take_in
    monkeypatch.setattr(placing, "take_in", lambda to, folder: order.append(folder.parent.name) or honest(to, folder))
    import_bundle(store, written[0])
    assert order[-1] == "Study" and order.count("Study") == 1


def test_a_damaged_study_is_not_written(source, tmp_path):
    root = shutil.copytree(source[0].root, tmp_path / "own")
    weights = next((root / "results" / "Run").glob("*/weights.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    store = Store(root)
    for listed in studies(store):
        with pytest.raises(BadValue, match="is damaged"):
            export(store, listed.key, tmp_path / "b.zip")
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob(".*"))


def test_what_an_import_refuses_an_export_does_not_write(source, filled, tmp_path, monkeypatch):
    """A study, a run of a plan and a training that this version would keep under another key."""
    honest = Result.spec

    def other_training(self):
        if self.folder.parent.name == "Training":
            raise BadValue("This training cannot be read.")
        return honest(self)

    for there, changed in ((source, (FineTune, "version", 2)), (filled, (Rum, "version", 2))):
        with monkeypatch.context() as patch, pytest.raises(BadValue, match="cannot be read"):
            patch.setattr(*changed)
            export(*there, tmp_path / "b.zip")
    monkeypatch.setattr(Result, "spec", other_training)
    with pytest.raises(BadValue, match="^The study cannot be written to a file: This training cannot be read"):
        export(*source, tmp_path / "b.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_a_place_that_cannot_be_written(source, tmp_path):
    with pytest.raises(StoreError, match="cannot be written"):
        export(*source, tmp_path / "nowhere" / "b.zip")
    with pytest.raises(StoreError):
        export(source[0], "0" * 32, tmp_path / "b.zip")
