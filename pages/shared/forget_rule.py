"""The rule for what a new study forgets: what was entered stays where other images are chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from pages.shared.forms import form
from unlearn_core.forget import FORGET_SETS, ForgetSet, at_first, room


@dataclass(frozen=True)
class _Entered:
    """What was last entered for a rule, of so many images of which it names `first` by itself. Each change of these
    begins another form, the next in `turn`, at `start`, from a size that had to be `lowered` where there was no room.
    """

    images: int
    first: ForgetSet
    start: ForgetSet
    entered: ForgetSet
    turn: int = 0
    lowered: int = 0


def draw(rule: str, images: int, apart: int) -> ForgetSet | None:
    """The form of a rule for so many images to train on, `apart` set apart for validation besides; None where what was
    entered does not fit together.
    """
    first, place = at_first(FORGET_SETS[rule], images, apart), f"new.entered.{rule}"
    if not hasattr(first, "size"):
        return form(FORGET_SETS[rule], f"new.forget.{rule}", first)
    now = st.session_state.get(place, _Entered(images, first, first, first))
    if (now.images, now.first) != (images, first):
        now = _moved(now, images, first)
    found = form(FORGET_SETS[rule], f"new.forget.{rule}.{now.turn}", now.start)
    if now.lowered:
        st.caption(
            f"The size was lowered from {now.lowered:,} to {now.start.size:,}: of {images:,} images this rule can name "
            f"at most {room(FORGET_SETS[rule], images):,}."
        )
    st.session_state[place] = replace(now, entered=found or now.entered)
    return found


def _moved(was: _Entered, images: int, first: ForgetSet) -> _Entered:
    """The same for other images: a size that was left as it was becomes what is usual for these."""
    size, lowered = was.entered.size, 0
    if size == was.first.size:
        size = first.size
    elif size > room(type(first), images):
        size, lowered = first.size, size
    start = was.entered.but(size=size)
    return _Entered(images, first, start, start, was.turn + 1, lowered)
