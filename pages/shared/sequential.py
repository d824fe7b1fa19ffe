"""The colours of a score from low to high: each stands out from the ground that it lies on."""

from __future__ import annotations

from functools import cache

from plotly.colors import get_colorscale

from pages.shared.theme import luminance

NAME = "Viridis"  # even steps of lightness, also for those who see fewer colours
STOPS = 9
LEAST = 3.1  # contrast of the palest colour; WCAG 2.2 asks 3 of what is no text, and colours between stops are rounded
GROUNDS = {False: "#FFFFFF", True: "#171614"}  # of the light and the dark theme


def contrast(one: str, other: str) -> float:
    """How much two colours #rrggbb stand out from each other, 1 to 21. Source: WCAG 2.2, contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@cache
def ramp(dark: bool) -> tuple[str, ...]:
    """STOPS colours, evenly spaced on the scale, from what stands out least from the ground to what does most."""
    known = [colour for _, colour in get_colorscale(NAME)]
    known = known if dark else known[::-1]
    # The scale begins where a finer walk along it first stands out enough, and all beyond stands out more.
    fine = [_between(known, i / 500) for i in range(501)]
    first = next(i for i, colour in enumerate(fine) if contrast(colour, GROUNDS[dark]) >= LEAST) / 500
    return tuple(_between(known, first + (1 - first) * i / (STOPS - 1)) for i in range(STOPS))


def _between(colours: list[str], share: float) -> str:
    """The colour at a place from 0 to 1 between the first and the last, as a browser mixes them."""
    place = share * (len(colours) - 1)
    at = min(int(place), len(colours) - 2)
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours[at : at + 2]]
    return "#" + "".join(f"{round(a + (b - a) * (place - at)):02x}" for a, b in zip(*ends, strict=True))
