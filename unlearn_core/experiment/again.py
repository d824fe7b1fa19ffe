"""A stored result made once more, and held against what is stored.

It is made in a scratch store whose other results are links to those of the real one: what it rests on is found, it
itself is not, and nothing in the real store can change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unlearn_core.device import with_threads
from unlearn_core.disk import StoreError, below
from unlearn_core.ensembles import at_least
from unlearn_core.experiment.differences import TOLERANCE, compare
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent
from unlearn_core.result import KEY, Result, find_fault
from unlearn_core.store import Store

# Kinds of results that nothing computes, and why.
GIVEN = {
    "OwnWeights": "these are weights that somebody gave, and their key holds their checksum",
    "KeptSet": "it is a list of rows that somebody kept, and its key is their checksum",
}
# What a manifest says of the machine, and of how the work was laid out there: bits are promised where all are the same.
MACHINE = ("machine", "device", "device_name", "cpu_capability")
LAID_OUT = (
    "python",
    "threads",
    "together",
    "matmul_precision",
    "cudnn_tf32",
    "stacked_products",
    "batch_norm",
    "cuda",
    "cudnn",
    "cudnn_deterministic",
    "versions",
)
# By the verdict, and whether it was made in the same way: on such a machine, laid out alike, with the same versions.
SAYS = {
    ("same bits", True): "Made again in the same way, it is the same to the last bit.",
    ("same bits", False): "Made again in another way than the first time, it is the same to the last bit.",
    ("within tolerance", True): "It is not the same to the last bit, but no further away than rounding goes.",
    ("within tolerance", False): "Made in another way than the first time, it comes out the same up to rounding.",
    ("differs", True): "It is another result than the stored one: find out why before you rely on either.",
    ("differs", False): "It is another result than the stored one, but it was made in another way: a net that has not "
    "settled turns rounding into another model. Verify it on such a machine, with such versions, as made it.",
}

FROM_NOTHING = ("Training", "BankPart")
RESTS = " What it rests on was taken as it is stored: verify that by its own key."


def verify(store: Store, result_key: str, tell: Tell = silent) -> dict:
    """Make the result with this key anew and compare, as plain JSON.

    `key`, `kind`; `verdict`: "same bits", "within tolerance" or "differs"; `largest_difference` (absolute, None where
    nothing differs or no difference can be taken) and `where` it is; `differing`, all places that differ; `tolerance`;
    `left_out`, what was measured and so not compared; `same_machine`, whether the stored result was made on this kind
    of machine; `provenance`, name -> [then, now] of all that differs in how it was made; `says`, a sentence. Raises
    StoreError where there is no such result or it is damaged, BadValue where it cannot be made.
    """
    stored = _stored(store, result_key)
    kind, spec, then = stored.folder.parent.name, stored.spec(), stored.manifest()
    if type(spec) not in MAKERS or kind in GIVEN:
        raise BadValue(f"A {kind} cannot be made anew: {GIVEN.get(kind, 'this version does not know how')}.")
    if stored.lacks:
        raise BadValue(f"{kind} {result_key[:8]} came in a file without its {stored.lacks[0]}: it cannot be compared.")
    with _all_but(store, stored) as scratch, _as_laid_out(then):
        made = fulfil(scratch, spec, tell)
        compared, now = compare(stored, made), made.manifest()
    pairs = {name: [then.get(name), now.get(name)] for name in (*MACHINE, *LAID_OUT)}
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if then.get("versions") and not _changed(*pairs["versions"]):
        changed.pop("versions", None)
    furthest = compared.found[0] if compared.found else None
    return {
        "key": result_key,
        "kind": kind,
        "verdict": compared.verdict,
        "largest_difference": furthest and furthest.largest,
        "where": furthest and furthest.where,
        "differing": [each.where for each in compared.found],
        "tolerance": TOLERANCE,
        "left_out": list(compared.left_out),
        "same_machine": not any(name in changed for name in MACHINE),
        "provenance": changed,
        "seconds": now["seconds"],
        "says": SAYS[compared.verdict, changed.keys() <= {"together"}] + ("" if kind in FROM_NOTHING else RESTS),
    }


def _changed(then: dict, now: dict) -> bool:
    """Whether a version is another one; what an old manifest does not name is no difference."""
    return any(then[name] != now[name] for name in then.keys() & now.keys())


def _stored(store: Store, result_key: str) -> Result:
    """The result as it lies there. Unlike `Store.open` this leaves a damaged one where it is."""
    kind = store.kind_of(result_key) if KEY.fullmatch(result_key) else None
    if kind is None:
        raise StoreError(f"There is no result {result_key[:40]!r} in this store.")
    place = below(store.root, "results", kind, result_key)
    if (fault := find_fault(place, deep=True)) is not None:
        raise StoreError(f"{kind} {result_key[:8]} is damaged ({fault}); verify --mend sets it aside.")
    return Result(place)


@contextmanager
def _all_but(store: Store, left_out: Result) -> Iterator[Store]:
    """A store with all results and images of another but one, gone at the end. Results are links, because nothing is
    ever written into them; of images only the files are, because a download is.
    """
    with tempfile.TemporaryDirectory(prefix="unlearn-verify-") as folder:
        scratch = Store(folder)
        for kind in store.kinds():
            (scratch.root / "results" / kind).mkdir()
            for place in (store.root / "results" / kind).iterdir():
                if place != left_out.folder:
                    (scratch.root / "results" / kind / place.name).symlink_to(place)
        if (store.root / "data").is_dir():
            _link(store.root / "data", scratch.root / "data")
        yield scratch


def _link(source: Path, target: Path) -> None:
    target.mkdir()
    for each in source.iterdir():
        if each.is_dir():
            _link(each, target / each.name)
        elif not each.name.endswith(".lock"):
            (target / each.name).symlink_to(each.resolve())


@contextmanager
def _as_laid_out(then: dict) -> Iterator[None]:
    """The number of threads that a result was made with and, on a GPU, as many models in a pass. On a CPU their number
    does not change a model, so no time is spent on the others.
    """
    together = then.get("together", 2) if then.get("device") != "cpu" else 2
    threads = then.get("threads")
    with at_least(together):
        if threads is None:  # an old manifest does not say
            yield
        else:
            with with_threads(threads):
                yield
