"""Results appear whole or not at all, whoever dies, and damage is found, put aside and made good."""

import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unlearn_core import __version__, params, provenance
from unlearn_core import result as result_module
from unlearn_core import store as store_module
from unlearn_core.disk import StoreError, digest_of, write_whole
from unlearn_core.forget import AtRandom, OfClass, Picked
from unlearn_core.params import BadValue, Spec, key, param, spec
from unlearn_core.result import Result, find_fault
from unlearn_core.store import HOST, Store

ROOT = Path(__file__).parents[1]
SPEC = AtRandom(size=3)
X = np.arange(12.0).reshape(3, 4)


def make(draft):
    draft.arrays(x=X)
    draft.table(pd.DataFrame({"a": [1, 2]}))
    draft.json("note", {"text": "hello"})


def never(draft):
    raise AssertionError("made again")


def everything(root):
    return sorted(p for p in (root / "results").glob("*/*"))


# -- the ordinary way --------------------------------------------------------------------------------------------------


def test_what_is_written_can_be_read(store):
    assert store.find(SPEC) is None
    result = store.remember(SPEC, make)
    for found in (result, store.find(SPEC), store.open("AtRandom", key(SPEC)), next(store.results("AtRandom"))):
        assert found.key == key(SPEC) and found.spec() == SPEC
        assert (found.arrays()["x"] == X).all()
        assert found.table()["a"].tolist() == [1, 2]
        assert found.json("note") == {"text": "hello"}
    assert store.kinds() == ["AtRandom"]


def test_it_is_made_once(store):
    first = store.remember(SPEC, make)
    assert store.remember(AtRandom(size=3), never).folder == first.folder
    assert Store(store.root).remember(SPEC, never).folder == first.folder


def test_another_value_is_another_result(store):
    for each in (AtRandom(size=3), AtRandom(size=4), AtRandom(size=3, seed=1), OfClass(label="3"), Picked(named="3")):
        store.remember(each, make)
    assert len(everything(store.root)) == 5


def test_where_a_result_comes_from_is_recorded(store):
    def slow(draft):
        make(draft)
        draft.seconds = 12.5

    manifest = store.remember(SPEC, slow, device="abacus").manifest()
    assert manifest["seconds"] == 12.5 and manifest["device"] == "abacus"
    assert set(manifest["versions"]) >= {"torch", "numpy", "scipy", "pandas", "pyarrow", "pillow", "optuna"}
    assert manifest["versions"]["unlearning-workbench"] == __version__
    folder = store.find(SPEC).folder
    assert {n: s for n, (s, _) in manifest["files"].items()} == {
        p.name: p.stat().st_size for p in folder.iterdir() if p.name != "manifest.json"
    }
    assert all(digest_of(folder / name) == digest for name, (_, digest) in manifest["files"].items())


def test_views_of_arrays_are_written_as_what_they_show(store):
    odd = {"turned": X.T, "strided": X[::2, ::3], "backwards": X[::-1], "flags": X > 5, "scalar": np.float32(2.5)}
    found = store.remember(SPEC, lambda draft: draft.arrays(**odd)).arrays()
    for name, array in odd.items():
        np.testing.assert_array_equal(found[name].reshape(np.shape(array)), array)


def test_a_list_that_is_asked_for_again_reads_only_what_is_new(store, monkeypatch):
    looked = []
    monkeypatch.setattr("unlearn_core.store.find_fault", lambda place, **how: looked.append(place) or find_fault(place))
    folders = [store.remember(AtRandom(size=size), make).folder for size in range(1, 40)]
    looked.clear()
    first = list(store.results("AtRandom"))
    assert len(first) == len(looked) == 39
    assert [a is b for a, b in zip(first, store.results("AtRandom"), strict=True)] == [True] * 39 and len(looked) == 39
    new = store.remember(AtRandom(size=40), make).folder
    looked.clear()
    assert len(list(store.results("AtRandom"))) == 40 and looked == [new]
    (folders[3] / "note.json").write_text("cut")
    assert len(list(store.results("AtRandom"))) == 39 and not folders[3].exists()  # damage is still seen
    shutil.rmtree(folders[4])
    assert len(list(store.results("AtRandom"))) == 38


