"""Algorithms of a person's own: each a Python file in the folder that UNLEARN_ALGORITHMS names.

Such a file is code and runs with all rights of this program, so there is no such folder unless it is named. What is
loaded is what is hashed: the digest of a file stands as the version of its algorithm in every key, so results of
changed code are other results. Other modules that a file imports are not part of its digest.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from unlearn_core.params import SPECS, BadValue, params
from unlearn_core.unlearning.base import NEEDS, Unlearner

STEM = re.compile(r"[a-z][a-z0-9_]{0,39}")
SCOPES = ("samples", "classes", "both")
MOST_BYTES = 1 << 20  # of one file


@dataclass(frozen=True)
class OwnFile:
    """One file of the folder: the algorithm in it under its `name`, or why there is none, in one sentence."""

    file: Path
    name: str
    digest: str
    algorithm: type[Unlearner] | None
    fault: str = ""

    @property
    def changed(self) -> bool:
        """Whether the file no longer holds what was loaded from it."""
        try:
            return hashlib.sha256(self.file.read_bytes()).hexdigest() != self.digest
        except OSError:
            return True


def folder() -> Path | None:
    """The folder of one's own algorithms; None unless UNLEARN_ALGORITHMS names one."""
    named = os.environ.get("UNLEARN_ALGORITHMS")
    return Path(named).expanduser().resolve() if named else None


def load_folder(known: Mapping[str, type[Unlearner]]) -> tuple[list[OwnFile], str]:
    """Every file of the folder, by name, beside the algorithms `known`; and what is wrong with the folder, in one
    sentence, or nothing. Names that begin with _ or . are passed over.
    """
    place = folder()
    if place is None:
        return [], ""
    try:
        files = sorted(f for f in place.iterdir() if f.suffix == ".py" and f.name[0] not in "_.")
    except OSError as error:
        return [], f"The folder {place} of UNLEARN_ALGORITHMS cannot be read: {error.strerror}."
    found, taken = [], dict(known)
    for file in files:
        found.append(load(file, taken))
        if found[-1].algorithm is not None:
            taken[found[-1].name] = found[-1].algorithm
    return found, ""


def load(file: Path, known: Mapping[str, type[Unlearner]]) -> OwnFile:
    """The algorithm of one file. Whatever is wrong with the file becomes its `fault`; then it leaves nothing behind."""
    name, digest = file.stem.replace("_", "-"), ""
    module, before = f"unlearn_own.{file.stem}", dict(SPECS)
    try:
        data = _read(file)
        digest = hashlib.sha256(data).hexdigest()
        if name in known:
            raise BadValue(f"there is an algorithm called {name} already; give the file another name")
        algorithm = _only(_run(module, file, data))
        _check(algorithm, known)
        for cls in SPECS.values():
            if cls.__module__ == module:
                cls.version = int(digest[:12], 16)  # as many bits as a JSON number surely keeps
    except (Exception, SystemExit) as error:
        sys.modules.pop(module, None)
        SPECS.clear()
        SPECS.update(before)
        return OwnFile(file, name, digest, None, f"{file.name} was not loaded: {_reason(error, file)}.")
    return OwnFile(file, name, digest, algorithm)


def _read(file: Path) -> bytes:
    if not STEM.fullmatch(file.stem) or file.suffix != ".py":
        raise BadValue("it must be called like logit_shrink.py: small letters, digits and _, a letter first")
    if not file.is_file():  # a pipe would block for ever
        raise BadValue("there is no such file")
    if file.stat().st_size > MOST_BYTES:
        raise BadValue(f"it holds more than {MOST_BYTES >> 20} MB, too much for one algorithm")
    return file.read_bytes()


class _Loader(SourceFileLoader):
    """Runs the bytes that were hashed, whatever the file holds by now, and leaves no compiled copy beside it."""

    data = b""

    def get_data(self, path: str) -> bytes:
        return self.data

    def path_stats(self, path: str):
        raise OSError("no compiled copy")


def _run(name: str, file: Path, data: bytes) -> ModuleType:
    loader = _Loader(name, str(file))
    loader.data = data
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module  # the declared fields look up their types there
    loader.exec_module(module)
    return module


def _only(module: ModuleType) -> type[Unlearner]:
    """The one algorithm that a module defines itself."""
    own = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
    found = list(dict.fromkeys(c for c in own if issubclass(c, Unlearner) and hasattr(c, "title")))
    if len(found) != 1:
        raise BadValue(
            f"it should define one algorithm, a class derived from Unlearner with a title; it defines {len(found)}"
        )
    if SPECS.get(found[0].__name__) is not found[0]:
        raise BadValue(f"the class {found[0].__name__} is not declared with @spec")
    return found[0]


def _check(cls: type[Unlearner], known: Mapping[str, type[Unlearner]]) -> None:
    """Raises BadValue where the class does not say what every algorithm says."""
    for word in ("title", "group"):
        said = getattr(cls, word, None)
        if not isinstance(said, str) or not 0 < len(said) <= 60 or "\n" in said:
            raise BadValue(f"its {word} must be a text of at most 60 characters on one line")
    if cls.title in {other.title for other in known.values()}:
        raise BadValue(f"there is an algorithm with the title {cls.title} already")
    if not isinstance(cls.needs, tuple) or (unknown := [need for need in cls.needs if need not in NEEDS]):
        wrong = "no tuple" if not isinstance(cls.needs, tuple) else repr(unknown[0])
        raise BadValue(f"its needs must be a tuple of words from {', '.join(NEEDS)}, not {wrong}")
    if cls.scope not in SCOPES:
        raise BadValue(f"its scope must be one of {', '.join(SCOPES)}, not {cls.scope!r}")
    if (cls.__doc__ or "").startswith(f"{cls.__name__}("):  # what a dataclass writes where nobody wrote anything
        raise BadValue("its docstring must say the formula: it is the help on the pages")
    if missing := [p.name for p in params(cls) if p.default is None]:
        raise BadValue(f"its setting {missing[0]} has no default")
    cls()


def _reason(error: BaseException, file: Path) -> str:
    """What went wrong, and in which line of the file, never longer than two lines of a screen."""
    if isinstance(error, BadValue):
        return str(error).rstrip(".")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())[:160].rstrip(".")
    return f"{f'line {line}: ' if line else ''}{type(error).__name__}{f' ({said})' if said else ''}"
