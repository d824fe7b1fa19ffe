"""What a stranger may give to each parser, and what may come of it: success, or one sentence of the project's own.

`PARSERS` holds for each a function of an empty folder that gives its inputs (a strategy) and what reads one of them:
it returns whether the input was accepted, and fails where anything else came of it or something was left behind.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import re
import shutil
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from pages.shared import plan_file
from unlearn_core import data as datasets
from unlearn_core import jobs
from unlearn_core.cli.options import read_spec
from unlearn_core.data import Data, decode
from unlearn_core.disk import StoreError
from unlearn_core.experiment import Study, embedded_images, fulfil
from unlearn_core.experiment.bundle import export, import_bundle
from unlearn_core.experiment.own_weights import keep
from unlearn_core.forget import AtRandom
from unlearn_core.models import new_model
from unlearn_core.params import BadValue, Spec, build, canonical, key, plain
from unlearn_core.result import find_fault
from unlearn_core.row_files import read_ids
from unlearn_core.rows import check_forget, unpack
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, SalUn

LONGEST = 1000  # characters of a sentence
SECONDS = 5.0  # of work for one input
UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
DEEP, FAR, DIGITS = "@deep", "@far", "@digits"  # what json.dumps cannot write itself


class Parser(NamedTuple):
    """What it is given, and whether it takes it."""

    inputs: st.SearchStrategy
    takes: Callable[[Any], bool]


def answered(read: Callable[[], Any]) -> bool:
    """Whether something was read. Fails where it was refused without one plain sentence, or took long."""
    started = time.process_time()
    try:
        read()
        return True
    except (BadValue, StoreError) as error:
        said = str(error)
        assert said.endswith((".", "?")) and not UNSHOWN.search(said), said
        assert len(said) <= LONGEST, f"{len(said)} characters: {said[:200]}"
        return False
    finally:
        assert time.process_time() - started < SECONDS


# -- bytes and JSON with something wrong in them -----------------------------------------------------------------------

PLACES = st.integers(0, 1 << 20)
NUMBERS = [(n % (1 << 64)).to_bytes(8, "little")[:w] for n in (0, 1, -1, 1 << 31, 1 << 62, 65535) for w in (1, 2, 4, 8)]
EDITS = st.one_of(
    st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
    st.tuples(st.just("cut"), PLACES, st.integers(1, 4000)),
    st.tuples(st.just("insert"), PLACES, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("write"), PLACES, st.sampled_from(NUMBERS) | st.binary(min_size=1, max_size=8)),
)


def edited(whole: bytes, edits: list[tuple]) -> bytes:
    found = bytearray(whole)
    for how, place, what in edits:
        at = place % (len(found) + 1)
        if how == "flip" and found:
            found[at % len(found)] ^= 1 << what
        elif how == "cut":
            del found[at : at + what]
        elif how == "insert":
            found[at:at] = what
        elif how == "write":
            found[at : at + len(what)] = what
    return bytes(found)


def damaged(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes of one of the samples with a few faults, or bytes that never were one."""
    return st.builds(edited, st.sampled_from(samples), st.lists(EDITS, max_size=5)) | st.binary(max_size=60)


ODD = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    st.sampled_from([-1, 1 << 31, 1 << 63, 10**30, 10**400, -(10**400), 1e300, float("nan"), float("inf")]),
    st.sampled_from(["", "../x", "\0", "\ud800", "a\nb", "\u202e", "x" * 5000, DEEP, FAR, DIGITS]),
)
ANYTHING = st.recursive(ODD, lambda e: st.lists(e, max_size=4) | st.dictionaries(st.text(max_size=8), e, max_size=4))
SPECS = st.sampled_from([plain(each) for each in (FineTune(), SalUn(), Plan(), Training(), AtRandom(size=3))])


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """All (container, index) inside a value."""
    for at, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, at
        yield from spots(inner)


