"""The first sentence of the RUM workbench: what the plan unlearns, what it leaves, and what so is not forgotten."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import chosen_set
from pages.shared.text import duration, escape, hundredths, images
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.comparison import retraining_seconds
from unlearn_core.experiment.recorded import where_timed
from unlearn_core.experiment.run_times import never_run, plan_took, run_seconds, training_seconds
from unlearn_core.experiment.set_times import plan_tried, timed
from unlearn_core.rum import LEFT_UP_TO, PARTS, Plan, Rum
from unlearn_core.unlearning.ends.original import Original


def draw(study: OpenStudy, plan: Plan, rows: np.ndarray) -> None:
    parts = study.refine(plan, rows)
    filled = [part for part in plan.order if len(parts[part])]
    steps = [f"{getattr(plan, part).title} on {len(parts[part]):,} {part}" for part in filled]
    if len(filled) == 1:  # then that it is the medium part, say, says nothing of its images
        steps = [f"{getattr(plan, filled[0]).title} on all {images(len(rows))}" if len(rows) > 1 else steps[0]]
    again = retraining_seconds(study)
    took = plan_took(study, plan, parts)
    if took is None:
        took = plan_tried(study, plan, parts)
    where = where_timed(study.store, study.key)
    if took is None:
        said = _foreseen(study, plan.resolve(parts), rows, where)
    else:
        longer = f", **{took / again:.1f} times** as long" * (took > again)
        said = f"this plan took **{duration(took)}**{longer}"
    st.markdown(
        f"**{escape(plan.name)}** {_does(study, plan, rows, parts)} in {len(steps)} "
        f"{'step' if len(steps) == 1 else 'steps'}: {', then '.join(steps)}. Training a model again without the "
        f"study's set took **{duration(again)}** {where}, many at once. Unlearning has to beat that; "
        f"{said}."
    )
    if unforgotten := not_forgotten(study, plan, parts):
        st.warning(unforgotten)


def _foreseen(study: OpenStudy, rum: Rum, rows: np.ndarray, where: str) -> str:
    """Whether a plan that was never run would beat retraining, by the seconds that the foot of the page goes by too."""
    seen = timed(study, rows)
    if unknown := never_run(study, [rum], seen):
        names = " and ".join(sorted(escape(cls.title) for cls in unknown))
        return f"whether this plan would nobody knows yet: {names} {'was' if len(unknown) == 1 else 'were'} never timed"
    likely = run_seconds(study, rum, seen)[0]
    return f"by the runs timed {where} this plan would{'' if likely < training_seconds(study) else ' not'}"


def _does(study: OpenStudy, plan: Plan, rows: np.ndarray, parts: dict[str, np.ndarray]) -> str:
    """How many images are unlearned, and how many are left."""
    whose = "the study's own set" if chosen_set.is_own(study, rows) else "your set"
    left = sum(len(parts[part]) for part in _left(plan, parts))
    if not left:
        return f"unlearns {whose} of {images(len(rows))}"
    they = "it is" if left == 1 else "they are"
    return f"unlearns **{len(rows) - left:,}** of {whose} of {images(len(rows))}, and leaves **{left:,}** as {they},"


def _left(plan: Plan, parts: dict[str, np.ndarray]) -> list[str]:
    return [part for part in PARTS if len(parts[part]) and isinstance(getattr(plan, part), Original)]


def not_forgotten(study: OpenStudy, plan: Plan, parts: dict[str, np.ndarray]) -> str:
    """Which images are left though a retrained model would not know them, for their whole class is to be forgotten or
    they are memorized, as a sentence; "" where none are, or no bank can tell.
    """
    left = _left(plan, parts)
    if known := _of_a_class_gone(study, left, parts):
        return known
    if not study.spec.models:
        return ""
    means = {part: study.about(parts[part]).memorization for part in left}
    told = [
        f"{part} part ({images(len(parts[part]))}, mean memorization **{hundredths(mean)}**)"
        for part, mean in means.items()
        if mean > LEFT_UP_TO
    ]
    if not told:
        return ""
    is_, its = ("is", "its") if len(told) == 1 else ("are", "their")
    return (
        f"The {' and the '.join(told)} {is_} left, so {its} images are **not forgotten**. Leaving is for images that a "
        f"model gets right without having seen them, whose memorization is near 0; from a mean of {LEFT_UP_TO:g} on, "
        "choose an algorithm below."
    )


def _of_a_class_gone(study: OpenStudy, left: list[str], parts: dict[str, np.ndarray]) -> str:
    """How many images are left of classes that are in the set as a whole, as a sentence; "" where there are none."""
    gone = study.about(np.concatenate([*parts.values()])).gone
    numbers = [study.classes.index(name) for name in gone]
    count = sum(int(np.isin(study.labels[parts[part]], numbers).sum()) for part in left)
    if not count:
        return ""
    which, whom = ("Class {} is", "it") if len(gone) == 1 else ("Classes {} are", "them")
    return (
        f"{which.format(escape(', '.join(gone)))} to be forgotten as a whole, but {images(count)} of {whom} "
        f"{'lies' if count == 1 else 'lie'} in parts that are left as they are: **not forgotten**, for no retrained "
        "model knows such a class, however little its images were memorized. Choose an algorithm for those parts."
    )
