"""Datasets: what is drawn is right and repeatable, what is imported is checked, what is refused says why."""

import gzip
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import zlib
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torchvision.datasets as tv
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import load_digits

from unlearn_core import data as d
from unlearn_core.data import decode, kept
from unlearn_core.data.splits import stratified, wrong_labels
from unlearn_core.params import BadValue
from unlearn_core.progress import Cancelled


def png(pixels, kind="PNG", **how):
    """An encoded image of these pixels: (H,W) gray or (H,W,3)."""
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(out, kind, **how)
    return out.getvalue()


def numbered(i, shape=(4, 5, 3)):
    """An image that says which one it is: its first two bytes are its number."""
    pixels = np.full(shape, 100, np.uint8)
    pixels.reshape(-1)[:2] = divmod(i, 256)
    return pixels


def numbers(images):
    """The number of every image, in order; images are (N,3,H,W), so the first pixel's red and green."""
    return (images.x[:, 0, 0, 0].int() * 256 + images.x[:, 1, 0, 0].int()).tolist()


def tree(top, counts, start=0, **how):
    """A folder of class folders; returns it. The images are numbered in order."""
    for name, n in counts.items():
        (top / name).mkdir(parents=True)
        for i in range(n):
            (top / name / f"{i:04}.png").write_bytes(png(numbered(start + i), **how))
        start += n
    return top


def table(file, labels, images=None, paths=None, names=None, kind=None):
    """A parquet file in the layout of the data hubs; returns it."""
    images = [png(numbered(i)) for i in range(len(labels))] if images is None else images
    paths = [None] * len(labels) if paths is None else paths
    rows = pa.StructArray.from_arrays([pa.array(images, pa.binary()), pa.array(paths, pa.string())], ["bytes", "path"])
    made = pa.table({"image": rows, "label": pa.array(labels, kind)})
    if names is not None:
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        made = made.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(made, file)
    return file


# -- draws -----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.data(), st.integers(0, 9))
def test_a_stratified_draw_gives_every_class_its_share_to_within_one(labels, data, seed):
    labels = np.array(labels)
    n = data.draw(st.integers(0, len(labels)))
    rows = stratified(labels, n, seed, "a test")
    assert len(rows) == n and (np.diff(rows) > 0).all()
    off = np.bincount(labels[rows], minlength=7) - np.bincount(labels, minlength=7) * n / len(labels)
    assert (np.abs(off) < 1).all()


def test_a_draw_depends_on_its_seed_and_purpose_and_reaches_every_row():
    labels = np.zeros(40, np.int64)
    draw = {(s, p): tuple(stratified(labels, 10, s, p)) for s in range(30) for p in ("validation", "test")}
    assert len(set(draw.values())) == len(draw)
    hits = np.bincount(np.concatenate(list(draw.values())), minlength=40)
    assert hits.min() > 0 and hits.max() < 35  # 600 draws over 40 rows: 15 each on average


def test_wrong_labels_are_wrong_exactly_counted_and_spread_over_all_wrong_classes():
    labels = np.repeat(np.arange(5), 2000)
    noisy, wrong = wrong_labels(labels, 0.1, 5, seed=3)
    assert wrong.sum() == 1000 and ((noisy != labels) == wrong).all()
    steps = np.bincount((noisy - labels)[wrong] % 5, minlength=5)
    assert steps[0] == 0 and (np.abs(steps[1:] - 250) < 60).all()


# -- digits ----------------------------------------------------------------------------------------------------------


def test_digits_are_the_real_ones_each_in_one_split(tmp_path):
    got = d.load(d.Data(), tmp_path)
    assert [len(part.y) for part in (got.train, got.validation, got.test)] == [1260, 140, 397]
    assert got.train.x.dtype == torch.uint8 and got.train.x.shape[1:] == (1, 8, 8) and got.train.y.dtype == torch.int64
    assert got.classes == tuple("0123456789") and got.mislabelled is None and got.true_labels is None
    real = load_digits()
    truth = sorted(
        (np.round(x * 255 / 16).astype(int).tolist(), y) for x, y in zip(real.data, real.target, strict=True)
    )
    parts = (got.train, got.validation, got.test)
    found = sorted((x.flatten().tolist(), int(y)) for part in parts for x, y in zip(part.x, part.y, strict=True))
    assert found == truth
    for part in parts:
        proportional = np.bincount(real.target) * len(part.y) / 1797
        assert (np.abs(np.bincount(part.y) - proportional) < 1.2).all()  # two draws, each within one of its own share
    assert not list(tmp_path.iterdir())


GOLDEN = "279788bf9b274651d1c28c745da315622710b33ded57912b2af5bb714f7aa95e"


