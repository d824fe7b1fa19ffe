"""Declared values: what a setting is, its range and its meaning, said once.

A *spec* is a frozen dataclass whose fields are made with `param`. From that one declaration come the range check, the
form on a page, the row in the documentation, the JSON of a plan and the key of a stored result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
import typing
from dataclasses import MISSING, dataclass, field
from functools import cache
from typing import Any, ClassVar, dataclass_transform


class BadValue(ValueError):
    """A value a person gave cannot be used; the message is one sentence fit for the screen."""


class BadField(BadValue):
    """The value of one declared field cannot be used: `fault` is the sentence without its subject, so that whoever
    knows what the person filled in can name that instead of the field.
    """

    def __init__(self, field: str, fault: str):
        super().__init__(f"{field.replace('_', ' ').capitalize()} {fault}")
        self.field, self.fault = field, fault

    def __reduce__(self):
        return BadField, (self.field, self.fault)  # so that it passes from one process to another


@dataclass(frozen=True)
class Param:
    """One declared field of a spec, as a form, a table or a check needs it."""

    name: str
    kind: type
    default: Any
    low: float | None
    high: float | None
    choices: tuple | None
    log: bool
    help: str
    later: bool


SPECS: dict[str, type] = {}


def param(default: Any = MISSING, low=None, high=None, *, help: str, choices=None, log: bool = False, later=False):
    """Declare one field: its default, the inclusive range or the choices, and one sentence of meaning.

    `log` says that sensible values spread over powers of ten, so a form should show them that way. `later` is for a
    field that a class was given after results were stored: it is not written where it has its default, so their keys
    stay.
    """
    choices = tuple(choices) if choices else None
    meta = {"low": low, "high": high, "choices": choices, "log": log, "help": help, "later": later}
    return field(default=default, metadata=meta)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def spec(cls):
    """Class decorator: a frozen, keyword-only dataclass that checks itself and is known by its class name."""
    cls = dataclass(frozen=True, kw_only=True)(cls)
    if SPECS.get(cls.__name__, cls).__module__ != cls.__module__:
        raise TypeError(f"two specs are called {cls.__name__}")
    SPECS[cls.__name__] = cls
    return cls


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specs. `version` goes into the key: raise it when the same values come to mean another result."""

    version: ClassVar[int] = 1

    def __post_init__(self):
        for p in params(type(self)):
            _check(p, getattr(self, p.name))

    def but(self, **changes) -> typing.Self:
        """The same spec with other values for some fields."""
        return dataclasses.replace(self, **changes)


@cache  # reading type hints is slow, and every new spec asks for them
def params(cls: type) -> tuple[Param, ...]:
    """The declared fields of a spec class, in order."""
    hints = typing.get_type_hints(cls)
    return tuple(
        Param(
            f.name,
            hints[f.name],
            None if f.default is MISSING else f.default,
            f.metadata.get("low"),
            f.metadata.get("high"),
            f.metadata.get("choices"),
            f.metadata.get("log", False),
            f.metadata.get("help", ""),
            f.metadata.get("later", False),
        )
        for f in dataclasses.fields(cls)
    )


def settings(value: Spec) -> str:
    """The fields of a spec in words: lr 0.01, epochs 5."""
    said = []
    for p in params(type(value)):
        field = getattr(value, p.name)
        if isinstance(field, Spec):
            field = f"{getattr(field, 'title', type(field).__name__)} ({settings(field)})"
        elif isinstance(field, bool):
            field = "yes" if field else "no"
        elif isinstance(field, float):
            field = f"{field:g}"
        said.append(f"{p.name.replace('_', ' ')} {field}")
    return ", ".join(said)


