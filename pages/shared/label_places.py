"""Where the labels of a chart go: none over another, none over a mark where there is room, none cut at the edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LETTER, LINE = 6.4, 16  # pixels that a letter takes in width, and a line in height, at 12 pixels
GAP = 4  # pixels between a mark and its label
CLEAR = 10  # pixels by which another mark has to be further from a label than its own, or a line leads to it
# How far out a label is tried, in pixels beyond its mark; from the second on a line leads to it.
STEPS = (0, 12, 24, 40, 60, 84, 112, 144)
# What a pixel costs beside a pixel of distance: to cover another label is worst, then to cover a mark; to cross a bar
# is little. To lie nearer to another mark than to one's own costs so much at once, and so does a line across another
# label or mark.
ON_LABEL, ON_MARK, ON_BAR, NEARER, ACROSS = 1000.0, 100.0, 0.2, 60.0, 200.0
# The sides of a mark, in the order in which they are tried: x to the right, y downwards.
SIDES = (
    (1, -1),
    (1, 1),
    (-1, -1),
    (-1, 1),
    (1, 0),
    (-1, 0),
    (0, -1),
    (0, 1),
    (0.5, -1),
    (0.5, 1),
    (-0.5, -1),
    (-0.5, 1),
)


def size(label: str) -> tuple[float, float]:
    """The width and the height in pixels that a label takes, rather more than less."""
    return LETTER * len(label) + 8, LINE


def places(
    marks: np.ndarray, radii: Sequence[float], labels: dict[int, str], bars: np.ndarray, room: tuple[float, float]
) -> dict[int, tuple[float, float, bool]]:
    """The centre of each label relative to its mark, pixels to the right and downwards, and whether it lies so far off,
    or so near to another mark, that a line has to lead to it.

    `marks` (n, 2) are the centres of all marks in pixels from the upper left corner, `radii` (n,) their half widths,
    `labels` the texts by the number of the mark, `bars` (m, 4) the boxes (left, top, right, bottom) of what is better
    not crossed, `room` the width and height of the plot. The same marks always get the same places.
    """
    half = np.asarray(radii, float)[:, None]
    solid = np.hstack([marks - half, marks + half]) if len(marks) else np.empty((0, 4))
    found, taken = {}, np.empty((0, 4))
    # The longest first, for they are the hardest to place; where labels go does not hang on the order of the methods.
    for number in sorted(labels, key=lambda i: (-len(labels[i]), *marks[i], i)):
        offsets = np.array(list(_offsets(size(labels[number]), radii[number])))
        wide, high = size(labels[number])
        boxes = marks[number] + offsets
        boxes = np.hstack([boxes - [wide / 2, high / 2], boxes + [wide / 2, high / 2]])
        out = (boxes[:, 0] < 0) | (boxes[:, 1] < 0) | (boxes[:, 2] > room[0]) | (boxes[:, 3] > room[1])
        cost = ON_LABEL * shared(boxes, taken) + ON_MARK * shared(boxes, solid) + ON_BAR * shared(boxes, bars)
        lines = [_line(marks[number], marks[number] + offset) for offset in offsets]
        # What is named right beside has no line.
        crossed = np.array([shared(line, np.vstack([taken, np.delete(solid, number, axis=0)])).any() for line in lines])
        cost += ACROSS * (crossed & (np.arange(len(cost)) >= len(SIDES)))
        others = np.delete(marks, number, axis=0)
        apart = away(boxes, others).min(axis=1, initial=np.inf) - away(boxes, marks[[number]])[:, 0]
        nearer = apart < 0
        far = np.repeat(STEPS, len(SIDES)) + np.tile(np.arange(len(SIDES)), len(STEPS)) * 0.1
        best = int(np.argmin(cost + NEARER * nearer + far + out * 1e9))
        found[number] = (*offsets[best], bool(best >= len(SIDES) or apart[best] < CLEAR))
        taken = np.vstack([taken, boxes[best], *([lines[best]] if best >= len(SIDES) else [])])
    return found


def column(heights: Sequence[float], least: float, floor: float) -> list[float]:
    """Where labels at these heights go in one column so that each is `least` from the next: the highest stays, others
    give way downwards, and upwards where the column would end below `floor`. In the order given.
    """
    order, placed = sorted(range(len(heights)), key=lambda i: -heights[i]), [0.0] * len(heights)
    above = float("inf")
    for i in order:
        above = placed[i] = min(heights[i], above - least)
    below = floor - least
    for i in reversed(order):
        below = placed[i] = max(placed[i], below + least)
    return placed


def _line(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Small boxes along the line from a mark to its label."""
    steps = start + np.linspace(0.2, 1, 12)[:, None] * (end - start)
    return np.hstack([steps - 1.5, steps + 1.5])


def _offsets(of: tuple[float, float], radius: float):
    """Every centre that is tried for a label of this size, the nearest first."""
    for step in STEPS:
        for right, down in SIDES:
            reach = radius + GAP + step
            # In a corner the label begins beside the middle of the mark; at a side it stands clear of it.
            x = right * (of[0] / 2 + (reach if not down else max(GAP, step * 0.7)))
            y = down * (of[1] / 2 + reach)
            yield x, y


def away(boxes: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """(n, m) pixels from each box to the middle of each mark; 0 inside."""
    beside = np.maximum(boxes[:, None, :2] - marks, marks - boxes[:, None, 2:]).clip(min=0)
    return np.hypot(beside[..., 0], beside[..., 1])


def shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) how many square pixels each box shares with all of the others."""
    wide = np.minimum(boxes[:, None, 2], others[None, :, 2]) - np.maximum(boxes[:, None, 0], others[None, :, 0])
    high = np.minimum(boxes[:, None, 3], others[None, :, 3]) - np.maximum(boxes[:, None, 1], others[None, :, 1])
    return (wide.clip(min=0) * high.clip(min=0)).sum(axis=1)
