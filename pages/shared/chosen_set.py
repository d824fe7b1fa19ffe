"""The forget set in hand: chosen on Explore, used on Plan. It travels as rows, in the session and in the address."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy
from unlearn_core.forget import ForgetSet, Picked
from unlearn_core.params import BadValue
from unlearn_core.rows import check_forget, pack, unpack

ADDRESS = 1500  # characters; longer sets stay in the session, because browsers and mail programs cut long links
STEPS = 30  # changes that can be undone


def rows(study: OpenStudy) -> np.ndarray:
    """The rows in hand: those of this visit, those of the address, or the study's own. Writes them into the address."""
    history = _history(study)
    chosen = unpack(history[-1], len(study.labels)) if history else study.forget
    text = pack(chosen)
    if is_own(study, chosen) or len(text) > ADDRESS:
        st.query_params.pop("forget", None)
    elif st.query_params.get("forget") != text:
        st.query_params["forget"] = text
    return chosen


def is_own(study: OpenStudy, chosen: np.ndarray) -> bool:
    """Whether these are the rows that the study itself forgets."""
    return np.array_equal(chosen, study.forget)


def spec(study: OpenStudy, chosen: np.ndarray) -> ForgetSet:
    """The rule to run: the study's own where the rows are its own, so that what it has done is found again."""
    return study.spec.forget if is_own(study, chosen) else Picked(named=pack(chosen))


def change(study: OpenStudy, chosen: np.ndarray) -> None:
    """Take these rows in hand. Raises BadValue where they are none or all."""
    text = pack(check_forget(chosen, len(study.labels)))
    history = _history(study) or [pack(study.forget)]
    if text != history[-1]:
        st.session_state[_key(study)] = [*history, text][-STEPS:]


def can_undo(study: OpenStudy) -> bool:
    return len(_history(study)) > 1


def undo(study: OpenStudy) -> None:
    """Take back the last change."""
    st.session_state[_key(study)] = _history(study)[:-1]


def _history(study: OpenStudy) -> list[str]:
    """Packed rows, the newest last; empty while nothing was changed. The address counts once, when it is opened."""
    key = _key(study)
    if key not in st.session_state:
        # After a change of study the address still names rows of the one before.
        fresh = not any(str(name).startswith("forget.") for name in st.session_state)
        st.session_state[key] = _from_address(study) if fresh else []
    return st.session_state[key]


def _from_address(study: OpenStudy) -> list[str]:
    text = st.query_params.get("forget")
    if not text:
        return []
    try:
        return [pack(study.forget), pack(check_forget(unpack(text, len(study.labels)), len(study.labels)))]
    except BadValue as error:
        st.warning(f"The forget set of the address cannot be used: {escape(str(error))} The study's own is shown.")
        return []


def _key(study: OpenStudy) -> str:
    return f"forget.{study.key}"
