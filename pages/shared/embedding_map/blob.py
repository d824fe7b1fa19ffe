"""What goes to the browser in one piece: a head in JSON, then columns of numbers."""

from __future__ import annotations

import json

import numpy as np
import streamlit as st
from plotly.colors import get_colorscale

from pages.shared import theme
from unlearn_core.attacks.signals import confidence
from unlearn_core.experiment import OpenStudy

GRID = 32_000  # the map's coordinates run from -GRID to GRID, so that each takes two bytes
NAME = "explore"  # in the browser, where several maps might be
NAMED = 20  # classes whose names still fit on the map
KEYS = (
    "Draw around images to choose them. Arrow keys move the map under a cross in its middle, with Shift by little; "
    "Enter sets a corner of a line there, and a second time in the same place ends it, or asks about the "
    "image under the cross. Plus and minus zoom, 0 shows all of the map, Escape gives a line up."
)
COLOURS = {
    "role": "Role",
    "class": "Class",
    "memorization": "",
    "entanglement": "Entanglement",
    "confidence": "Confidence",
    "correct": "Correct",
}
ENDS = (1, 99)  # percentiles at which the scale of the scores ends


def framed(head: dict, *columns: np.ndarray) -> bytes:
    """The length of the head (4 bytes, little-endian), the head as JSON in UTF-8, the columns, each at a multiple of
    four bytes.
    """
    text = json.dumps(head, separators=(",", ":")).encode()
    parts = [text + b" " * (-len(text) % 4), *(_aligned(column) for column in columns)]
    return len(parts[0]).to_bytes(4, "little") + b"".join(parts)


def on_grid(xy: np.ndarray) -> np.ndarray:
    """(n, 2) int16: coordinates on the grid, one scale for both directions, the middle of their ranges at 0."""
    low, high = xy.min(0).astype(np.float64), xy.max(0).astype(np.float64)
    widest = max(float((high - low).max()), 1e-12)
    return np.rint((xy - (low + high) / 2) * (2 * GRID / widest)).astype(np.int16)


def points(
    xy: np.ndarray,
    labels: np.ndarray,
    guessed: np.ndarray,
    scores: np.ndarray,
    sure: np.ndarray,
    *,
    id: str,
    classes: list[str],
    score: str,
    place: str = "",
    dark: bool = False,
) -> bytes:
    """The map as bytes, 8 a point (10 with more than 256 classes): training images first, then test images.

    xy (N, 2) int16; labels and guessed (N,) class numbers; scores (n,) of the training images, called `score`; sure
    (N,) confidence in the label, 0 to 1; `id` tells one study's points from another's; `place` is what the map is
    called in an address that says where it stands, "" where none does; `dark` says that they will lie on a dark ground.
    """
    low, high = np.percentile(scores, ENDS)
    high = max(high, low + 0.1)
    kind = np.uint8 if len(classes) <= 256 else np.uint16
    shown = np.rint(255 * np.clip((scores - low) / (high - low), 0, 1)).astype(np.uint8)
    head = {
        "map": NAME, "id": id, "place": place, "train": len(scores), "all": len(xy),
        "low": float(low), "high": float(high), "classes": classes, "named": NAMED, "keys": KEYS,
        "colours": _colours(dark), "by": COLOURS | {"memorization": score.capitalize()},
    }  # fmt: skip
    return framed(
        head,
        xy[:, 0], xy[:, 1], labels.astype(kind), guessed.astype(kind), shown,
        np.rint(255 * np.clip(sure, 0, 1)).astype(np.uint8),
    )  # fmt: skip


@st.cache_resource(max_entries=8, show_spinner=False)
def of_study(_study: OpenStudy, key: str, kind: str, dark: bool = False) -> tuple[np.ndarray, bytes]:
    """((n, 2) int16 places of the training images, the whole map as bytes) of one kind of map of the study `key`."""
    train, test = _study.map(kind)
    xy = on_grid(np.concatenate([train, test]))
    logits = _study.logits("original", 0)
    logits = np.concatenate([logits["train"], logits["test"]])
    labels = np.concatenate([_study.labels, _study.data.test.y.numpy()])
    data = points(
        xy, labels, logits.argmax(1), _study.memorization.scores, confidence(logits, labels),
        id=key, classes=list(_study.classes), score=_study.score_words.name, place=f"{kind}_{key[:4]}", dark=dark,
    )  # fmt: skip
    return xy[: len(train)], data


def scaled(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Values (n,), of which some may be NaN, as (n,) uint8 between the percentiles where the scale ends, and these."""
    low, high = np.nanpercentile(values, ENDS) if np.isfinite(values).any() else (0.0, 0.0)
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.rint(255 * np.nan_to_num(share, nan=0.5)).astype(np.uint8), float(low), float(high)


def _aligned(column: np.ndarray) -> bytes:
    data = np.ascontiguousarray(column).tobytes()
    return data + b"\0" * (-len(data) % 4)


def _colours(dark: bool) -> dict:
    roles = {role: colour for role, (colour, _) in theme.ROLES.items()}
    scale = [colour for _, colour in get_colorscale(theme.SEQUENTIAL)]
    scale = scale[2:] if dark else scale[:-1]  # without the end that the ground swallows
    return {"roles": roles, "classes": list(theme.CLASSES), "scale": scale, "wrong": theme.MODELS["unlearned"]}