def _check(p: Param, value: Any) -> None:
    if p.kind in (int, float, bool, str):
        fits = isinstance(value, p.kind) or (p.kind is float and isinstance(value, int))
        if not fits or (p.kind is not bool and isinstance(value, bool)):
            raise BadField(p.name, f"must be {_article(p.kind)}, not {_shown(value)}.")
    elif isinstance(p.kind, type) and not isinstance(value, p.kind):
        raise BadField(p.name, f"must be of the kind {p.kind.__name__}, not {type(value).__name__}.")
    if not _is_text(value):
        raise BadField(p.name, f"must be text that can be written, not {_shown(value)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadField(p.name, f"must be a finite number, not {value}.")
    if p.choices is not None and value not in p.choices:
        raise BadField(p.name, f"must be one of {', '.join(map(str, p.choices))}, not {_shown(value)}.")
    too_low = p.low is not None and value < p.low
    too_high = p.high is not None and value > p.high
    if too_low or too_high:
        ends = [("at least", p.low), ("at most", p.high)]
        within = " and ".join(f"{word} {_shown(end)}" for word, end in ends if end is not None)
        raise BadField(p.name, f"must be {within}, not {_shown(value)}.")
    if p.kind is float and abs(value) > sys.float_info.max:  # a whole number that no float can hold
        raise BadField(p.name, f"must be at most {_shown(sys.float_info.max)}, not {_shown(value)}.")


def _is_text(value: Any) -> bool:
    """Whether all text in a value can be written: JSON can name half a letter, which no file and no page takes."""
    if isinstance(value, tuple):
        return all(map(_is_text, value))
    return not isinstance(value, str) or value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _shown(value: Any) -> str:
    """A refused value as a message shows it: never longer than a line."""
    if isinstance(value, float):
        return f"{value:g}"
    text = f"{value:,}" if type(value) is int else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]


def plain(value: Any) -> Any:
    """A spec as plain JSON data, class names and versions included, so that two kinds of spec never look alike."""
    if isinstance(value, Spec):
        body = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        # 1 and 1.0 are the same setting, so a whole-number value of a float field is written as a float.
        for p in params(type(value)):
            if p.kind is float:
                body[p.name] = float(body[p.name]) + 0.0  # which makes 0.0 of -0.0
            if p.later and getattr(value, p.name) == p.default:
                del body[p.name]
        return {"spec": type(value).__name__, "version": value.version, **body}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be part of a spec")


def build(data: Any) -> Any:
    """The inverse of `plain`. Raises BadValue for an unknown class, another version, or a field that does not fit."""
    try:
        return _build(data)
    except RecursionError as error:
        raise BadValue("This was not written by this program: it is nested too deeply.") from error


def _build(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_build(v) for v in data)
    if not isinstance(data, dict):
        return data
    name = data.get("spec")
    cls = SPECS.get(name) if isinstance(name, str) else None
    if cls is None:
        unknown = f"{_shown(name)} is nothing this version knows."
        raise BadValue("This was not written by this program." if name is None else unknown)
    if data.get("version") is None:
        raise BadValue(f"This is not a {name} as this program writes it: its version is missing.")
    if data["version"] != cls.version:
        raise BadValue(f"{name} version {_shown(data['version'])} cannot be read: this version knows {cls.version}.")
    fields = {k: _build(v) for k, v in data.items() if k not in ("spec", "version")}
    unknown = sorted(set(fields) - {f.name for f in dataclasses.fields(cls)})
    if unknown:
        raise BadValue(f"{name} has no field {_shown(unknown[0])}.")
    try:
        return cls(**fields)
    except BadField as error:  # what was given may be nested, so the field alone would say too little
        raise BadValue(f"{name}.{error.field} {error.fault}") from error
    except TypeError as error:
        raise BadValue(f"{name} is incomplete: {error}.") from error


def renewed(data: Any) -> Any:
    """Plain data of a spec that an earlier version wrote, as this version would write the same values."""
    if isinstance(data, list):
        return [renewed(v) for v in data]
    if not isinstance(data, dict):
        return data
    found = {name: renewed(value) for name, value in data.items()}
    name, version = found.get("spec"), found.get("version")
    cls = SPECS.get(name) if isinstance(name, str) else None
    if cls is not None and isinstance(version, int) and version < cls.version:
        found["version"] = cls.version
    return found


def canonical(spec: Spec) -> str:
    """The one way a spec is written: sorted keys, no spaces, no NaN."""
    return json.dumps(plain(spec), sort_keys=True, separators=(",", ":"), allow_nan=False)


def key(spec: Spec) -> str:
    """The identity of a spec and of its result: 32 hex digits of the SHA-256 of its canonical JSON."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:32]
