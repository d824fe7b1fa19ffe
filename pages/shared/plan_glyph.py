"""A plan in three blocks: one a part, in the order in which they are forgotten."""

from __future__ import annotations

from urllib.parse import quote

from pages.shared import theme
from pages.shared.text import escape
from unlearn_core.params import Spec
from unlearn_core.rum import Plan
from unlearn_core.unlearning.ends.original import Original

COLOURS = {"low": "blue", "medium": "orange", "high": "violet"}


def glyph(plan: Plan) -> str:
    """Three coloured squares as Markdown; a part that is left as it is has an empty one."""
    blocks = ((part, isinstance(getattr(plan, part), Original)) for part in plan.order)
    return "".join(f":{COLOURS[part]}[{'□' if empty else '■'}]" for part, empty in blocks)


def steps(plan: Plan) -> str:
    """What the squares stand for, as Markdown: low: Leave as it is, then medium: Fine-tune, ..."""
    return ", then ".join(f"{part}: {escape(getattr(plan, part).title)}" for part in plan.order)


def plans(spec: Spec | None) -> tuple[Plan, ...]:
    """The plans that a spec asks for."""
    return (*getattr(spec, "plans", ()), *filter(None, [getattr(spec, "plan", None)]))


def picture(plan: Plan) -> str:
    """The squares as an image for a table, where no Markdown is read: the address of an SVG."""
    squares = ""
    for i, part in enumerate(plan.order):
        colour, empty = theme.part_colour(part), isinstance(getattr(plan, part), Original)
        squares += f'<rect x="{16 * i + 2}" y="2" width="12" height="12" stroke-width="2" stroke="{colour}" '
        squares += f'fill="{"none" if empty else colour}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="48" height="32" viewBox="0 -8 48 32">{squares}</svg>'
    return f"data:image/svg+xml;utf8,{quote(svg)}"
