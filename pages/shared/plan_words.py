"""Which plan is on screen, in words made from the plan itself, and where stored runs speak for something else."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pages.shared import plan_editor
from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.advice import Advice
from unlearn_core.experiment.earlier_plans import same
from unlearn_core.rum import PARTS, Plan
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original


def on_screen(study: OpenStudy, plan: Plan, rows: np.ndarray) -> str:
    """Whose plan is shown, and what was changed in it, on a set."""
    begun = plan_editor.start(study)
    own = study.spec.plans[0] if study.spec.plans else None
    if own is not None and same(begun, own):
        whose = "the study's own plan"
    elif same(begun, Plan()):
        whose = "the plan that everybody begins with"
    else:
        whose = f"“{escape(begun.name)}”, another plan than the study's own"
    filled = {part for part, its in study.refine(plan, rows).items() if len(its)}
    if same(plan, begun):
        return f"On screen is {whose}: {steps(plan, filled)}."
    return f"On screen is {whose}, with changes in {_listed(changed(begun, plan))}: {steps(plan, filled)}."


def steps(plan: Plan, filled: Collection[str]) -> str:
    """What runs on which part that has images, in order; low to high is the paper's. One part is the whole set."""
    if len(filled) == 1:
        (part,) = filled
        of_all = getattr(plan, part)
        return "all left as they are" if isinstance(of_all, Original) else f"{escape(of_all.title)} on all images"
    said = ", then ".join(f"{part} with {escape(getattr(plan, part).title)}" for part in plan.order if part in filled)
    said = said.replace(f"with {Original.title}", "left as it is")
    return said + (", in the paper's order" if plan.order == PARTS and len(filled) > 1 else "")


def rates(study: OpenStudy, plan: Plan) -> str:
    """That the learning rates of the plan are where a search begins; empty where none will be chosen."""
    if plan_editor.is_settled(study) or not any(hasattr(getattr(plan, part), "lr") for part in PARTS):
        return ""
    return "A study that tunes chooses its learning rates anew, so Compare and the report may name others."


def rate(study: OpenStudy, given: Unlearner) -> str:
    """What becomes of the learning rate that an algorithm is given, and what was chosen in its place the last time;
    empty where it has none.
    """
    if not hasattr(given, "lr"):
        return ""
    if plan_editor.is_settled(study):
        return "The learning rate stays as it is: it was searched for together with this plan."
    said = f"A study that tunes chooses the learning rate anew, around the {given.lr:g} that it is given."
    before = study.best.get(given)
    return said + ("" if before is None else f" Last time, in this study, it chose **{before.lr:g}**.")


def changed(before: Plan, now: Plan) -> list[str]:
    """What two plans differ in: the parts, the cuts, the order, what is kept meanwhile."""
    found = [f"the {part} part" for part in PARTS if getattr(before, part) != getattr(now, part)]
    fields = {
        "the cuts": ("by", "cut_by", "low_cut", "high_cut", "control", "seed"),
        "the order": ("order",),
        "the images to keep": ("exclude_all",),
    }
    return found + [what for what, names in fields.items() if any(getattr(before, n) != getattr(now, n) for n in names)]


def against(plan: Plan, told: dict[str, Advice | str]) -> str:
    """Where stored runs suggest another algorithm than the plan runs; empty where they suggest nothing."""
    speaking = {part: of for part, of in told.items() if isinstance(of, Advice) and of.alike}
    said = [
        f"{'leave' if isinstance(of.unlearner, Original) else escape(of.unlearner.title) + ' for'} the {part} part"
        + " as it is" * isinstance(of.unlearner, Original)
        for part, of in speaking.items()
        if type(of.unlearner) is not type(getattr(plan, part))
    ]
    if said:
        return f"**Stored runs suggest otherwise**: {_listed(said)}. The button above takes that."
    return "Its algorithms are those that stored runs suggest." if speaking else ""


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
