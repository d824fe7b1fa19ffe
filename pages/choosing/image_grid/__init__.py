"""Images side by side as one picture, each with a button that takes it out of the set and one that asks about it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from pages.shared.embedding_map.blob import framed

HERE = Path(__file__).parent
ACROSS = 8  # tiles of a line of the picture
LARGEST = 64  # pixels of a side as they are sent; larger images are sent smaller


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_grid = st.components.v2.component("image_grid", html=_read("grid.html"), css=_read("grid.css"), js=_read("grid.js"))


def draw(pixels: np.ndarray, rows: list[int], lines: list[str], on_out: Callable, on_near: Callable, key: str) -> None:
    """Draw images (k, C, H, W) uint8, the training rows they are, and a line of text for each.

    What was asked stands in st.session_state[key] when `on_out` and `on_near` are called: the row, as `out` or `near`.
    """
    picture, width, height = sprite(pixels)
    items = [{"row": row, "line": line} for row, line in zip(rows, lines, strict=True)]
    head = {"items": items, "across": ACROSS, "width": width, "height": height, "bytes": len(picture)}
    data = framed(head, np.frombuffer(picture, np.uint8))
    _grid(key=key, data=data, on_out_change=on_out, on_near_change=on_near)


def sprite(pixels: np.ndarray) -> tuple[bytes, int, int]:
    """(WebP, width, height of a tile): images (k, C, H, W) uint8 as tiles of one picture, ACROSS in a line. Grey ones
    keep every value, coloured ones are compressed.
    """
    tiles = [Image.fromarray(t[0] if len(t) == 1 else np.moveaxis(t[:3], 0, -1)) for t in pixels]
    for tile in tiles:
        tile.thumbnail((LARGEST, LARGEST))
    width, height = tiles[0].size
    sheet = Image.new(tiles[0].mode, (ACROSS * width, -(-len(tiles) // ACROSS) * height))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % ACROSS * width, i // ACROSS * height))
    file = io.BytesIO()
    sheet.save(file, "webp", quality=78, lossless=sheet.mode == "L")
    return file.getvalue(), width, height