@st.composite
def altered(draw, documents: list[Any]) -> str:
    """The text of one of these documents after one to three changes anywhere in it."""
    data = [copy.deepcopy(draw(st.sampled_from(documents)))]
    for _ in range(draw(st.integers(1, 3))):
        found = list(spots(data))
        box, at = found[draw(st.integers(0, len(found) - 1))]
        how = draw(st.sampled_from(["replace", "replace", "remove", "rename", "copy"]))
        if how == "remove" and box is not data:
            del box[at]
        elif how == "rename" and isinstance(box, dict):
            box[draw(st.text(max_size=8))] = box.pop(at)
        elif how == "copy":
            other, place = found[draw(st.integers(0, len(found) - 1))]
            box[at] = copy.deepcopy(other[place])
        else:
            box[at] = copy.deepcopy(draw(ANYTHING | SPECS))
    return written(data[0])


def written(data: Any) -> str:
    text = json.dumps(data).replace(f'"{DEEP}"', "[" * 900 + "]" * 900)
    return text.replace(f'"{FAR}"', "[" * 100_000).replace(f'"{DIGITS}"', "9" * 5000)


# -- a study as one file -----------------------------------------------------------------------------------------------


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def members_of(root: Path) -> dict[str, bytes]:
    """The files of a small study of one's own images, images included."""
    store, rng = Store(root / "source"), np.random.default_rng(0)
    for i in range(80):
        folder = root / "images" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((rng.integers(0, 90, (8, 8)) + 90 * (i % 2)).astype(np.uint8)).save(folder / f"{i}.png")
    datasets.add(root / "images", "mine", store.root / "data", test_share=0.3)
    training = Training(data=Data(name="mine"), model="mlp", width=4, epochs=1, batch=32)
    few = {"models": 0, "seeds": 2, "tuning_seeds": 0, "plans": (), "controls": False}
    study = Study(training=training, forget=AtRandom(size=5), unlearners=(FineTune(epochs=1),), **few)
    honest, embedded_images.projection.umap = embedded_images.projection.umap, lambda x, *_: x[:, :2].copy()
    try:
        fulfil(store, study)
    finally:
        embedded_images.projection.umap = honest
    export(store, key(study), root / "study.zip")
    with zipfile.ZipFile(root / "study.zip") as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def forged(members: dict[str, bytes], name: str, content: bytes) -> bytes:
    """The study with one file changed, every checksum and every key made to fit, and that result looked at first."""
    members, sheet = dict(members), json.loads(members["bundle.json"])
    folder, _, file = name.rpartition("/")
    if folder in ("", "data"):
        return packed(members | {name: content})
    old = folder.removeprefix("results/")
    inside = {n.rpartition("/")[2]: members.pop(n) for n in list(members) if n.startswith(f"{folder}/")}
    kind, known = old.split("/")
    if file == "spec.json":
        try:
            text = json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
            known = digest(text.encode())[:32]
        except (ValueError, RecursionError):
            pass
    if file != "manifest.json":
        manifest = json.loads(inside["manifest.json"])
        manifest["files"][file] = [len(content), digest(content)]
        inside["manifest.json"] = json.dumps(manifest).encode()
    inside[file] = content
    del sheet["results"][old]
    sheet["results"] = {f"{kind}/{known}": digest(inside["manifest.json"])} | sheet["results"]
    if kind == "Study":
        sheet["study"] = known
    there = {"bundle.json": json.dumps(sheet).encode()}
    return packed(members | there | {f"results/{kind}/{known}/{n}": c for n, c in inside.items()})


NAMES = st.sampled_from(
    ["bundle.json", "data/about.json", "results/Run/", "../x.json", "/x.json", "data/", "x" * 300, "a\nb", "\x1b[2J",
     f"results/Run/{'0' * 32}/x.json", f"results/Run/{'0' * 32}/../../x.json", f"results/Öre/{'0' * 32}/x.json"]
) | st.text(max_size=30)  # fmt: skip


