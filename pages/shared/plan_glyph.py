"""A plan in three blocks: one a part, in the order in which they are forgotten."""

from __future__ import annotations

from urllib.parse import quote

from pages.shared import theme
from pages.shared.text import escape
from unlearn_core.params import Spec
from unlearn_core.rum import Plan
from unlearn_core.unlearning.ends.original import Original


def glyph(plan: Plan) -> str:
    """Three squares in the colours of the parts as Markdown; a part that is left as it is has an empty one."""
    words = (f"{part}{' left' * isinstance(getattr(plan, part), Original)}" for part in plan.order)
    return f"![{', '.join(words)}]({picture(plan, 16)})"


def steps(plan: Plan) -> str:
    """What the squares stand for, as Markdown: low: Leave as it is, then medium: Fine-tune, ..."""
    return ", then ".join(f"{part}: {escape(getattr(plan, part).title)}" for part in plan.order)


def plans(spec: Spec | None) -> tuple[Plan, ...]:
    """The plans that a spec asks for."""
    return (*getattr(spec, "plans", ()), *filter(None, [getattr(spec, "plan", None)]))


def picture(plan: Plan, height: int = 32) -> str:
    """The squares in the middle of an image of this many pixels: the address of an SVG."""
    squares = ""
    for i, part in enumerate(plan.order):
        colour, empty = theme.part_colour(part), isinstance(getattr(plan, part), Original)
        squares += f'<rect x="{16 * i + 2}" y="2" width="12" height="12" stroke-width="2" stroke="{colour}" '
        squares += f'fill="{"none" if empty else colour}"/>'
    box = f'width="48" height="{height}" viewBox="0 {8 - height // 2} 48 {height}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{squares}</svg>'
    return f"data:image/svg+xml;utf8,{quote(svg)}"
