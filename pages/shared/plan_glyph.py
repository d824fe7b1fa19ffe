"""A plan in three blocks: one a part, in the order in which they are forgotten."""

from __future__ import annotations

from pages.shared.text import escape
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
