"""Words on the screen."""

from __future__ import annotations

import time


def escape(text: str) -> str:
    """A name from data as plain text where Markdown is read."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|$:#~{}()!" else c for c in text)


def duration(seconds: float) -> str:
    """A time span in words: 0.4 s, 12 s, 1 min 12 s, 2 h 3 min, 5 days."""
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"


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