def test_the_same_spec_gives_the_same_rows_for_ever(tmp_path):
    # Row numbers identify examples in stored results: if this value changes, stored forget sets mean other images.
    assert d.load(d.Data(), tmp_path).fingerprint() == GOLDEN
    assert d.load(d.Data(seed=1), tmp_path).fingerprint() != GOLDEN
    assert d.load(d.Data(), tmp_path) is d.load(d.Data(), tmp_path)


def test_noisy_digits_record_exactly_which_training_labels_are_wrong(tmp_path):
    clean, noisy = (d.load(d.Data(name=name, seed=4), tmp_path) for name in ("digits", "digits-noisy"))
    assert noisy.mislabelled.sum() == 126 == round(0.1 * len(noisy.train.y))
    assert torch.equal(noisy.train.x, clean.train.x) and (noisy.true_labels == clean.train.y.numpy()).all()
    assert ((noisy.train.y.numpy() != noisy.true_labels) == noisy.mislabelled).all()
    for part in ("validation", "test"):
        assert all(torch.equal(a, b) for a, b in zip(getattr(noisy, part), getattr(clean, part), strict=True))


def test_smaller_draws_keep_the_class_balance_and_take_the_validation_share_with_them(tmp_path):
    whole, few = d.load(d.Data(), tmp_path), d.load(d.Data(train=500, test=100, validation=0.2), tmp_path)
    assert [len(part.y) for part in (few.train, few.validation, few.test)] == [400, 100, 100]
    assert np.ptp(np.bincount(few.train.y)) <= 3 and np.ptp(np.bincount(few.test.y)) <= 2
    known = {x.numpy().tobytes() for x in (*whole.train.x, *whole.validation.x)}
    assert all(x.numpy().tobytes() in known for x in (*few.train.x, *few.validation.x))
    nothing_apart = d.load(d.Data(validation=0.0), tmp_path)
    assert len(nothing_apart.train.y) == 1400 and nothing_apart.validation.x.shape == (0, 1, 8, 8)


def test_how_many_images_are_trained_on_is_known_before_they_are_there(tmp_path):
    for data in (d.Data(), d.Data(train=500, validation=0.25), d.Data(validation=0.0)):
        images = d.load(data, tmp_path)
        assert data.counts(1400) == (len(images.train.y), len(images.validation.y))


def test_mean_and_std_are_those_of_the_training_pixels(tmp_path):
    tree(tmp_path / "in", {"a": 9, "b": 8})
    d.add(tmp_path / "in", "mine", tmp_path)
    got = d.load(d.Data(name="mine"), tmp_path)
    pixels = got.train.x.numpy() / 255
    assert got.mean == pytest.approx(pixels.mean((0, 2, 3))) and got.std == pytest.approx(pixels.std((0, 2, 3)))


def test_one_pixel_one_label_or_one_name_is_another_fingerprint():
    x, y = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0])
    images = d.Images(x, y)
    other = d.Images(x.clone().index_fill_(0, torch.tensor([1]), 1), y)
    sets = [
        d.Dataset("s", ("a", "b"), images, images, images),
        d.Dataset("s", ("a", "b"), other, images, images),
        d.Dataset("s", ("a", "b"), images, images, other),
        d.Dataset("s", ("a", "b"), d.Images(x, y.flip(0) * 0), images, images),
        d.Dataset("s", ("a", "c"), images, images, images),
        d.Dataset("s", ("a", "b"), d.Images(x.reshape(3, 1, 4, 1), y), images, images),
    ]
    assert len({s.fingerprint() for s in sets}) == len(sets)
    assert d.Dataset("t", ("a", "b"), images, images, images).fingerprint() == sets[0].fingerprint()


@pytest.mark.parametrize(
    "spec, words",
    [
        (d.Data(name="nothing"), "no dataset called 'nothing'; there are digits, digits-noisy"),
        (d.Data(name="../digits"), "no dataset called"),
        (d.Data(fingerprint="ab"), "takes no fingerprint"),
        (d.Data(train=1401), "digits has 1400 training images, so 1401 cannot be used"),
        (d.Data(test=398), "digits has 397 test images"),
        (d.Data(train=9), "has no training image left"),
    ],
)
def test_a_spec_that_cannot_be_met_is_refused_in_one_sentence(tmp_path, spec, words):
    with pytest.raises(BadValue, match=words):
        d.load(spec, tmp_path)


