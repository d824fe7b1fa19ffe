"""Forget sets that can be found again: their rows under a key, names for some of them, and several beside each other.

A set is a result like any other, so whoever has its key has its rows. Names are no part of it: they stand in one small
file of the store, and a name that is taken away leaves the set where it is, so that links to it stay good.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from unlearn_core import trash
from unlearn_core.data import Data
from unlearn_core.disk import StoreError, write_whole
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.set_numbers import quick_facts
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue, Spec, key, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Result
from unlearn_core.rows import check_forget, pack, unpack
from unlearn_core.store import Store

LONGEST = 60  # characters of a name
NAME = "Name of a set"  # in the trash
FILE = "set-names.json"


@spec
class KeptSet(Spec):
    """Training rows of one dataset, kept so that their key alone brings them back."""

    data: Data = param(Data(), help="the images")
    named: str = param(help="row numbers such as 3,7-9")


@dataclass(frozen=True)
class Named:
    """A set with a name: its key, its rows (k,) int64, sorted, and when it was named (seconds since 1970)."""

    key: str
    name: str
    rows: np.ndarray = field(compare=False, repr=False)
    since: float

    @property
    def images(self) -> int:
        return len(self.rows)


def _kept(store: Store, kept: KeptSet, tell: Tell) -> Result:
    return store.remember(kept, lambda draft: None)  # the spec says it all


def keep(study: OpenStudy, rows: np.ndarray) -> str:
    """Keep these rows under a key, which is returned; the same rows of the same images always have the same. Raises
    BadValue where they are none or all, StoreError where the store cannot be written to.
    """
    rows = check_forget(rows, len(study.labels))
    return fulfil(study.store, _spec(study, rows)).key


def key_of(study: OpenStudy, rows: np.ndarray) -> str:
    """The key under which these rows are, or would be, kept."""
    return key(_spec(study, rows))


def rows_of(study: OpenStudy, kept: str) -> np.ndarray:
    """(k,) int64, sorted: the rows that are kept under a key. Raises BadValue where there are none, or where they are
    rows of other images than the study's.
    """
    try:
        found = study.store.open("KeptSet", kept).spec()
    except StoreError as error:
        raise BadValue(f"No forget set {kept[:40]} is kept in this store.") from error
    if found.data != study.spec.training.data:
        raise BadValue("That forget set names images of another dataset.")
    return check_forget(unpack(found.named, len(study.labels)), len(study.labels))


# -- names -------------------------------------------------------------------------------------------------------------


def listed(study: OpenStudy) -> list[Named]:
    """The named sets of the study's images, the one named last first; each is read once."""
    found = []
    for kept, about in _names(study.store).items():
        with suppress(BadValue):  # of another dataset, or gone from the store
            found.append(Named(kept, about["name"], rows_of(study, kept), about["since"]))
    return sorted(found, key=lambda named: -named.since)


def name_of(store: Store, kept: str) -> str:
    """The name of the set with this key; "" where it has none, or where no names can be read."""
    try:
        return _names(store).get(kept, {"name": ""})["name"]
    except StoreError:
        return ""


def give_name(study: OpenStudy, rows: np.ndarray, name: str) -> Named:
    """Keep these rows and name them; a set that has a name gets the new one. Raises BadValue for a name that is empty,
    too long, or that of another set of these images.
    """
    name = sane_name(name)
    kept = keep(study, rows)
    about = {"name": name, "since": time.time()}
    with _changed_names(study.store) as names:
        same = [k for k, a in names.items() if a["name"].casefold() == name.casefold() and k != kept]
        if any(_is_of(study.store, study.spec.training.data, k) for k in same):
            raise BadValue(f"Another set has the name {name}: choose another name, or take it away there first.")
        names.pop(kept, None)
        names[kept] = about
    return Named(kept, name, rows_of(study, kept), about["since"])


def sane_name(name: str) -> str:
    """A name as it is kept. Raises BadValue for one that is empty, too long, or not of letters and signs."""
    name = " ".join(name.split())
    if not name or not name.isprintable():
        raise BadValue("Give the set a name of letters, numbers or signs.")
    if len(name) > LONGEST:
        raise BadValue(f"The name is {len(name)} characters long: {LONGEST} are possible.")
    return name


