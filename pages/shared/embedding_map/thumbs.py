"""Small pictures of the images that are drawn in the place of points where few are on screen."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from unlearn_core.experiment import OpenStudy

MOST = 300  # images that are asked for at once; the map asks where fewer are on screen
SIDE = 32  # pixels of a tile; smaller images go as they are
ACROSS = 20  # tiles in a row of the picture


def of_images(study: OpenStudy, wanted: object) -> tuple[dict, np.ndarray] | None:
    """(head, one picture as bytes) with a tile for each of these points of the map, in their order, row by row:
    training images count first, then test images. None where they name no images; what the browser sent is not
    trusted.
    """
    n, held_out = len(study.labels), study.data.test
    every = n + len(held_out.y)
    if not isinstance(wanted, list) or not 0 < len(wanted) <= MOST:
        return None
    if not all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < every for i in wanted):
        return None
    tiles = [_tile(study.pixels[i] if i < n else held_out.x[i - n].numpy()) for i in wanted]
    width, height = tiles[0].size
    across = min(ACROSS, len(tiles))
    picture = Image.new(tiles[0].mode, (across * width, -(-len(tiles) // across) * height))
    for place, tile in enumerate(tiles):
        picture.paste(tile, (place % across * width, place // across * height))
    file, large = io.BytesIO(), max(width, height) >= SIDE
    picture.save(file, "webp", lossless=not large, quality=60)
    data = file.getvalue()
    head = {"images": wanted, "width": width, "height": height, "across": across, "smooth": large, "bytes": len(data)}
    return head, np.frombuffer(data, np.uint8)


def _tile(pixels: np.ndarray) -> Image.Image:
    """An image (C, H, W) uint8 as a picture whose longer side is at most SIDE."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels[:3], 0, -1)))
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE))
    return image