# -- downloads -------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server on this machine that holds small archives in the real formats; torchvision is told to look there."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    rng = np.random.default_rng(0)

    def keep(name, content):
        (folder / name).write_bytes(content)
        return md5(content, usedforsecurity=False).hexdigest()

    labels, names = np.arange(30) % 10, [f"kind {k}" for k in range(10)]
    gray, colour = rng.integers(0, 256, (30, 28, 28), np.uint8), rng.integers(0, 256, (30, 3, 32, 32), np.uint8)

    def idx(array):
        return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())

    files = {"images-idx3-ubyte.gz": idx(gray), "labels-idx1-ubyte.gz": idx(labels.astype(np.uint8))}
    archives = [(f"{part}-{name}", content) for part in ("train", "t10k") for name, content in files.items()]
    monkeypatch.setattr(tv.FashionMNIST, "mirrors", [url])
    monkeypatch.setattr(tv.FashionMNIST, "resources", [(name, keep(name, content)) for name, content in archives])
    monkeypatch.setattr(tv.FashionMNIST, "classes", names)

    mat = io.BytesIO()
    savemat(mat, {"X": colour.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[:, None].astype(np.uint8)})
    parts = {s: [url + f"{s}.mat", f"{s}.mat", keep(f"{s}.mat", mat.getvalue())] for s in ("train", "test")}
    monkeypatch.setattr(tv.SVHN, "split_list", parts)

    for cls, key, meta in ((tv.CIFAR10, "labels", "label_names"), (tv.CIFAR100, "fine_labels", "fine_label_names")):
        batch = pickle.dumps({"data": colour.reshape(30, -1), key: labels.tolist()})
        info = pickle.dumps({meta: names})
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, content in (("b1", batch), ("b2", batch), ("meta", info)):
                entry = tarfile.TarInfo(f"{cls.base_folder}/{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        sums = {n: md5(c, usedforsecurity=False).hexdigest() for n, c in (("b1", batch), ("b2", batch), ("meta", info))}
        monkeypatch.setattr(cls, "url", url + cls.filename)
        monkeypatch.setattr(cls, "tgz_md5", keep(cls.filename, packed.getvalue()))
        monkeypatch.setattr(cls, "train_list", [["b1", sums["b1"]]])
        monkeypatch.setattr(cls, "test_list", [["b2", sums["b2"]]])
        monkeypatch.setattr(cls, "meta", {"filename": "meta", "key": meta, "md5": sums["meta"]})
    monkeypatch.setattr(d.loading, "_assembled", d.loading._assembled.__wrapped__)
    yield {"gray": gray[:, None], "colour": colour, "labels": labels, "asked": asked, "folder": folder}
    server.shutdown()
    server.server_close()


DOWNLOADS = [name for name, row in d.DATASETS.items() if row.fetch]


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_is_told_kept_and_not_repeated(mirror, tmp_path, capsys, name):
    told, spec = [], d.Data(name=name, validation=0.0)
    got = d.load(spec, tmp_path / "data", lambda *step: told.append(step))
    pixels = mirror["gray" if name == "Fashion-MNIST" else "colour"]
    for part in (got.train, got.test):
        # SVHN's own files call the digit 0 "10".
        assert (part.x.numpy() == pixels).all() and (part.y.numpy() == mirror["labels"]).all()
    assert len(got.classes) == 10
    downloaded = [step for step in told if step[0] == f"download {name}"]
    assert downloaded and all(0 < done <= total for _, done, total in downloaded) and max(downloaded)[1] > 1000
    assert capsys.readouterr().out == ""
    before = len(mirror["asked"])
    again = d.load(spec, tmp_path / "data")
    assert len(mirror["asked"]) == before and again.fingerprint() == got.fingerprint()
    assert not (tmp_path / "data" / "downloads" / name).exists()


def test_without_network_one_sentence_says_what_to_do(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(tv.CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(
        d.DataError, match=r"^CIFAR-10 could not be downloaded from 127.0.0.1 \(Connection refused\)"
    ) as error:
        d.load(d.Data(name="CIFAR-10"), tmp_path / "data")
    assert "cifar-10-python.tar.gz into" in str(error.value) and "Errno" not in str(error.value)
    # Putting the file there by hand is what the sentence offers.
    shutil.copy(mirror["folder"] / "cifar-10-python.tar.gz", tmp_path / "data" / "downloads" / "CIFAR-10")
    assert len(d.load(d.Data(name="CIFAR-10"), tmp_path / "data").test.y) == 30


def test_a_missing_or_cut_or_changed_archive_is_an_error_and_leaves_nothing_to_be_used(mirror, tmp_path):
    file = mirror["folder"] / "train.mat"
    whole = file.read_bytes()
    file.unlink()
    with pytest.raises(d.DataError, match="could not be downloaded from 127.0.0.1"):
        d.load(d.Data(name="SVHN"), tmp_path / "data")
    file.write_bytes(whole[:-5] + b"other")
    with pytest.raises(d.DataError, match="The downloaded files of SVHN are damaged; delete "):
        d.load(d.Data(name="SVHN"), tmp_path / "data")
    assert not (tmp_path / "data" / "builtin").exists()
    shutil.rmtree(tmp_path / "data" / "downloads" / "SVHN")
    file.write_bytes(whole)
    assert d.load(d.Data(name="SVHN", train=20), tmp_path / "data")


def test_a_cancelled_download_leaves_no_part_of_a_file(mirror, tmp_path):
    def cancel(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        d.load(d.Data(name="CIFAR-10"), tmp_path / "data", cancel)
    assert not [p for p in (tmp_path / "data").rglob("*") if p.is_file() and not p.name.endswith(".lock")]


def test_two_who_ask_at_once_download_once(mirror, tmp_path):
    asking = [threading.Thread(target=d.load, args=(d.Data(name="CIFAR-100"), tmp_path / "data")) for _ in range(3)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(mirror["asked"]) == 1 and (tmp_path / "data" / "builtin" / "CIFAR-100").is_dir()


# -- own data --------------------------------------------------------------------------------------------------------


def test_a_folder_with_train_and_test_comes_back_pixel_by_pixel(tmp_path):
    tree(tmp_path / "in" / "train", {"zebra": 3, "ape": 2}, start=10)
    tree(tmp_path / "in" / "test", {"zebra": 2}, start=50)
    (tmp_path / "in" / "train" / "ape" / ".DS_Store").write_bytes(b"hidden")
    (tmp_path / "in" / "train" / "ape" / "Thumbs.db").write_bytes(b"hidden")
    (tmp_path / "in" / "README.md").write_text("about it")
    told = []
    got = d.add(tmp_path / "in", "mine", tmp_path, tell=lambda *step: told.append(step))
    assert (got.classes, got.train, got.test, got.shape) == (("ape", "zebra"), 5, 2, (3, 4, 5))
    assert got.skipped == (("README.md", "neither train nor test"),)
    stages = ["looking for images", "checking images", "reading images", "writing the dataset"]
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == stages
    data = d.load(d.Data(name="mine", fingerprint=got.fingerprint, validation=0.0), tmp_path)
    # Classes by name, then files by name: the apes are numbers 13 and 14.
    assert numbers(data.train) == [13, 14, 10, 11, 12] and data.train.y.tolist() == [0, 0, 1, 1, 1]
    assert numbers(data.test) == [50, 51] and data.test.y.tolist() == [1, 1]
    assert (data.train.x[2].permute(1, 2, 0).numpy() == numbered(10)).all()
    assert d.own(tmp_path) == [got]


def test_one_tree_is_split_by_class_and_no_image_is_in_two_splits(tmp_path):
    tree(tmp_path / "in", {"a": 40, "b": 20})
    got = d.add(tmp_path / "in", "mine", tmp_path, test_share=0.25, seed=1)
    assert (got.train, got.test) == (45, 15)
    data = d.load(d.Data(name="mine", validation=0.2), tmp_path)
    assert [np.bincount(p.y).tolist() for p in (data.train, data.validation, data.test)] == [[24, 12], [6, 3], [10, 5]]
    parts = [numbers(p) for p in (data.train, data.validation, data.test)]
    assert sorted(sum(parts, [])) == list(range(60)) and all(part == sorted(part) for part in parts)
    assert d.add(tmp_path / "in", "same", tmp_path, test_share=0.25, seed=1).fingerprint == got.fingerprint
    assert d.add(tmp_path / "in", "other", tmp_path, test_share=0.25, seed=2).fingerprint != got.fingerprint


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP"])
def test_the_other_formats_are_read(tmp_path, kind):
    tree(tmp_path / "in", {"a": 3, "b": 3}, kind=kind)
    assert d.add(tmp_path / "in", "mine", tmp_path).shape == (3, 4, 5)


def test_gray_images_have_one_channel_unless_some_are_in_colour(tmp_path):
    for name in ("gray", "mixed"):
        for i in range(8):
            (tmp_path / name / f"{i % 2}").mkdir(parents=True, exist_ok=True)
            pixels = numbered(i) if name == "mixed" and i < 2 else numbered(i, (4, 5))
            (tmp_path / name / f"{i % 2}" / f"{i}.png").write_bytes(png(pixels))
    assert d.add(tmp_path / "gray", "gray", tmp_path).shape == (1, 4, 5)
    assert d.add(tmp_path / "mixed", "mixed", tmp_path).shape == (3, 4, 5)
    x = d.load(d.Data(name="mixed", validation=0.0), tmp_path).train.x
    assert torch.equal(x[1, 0], x[1, 1]) and torch.equal(x[1, 0], x[1, 2])


def test_differing_sizes_need_a_size(tmp_path):
    tree(tmp_path / "in", {"a": 3, "b": 3})
    (tmp_path / "in" / "b" / "large.png").write_bytes(png(np.zeros((300, 200, 3))))
    words = r"2 different sizes: 5x4 \(6 images\), 200x300 \(1 images\); give a size"
    with pytest.raises(BadValue, match=words):
        d.add(tmp_path / "in", "mine", tmp_path)
    assert d.add(tmp_path / "in", "mine", tmp_path, size=6).shape == (3, 6, 6)


def test_large_images_decoded_in_threads_are_the_same_and_in_order():
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (120, 110, 3), np.uint8) for _ in range(6)]
    got = decode.decode([str(i) for i in range(6)], [png(p) for p in pixels], None)
    assert (got.x == np.stack(pixels).transpose(0, 3, 1, 2)).all() and got.good.all()


def test_parquet_with_train_and_test_comes_back_in_row_order(tmp_path):
    (tmp_path / "in").mkdir()
    paths = ["x/ship/1.png", "x/cat/1.png", "x/cat/2.png", "x/ship/2.png"]
    table(tmp_path / "in" / "train-00000-of-00002.parquet", [1, 0, 0, 1], paths=paths)
    table(tmp_path / "in" / "train-00001-of-00002.parquet", [0], [png(numbered(9))], ["x/cat/3.png"])
    table(tmp_path / "in" / "test.parquet", [1], [png(numbered(7))], ["x/ship/9.png"])
    table(tmp_path / "in" / "validation.parquet", [1])
    got = d.add(tmp_path / "in", "mine", tmp_path)
    assert got.classes == ("cat", "ship") and got.skipped == (("validation.parquet", "neither train nor test"),)
    data = d.load(d.Data(name="mine", validation=0.0), tmp_path)
    assert numbers(data.train) == [0, 1, 2, 3, 9] and data.train.y.tolist() == [1, 0, 0, 1, 0]
    assert numbers(data.test) == [7]


@pytest.mark.parametrize(
    "labels, options, classes",
    [
        ([0, 1] * 4, {"names": ["cat", "dog"], "paths": ["a/1.png", "b/1.png"] * 4}, ("cat", "dog")),
        ([0, 1] * 4, {"paths": ["a/1.png", "b/1.png"] * 4}, ("a", "b")),
        ([0, 1] * 4, {"paths": ["a/1.png", "b/1.png"] * 3 + ["b/1.png", "b/1.png"]}, ("class 0", "class 1")),
        ([0, 1] * 4, {"paths": ["1.png"] * 8}, ("class 0", "class 1")),
        ([0, 1] * 4, {"kind": pa.uint8()}, ("class 0", "class 1")),
        (["dog", "<b>cat</b> 🐈"] * 4, {}, ("<b>cat</b> 🐈", "dog")),
        (["dog", "cat"] * 4, {"kind": pa.dictionary(pa.int8(), pa.string())}, ("cat", "dog")),
    ],
)
def test_class_names_of_one_parquet_file(tmp_path, labels, options, classes):
    got = d.add(table(tmp_path / "all.parquet", labels, **options), "mine", tmp_path, test_share=0.25)
    assert got.classes == classes and (got.train, got.test) == (6, 2)
    data = d.load(d.Data(name="mine", validation=0.0), tmp_path)
    named = [labels[i] if isinstance(labels[i], str) else classes[labels[i]] for i in numbers(data.train)]
    assert [classes[y] for y in data.train.y] == named


def test_odd_class_names_are_kept_as_text(tmp_path):
    names = ["=cmd", "<img src=x>", "été 🐈", "a b"]
    assert d.add(tree(tmp_path / "in", dict.fromkeys(names, 3)), "mine", tmp_path).classes == tuple(sorted(names))
    os.makedirs(os.fsencode(tmp_path / "raw") + b"/\xff")
    (tmp_path / "raw" / "b").mkdir()
    for i in range(4):
        for folder in (os.fsencode(tmp_path / "raw") + b"/\xff", os.fsencode(tmp_path / "raw" / "b")):
            with open(folder + b"/%d.png" % i, "wb") as file:
                file.write(png(numbered(i)))
    assert d.add(tmp_path / "raw", "raw", tmp_path).classes == ("b", "\ufffd")
    assert d.own(tmp_path)[1].classes == ("b", "\ufffd")


# -- bad files -------------------------------------------------------------------------------------------------------


def bomb():
    """A PNG of a few bytes that claims 20,000 x 20,000 pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    size = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def deep():
    out = io.BytesIO()
    Image.fromarray(np.full((4, 5), 40_000, np.uint16)).save(out, "PNG")
    return out.getvalue()


NOISE = np.random.default_rng(1).integers(0, 256, (40, 40, 3))
BAD = {
    "empty": (b"", "empty"),
    "cut early": (png(NOISE)[:12], "begins like a PNG but cannot be read"),
    "text": (b"I am no image", "not a PNG, JPEG, WEBP or BMP image"),
    "gif": (png(numbered(1), "GIF"), "not a PNG, JPEG, WEBP or BMP image"),
    "tiff": (png(numbered(1), "TIFF"), "not a PNG, JPEG, WEBP or BMP image"),
    "cut jpeg": (png(NOISE, "JPEG")[:700], "damaged (image file is truncated"),
    "cut png": (png(NOISE)[:700], "damaged ("),
    "16 bits": (deep(), "I;16 pixels are not supported; save it with 8 bits per channel"),
    "bomb": (bomb(), "too many pixels"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", BAD)
def test_one_bad_file_in_a_hundred_is_skipped_with_its_reason_and_two_are_refused(tmp_path, case):
    content, reason = BAD[case]
    shape = (40, 40, 3)
    images = [png(numbered(i, shape)) for i in range(200)]
    images[30] = images[77] = content
    paths = [f"{'ab'[i % 2]}/{i}.png" for i in range(200)]
    got = d.add(table(tmp_path / "in.parquet", [0, 1] * 100, images, paths), "mine", tmp_path, test_share=0.5)
    assert [name for name, _ in got.skipped] == ["in.parquet row 30 (a/30.png)", "in.parquet row 77 (b/77.png)"]
    assert all(why.startswith(reason) for _, why in got.skipped) and got.train + got.test == 198
    data = d.load(d.Data(name="mine", validation=0.0), tmp_path)
    assert sorted(numbers(data.train) + numbers(data.test)) == [i for i in range(200) if i not in (30, 77)]
    assert all(y == i % 2 for part in (data.train, data.test) for i, y in zip(numbers(part), part.y, strict=True))
    images[78] = content
    with pytest.raises(BadValue, match=r"^3 of 200 images cannot be used \(in.parquet row 30 \(a/30.png\): ") as error:
        d.add(table(tmp_path / "in.parquet", [0, 1] * 100, images, paths), "worse", tmp_path)
    assert "\n" not in str(error.value) and [i.name for i in d.own(tmp_path)] == ["mine"]


def test_files_that_fail_early_and_late_take_only_themselves_away(tmp_path):
    images = [png(numbered(i, (40, 40, 3))) for i in range(200)]
    images[3], images[60] = b"", BAD["cut png"][0]
    got = d.add(table(tmp_path / "in.parquet", [0, 1] * 100, images), "mine", tmp_path, test_share=0.5)
    assert [name for name, _ in got.skipped] == ["in.parquet row 3", "in.parquet row 60"]
    data = d.load(d.Data(name="mine", validation=0.0), tmp_path)
    assert sorted(numbers(data.train) + numbers(data.test)) == [i for i in range(200) if i not in (3, 60)]
    assert all(y == i % 2 for part in (data.train, data.test) for i, y in zip(numbers(part), part.y, strict=True))


def test_files_that_do_not_claim_to_be_images_are_listed_and_not_counted(tmp_path):
    tree(tmp_path / "in", {"a": 5, "b": 5})
    for name in ("notes.txt", "README", "list.csv"):
        (tmp_path / "in" / "a" / name).write_text("no image")
    os.rename(tmp_path / "in" / "b" / "0004.png", tmp_path / "in" / "b" / "image")  # one without an ending is used
    got = d.add(tmp_path / "in", "mine", tmp_path)
    assert got.train + got.test == 10
    assert [name for name, _ in got.skipped] == ["a/README", "a/list.csv", "a/notes.txt"]
    (tmp_path / "in" / "a" / "broken.png").write_text("no image")
    with pytest.raises(
        BadValue, match=r"^1 of 11 images cannot be used \(a/broken.png: ends in .png, but is not a PNG"
    ):
        d.add(tmp_path / "in", "other", tmp_path)


@pytest.mark.parametrize(("kind", "length"), [("PNG", 12), ("JPEG", 4), ("WEBP", 12), ("BMP", 12)])
def test_a_broken_image_has_another_reason_than_a_text(tmp_path, kind, length):
    """The first bytes alone, which no decoder takes, under a name that says nothing."""
    (tmp_path / "image").write_bytes(png(NOISE, kind)[:length])
    (tmp_path / "text.webp").write_text("no image")
    (tmp_path / "text").write_text("no image")
    assert decode.header(tmp_path / "image") == f"begins like a {kind} but cannot be read"
    assert decode.header(tmp_path / "text.webp") == "ends in .webp, but is not a PNG, JPEG, WEBP or BMP image"
    assert decode.header(tmp_path / "text") == "not a PNG, JPEG, WEBP or BMP image"


def test_six_bad_images_are_told_as_five_and_one_more(tmp_path):
    images = [png(numbered(i)) for i in range(20)]
    images[:6] = [b"no image"] * 6
    with pytest.raises(BadValue, match=r"^6 of 20 .*in.parquet row 4: [^;]*; and 1 more\); at most one in 100 "):
        d.add(table(tmp_path / "in.parquet", [0, 1] * 10, images), "mine", tmp_path)


def test_a_class_that_loses_its_images_to_skipping_is_refused(tmp_path):
    tree(tmp_path / "in", {"a": 150, "b": 2})
    (tmp_path / "in" / "b" / "0001.png").write_bytes(b"")
    with pytest.raises(BadValue, match="class 'b' has 1"):
        d.add(tmp_path / "in", "mine", tmp_path / "data")
    assert d.own(tmp_path / "data") == []


def test_what_is_not_a_file_is_never_opened(tmp_path):
    tree(tmp_path / "in", {"a": 150, "b": 150})
    os.mkfifo(tmp_path / "in" / "a" / "pipe.png")  # opening it would wait for ever
    (tmp_path / "in" / "a" / "sub").mkdir()
    (tmp_path / "in" / "b" / "broken.png").symlink_to("nowhere.png")
    got = d.add(tmp_path / "in", "mine", tmp_path)
    assert sorted(got.skipped) == [(f"a/{n}", "not a file") for n in ("pipe.png", "sub")] + [
        ("b/broken.png", "not a file")
    ]


SAMPLES = [png(NOISE[:9, :8], kind) for kind in ("PNG", "JPEG", "WEBP", "BMP")]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), max_size=4),
    st.integers(0, 2000),
)
def test_a_damaged_image_becomes_a_reason_and_never_an_exception(raw, changes, cut):
    raw = bytearray(raw)
    for place, content in changes:
        raw[place : place + len(content)] = content
    raw = bytes(raw[: cut or None])
    head = decode.header(raw)
    if isinstance(head, str):
        assert head and "\n" not in head and "0x" not in head
    elif head.width * head.height < 1_000_000:
        image = decode.pixels(raw, head.gray)
        good = isinstance(image, np.ndarray)
        assert image.shape == (1 if head.gray else 3, head.height, head.width) if good else "\n" not in image


# -- refusals --------------------------------------------------------------------------------------------------------


def only(**counts):
    return lambda top: tree(top / "in", counts)


def two_parts(train, test):
    return lambda top: tree(tree(top / "in" / "train", train).parent / "test", test).parent


def file_of(labels, **options):
    return lambda top: table(top / "in.parquet", labels, **options)


def link_out(top):
    (top / "secret.png").write_bytes(png(numbered(1)))
    (tree(top / "in", {"a": 3, "b": 3}) / "a" / "link.png").symlink_to(top / "secret.png")
    return top / "in"


def folder_link_out(top):
    tree(top / "elsewhere", {"c": 3})
    (tree(top / "in", {"a": 3, "b": 3}) / "c").symlink_to(top / "elsewhere" / "c")
    return top / "in"


def written(name, content):
    def make(top):
        (top / name).write_bytes(content)
        return top / name

    return make


def other_columns(top):
    pq.write_table(pa.table({"img": [1], "label": [0]}), top / "in.parquet")
    return top / "in.parquet"


def image_as_text(top):
    pq.write_table(pa.table({"image": ["a.png"], "label": [0]}), top / "in.parquet")
    return top / "in.parquet"


def no_train_file(top):
    (top / "in").mkdir()
    for name in ("a.parquet", "b.parquet"):
        table(top / "in" / name, [0, 1])
    return top / "in"


def empty(top):
    (top / "in").mkdir()
    return top / "in"


def only_notes(top):
    for name in "ab":
        (top / "in" / name).mkdir(parents=True)
        for i in range(3):
            (top / "in" / name / f"{i}.txt").write_text("no image")
    return top / "in"


@pytest.mark.parametrize(
    "make, words",
    [
        (only_notes, "None of the 6 files is an image that can be used"),
        (lambda top: top / "nowhere", "There is no folder or file"),
        (empty, "There are no images in class folders"),
        (two_parts({}, {"a": 2}), "At least two classes are needed; there is only 'test'"),
        (only(cat=5), "At least two classes are needed; there is only 'cat'"),
        (only(cat=5, dog=1), "class 'dog' has 1"),
        (two_parts({"a": 3, "b": 1}, {"a": 1}), "class 'b' has 1"),
        (two_parts({"a": 3, "b": 3}, {"a": 1, "c": 1}), "a class 'c' that the training images do not have"),
        (link_out, "a/link.png is a link that leaves the folder"),
        (folder_link_out, "c is a link that leaves the folder"),
        (written("in.zip", b"PK"), "in.zip is neither a folder nor a .parquet file"),
        (written("in.parquet", b"no parquet"), "in.parquet cannot be read as a parquet file"),
        (other_columns, "needs the columns 'image' and 'label'; it has img, label"),
        (image_as_text, "must hold image files as a struct with the field 'bytes', not string"),
        (no_train_file, "none whose name begins with 'train'"),
        (file_of([0, 1, None, 1]), "in.parquet row 2 has no label"),
        (file_of([0.0, 1.0, float("nan"), 1.0]), "must be whole numbers or texts, not double"),
        (file_of([True, False] * 2), "must be whole numbers or texts, not bool"),
        (file_of([0, 1, -1, 1]), "row 2 has label -1, but the labels must be 0 to 1"),
        (file_of([0, 0, 2, 2]), "no training image has label 1"),
        (file_of([0, 0, 10**15, 10**15]), "no training image has label 1"),
        (file_of([0, 1, 0, 2], names=["a", "b"]), "row 3 has label 2, but the labels must be 0 to 1"),
        (file_of([0, 1, 0, 1], names=["a", "b", "c"]), "class 'c' has 0"),
        (file_of([], kind=pa.int64()), "There are no images"),
        (file_of(["a", "b", "a"]), "class 'b' has 1"),
    ],
)
def test_a_source_that_is_no_dataset_is_refused_in_one_sentence(tmp_path, make, words):
    with pytest.raises(BadValue, match=words) as error:
        d.add(make(tmp_path), "mine", tmp_path / "data")
    assert "\n" not in str(error.value) and d.own(tmp_path / "data") == []


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("", {}, "cannot be a name"),
        ("../up", {}, "cannot be a name"),
        ("a" * 41, {}, "cannot be a name"),
        ("mine\n", {}, "cannot be a name"),
        ("digits", {}, "has already"),
        ("cifar-10", {}, "has already"),
        ("mine", {"test_share": 0.0}, "test share must be more than 0 and at most 0.5"),
        ("mine", {"test_share": float("nan")}, "test share must be"),
        ("mine", {"test_share": 0.01}, "No test image is left"),
        ("mine", {"size": 0}, "size must be at least 1"),
    ],
)
def test_a_name_or_value_that_does_not_fit_is_refused(tmp_path, name, options, words):
    tree(tmp_path / "in", {"a": 3, "b": 3})
    with pytest.raises(BadValue, match=words):
        d.add(tmp_path / "in", name, tmp_path / "data", **options)
    assert d.own(tmp_path / "data") == []


def test_too_large_a_set_is_refused_before_anything_is_decoded(tmp_path, monkeypatch):
    tree(tmp_path / "in", {"a": 3, "b": 3})
    monkeypatch.setattr(decode, "MEMORY_LIMIT", 359)  # the six images need 360 bytes
    monkeypatch.setattr(decode, "pixels", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(BadValue, match="These 6 images would need 0.0 GB of memory, but at most"):
        d.add(tmp_path / "in", "mine", tmp_path / "data")


# -- on disk ---------------------------------------------------------------------------------------------------------


def test_a_name_is_given_once_and_a_new_set_under_an_old_name_is_not_mistaken_for_it(tmp_path):
    first = d.add(tree(tmp_path / "in", {"a": 4, "b": 4}), "mine", tmp_path)
    with pytest.raises(BadValue, match="already a dataset called mine"):
        d.add(tmp_path / "in", "mine", tmp_path)
    before = d.load(d.Data(name="mine"), tmp_path)
    shutil.rmtree(tmp_path / "own" / "mine")
    second = d.add(tree(tmp_path / "new", {"a": 4, "b": 4}, start=70), "mine", tmp_path)
    assert second.fingerprint != first.fingerprint
    assert d.load(d.Data(name="mine"), tmp_path).fingerprint() != before.fingerprint()
    with pytest.raises(BadValue, match=f"holds other images than expected: .*{second.fingerprint[:12]}"):
        d.load(d.Data(name="mine", fingerprint=first.fingerprint), tmp_path)


def test_a_failed_write_leaves_nothing_and_says_the_disk_is_full(tmp_path, monkeypatch):
    tree(tmp_path / "in", {"a": 4, "b": 4})

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(kept.os, "rename", full)
        with pytest.raises(d.DataError, match="the disk is full"):
            d.add(tmp_path / "in", "mine", tmp_path / "data")
    assert d.own(tmp_path / "data") == [] and not list((tmp_path / "data" / "own").glob(".staging*"))
    # What a killed writer left goes away with the next one.
    (tmp_path / "data" / "own" / ".staging.dead").mkdir()
    assert d.add(tmp_path / "in", "mine", tmp_path / "data") in d.own(tmp_path / "data")
    assert not list((tmp_path / "data" / "own").glob(".staging*"))


def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(d.DataError, match="cannot be written to .*: Not a directory"):
        d.add(tree(tmp_path / "in", {"a": 3, "b": 3}), "mine", tmp_path / "data")


@pytest.mark.parametrize("file, place", [("images.safetensors", -3), ("images.safetensors", 3), ("about.json", 0)])
def test_a_changed_byte_on_disk_is_found(tmp_path, file, place):
    d.add(tree(tmp_path / "in", {"a": 4, "b": 4}), "mine", tmp_path)
    damaged = tmp_path / "own" / "mine" / file
    content = bytearray(damaged.read_bytes())
    content[place] ^= 0xFF
    damaged.write_bytes(content)
    with pytest.raises(d.DataError, match="The dataset mine is damaged on disk"):
        d.load(d.Data(name="mine"), tmp_path)


def test_importing_the_module_brings_no_screen_and_no_slow_library():
    code = "import sys, unlearn_core.data; print(*{'streamlit', 'plotly', 'torchvision', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
