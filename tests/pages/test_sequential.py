"""Colours of scores: they stand out from the ground, and lighter or darker means more."""

import itertools

import pytest

from pages.shared.embedding_map import blob
from pages.shared.sequential import GROUNDS, contrast
from pages.shared.theme import luminance


def between(stops: list[str]) -> list[str]:
    """The 256 colours that the browser makes of the stops, as draw.js does."""
    known, found = [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops], []
    for k in range(256):
        place = k / 255 * (len(known) - 1)
        at = min(int(place), len(known) - 2)
        mixed = (round(a + (b - a) * (place - at)) for a, b in zip(known[at], known[at + 1], strict=True))
        found.append("#" + "".join(f"{part:02x}" for part in mixed))
    return found


def lightness(colour: str) -> float:
    """CIE L*, 0 to 100: equal steps look equal."""
    y = luminance(colour)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_of_a_score_stands_out_and_steps_look_even(dark):
    shades = between(blob._colours(dark)["scale"])
    assert all(contrast(shade, GROUNDS[dark]) >= 3 for shade in shades)
    light = [lightness(shade) for shade in shades[::15]]  # single steps are smaller than a colour can be rounded
    steps = [(b - a) * (1 if dark else -1) for a, b in itertools.pairwise(light)]
    assert min(steps) > 0 and max(steps) < 2 * min(steps)
    assert abs(light[-1] - light[0]) > 40


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
