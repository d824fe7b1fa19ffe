"""What goes to the browser in one piece: a head in JSON, then columns of numbers."""

from __future__ import annotations

import json

import numpy as np
import streamlit as st

from pages.shared import sequential, theme
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.map_values import MapValues, map_values

GRID = 32_000  # the map's coordinates run from -GRID to GRID, so that each takes two bytes
NAME = "explore"  # in the browser, where several maps might be
NAMED = 20  # classes whose names still fit on the map
KEYS = (
    "Draw around images to choose them. Arrow keys move the map under a cross in its middle, with Shift by little; "
    "Enter sets a corner of a line there, and a second time in the same place ends it, or asks about the "
    "image under the cross. Plus and minus zoom, 0 shows all of the map. Escape gives a line up; without one it gives "
    "your set up for the study's own."
)
BY_SET = "entanglement"  # the one colour that changes with the set
# The first is the colour of a map whose address names none.
COLOURS = {
    "memorization": "",
    "role": "Role",
    "class": "Class",
    "loss": "Loss",
    "margin": "Margin",
    BY_SET: "Entanglement",
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
    values: MapValues,
    scores: np.ndarray,
    *,
    id: str,
    classes: list[str],
    score: str,
    about: str = "",
    place: str = "",
    dark: bool = False,
) -> bytes:
    """The map as bytes, 9 a point (10 with more than 256 classes): training images first, then test images.

    xy (N, 2) int16; `values` of the N images; scores (n,) of the training images, called `score`, which is `about`
    something; `id` tells one study's points from another's; `place` is what the map is called in an address that says
    where it stands, "" where none does; `dark` says that they will lie on a dark ground.
    """
    kind = np.uint8 if len(classes) <= 256 else np.uint16
    shown = {
        "memorization": (about or score, *scaled(scores, 0.1)),
        "loss": ("loss of the original, nats", *scaled(values.loss)),
        "margin": ("margin of the original", *scaled(values.margin)),
    }
    head = {
        "map": NAME, "id": id, "place": place, "train": len(scores), "all": len(xy),
        "ramps": {name: (words, low, high) for name, (words, _, low, high) in shown.items()},
        "classes": classes, "named": NAMED, "keys": KEYS,
        "colours": _colours(dark), "by": COLOURS | {"memorization": score.capitalize()},
    }  # fmt: skip
    columns = [column for _, column, _, _ in shown.values()]
    return framed(head, xy[:, 0], xy[:, 1], values.labels.astype(kind), values.right.astype(np.uint8), *columns)


@st.cache_resource(max_entries=8, show_spinner=False)
def of_study(_study: OpenStudy, key: str, kind: str, dark: bool = False) -> tuple[np.ndarray, bytes]:
    """((n, 2) int16 places of the training images, the whole map as bytes) of one kind of map of the study `key`."""
    train, test = _study.map(kind)
    xy = on_grid(np.concatenate([train, test]))
    words = _study.score_words
    about = words.name if _study.spec.models else f"{words.name}, which stands in for memorization"
    data = points(
        xy, map_values(_study), _study.memorization.scores,
        id=key, classes=list(_study.classes), score=words.name, about=about, place=f"{kind}_{key[:4]}", dark=dark,
    )  # fmt: skip
    return xy[: len(train)], data


def scaled(values: np.ndarray, least: float = 0.0) -> tuple[np.ndarray, float, float]:
    """Values (n,), of which some may be NaN, as (n,) uint8 between the percentiles where the scale ends, and these; the
    scale is `least` wide or more.
    """
    low, high = np.nanpercentile(values, ENDS) if np.isfinite(values).any() else (0.0, 0.0)
    high = max(high, low + least)
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.rint(255 * np.nan_to_num(share, nan=0.5)).astype(np.uint8), float(low), float(high)


def _aligned(column: np.ndarray) -> bytes:
    data = np.ascontiguousarray(column).tobytes()
    return data + b"\0" * (-len(data) % 4)


def _colours(dark: bool) -> dict:
    roles = {role: colour for role, (colour, _) in theme.ROLES.items()}
    # Lines around what is in the set, which so stands out from points of any colour.
    ink, ground = ("#FAFAFA", "#101014") if dark else ("#101014", "#FAFAFA")
    return {
        "roles": roles, "classes": list(theme.CLASSES), "scale": sequential.ramp(dark),
        "wrong": theme.MODELS["unlearned"], "ink": ink, "ground": ground,
    }  # fmt: skip
