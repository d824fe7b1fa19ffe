"""What forgetting is measured on: thirds of the forget set by memorization, and how they lie to a plan's own parts.

A plan may cut the set elsewhere. So that no two things have one name, "part" is what a plan forgets in one step, and
what is measured is a "third", however a plan cuts.
"""

from __future__ import annotations

import numpy as np

from unlearn_core.experiment.views import OpenStudy
from unlearn_core.rows import unpack
from unlearn_core.rum import Part, Rum
from unlearn_core.unlearning.ends.original import Original


def third(name: str) -> str:
    """What a measured group is called, of low, medium and high: low third."""
    return f"{name} third"


def group(name: str) -> str:
    """The same, where all forgotten images stand beside the thirds: all together, low third."""
    return "all together" if name == "all" else third(name)


# What an audit is asked about, beside the thirds.
WHERE = {
    "": "whole model",
    "forget": "forgotten",
    "retain": "kept",
    "test": "test",
    "shadows": "all images of the shadows",
}


def where(on: str) -> str:
    """On which images a line of an audit was measured, below the head "Images"."""
    return WHERE.get(on, third(on))


def filled(study: OpenStudy) -> list[str]:
    """The thirds that hold images; of fewer than three images some hold none."""
    return [name for name, rows in study.parts.items() if len(rows)]


def sizes(study: OpenStudy) -> str:
    """What is measured, and on how many images: said once on each page."""
    each = ", ".join(f"{name} {len(study.parts[name]):,}" for name in filled(study))
    return f"Measured on thirds of the {len(study.forget):,} forgotten images by {study.score_words.name}: {each}."


def own_parts(study: OpenStudy, method: str) -> tuple[Part, ...]:
    """The parts that a plan forgot, in its order, under the first seed; none where a method forgets all at once."""
    unlearner = study.run_result(method, 0).spec().unlearner
    return unlearner.parts if isinstance(unlearner, Rum) else ()


def images_of(study: OpenStudy, part: Part) -> int:
    return len(unpack(part.rows, len(study.labels)))


def beside_the_plan(study: OpenStudy, method: str) -> str:
    """How a plan's own parts lie to what is measured, where they are not the same images; empty where they are."""
    parts = own_parts(study, method)
    rows = {part.name: unpack(part.rows, len(study.labels)) for part in parts}
    if not parts or all(np.array_equal(own, np.sort(study.parts.get(name, ()))) for name, own in rows.items()):
        return ""
    each = [f"{len(own):,} ({name})" for name, own in rows.items()]
    listed = " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))
    return (
        f"The plan's own parts hold {listed} images; what is measured are not these but thirds by "
        f"{study.score_words.name}."
    )


def left_as_it_is(study: OpenStudy, method: str) -> str:
    """That images which a plan leaves alone are not out of its reach; empty where it leaves none, or has no other
    step.
    """
    parts = own_parts(study, method)
    left = [part.name for part in parts if isinstance(part.unlearner, Original)]
    if not left or len(left) == len(parts):
        return ""
    one = len(left) == 1
    return (
        f"The plan leaves its {' and '.join(left)} part{'' if one else 's'} as {'it is' if one else 'they are'}, but "
        "its other steps change the one model, and with it what that model makes of these images."
    )
