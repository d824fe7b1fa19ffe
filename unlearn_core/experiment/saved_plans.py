"""Plans kept in the store under the names that people gave them, one small file each."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from unlearn_core import trash
from unlearn_core.disk import StoreError, write_whole
from unlearn_core.params import BadValue, build, plain
from unlearn_core.rum import Plan
from unlearn_core.store import Store

FOLDER = "plans"


def save(store: Store, plan: Plan, replace: bool = True, by: str = "local") -> bool:
    """Keep a plan under its name, whose letters may be large or small; another plan of that name, of whatever version,
    goes to the trash. Returns whether there was another, so that of two who save at once the second is told. Raises
    BadValue where there is another that must not be replaced, StoreError where the store cannot be written to.
    """
    file, text = _file(store, plan.name), json.dumps(plain(plan), indent=1)
    try:
        with store.lock(f"plan-{file.stem}"):
            file.parent.mkdir(exist_ok=True)
            another = file.exists() and file.read_bytes() != text.encode()
            if another and not replace:
                raise BadValue(f"Another plan is kept as {plan.name}: choose another name.")
            if another:
                trash.move(store, "Plan", plan.name, [f"{FOLDER}/{file.name}"], by=by, held=True)
            write_whole(file, text)
    except OSError as error:
        raise StoreError(f"The plan cannot be saved: {error.strerror}.") from error
    return another


def saved(store: Store) -> list[Plan]:
    """All plans that are kept and that this version can read, by name."""
    found = []
    for file in (store.root / FOLDER).glob("*.json"):
        with suppress(OSError, ValueError, RecursionError):  # BadValue is a ValueError: made by another version
            plan = build(json.loads(file.read_text(encoding="utf-8")))
            if isinstance(plan, Plan):
                found.append(plan)
    return sorted(found, key=lambda plan: (plan.name.casefold(), plan.name))


def remove(store: Store, name: str, by: str = "local") -> None:
    """Put the plan of this name into the trash; nothing happens where there is none. What it ran stays."""
    if (file := _file(store, name)).exists():
        trash.move(store, "Plan", name, [f"{FOLDER}/{file.name}"], by=by)


def _file(store: Store, name: str) -> Path:
    # Names are what people wrote, so they say nothing of where the file lies.
    return store.root / FOLDER / f"{hashlib.sha256(name.strip().casefold().encode()).hexdigest()[:32]}.json"
