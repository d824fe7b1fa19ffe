"""Small images side by side, as one picture: a hundred separate images would be a hundred requests."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw, ImageFont

from pages.shared import theme
from pages.shared.text import hundredths
from unlearn_core.experiment import OpenStudy

SIDE, GAP, LINE = 128, 12, 26  # pixels of the picture, which is shown at half its size to stay sharp


def mosaic(pixels: np.ndarray, labels: list[tuple[str, str]], across: int = 4, ink: str = "#101014") -> Image.Image:
    """Images (k, C, H, W) uint8 as tiles, row by row, with two lines of text under each; pixels stay sharp squares."""
    down = -(-len(pixels) // across)
    width, height = SIDE + GAP, SIDE + 2 * LINE + GAP
    sheet = Image.new("RGBA", (across * width - GAP, down * height - GAP))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(21)
    for i, (tile, lines) in enumerate(zip(pixels, labels, strict=True)):
        x, y = i % across * width, i // across * height
        sheet.paste(_enlarged(tile), (x, y))
        for j, line in enumerate(lines):
            draw.text((x, y + SIDE + 2 + j * LINE), _fitting(line, font), fill=ink, font=font)
    return sheet


def in_words(labels: list[tuple[str, str]]) -> str:
    """The two lines under each tile, for those who cannot see them."""
    return "; ".join(f"{first}, {second}" for first, second in labels)


def show(pixels: np.ndarray, labels: list[tuple[str, str]], alt: str, across: int = 4) -> None:
    """Draw a mosaic; `alt` says in words what it shows."""
    png, width = _png(pixels, labels, across, "#FAFAFA" if theme.is_dark() else "#101014")
    # Streamlit shrinks a picture to a width that it is given, but not to that of a container.
    with st.container(width=width // 2):
        st.image(png, width="stretch", alt=alt)


@st.cache_data(max_entries=200, show_spinner=False)
def _png(pixels: np.ndarray, labels: list[tuple[str, str]], across: int, ink: str) -> tuple[bytes, int]:
    """A mosaic as a file, and its width in pixels."""
    sheet, file = mosaic(pixels, labels, across, ink), BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue(), sheet.width


def of_rows(study: OpenStudy, rows: np.ndarray, most: int) -> None:
    """Those of these rows with the highest scores, each with its number, class and score."""
    scores = study.memorization.scores
    shown = rows[np.lexsort((rows, -scores[rows]))][:most]
    names = [study.classes[study.labels[row]] for row in shown]
    labels = [(f"row {row}", f"{name}, {hundredths(scores[row])}") for row, name in zip(shown, names, strict=True)]
    show(study.pixels[shown], labels, alt="; ".join(f"{a}, class {b}" for a, b in labels))
    st.caption(f"Row number, class and score. {_which(scores[rows], len(shown))}")


def _which(scores: np.ndarray, shown: int) -> str:
    """Which of the images that have these scores are shown, and what all of them score."""
    n, low, high = len(scores), hundredths(scores.min()), hundredths(scores.max())
    if low == high:
        first = "" if shown == n else f"; the first {shown} by row number"
        return f"All {n:,} score {low}{first}." if n > 1 else f"It scores {low}."
    most = "" if shown == n else f"The {shown} highest of {n:,}. "
    return f"{most}All {n:,} score {low} to {high}."


def _enlarged(tile: np.ndarray) -> Image.Image:
    """One image (C, H, W) as a square of SIDE pixels; grey images get three equal channels."""
    image = np.moveaxis(tile, 0, -1)
    image = np.repeat(image, 3, -1) if image.shape[-1] == 1 else image[..., :3]
    return Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def _fitting(line: str, font) -> str:
    while line and font.getlength(line) > SIDE:
        line = line[:-2] + "…" if len(line) > 2 else ""
    return line
