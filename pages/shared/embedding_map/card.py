"""What is shown of one image when the pointer rests on its point."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pages.shared.text import hundredths
from unlearn_core.experiment import OpenStudy

SHARP = 64  # pixels; up to this side an image goes as it is, above it as a smaller picture
SIDE = 128


def of_image(study: OpenStudy, image: object) -> tuple[dict, np.ndarray] | None:
    """(head, picture as bytes) of one point of the map: training images count first, then test images. None where it
    names no image; what the browser sent is not trusted.
    """
    n, held_out = len(study.labels), study.data.test
    if not isinstance(image, int) or isinstance(image, bool) or not 0 <= image < n + len(held_out.y):
        return None
    guess = study.logits("original", 0)
    if image < n:
        pixels, label, logits = study.pixels[image], study.labels[image], guess["train"][image]
        lines = [f"row {image:,}", f"class {study.classes[label]}"]
        lines.append(f"{study.score_words.name} {hundredths(study.memorization.scores[image])}")
    else:
        at = image - n
        pixels, label, logits = held_out.x[at].numpy(), int(held_out.y[at]), guess["test"][at]
        lines = [f"test image {at:,}", f"class {study.classes[label]}"]
    said = int(np.argmax(logits))
    lines.append("the original is right" if said == label else f"the original says {study.classes[said]}")
    kind, data, smooth = _picture(pixels)
    head = {"image": image, "lines": lines, "type": kind, "smooth": smooth, "bytes": len(data)}
    return head, np.frombuffer(data, np.uint8)


def _picture(pixels: np.ndarray) -> tuple[str, bytes, bool]:
    """The type, the bytes and whether it may be enlarged smoothly, of an image (C, H, W) uint8."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels[:3], 0, -1))
    smooth, file = max(image.size) > SHARP, io.BytesIO()
    if smooth:
        image.thumbnail((SIDE, SIDE))
        image.save(file, "webp", quality=80)
    else:
        image.save(file, "png")
    return ("image/webp" if smooth else "image/png"), file.getvalue(), smooth
