"""Charts as SVG for a page without scripts: colours come from the page's style, so they follow light, dark and print.

Every chart has a title and a description in words, and no colour is alone: shapes, dashes and labels go with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from zlib import crc32

import numpy as np
from markupsafe import Markup

from unlearn_core.evaluation import Ends, reach
from unlearn_core.words import known, spread

WIDTH, LEFT, RIGHT, ROW = 640, 224, 16, 24
LONGEST = 32  # letters of a name to the left of a chart


@dataclass(frozen=True)
class Dot:
    """A mean with its interval in a dot plot; those of one name that follow each other share a line. `shape` is one of
    FORMS.
    """

    name: str
    mean: float | None
    half_width: float | None
    shape: str = "single"


FORMS = {
    "single": "circle",
    "plan": "diamond",
    "control": "square",
    "low": "circle",
    "medium": "diamond",
    "high": "square",
}


@dataclass(frozen=True)
class Line:
    """A vertical reference with its name; `model` (original, retrained, zero) gives colour and dash."""

    value: float | None
    name: str
    model: str


def dot_plot(
    title: str,
    axis: str,
    dots: Sequence[Dot],
    lines: Sequence[Line] = (),
    shapes: dict[str, str] | None = None,
    ends: Ends = (None, None),
) -> Markup:
    """Means with their 95 % intervals, one line a name, the first on top; `shapes` says in a legend what they mean. No
    interval is drawn beyond the `ends` of what can be read.
    """
    lines = [line for line in lines if known(line.value)]
    values = [line.value for line in lines]
    for dot in (d for d in dots if known(d.mean)):
        values += [dot.mean, *_interval(dot, ends)]
    ticks, at = _scale(min(values, default=0.0), max(values, default=1.0))
    rows = [(name, list(together)) for name, together in groupby(dots, key=lambda dot: dot.name)]
    top, room = 20, ROW + 10 * (max((len(together) for _, together in rows), default=1) - 1)
    bottom = top + room * len(rows)
    drawn = [_axis(ticks, at, top, bottom, axis)]
    for line in lines:
        x = at(line.value)
        drawn.append(_tag("line", x1=x, x2=x, y1=top - 4, y2=bottom, class_=f"reference {line.model}"))
    for i, (name, together) in enumerate(rows):
        middle = top + room * (i + 0.5)
        drawn.append(_text(name, LEFT - 10, middle + 4, "end"))
        for j, dot in enumerate(together):
            drawn.append(_dot(dot, ends, at, middle + 11 * (j - (len(together) - 1) / 2)))
    legend = [(f"reference {line.model}", line.name) for line in lines]
    drawn.append(_legend(legend, bottom + 44, list((shapes or {}).items())))
    said = "; ".join(f"{_called(dot, shapes)}: {spread(dot.mean, dot.half_width)}" for dot in dots)
    tall = bottom + (56 if lines or shapes else 40)
    return _svg(title, f"{axis}. {said}. {_references(lines)}", drawn, tall)


def bars(title: str, axis: str, rows: Sequence[tuple[str, float, str]]) -> Markup:
    """Lengths from 0, one bar each, with the number in words at its end: name, value, words."""
    most = max((value for _, value, _ in rows), default=1.0) or 1.0
    room, top = WIDTH - LEFT - RIGHT - 120, 8
    drawn = []
    for i, (name, value, words) in enumerate(rows):
        y = top + ROW * i
        drawn += [_text(name, LEFT - 10, y + 16, "end")]
        drawn += [_tag("rect", x=LEFT, y=y + 3, width=max(1.0, room * value / most), height=ROW - 7, class_="bar")]
        drawn += [_text(words, LEFT + max(1.0, room * value / most) + 6, y + 16)]
    said = "; ".join(f"{name}: {words}" for name, _, words in rows)
    return _svg(title, f"{axis}. {said}.", drawn, top + ROW * len(rows) + 4)


def distributions(title: str, axis: str, edges: np.ndarray, shares: dict[str, np.ndarray], names: dict) -> Markup:
    """Histograms as outlines on common bins, which are drawn equally wide: role -> shares (bins,) that sum to 1."""
    left, top, bottom = 48, 12, 172
    highest = max(float(share.max()) for share in shares.values()) or 1.0
    width = (WIDTH - left - RIGHT) / (len(edges) - 1)
    drawn = [_tag("line", x1=left, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis")]
    for role, share in shares.items():
        heights = bottom - (bottom - top) * share / highest
        points = [f"{left},{bottom}"]
        for i, y in enumerate(heights):
            points += [f"{left + i * width:.1f},{y:.1f}", f"{left + (i + 1) * width:.1f},{y:.1f}"]
        points.append(f"{WIDTH - RIGHT},{bottom}")
        drawn.append(_tag("polyline", points=" ".join(points), class_=f"outline {role}"))
    for i in np.linspace(0, len(edges) - 1, 7).round().astype(int):
        shown = f"{edges[i]:.2g}" if abs(edges[i]) < 100 else f"{edges[i]:,.0f}"
        drawn.append(_text(shown.replace("-", "−"), left + i * width, bottom + 16, "middle"))
    drawn += [_text(axis, (left + WIDTH) / 2, bottom + 34, "middle"), _text(f"{highest:.0%}", left - 6, top + 8, "end")]
    drawn.append(_legend([(f"outline {role}", names[role]) for role in shares], bottom + 54))
    middle = {role: _median(edges, share) for role, share in shares.items()}
    said = "; ".join(f"{names[role]}: half of the images score below about {at:.2g}" for role, at in middle.items())
    return _svg(title, f"{axis}. {said}.", drawn, bottom + 66)


# -- pieces ------------------------------------------------------------------------------------------------------------


def _svg(title: str, described: str, drawn: list[Markup], height: float) -> Markup:
    name = f"chart-{crc32(f'{title} {described}'.encode()):08x}"  # the same chart always has the same name
    return Markup(
        '<svg role="img" viewBox="0 0 {} {}" aria-labelledby="{n}-title {n}-text"><title id="{n}-title">{}</title>'
        '<desc id="{n}-text">{}</desc>{}</svg>'
    ).format(WIDTH, round(height), title, described.strip(), Markup("").join(drawn), n=name)


def _tag(name: str, **attributes) -> Markup:
    written = Markup(" ").join(
        Markup('{}="{}"').format(k.rstrip("_"), f"{v:.1f}" if isinstance(v, float) else v)
        for k, v in attributes.items()
    )
    return Markup("<{} {}/>").format(Markup(name), written)  # noqa: S704 - a literal of this file


def _text(words: str, x: float, y: float, anchor: str = "start") -> Markup:
    shown = words if len(words) <= LONGEST or anchor != "end" else f"{words[: LONGEST - 1]}…"
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, shown)


def _interval(dot: Dot, ends: Ends) -> tuple[float, ...]:
    """The two ends of an interval as they are drawn; nothing where there is none."""
    if not known(dot.half_width):
        return ()
    down, up = reach([dot.mean], [dot.half_width], ends)
    return dot.mean - float(down[0]), dot.mean + float(up[0])


def _dot(dot: Dot, ends: Ends, at, y: float) -> Markup:
    if not known(dot.mean):
        return _text("not measurable", LEFT + 4, y + 4)
    if not (interval := _interval(dot, ends)):
        return _mark(dot.shape, at(dot.mean), y)
    x1, x2 = map(at, interval)
    return _tag("line", x1=x1, x2=x2, y1=y, y2=y, class_="interval") + _mark(dot.shape, at(dot.mean), y)


def _called(dot: Dot, shapes: dict[str, str] | None) -> str:
    return f"{dot.name}, {shapes[dot.shape]}" if shapes else dot.name


def _mark(shape: str, x: float, y: float) -> Markup:
    named = "dot" if shape == "single" else f"dot {shape}"
    if FORMS[shape] == "diamond":
        return _tag("path", d=f"M{x - 7:.1f},{y:.1f} l7,-7 l7,7 l-7,7 z", class_=named)
    if FORMS[shape] == "square":
        return _tag("rect", x=x - 5, y=y - 5, width=10, height=10, class_=named)
    return _tag("circle", cx=x, cy=y, r=5, class_=named)


def _scale(low: float, high: float):
    """Round ticks around the values, and where a value lies between the edges of the chart."""
    span = (high - low) or 1.0
    step = 10 ** np.floor(np.log10(span / 3))
    step *= next(f for f in (1, 2, 5, 10) if span / (f * step) <= 6)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    ticks = [float(i * step) for i in np.arange(first, max(last, first + 1) + 1)]
    room = WIDTH - LEFT - RIGHT
    return ticks, lambda value: LEFT + room * (value - ticks[0]) / (ticks[-1] - ticks[0])


def _axis(ticks: list[float], at, top: float, bottom: float, axis: str) -> Markup:
    drawn, digits = [], max(0, int(np.ceil(-np.log10(ticks[1] - ticks[0]) - 1e-9)))
    for tick in ticks:
        drawn.append(_tag("line", x1=at(tick), x2=at(tick), y1=float(top), y2=float(bottom), class_="grid"))
        drawn.append(_text(f"{tick + 0.0:.{digits}f}".replace("-", "−"), at(tick), bottom + 14, "middle"))
    drawn.append(_text(axis, (LEFT + WIDTH - RIGHT) / 2, bottom + 29, "middle"))
    return Markup("").join(drawn)


def _legend(entries: list[tuple[str, str]], y: float, marks: Sequence[tuple[str, str]] = ()) -> Markup:
    """Styles of lines, then shapes of dots, each with what it stands for."""
    drawn, x = [], 16.0
    for style, name in entries:
        drawn += [_tag("line", x1=x, x2=x + 24, y1=y, y2=y, class_=style), _text(name, x + 30, y + 4)]
        x += 52 + 6.3 * len(name)
    for shape, name in marks:
        drawn += [_mark(shape, x + 8, y), _text(name, x + 20, y + 4)]
        x += 42 + 6.3 * len(name)
    return Markup("").join(drawn)


def _references(lines: Sequence[Line]) -> str:
    said = "; ".join(f"{line.name}: {spread(line.value)}" for line in lines)
    return f"Lines: {said}." if said else ""


def _median(edges: np.ndarray, share: np.ndarray) -> float:
    return float(edges[1:][np.searchsorted(np.cumsum(share), 0.5)])
