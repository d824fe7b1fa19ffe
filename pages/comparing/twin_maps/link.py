"""The lines drawn on two maps as an address has them, and which lines are on the maps now: those of the address when it
is opened or gone back to, then what the browser says.

An address has "lasso=TAG" and for each line a dot and its text: a letter for the model on whose map it is, one for what
it does, and its corners in base64url, three bytes a coordinate. TAG stands for the map, for lines on another one
surround other images.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import numpy as np
import streamlit as st

from pages.shared import address
from unlearn_core.params import BadValue

NAME = "lasso"  # in the address
LONGEST = 1900  # characters of it, because browsers and mail programs cut long links
HELD = "compare.maps.lines"  # in the session: of each map what is drawn on it, and what the browser said last
UNREADABLE = "The selection of this address cannot be read, so no image is selected."
TOO_LONG = "These lines are too many for an address, so a link shows the maps without them."
FURTHEST = 2**23
MODEL = {"o": "original", "u": "unlearned", "r": "retrained"}
MODE = {"n": "replace", "a": "add", "s": "subtract"}
_LINE = re.compile(rf"([{''.join(MODEL)}])([{''.join(MODE)}])((?:[A-Za-z0-9_-]{{8}})*)", re.ASCII)


def encode(key: str, lines: list[dict]) -> str:
    """The text of one or more lines on the map `key`; "" where it would be too long, or a corner lies too far out."""
    model, mode = ({name: letter for letter, name in names.items()} for names in (MODEL, MODE))
    parts = [_tag(key)]
    for line in lines:
        corners = np.array(line["line"], np.float64).reshape(-1, 2).round()
        if np.abs(corners).max(initial=0) >= FURTHEST:
            return ""
        data = corners.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        parts.append(model[line["on"]] + mode[line["mode"]] + base64.urlsafe_b64encode(data).decode())
    text = ".".join(parts)
    return text if len(text) <= LONGEST else ""


def decode(key: str, text: str) -> list[dict]:
    """The lines of such a text; none where they are on another map. Raises BadValue where it is no such text."""
    tag, *parts = text[: LONGEST + 1].split(".")
    found = [_LINE.fullmatch(part) for part in parts]
    if len(text) > LONGEST or not found or not all(found):
        raise BadValue(UNREADABLE)
    if tag != _tag(key):
        return []
    return [
        {"on": MODEL[on], "mode": MODE[mode], "line": _corners(data)} for on, mode, data in map(re.Match.groups, found)
    ]


def _corners(text: str) -> list[list[int]]:
    try:
        data = np.frombuffer(base64.b64decode(text, "-_", validate=True), np.uint8).reshape(-1, 3)
    except (binascii.Error, ValueError) as error:
        raise BadValue(UNREADABLE) from error
    whole = np.zeros((len(data), 4), np.uint8)
    whole[:, 1:] = data
    return (whole.view("<i4") >> 8).reshape(-1, 2).tolist()


def now(key: str, told: object) -> tuple[object, str]:
    """({"id", "lines"} as the map `key` has it now, or what cannot be read as such; what to say of the address).
    `told` is what the browser said last, which may be of an earlier visit to the map, and is not trusted.
    """
    held = st.session_state.setdefault(HELD, {"told": None, "maps": {}})
    fresh = told is not None and told != held["told"]
    if fresh:
        held["told"] = told
        if not isinstance(told, dict):
            return told, ""
    if fresh and told.get("id") == key:
        held["maps"][key] = told.get("lines")
    elif address.went_back() or key not in held["maps"]:
        held["maps"][key] = []
        try:
            held["maps"][key] = decode(key, st.query_params[NAME]) if NAME in st.query_params else []
        except BadValue as error:
            return {"id": key, "lines": []}, str(error)
    return {"id": key, "lines": held["maps"][key]}, ""


def tell(key: str, lines: list[dict]) -> str:
    """Have the address say these lines; a sentence where it cannot."""
    text = encode(key, lines) if lines else ""
    address.put(NAME, text or None)
    return TOO_LONG if lines and not text else ""


def _tag(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:4]
