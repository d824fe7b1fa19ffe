"""Words on the screen."""

from __future__ import annotations

import time

from unlearn_core.words import duration, hundredths

WRAPPED = 66  # pixels of a line of a table from which on Streamlit wraps what is too long for its cell


def escape(text: str) -> str:
    """A name from data as plain text where Markdown is read."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|$:#~{}()!" else c for c in text)


def cut(name: str, most: int) -> str:
    """A name of at most so many characters, for where there is no room; the last one says that it was cut."""
    return name if len(name) <= most else name[: most - 1] + "…"


def ago(moment: float) -> str:
    """How long ago a moment (seconds since 1970) was, in words."""
    passed = time.time() - moment
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            count = int(passed // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def images(count: int) -> str:
    """A number of images in words: 1 image, 1,260 images."""
    return f"{count:,} image{'' if count == 1 else 's'}"


__all__ = ["WRAPPED", "ago", "cut", "duration", "escape", "hundredths", "images"]
