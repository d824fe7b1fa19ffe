"""Image files to pixels, each one or a reason why not: nothing a file contains gets further than its own reason."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from unlearn_core.data.left_out import named
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Files with these endings claim to be images, whether they can be used or not.
READ = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
ENDINGS = READ | {".gif", ".tif", ".tiff"}
BEGINS = {
    "PNG": re.compile(rb"\x89PNG"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM.{4}\0{4}", re.DOTALL),
}
GRAY = ("1", "L", "LA")
COLOUR = ("P", "RGB", "RGBA", "CMYK")
MEMORY_LIMIT = 4_000_000_000  # bytes of decoded pixels
PIXEL_LIMIT = 50_000_000  # pixels of one image, and of all that are being decoded at once
# A small file cannot unfold into a huge image: photographs and drawings have a byte for every few pixels.
SMALL = 4_000_000  # pixels that any file may have
PER_BYTE = 1_000  # pixels for each byte of a larger one
BAD_SHARE = 100  # at most one image in this many may be bad
# Below this many pixels an image is mostly Python's own work, and a second thread makes it slower.
THREADED_FROM = 100 * 100
CHUNK = 100  # images between two calls of tell

Encoded = Path | bytes | None


class Header(NamedTuple):
    """What an image file says about itself."""

    width: int
    height: int
    gray: bool


class Decoded(NamedTuple):
    """x (M,C,H,W) uint8 of the good files; good (N,) bool over all files; skipped, pairs of a file and a reason."""

    x: np.ndarray
    good: np.ndarray
    skipped: list[tuple[str, str]]


def header(encoded: Encoded) -> Header | str:
    """Size and kind of one image, or why it cannot be used. Reads no pixels."""
    if encoded is None or encoded == b"":
        return "empty"
    try:
        if isinstance(encoded, Path):
            if not encoded.is_file():  # a pipe would block for ever
                return "not a file"
            if encoded.stat().st_size == 0:
                return "empty"
        with _open(encoded) as image:
            length = len(encoded) if isinstance(encoded, bytes) else encoded.stat().st_size
            if image.width * image.height > min(PIXEL_LIMIT, max(SMALL, PER_BYTE * length)):
                return "too many pixels"
            if image.mode not in GRAY + COLOUR:
                return f"{image.mode} pixels are not supported; save it with 8 bits per channel"
            return Header(image.width, image.height, image.mode in GRAY)
    except Exception as error:
        return _reason(error, encoded)


def pixels(encoded: Path | bytes, gray: bool, size: int | None = None) -> np.ndarray | str:
    """(C,H,W) uint8, one channel if `gray` and else three, or why it cannot be decoded.

    `size` resizes to size x size. Transparency is dropped.
    """
    try:
        with _open(encoded) as image:
            image = image.convert("L" if gray else "RGB")
            if size is not None and image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(image).reshape(image.height, image.width, -1).transpose(2, 0, 1)
    except Exception as error:
        return _reason(error, encoded)


def decode(names: Sequence[str], encoded: Sequence[Encoded], size: int | None, tell: Tell = silent) -> Decoded:
    """All images as one array. Images are gray when all of them are, else all become RGB.

    Raises BadValue when none can be used or more than one in a hundred cannot, when sizes differ and no `size` is
    given, and when the pixels would need more than MEMORY_LIMIT bytes, which is known before any is decoded. A file
    that cannot be used and whose name does not end like an image's is skipped, but not counted for that share.
    """
    found = _each(header, encoded, 1, partial(tell, "checking images"))
    good = np.array([isinstance(h, Header) for h in found])
    skipped = [(name, h) for name, h in zip(names, found, strict=True) if isinstance(h, str)]
    strays = {n for n, e, h in zip(names, encoded, found, strict=True) if isinstance(h, str) and not _claims(e)}
    _tolerable(skipped, strays, len(names))
    headers = [h for h in found if isinstance(h, Header)]
    if not headers:
        raise BadValue(
            f"None of the {len(names):,} files is an image that can be used ({skipped[0][0]}: {skipped[0][1]})."
        )
    width, height = (size, size) if size is not None else _one_size(headers)
    gray = all(h.gray for h in headers)
    shape = (len(headers), 1 if gray else 3, height, width)
    if (need := int(np.prod(shape, dtype=object))) > MEMORY_LIMIT:
        raise BadValue(
            f"These {len(headers)} images would need {need / 1e9:.1f} GB of memory, but at most "
            f"{MEMORY_LIMIT / 1e9:g} GB are allowed; give a smaller size or fewer images."
        )
    x, rows = np.empty(shape, np.uint8), np.flatnonzero(good)
    large = sum(h.width * h.height for h in headers) > THREADED_FROM * len(headers)
    together = PIXEL_LIMIT // max(h.width * h.height for h in headers)
    threads = min(8, os.cpu_count() or 1, together) if large else 1
    one = partial(pixels, gray=gray, size=size)

    def fill(first: int, images: list) -> None:
        for place, image in enumerate(images, first):
            if isinstance(image, str):
                good[rows[place]] = False
                skipped.append((names[rows[place]], image))
            else:
                x[place] = image

    _each(one, [encoded[row] for row in rows], threads, partial(tell, "reading images"), fill)
    _tolerable(skipped, strays, len(names))
    return Decoded(x if len(x) == good.sum() else x[good[rows]], good, skipped)


def _each(function: Callable, items: Sequence, threads: int, tell: Callable[[int, int], None], take=None) -> list:
    """function(item) for all items in order, told chunk by chunk; `take` gets the chunks instead of the result."""
    results = []
    take = take or (lambda _, chunk: results.extend(chunk))
    with ThreadPoolExecutor(threads) as pool:
        run = pool.map if threads > 1 else map
        for first in range(0, len(items), CHUNK):
            take(first, list(run(function, items[first : first + CHUNK])))
            tell(min(first + CHUNK, len(items)), len(items))
    return results


def _open(encoded: Path | bytes) -> Image.Image:
    return Image.open(BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=FORMATS)


def _reason(error: Exception, encoded: Path | bytes) -> str:
    # A damaged file can make a decoder raise nearly anything, so every exception counts as "this file is damaged".
    if isinstance(error, UnidentifiedImageError):
        return _unknown(encoded)
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"damaged ({' '.join(str(error).split())[:80] or type(error).__name__})"


def _unknown(encoded: Path | bytes) -> str:
    """What is wrong with a file that no decoder takes: a broken image is not told as a text that lies beside images."""
    begins, other = _beginning(encoded), "not a PNG, JPEG, WEBP or BMP image"
    for kind, pattern in BEGINS.items():
        if pattern.match(begins):
            return f"begins like a {kind} but cannot be read"
    ending = encoded.suffix.lower() if isinstance(encoded, Path) else ""
    return f"ends in {ending}, but is {other}" if ending in READ else other


def _beginning(encoded: Path | bytes) -> bytes:
    if isinstance(encoded, bytes):
        return encoded[:12]
    try:
        with encoded.open("rb") as file:
            return file.read(12)
    except OSError:  # it went while it was looked at
        return b""


def _claims(encoded: Encoded) -> bool:
    """Whether this is meant to be an image: all but files, such as notes, that are called otherwise."""
    return not isinstance(encoded, Path) or encoded.suffix.lower() in ENDINGS


def _tolerable(skipped: list[tuple[str, str]], strays: set[str], total: int) -> None:
    bad, total = [(name, reason) for name, reason in skipped if name not in strays], total - len(strays)
    if len(bad) * BAD_SHARE > total:
        raise BadValue(
            f"{len(bad)} of {total} images cannot be used ({'; '.join(named(bad))}); at most one in {BAD_SHARE} is "
            "skipped."
        )


def _one_size(headers: list[Header]) -> tuple[int, int]:
    sizes = Counter((h.width, h.height) for h in headers)
    if len(sizes) > 1:
        most = ", ".join(f"{w}x{h} ({n} images)" for (w, h), n in sizes.most_common(4))
        more = ", ..." if len(sizes) > 4 else ""
        raise BadValue(
            f"The images have {len(sizes)} different sizes: {most}{more}; give a size to resize them all to it."
        )
    return next(iter(sizes))