@st.composite
def made_up(draw, contents: list[bytes]) -> bytes:
    """A .zip file of any names, kinds of files and ways to pack, some of whose sizes lie."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same name twice
        for name in draw(st.lists(NAMES, max_size=4)):
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            info.external_attr = draw(st.sampled_from([0o100644, 0o120777, 0o040755, 0o010644, 0])) << 16
            info.compress_type = draw(st.sampled_from([0, 8, 12, 14]))
            archive.writestr(info, draw(st.sampled_from(contents) | st.binary(max_size=50)))
    found = bytearray(file.getvalue())
    heads = [m.start() for m in re.finditer(rb"PK\x01\x02", found)]
    for head, field in (
        draw(st.lists(st.tuples(st.sampled_from(heads), st.integers(4, 45)), max_size=3)) if heads else ()
    ):
        number = draw(st.sampled_from(NUMBERS))[: 46 - field]
        found[head + field : head + field + len(number)] = number
    return bytes(found)


def bundle(root: Path) -> Parser:
    members = members_of(root)
    whole, sheet = packed(members), json.loads(members["bundle.json"])
    texts = [name for name in members if name.endswith(".json")]
    arrays = [name for name in members if not name.endswith(".json")]
    tables = [name for name in members if name.endswith(".parquet")]
    large = [
        many_rows(bytes(10 << 20), 200), many_rows(bytes(2 << 20), 200, "snappy", flat=True),
        many_rows(bytes(range(256)) * 20, 100_000, "snappy", flat=True),
    ]  # fmt: skip
    pa.default_memory_pool().release_unused()
    bombs = [packed({"a": bytes(1 << 20)}), b" " * (1 << 20), members["bundle.json"], whole[:2000]]
    inputs = st.one_of(
        damaged([whole]),
        made_up(bombs),
        altered([sheet]).map(lambda text: packed(members | {"bundle.json": text.encode()})),
        st.sampled_from(texts).flatmap(
            lambda name: altered([json.loads(members[name])]).map(lambda t: forged(members, name, t.encode()))
        ),
        st.sampled_from(arrays).flatmap(
            lambda name: damaged([members[name]]).map(lambda content: forged(members, name, content))
        ),
        st.sampled_from(tables).flatmap(
            lambda name: st.sampled_from(large).map(lambda content: forged(members, name, content))
        ),
    )
    store = Store(root / "store")

    def tree() -> set[str]:
        return {str(p.relative_to(store.root)) for p in store.root.rglob("*") if p.parent.name != "locks"}

    before = tree()

    def takes(file: bytes) -> bool:
        taken = answered(partial(import_bundle, store, io.BytesIO(file)))
        assert not list((store.root / "staging").iterdir())
        if taken:
            assert not [p for p in (store.root / "results").glob("*/*") if find_fault(p, deep=True)]
            for place in (store.root / "results").iterdir():
                shutil.rmtree(place)
            shutil.rmtree(store.root / "data", ignore_errors=True)
            (store.root / "set-names.json").unlink(missing_ok=True)
        assert tree() == before, tree() - before
        return taken

    return Parser(inputs, takes)


# -- images ------------------------------------------------------------------------------------------------------------


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (8, 9), **options) -> bytes:
    out, rng = io.BytesIO(), np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).convert(mode).save(out, kind, **options)
    return out.getvalue()


def flat(kind: str, size: tuple[int, int], **options) -> bytes:
    """A picture of one colour, which takes little room however large it is."""
    out = io.BytesIO()
    Image.new("L" if kind != "WEBP" else "RGB", size).save(out, kind, **options)
    return out.getvalue()


PICTURES = [
    *(picture("PNG", mode) for mode in ("L", "P", "RGB", "RGBA", "1", "LA")),
    *(picture("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
    picture("JPEG", progressive=True),
    picture("WEBP"), picture("WEBP", "RGBA", lossless=True), picture("BMP"), picture("BMP", "P"), picture("BMP", "1"),
    picture("GIF"), picture("TIFF"),
    flat("WEBP", (6000, 6000), lossless=True), flat("PNG", (2000, 2000)),
]  # fmt: skip


def images(root: Path) -> Parser:
    def takes(encoded: bytes) -> bool:
        head = decode.header(encoded)
        if isinstance(head, str):
            assert head and not UNSHOWN.search(head) and len(head) < 200, head
        return answered(lambda: shape_of(decode.decode(["x"], [encoded], 16)))

    def shape_of(found: decode.Decoded) -> None:
        assert found.x.shape[2:] == (16, 16) and found.x.dtype == np.uint8

    return Parser(damaged(PICTURES), takes)


def parquet_of(columns: dict[str, Any], notes: bytes | None = None, **options) -> bytes:
    out, found = io.BytesIO(), pa.table(columns)
    pq.write_table(found.replace_schema_metadata({b"huggingface": notes} if notes else None), out, **options)
    return out.getvalue()


@st.composite
def tables(draw) -> bytes:
    """A parquet file of any labels, images, paths and notes, or of other columns than it should have."""
    n = draw(st.integers(0, 8))
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    label = draw(st.sampled_from([st.integers(0, 2), st.integers(-(2**63), 2**63 - 1), text, text | st.none()]))
    image = st.sampled_from([picture("PNG", "L"), picture("BMP"), PICTURES[-2]]) | st.binary(max_size=9) | st.none()
    rows = [{"bytes": draw(image), "path": draw(text | st.none())} for _ in range(n)]
    kind = pa.struct([("bytes", draw(st.sampled_from([pa.binary(), pa.large_binary()]))), ("path", pa.string())])
    names = [draw(st.just("image") | text), draw(st.just("label") | text), *draw(st.lists(text, max_size=2))]
    columns = {names[0]: pa.array(rows, kind), names[1]: pa.array([draw(label) for _ in range(n)])}
    columns |= {name: columns[names[0]] for name in names[2:] if name not in columns}
    hub = {"info": {"features": {"label": {"names": ["a", "b"]}}}}
    notes = draw(st.none() | altered([hub]).map(str.encode))
    return parquet_of(columns, notes, compression=draw(st.sampled_from(["snappy", "zstd", "none"])))


def many_rows(image: bytes | None, rows: int, compression: str = "zstd", flat: bool = False) -> bytes:
    """One image, told many times over by a dictionary: a small file and a large table. `flat`: as in a result's table,
    whose cells hold nothing that has parts.
    """
    which = pa.array(np.zeros(rows, np.int32), mask=np.full(rows, image is None))
    told = pa.DictionaryArray.from_arrays(which, pa.array([image or b""], pa.binary()))
    column = told if flat else pa.StructArray.from_arrays([told], ["bytes"])
    columns = {"image": column, "label": pa.array(np.arange(rows) % 2)}
    return parquet_of(columns, compression=compression, store_schema=False)


def parquet(root: Path) -> Parser:
    good = {"image": pa.array([{"bytes": picture("PNG", "L"), "path": f"{'ab'[i % 2]}/{i}.png"} for i in range(12)],
                              pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array([i % 2 for i in range(12)])}  # fmt: skip
    samples = [
        parquet_of(good), parquet_of(good, compression="zstd"), parquet_of(good, use_dictionary=False),
        parquet_of(good | {"label": pa.array(["a", "b"] * 6).dictionary_encode()}),
        parquet_of(good, data_page_version="2.0", write_page_index=True),
    ]  # fmt: skip
    bombs = st.sampled_from(
        [
            many_rows(bytes(range(256)) * 20, 100_000), many_rows(None, 500_000), many_rows(bytes(10 << 20), 1000),
            many_rows(bytes(100 << 20), 2),
        ]
    )  # fmt: skip
    pa.default_memory_pool().release_unused()
    file, place = root / "in.parquet", root / "data"

    def takes(content: bytes) -> bool:
        file.write_bytes(content)
        shutil.rmtree(place, ignore_errors=True)
        taken = answered(partial(datasets.add, file, "mine", place, size=8, test_share=0.5))
        left = [p.name for p in place.rglob("*") if p.is_file() and p.name != ".lock"]
        assert sorted(left) == (["about.json", "images.safetensors"] if taken else []), left
        return taken

    return Parser(st.one_of(*[damaged(samples)] * 4, *[tables()] * 4, bombs), takes)


NAMED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12)


def folder(root: Path) -> Parser:
    part = st.sampled_from(["train", "test", "a", "b"]) | NAMED
    pictures = st.sampled_from([picture("PNG", "L"), picture("JPEG"), PICTURES[2][:60], b"", b"notes"])
    more = st.dictionaries(st.lists(part, min_size=1, max_size=3).map(tuple), pictures, max_size=6)
    sound = {(name,): picture("PNG", "L") for name in "ab"}
    inputs = more | more.map(lambda files: sound | files)

    def takes(files: dict[tuple[str, ...], bytes]) -> bool:
        top, place = root / "in", root / "data"
        for each in (top, place):
            shutil.rmtree(each, ignore_errors=True)
        top.mkdir()
        for parts, content in files.items():
            path = top.joinpath(*(p for p in parts if p not in (".", "..")), "x.png")
            if not any(p.is_file() for p in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                for i in range(3):
                    path.with_name(f"{i}{parts[-1]}"[:60]).write_bytes(content)
        taken = answered(partial(datasets.add, top, "mine", place, size=8, test_share=0.5))
        assert taken or not [p for p in place.rglob("*") if p.is_file() and p.name != ".lock"]
        return taken

    return Parser(inputs, takes)


# -- weights -----------------------------------------------------------------------------------------------------------


def weights(root: Path) -> Parser:
    store, training = Store(root / "store"), Training(data=Data(train=200, test=50), width=4)
    state = new_model(training.model, datasets.load(training.data, store.root / "data"), 0, training.width).state_dict()
    whole = save({name: value.contiguous() for name, value in state.items()})
    length = int.from_bytes(whole[:8], "little")
    header, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    kinds = ("F64", "F16", "BF16", "I64", "U8", "BOOL", "C64", "F8_E4M3", "F4", "F8_E8M0")
    others = [{name: about | {"dtype": kind} for name, about in header.items()} for kind in kinds]
    # One number of every kind, so that offsets fit it whatever its size.
    one = [{"mean": {"dtype": k, "shape": [8 // w], "data_offsets": [0, 8]}} for k in kinds for w in (1, 2, 4, 8)]

    def with_header(text: str, given: bytes, lie: int) -> bytes:
        head = text.encode("utf-8", "surrogatepass")
        return (len(head) + lie).to_bytes(8, "little") + head + given

    heads = altered([header, header, *others, *one]), st.sampled_from([body, body, body[:8], b""])
    inputs = damaged([whole]) | st.builds(with_header, *heads, st.sampled_from([0, 0, 0, 1, 1 << 40]))

    def takes(content: bytes) -> bool:
        taken = answered(partial(keep, store, training, content))
        kept = list((store.root / "results").glob("OwnWeights/*"))
        assert len(kept) == taken and not list((store.root / "staging").iterdir())
        for place in kept:
            assert find_fault(place, deep=True) is None
            shutil.rmtree(place)
        return taken

    return Parser(inputs, takes)


# -- plans and other specs ---------------------------------------------------------------------------------------------


def plans(root: Path) -> Parser:
    study = Study(training=Training(), forget=AtRandom(size=5), unlearners=(FineTune(), SalUn()))
    documents = [plain(Plan()), plain(Plan(name="b", high=SalUn())), plain(study), plain(Training())]
    file = root / "spec.json"

    def same(spec: Any) -> None:
        if isinstance(spec, Spec):
            assert build(json.loads(canonical(spec))) == spec and len(key(spec)) == 32

    def takes(text: str) -> bool:
        raw = text.encode("utf-8", "surrogatepass")
        file.write_bytes(raw)
        packed_small = base64.urlsafe_b64encode(zlib.compress(raw, 9)).decode().rstrip("=")
        reads = [
            lambda: same(plan_file.from_text(text)),
            lambda: same(plan_file.from_bytes(raw)),
            lambda: same(plan_file.from_address(packed_small)),
            lambda: plan_file.from_address(text),
            lambda: same(read_spec(file)),
            lambda: same(read_spec(file, Plan)),
        ]
        return any([answered(read) for read in reads])

    loose = st.text(max_size=40) | ANYTHING.map(written) | st.integers(1, 200_000).map(lambda n: "[" * n)
    return Parser(st.one_of(*[altered(documents)] * 4, loose), takes)


# -- row numbers -------------------------------------------------------------------------------------------------------

SIZE = 60_000  # images, as many as a usual dataset has


def rows(root: Path) -> Parser:
    number = st.integers(0, SIZE + 1) | st.integers(0, 10**12)
    part = st.one_of(number.map(str), st.tuples(number, number).map(lambda ab: f"{min(ab)}-{max(ab)}"),
                     st.text("0123456789-,#;. \t\r\n\x85\u2028\u0663x\0", max_size=8))  # fmt: skip
    part |= st.sampled_from(["row", "id", "label", '"', ""])
    joined = st.builds(lambda parts, by, times: by.join(parts * times), st.lists(part, max_size=6),
                       st.sampled_from([",", "\n", " , ", ",\n"]), st.sampled_from([1, 1, 1, 2, 1500]))  # fmt: skip

    def check(found: np.ndarray) -> None:
        assert found.dtype == np.int64 and (np.diff(found) > 0).all()
        assert not len(found) or (found[0] >= 0 and found[-1] < SIZE)

    def takes(text: str) -> bool:
        reads = (
            lambda: check(unpack(text, SIZE)),
            lambda: check(read_ids(text, SIZE)),
            lambda: check_forget(unpack(text, SIZE), SIZE),
        )
        return any([answered(read) for read in reads])

    return Parser(joined | st.text(max_size=60), takes)


# -- what lies in a store ----------------------------------------------------------------------------------------------


def written_wrong(whole: dict[Path, str]) -> st.SearchStrategy[dict[Path, str]]:
    """Other texts for some of these files."""
    each = {file: altered([json.loads(text)]) | st.text(max_size=9) for file, text in whole.items()}
    return st.fixed_dictionaries({}, optional=each)


def replaced(whole: dict[Path, str], read: Callable[[], bool], changed: dict[Path, str]) -> bool:
    """What `read` says while files have other texts."""
    for file, text in changed.items():
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        return read()
    finally:
        for file, text in whole.items():
            file.write_text(text)


def results(root: Path) -> Parser:
    store, spec = Store(root / "store"), AtRandom(size=3)
    result = store.remember(spec, lambda draft: draft.json("note", {"a": 1}))
    files = (result.folder / "manifest.json", result.folder / "spec.json", store.root / "layout.json")
    whole = {file: file.read_text() for file in files}

    def read() -> bool:
        fault = find_fault(result.folder, deep=True)
        assert fault is None or isinstance(fault, str)
        return fault is None and answered(lambda: Store(store.root).open("AtRandom", key(spec)).spec())

    return Parser(written_wrong(whole), partial(replaced, whole, read))


def job_records(root: Path) -> Parser:
    store, spec = Store(root / "store"), AtRandom(size=3)
    job = store.root / "jobs" / key(spec)
    job.mkdir()
    cost = {"seconds": 1.0, "fastest": 1.0, "slowest": 2.0, "megabytes": 0.0}
    about = {"spec": plain(spec), "submitted": 1.0, "by": "local", "expected": cost, "before": 1.0}
    whole = {
        job / "job.json": json.dumps(about),
        job / "progress.json": json.dumps(
            {"begun": True, "stages": [["a", 1.0]], "done": 1, "total": 2, "written": 2.0, "began": 1.0}
        ),
        job / "outcome.json": json.dumps({"state": "done", "message": "Finished.", "detail": "", "ended": 3.0}),
        job / "worker.json": json.dumps({"pid": 1 << 22, "born": 1.0}),
    }

    def look() -> None:
        for found in jobs.listing(Store(store.root)):
            assert isinstance(found.title, str) and isinstance(found.state, str) and found.seconds >= 0
            assert found.share is None or 0 <= found.share <= 1
            assert len((found.stage, found.left, found.stage_left)) == 3
            jobs.asked(store, found.key)

    def read() -> bool:
        return all([answered(look), answered(lambda: jobs.find(store, job.name))])

    return Parser(written_wrong(whole), partial(replaced, whole, read))


PARSERS: dict[str, Callable[[Path], Parser]] = {
    "bundle": bundle, "images": images, "parquet": parquet, "folder": folder, "weights": weights, "plans": plans,
    "rows": rows, "results": results, "jobs": job_records,
}  # fmt: skip