def take_name(study: OpenStudy, kept: str, by: str = "local") -> str:
    """Put the name of a set into the trash and return it, "" where it had none. The set stays kept under its key."""
    if kept not in _names(study.store):
        return ""
    entry = None
    try:
        with _changed_names(study.store) as names:
            if (about := names.pop(kept, None)) is not None:
                entry = trash.keep_note(study.store, NAME, about["name"], {"set": kept, **about}, by=by)
    except BaseException:
        if entry is not None:
            with suppress(StoreError):
                trash.drop(study.store, entry.id)
        raise
    return "" if about is None else about["name"]


def give_back(store: Store, entry: trash.Entry) -> bool:
    """Bring a name back from the trash; whether it could be. A set that has got another name keeps it, and so does
    another set of the same images that has got this one. Raises StoreError where the set is gone.
    """
    try:
        kept, name, since = str(entry.note["set"]), sane_name(entry.note["name"]), float(entry.note["since"])
        data = store.open("KeptSet", kept).spec().data
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # BadValue is a ValueError
        raise StoreError("This name cannot be brought back: what the trash holds of it is damaged.") from error
    with _changed_names(store) as names:
        there = names.get(kept)
        same = [k for k, a in names.items() if a["name"].casefold() == name.casefold() and k != kept]
        if free := there is None and not any(_is_of(store, data, k) for k in same):
            names[kept] = {"name": name, "since": since}
    if free or (there is not None and there["name"] == name):
        trash.drop(store, entry.id)
        return True
    return False


def names_of(store: Store, data: Data) -> dict[str, dict]:
    """Key -> {"name", "since"} of the named sets of these images, which are not loaded."""
    return {kept: about for kept, about in _names(store).items() if _is_of(store, data, kept)}


def bring_names(store: Store, data: Data, brought: Mapping[str, dict]) -> None:
    """Give sets of these images that came from elsewhere their names, as `names_of` has them. A set that has a name
    here keeps it, and a name that another set has here gets a number.
    """
    if not brought:
        return
    with _changed_names(store) as names:
        taken = {about["name"].casefold() for kept, about in names.items() if _is_of(store, data, kept)}
        for kept in [kept for kept in brought if kept not in names]:
            name, number = brought[kept]["name"], 1
            while name.casefold() in taken:
                number += 1
                name = f"{brought[kept]['name'][: LONGEST - len(str(number)) - 1]} {number}"
            names[kept] = {"name": name, "since": brought[kept]["since"]}
            taken.add(name.casefold())


def _is_of(store: Store, data: Data, kept: str) -> bool:
    """Whether a set is there and of these images."""
    with suppress(BadValue, StoreError):
        return store.open("KeptSet", kept).spec().data == data
    return False


def _names(store: Store) -> dict[str, dict]:
    """Key -> {"name", "since"}. Raises StoreError where the file cannot be read."""
    try:
        names = json.loads((store.root / FILE).read_text(encoding="utf-8"))
        return {str(kept): {"name": str(a["name"]), "since": float(a["since"])} for kept, a in names.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"The names of the forget sets cannot be read: {FILE} in the store is damaged.") from error


@contextmanager
def _changed_names(store: Store) -> Iterator[dict[str, dict]]:
    """The names, to be looked at and changed by one at a time; written unless there is an error."""
    try:
        with store.lock("set-names"):
            names = _names(store)
            yield names
            write_whole(store.root / FILE, json.dumps(names, indent=1))
    except OSError as error:
        raise StoreError(f"The name cannot be written: {error.strerror}.") from error


# -- beside each other -------------------------------------------------------------------------------------------------


def beside(study: OpenStudy, rows: np.ndarray, named: list[Named]) -> pd.DataFrame:
    """The rows in hand and named sets, a line each, the rows in hand first: `key` and `name` ("" for the first),
    `images`, `shared` (images that are in hand too), `memorization` (mean), `share_of_random` (entanglement as a share
    of that of a random set of the same size) and `since` (seconds since 1970, NaN for the first).
    """
    lines = [_line(study, rows, rows) | {"key": "", "name": "", "since": math.nan}]
    lines += [_line(study, one.rows, rows) | {"key": one.key, "name": one.name, "since": one.since} for one in named]
    return pd.DataFrame(lines)


def _line(study: OpenStudy, own: np.ndarray, rows: np.ndarray) -> dict:
    facts = quick_facts(study, own)
    return {
        "images": facts.images,
        "shared": len(np.intersect1d(own, rows)),
        "memorization": facts.memorization,
        "share_of_random": facts.entanglement.share_of_random,
    }


def _spec(study: OpenStudy, rows: np.ndarray) -> KeptSet:
    return KeptSet(data=study.spec.training.data, named=pack(rows))


MAKERS[KeptSet] = _kept