def test_results_are_listed_newest_first(store):
    for age, size in enumerate((5, 6, 7)):
        result = store.remember(AtRandom(size=size), make)
        os.utime(result.folder, (1000 - age, 1000 - age))
    assert [r.spec().size for r in store.results("AtRandom")] == [5, 6, 7]
    assert list(store.results("Nothing")) == []


# -- nothing half done -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("oh"), KeyboardInterrupt(), OSError("odd")])
def test_work_that_fails_leaves_nothing(store, error):
    def fails(draft):
        make(draft)
        raise error

    with pytest.raises(type(error)):
        store.remember(SPEC, fails)
    assert everything(store.root) == [] and list((store.root / "staging").iterdir()) == []
    assert store.remember(SPEC, make).spec() == SPEC


def test_numbers_that_json_cannot_hold_are_not_published(store):
    with pytest.raises(ValueError):
        store.remember(SPEC, lambda draft: draft.json("note", {"x": float("nan")}))
    assert store.find(SPEC) is None


def writers(what, root, *rest):
    """Run tests/store_writers.py and return what it says."""
    run = subprocess.run(
        [sys.executable, ROOT / "tests" / "store_writers.py", what, root, *map(str, rest)],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def assert_all_whole(root):
    places = everything(root)
    assert [find_fault(p, deep=True) for p in places] == [None] * len(places)
    return {p.name for p in places}


def test_kill_at_random_moments(store):
    said = writers("crash", store.root, 200)
    assert said["killed"] == 200
    whole = assert_all_whole(store.root)
    assert set(said["acknowledged"]) <= whole  # what was promised is there
    assert len(whole) <= len(said["acknowledged"]) + 200  # at most one each was finished but not yet promised
    left = list((store.root / "staging").iterdir())
    assert left, "no kill met a writer in the middle, so this run proved little"
    assert store.sweep() == len(left)
    assert list((store.root / "staging").iterdir()) == [] and assert_all_whole(store.root) == whole


def test_kill_at_every_step(store):
    said = writers("points", store.root)
    assert said["points"] > 10
    # Once it is published at a point, it is so at all later ones; before, nothing is to be seen.
    assert said["states"] == sorted(said["states"]) and not said["states"][0]
    assert list((store.root / "quarantine").iterdir()) == []  # at no point was there half a result to be put aside
    assert_all_whole(store.root)
    store.sweep()
    assert list((store.root / "staging").iterdir()) == []


def test_a_result_says_from_which_commit_and_packages_it_comes(store, monkeypatch):
    made = store.remember(AtRandom(size=3), lambda draft: draft.json("x", {})).manifest()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if (ROOT / ".git").exists() and head.returncode == 0:
        assert made["commit"].removesuffix("-dirty") == head.stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", made["packages"])
    monkeypatch.setattr(provenance, "distributions", lambda: [])
    provenance.installed.cache_clear()
    assert provenance.installed() != made["packages"]
    provenance.installed.cache_clear()


def test_a_sweep_leaves_alone_what_another_machine_wrote_today(store):
    """Its locks may not be seen here."""
    here, abroad, long_ago = (store.root / "staging" / f"{'0' * 32}.12345678@{host}" for host in (HOST, "b", "c"))
    for folder in (here, abroad, long_ago):
        folder.mkdir()
    os.utime(long_ago, (time.time() - 90_000,) * 2)
    assert store.sweep() == 2
    assert list((store.root / "staging").iterdir()) == [abroad]


@pytest.mark.parametrize("name", ["0" * 32, "import", "trash", f"import.{'0' * 32}"])
def test_whatever_is_staged_says_on_which_machine(store, monkeypatch, name):
    place = store.aside(name)
    assert place.parent == store.root / "staging" and place.name.endswith(f"@{HOST}") and store.aside(name) != place
    place.mkdir()
    monkeypatch.setattr("unlearn_core.store.HOST", "another")
    assert Store(store.root).sweep() == 0 and place.is_dir()
    monkeypatch.undo()
    assert store.sweep() == 1


def test_nothing_is_staged_without_the_machine():
    """One helper names all of it."""
    texts = {f.name: f.read_text() for f in Path(store_module.__file__).parent.rglob("*.py")}
    named = re.compile(r'"staging" /|below\([^)]*"staging"')
    assert [name for name, text in texts.items() for _ in named.findall(text)] == ["store.py"]


def test_a_sweep_leaves_living_writers_alone(store):
    def meanwhile(draft):
        make(draft)
        assert Store(store.root).sweep() == 0

    assert store.remember(SPEC, meanwhile).json("note")


def test_four_writers_of_the_same_results(store):
    said = writers("race", store.root)
    assert said["ends"] == [0] * 4
    assert sorted(said["made"]) == sorted(key(AtRandom(size=s)) for s in range(1, 21))  # each made once
    assert assert_all_whole(store.root) == set(said["made"])


# -- disks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["arrays.safetensors", "table.parquet", "note.json"])
def test_a_full_disk_is_one_sentence(store, what):
    """/dev/full answers each write as a full disk does; the file that `make` writes is led there."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    earlier = store.remember(AtRandom(size=9), make)

    def full(draft):
        (draft.folder / what).symlink_to("/dev/full")
        make(draft)

    with pytest.raises(StoreError, match=r"^The disk is full: \d+ MB are left in the store\.$"):
        store.remember(SPEC, full)
    assert everything(store.root) == [earlier.folder] and list((store.root / "staging").iterdir()) == []
    assert assert_all_whole(store.root)


def test_a_file_that_grows_too_large_publishes_nothing(store):
    """A limit on the size of a file, so the write fails in the middle, as the kernel sees it."""
    assert writers("limit", store.root)["error"] is not None
    assert len(assert_all_whole(store.root)) == 1
    assert list((store.root / "staging").iterdir()) == []


def test_a_store_that_may_only_be_read():
    root = tempfile.mkdtemp()  # not below pytest's folder, which other users may not enter
    os.chmod(root, 0o755)  # noqa: S103
    try:
        said = writers("readonly", Path(root) / "store")
    finally:
        for folder, _, _ in os.walk(root):
            os.chmod(folder, 0o755)  # noqa: S103
        shutil.rmtree(root)
    assert said["found"] and said["read"] and said["listed"]
    assert said["damaged"] is False  # cannot be moved away, but is not served
    assert said["says"].startswith("The store cannot be written to")


# -- damage ------------------------------------------------------------------------------------------------------------


def longer(folder):
    with (folder / "arrays.safetensors").open("ab") as stream:
        stream.write(b"x")


def shorter(folder):
    file = folder / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:-7])


def gone(folder):
    (folder / "table.parquet").unlink()


def no_manifest(folder):
    (folder / "manifest.json").unlink()


def half_manifest(folder):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[: len(text) // 2])


def other_manifest(folder):
    (folder / "manifest.json").write_text("[]")


def manifest_without_files(folder):
    (folder / "manifest.json").write_text('{"files": null}')


def other_spec(folder):
    text = (folder / "spec.json").read_text()
    (folder / "spec.json").write_text(text.replace('"size": 3', '"size": 4'))  # of the same length


def no_spec(folder):
    (folder / "spec.json").write_bytes(b"\xff\xfe")


DAMAGE = [
    longer,
    shorter,
    gone,
    no_manifest,
    half_manifest,
    other_manifest,
    manifest_without_files,
    other_spec,
    no_spec,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_put_aside_and_made_good(store, damage):
    healthy = store.remember(AtRandom(size=9), make)
    folder = store.remember(SPEC, make).folder
    damage(folder)
    assert find_fault(folder)
    assert store.find(SPEC) is None
    (aside,) = (store.root / "quarantine").iterdir()
    assert aside.name.startswith(key(SPEC)) and (aside / "fault.txt").read_text()
    with pytest.raises(StoreError, match="There is no AtRandom result"):
        store.open("AtRandom", key(SPEC))
    assert [r.key for r in store.results("AtRandom")] == [healthy.key]
    assert (store.remember(SPEC, make).arrays()["x"] == X).all()
    assert find_fault(store.find(SPEC).folder, deep=True) is None


def test_a_process_without_open_files_sets_nothing_aside(store):
    whole = store.remember(SPEC, make)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(StoreError, match="^The store cannot be read: Too many open files"):
            store.find(SPEC)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert store.find(SPEC).folder == whole.folder and list((store.root / "quarantine").iterdir()) == []


def test_a_flipped_bit_is_found_by_the_deep_look(store):
    file = store.remember(SPEC, make).folder / "arrays.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert find_fault(file.parent) is None  # of the same size: not found in passing
    assert find_fault(file.parent, deep=True) == "arrays.safetensors has other content than when it was written"


@pytest.mark.parametrize("file", ["arrays.safetensors", "table.parquet", "about.json"])
def test_bytes_that_cannot_be_read_are_set_aside_by_who_reads_them(store, file):
    """Of the same size, so no look in passing finds them."""
    spec = AtRandom(size=5)

    def all_of_it(draft):
        draft.arrays(x=X)
        draft.table(pd.DataFrame({"a": [1, 2]}))
        draft.json("about", {"b": 3})

    def read(result):
        return {"arrays": result.arrays, "table": result.table, "about": lambda: result.json("about")}[
            file.partition(".")[0]
        ]()

    whole = store.remember(spec, all_of_it)
    read(whole)
    data = bytearray((whole.folder / file).read_bytes())
    data[:4] = data[-4:] = b"\xff" * 4
    (whole.folder / file).write_bytes(data)
    with pytest.raises(StoreError, match="was found damaged and is set aside: start again, and it is made anew"):
        read(store.find(spec))
    assert store.find(spec) is None and len(list((store.root / "quarantine").iterdir())) == 1
    read(store.remember(spec, all_of_it))


def test_what_was_written_so_is_not_taken_for_damaged(store):
    """A file that its maker wrote wrong is whole: the error is the maker's."""
    spec = AtRandom(size=6)
    folder = store.remember(spec, lambda draft: (draft.folder / "about.json").write_text("{")).folder
    with pytest.raises(ValueError, match="Expecting"):
        Result(folder).json("about")
    assert folder.is_dir()


def test_a_result_under_another_key_is_not_believed(store):
    place = store.remember(SPEC, make).folder
    shutil.copytree(place, place.with_name(key(AtRandom(size=4))))
    assert store.find(AtRandom(size=4)) is None and store.find(SPEC)


def test_two_readers_can_meet_the_same_damage(store, monkeypatch):
    """Between the look and the move somebody else may have moved it."""
    longer(store.remember(SPEC, make).folder)
    rename = os.rename

    def late(a, b):
        shutil.rmtree(a)
        return rename(a, b)

    monkeypatch.setattr(os, "rename", late)
    assert store.find(SPEC) is None


def test_what_was_made_good_between_the_look_and_the_move_stays(store, monkeypatch):
    """Two readers see the same damage, and before the slower one moves it the faster one has had it made anew."""
    longer(store.remember(SPEC, make).folder)
    honest, looks = store_module.find_fault, []

    def late(place, **how):
        found = honest(place, **how)
        looks.append(found)
        if len(looks) == 1:
            Store(store.root).remember(SPEC, make)
        return found

    for module in (store_module, result_module):
        monkeypatch.setattr(module, "find_fault", late)
    found = store.find(SPEC)
    assert looks[0] and found and (found.arrays()["x"] == X).all()
    assert len(list((store.root / "quarantine").iterdir())) == 1  # the damaged one, and not the whole one


def test_damage_that_somebody_is_at_work_on_is_left_to_them(store, monkeypatch):
    monkeypatch.setattr(result_module, "LOOK_AGAIN", 0.1)
    folder = store.remember(SPEC, make).folder
    longer(folder)
    with store.lock(key(SPEC)):
        assert store.find(SPEC) is None and folder.is_dir()
    assert store.find(SPEC) is None and not folder.exists()


@pytest.mark.parametrize("read", ["arrays", "table", "json", "manifest", "spec"])
def test_a_result_that_goes_while_it_is_needed_is_one_sentence(store, read):
    found = store.remember(SPEC, make)
    with pytest.raises(FileNotFoundError):  # a file that it never had is the asker's fault
        found.json("never")
    shutil.rmtree(found.folder)
    with pytest.raises(StoreError, match=f"^AtRandom {key(SPEC)[:8]} was removed or set aside while .*is kept.$"):
        getattr(found, read)(*(["note"] if read == "json" else []))


# -- a folder that is no store, a key that is no key -------------------------------------------------------------------


def test_a_newer_store_is_not_touched(tmp_path):
    Store(tmp_path)
    (tmp_path / "layout.json").write_text('{"layout": 2}')
    with pytest.raises(StoreError, match="has layout 2; this version of the program reads layout 1"):
        Store(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null"])
def test_a_broken_layout_is_one_sentence(tmp_path, text):
    Store(tmp_path)
    (tmp_path / "layout.json").write_text(text)
    with pytest.raises(StoreError, match="layout"):
        Store(tmp_path)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="cannot be used"):
            Store(root)


BAD_KEYS = ["", "x", "../../etc", "0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", "0" * 32]


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_a_key_that_names_nothing(store, bad):
    with pytest.raises(StoreError):
        store.open("AtRandom", bad)


@pytest.mark.parametrize("kind", ["", "..", "../quarantine", "a/b", "Nothing"])
def test_a_kind_that_names_nothing(store, kind):
    with pytest.raises(StoreError):
        store.open(kind, key(SPEC))


def test_a_spec_of_another_version_cannot_be_read_as_this_one(store, monkeypatch):
    old = store.remember(SPEC, make)
    monkeypatch.setattr(AtRandom, "version", 2)
    assert store.find(SPEC) is None  # another key
    with pytest.raises(BadValue, match="version 1 cannot be read"):
        Result(old.folder).spec()


def declared(monkeypatch, later: bool):
    """A kind of spec as it is, and the same kind as it becomes with one field more."""
    monkeypatch.setattr(params, "SPECS", dict(params.SPECS))

    def make(*more):
        body = {"__annotations__": {"size": int} | dict.fromkeys(more, int), "__module__": __name__}
        body |= {"size": param(3, help="a size")} | {name: param(1, later=later, help="new") for name in more}
        return spec(type("Grown", (Spec,), body))

    return make


@pytest.mark.parametrize("later", [False, True])
def test_a_field_more_makes_other_keys_unless_it_is_declared_later(store, monkeypatch, later):
    """What is stored under a key that its spec no longer has would be made anew by whoever asks for that spec."""
    grown = declared(monkeypatch, later)
    old = store.remember(grown()(size=4), make)
    assert [result.key for result in store.results("Grown")] == [old.key]
    new = grown("extra")
    store = Store(store.root)  # another version is another process
    assert [result.key for result in store.results("Grown")] == ([old.key] if later else [])
    opened = store.open("Grown", old.key)  # it stays where it is
    if later:
        assert opened.spec() == new(size=4) and store.find(new(size=4))
    else:
        assert store.find(new(size=4)) is None
        with pytest.raises(BadValue, match=rf"^Grown {old.key[:8]} cannot be read: another version .* another key\.$"):
            opened.spec()


def test_what_is_no_spec_is_not_listed(store, monkeypatch):
    """JSON that names no class is read as plain data, which nothing can be asked of."""
    folder = store.remember(SPEC, make).folder
    (folder / "spec.json").write_text("[]")
    target = folder.with_name(hashlib.sha256(b"[]").hexdigest()[:32])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["spec.json"] = [2, digest_of(folder / "spec.json")]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    folder.rename(target)
    assert find_fault(target) is None and list(store.results("AtRandom")) == []


def test_small_files_are_replaced_whole(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    write_whole(file, "old")

    def fails(a, b):
        raise OSError("no")

    with monkeypatch.context() as m, pytest.raises(OSError):
        m.setattr(os, "replace", fails)
        write_whole(file, "new")
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]
    write_whole(file, "new")
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


def test_a_lock_is_freed_when_its_holder_dies(store):
    assert not store.is_locked("x")
    with store.lock("x"):
        assert store.is_locked("x") and Store(store.root).is_locked("x")
    assert not store.is_locked("x")
    code = (
        "import sys, time; from unlearn_core.store import Store; lock = Store(sys.argv[1]).lock('x'); lock.acquire(); "
    )
    code += "print('held', flush=True); time.sleep(60)"
    run = subprocess.Popen([sys.executable, "-c", code, store.root], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert run.stdout.readline() == b"held\n"
        assert store.is_locked("x")
    finally:
        run.kill()
        run.wait()
    assert not store.is_locked("x")


def test_what_another_machine_made_at_the_same_time_stays(store, tmp_path):
    """A lock does not reach across every shared disk: both make it, and the second takes the one that is there."""
    spec, other = AtRandom(size=7), Store(tmp_path / "other")
    first = other.remember(spec, lambda draft: draft.arrays(x=np.arange(7)))

    def make(draft):
        shutil.copytree(first.folder, store.root / "results" / "AtRandom" / key(spec))
        draft.arrays(x=np.zeros(7))

    assert store.remember(spec, make).arrays()["x"].tolist() == list(range(7))
    assert os.listdir(store.root / "staging") == os.listdir(store.root / "quarantine") == []
