"""The forget set in hand: chosen on Explore, used on Plan. It travels as rows, in the session and in the address."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import streamlit as st

from pages.shared import access, address
from pages.shared.text import escape
from unlearn_core import row_code
from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy, forget_sets
from unlearn_core.forget import ForgetSet, Picked
from unlearn_core.params import BadValue
from unlearn_core.rows import check_forget, others, pack, unpack

ADDRESS = 1500  # characters; longer sets are kept in the store, because browsers and mail programs cut long links
PLAIN = 32  # characters up to which rows are named in the address as a person would name them
STEPS = 30  # changes that can be undone
MODES = {"replace": lambda old, new: new, "add": np.union1d, "subtract": np.setdiff1d}


def rows(study: OpenStudy, settled: bool = True) -> np.ndarray:
    """The rows in hand: those of this visit, those of the address, or the study's own. Writes them into the address,
    by the key under which they are kept where they are many; `settled` is False while they may change again at once,
    and then nothing is kept.
    """
    if address.went_back():
        _follow(study)
    history = _history(study)
    bits = history["sets"][history["at"]]
    chosen = _rows(bits, study)
    wanted = {}
    if not is_own(study, chosen):
        text = _short(bits)
        wanted = {"forget": text} if text else {"set": _kept(study, bits, chosen, settled)}
    for name in ("forget", "set"):
        if not wanted.get(name):
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
    if settled:
        _show(study, bits, chosen, bool(wanted.get("set")))
    return chosen


def shown(study_key: str) -> tuple[int, str, bool] | None:
    """Of the set in hand, as a page of this visit drew it: its images, its key, and whether the address has it by that
    key. None where it is the study's own, or no page drew it yet.
    """
    held, history = (st.session_state.get(f"{what}.{study_key}") for what in ("hand", "forget"))
    if not held or not history or held["bits"] != history["sets"][history["at"]]:
        return None
    return held["shown"]


def named(text: str, study: OpenStudy) -> np.ndarray:
    """The rows that the address names by this text. Raises BadValue where they are none, or all."""
    n = len(study.labels)
    return check_forget(row_code.decode(text, n) if row_code.is_code(text) else unpack(text, n), n)


def is_own(study: OpenStudy, chosen: np.ndarray) -> bool:
    """Whether these are the rows that the study itself forgets."""
    return np.array_equal(chosen, study.forget)


def in_address(study: OpenStudy, chosen: np.ndarray) -> bool:
    """Whether a link to the page, once `rows` was asked, brings these rows back."""
    return is_own(study, chosen) or "forget" in st.query_params or "set" in st.query_params


def spec(study: OpenStudy, chosen: np.ndarray) -> ForgetSet:
    """The rule to run: the study's own where the rows are its own, so that what it has done is found again."""
    return study.spec.forget if is_own(study, chosen) else Picked(named=pack(chosen))


def change(study: OpenStudy, chosen: np.ndarray) -> None:
    """Take these rows in hand; what was undone before can then not be done again. Raises BadValue where they are none
    or all.
    """
    bits = _bits(check_forget(chosen, len(study.labels)), study)
    history = _history(study)
    if bits != history["sets"][history["at"]]:
        kept = [*history["sets"][: history["at"] + 1], bits][-STEPS:]
        _remember(study, kept, len(kept) - 1)


def combine(study: OpenStudy, named: np.ndarray, mode: str) -> None:
    """Make these rows the set ("replace"), add them to it ("add") or take them out of it ("subtract"). Raises BadValue
    for another mode, and where none or all images would be in the set.
    """
    if mode not in MODES:
        raise BadValue("Images can replace the set, be added to it or be taken out of it.")
    history = _history(study)
    change(study, MODES[mode](_rows(history["sets"][history["at"]], study), named))


def invert(study: OpenStudy) -> None:
    """Take in hand what is not in the set."""
    history = _history(study)
    change(study, others(_rows(history["sets"][history["at"]], study), len(study.labels)))


def clear(study: OpenStudy) -> None:
    """Give up what was chosen for the study's own set, which can be undone like any change."""
    change(study, study.forget)


def can_undo(study: OpenStudy) -> bool:
    return _history(study)["at"] > 0


def can_redo(study: OpenStudy) -> bool:
    history = _history(study)
    return history["at"] + 1 < len(history["sets"])


def undo(study: OpenStudy) -> None:
    """Take back the last change, where there is one."""
    if can_undo(study):
        history = _history(study)
        _remember(study, history["sets"], history["at"] - 1)


def redo(study: OpenStudy) -> None:
    """Make the change again that was taken back last, where there is one."""
    if can_redo(study):
        history = _history(study)
        _remember(study, history["sets"], history["at"] + 1)


def version(study: OpenStudy) -> int:
    """A number that grows with every change, undo and redo: who drew with an older one shows an older set."""
    return _history(study)["version"]


def _show(study: OpenStudy, bits: bytes, chosen: np.ndarray, kept: bool) -> None:
    """Note what `shown` tells; a key is made once a set, because that takes its rows as text."""
    name = f"hand.{study.key}"
    held = st.session_state.get(name) or {"bits": b""}
    if held["bits"] != bits:
        about = None if is_own(study, chosen) else (len(chosen), forget_sets.key_of(study, chosen), kept)
        st.session_state[name] = {"bits": bits, "shown": about}


def _history(study: OpenStudy) -> dict:
    """`sets`, the oldest first, as bits; `at`, which of them is in hand; `version`. The address counts
    once, when it is opened.
    """
    key = _key(study)
    if key not in st.session_state:
        # After a change of study the address still names rows of the one before.
        fresh = not any(str(name).startswith("forget.") for name in st.session_state)
        sets = [_bits(rows, study) for rows in (study.forget, *(_from_address(study) if fresh else ()))]
        st.session_state[key] = {"sets": sets, "at": len(sets) - 1, "version": 0}
    return st.session_state[key]


def _follow(study: OpenStudy) -> None:
    """Take the set of the address in hand: undone or done again where it is the one before or after, else a change."""
    history = _history(study)
    (named,) = _from_address(study) or (study.forget,)
    bits, sets, now = _bits(named, study), history["sets"], history["at"]
    for at in (now, now - 1, now + 1):
        if 0 <= at < len(sets) and sets[at] == bits:
            if at != now:
                _remember(study, sets, at)
            return
    change(study, named)


def _remember(study: OpenStudy, sets: list[bytes], at: int) -> None:
    st.session_state[_key(study)] = {"sets": sets, "at": at, "version": _history(study)["version"] + 1}


def _from_address(study: OpenStudy) -> list[np.ndarray]:
    kept, text = st.query_params.get("set"), st.query_params.get("forget")
    if not kept and not text:
        return []
    try:
        chosen = forget_sets.rows_of(study, kept) if kept else named(text, study)
        return [] if is_own(study, chosen) else [chosen]
    except BadValue as error:
        st.warning(f"The forget set of the address cannot be used: {escape(str(error))} The study's own is shown.")
        return []


def _kept(study: OpenStudy, bits: bytes, chosen: np.ndarray, settled: bool) -> str:
    """The key under which these rows are kept, "" while they are not."""
    name = f"kept.{study.key}"
    known, kept = st.session_state.get(name, (b"", ""))
    if known == bits:
        return kept
    if not settled:
        return ""
    try:
        access.need("runner")
        kept = forget_sets.keep(study, chosen)
    except access.NotAllowed:  # a viewer's long set lives in the visit, and in the link where somebody kept it before
        there = forget_sets.key_of(study, chosen)
        kept = there if study.store.kind_of(there) else ""
    except StoreError:  # a store that cannot be written to can still be looked at
        kept = ""
    st.session_state[name] = (bits, kept)
    return kept


@lru_cache(maxsize=64)
def _short(bits: bytes) -> str:
    """The rows of these bits as an address names them, "" where that is too long: all of it goes up with each click.
    A few are told as a person would, the others by their code.
    """
    chosen = np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8)))
    if np.count_nonzero(np.diff(chosen) != 1) < PLAIN // 4:
        text = pack(chosen)
        if len(text) + 2 * text.count(",") <= PLAIN:  # an address takes three characters for a comma
            return text
    if row_code.least(chosen) > ADDRESS:
        return ""
    code = row_code.encode(chosen)
    return code if len(code) <= ADDRESS else ""


def _bits(chosen: np.ndarray, study: OpenStudy) -> bytes:
    """One bit a training image: reading it back takes microseconds, whatever the set."""
    mask = np.zeros(len(study.labels), bool)
    mask[chosen] = True
    return np.packbits(mask).tobytes()


def _rows(bits: bytes, study: OpenStudy) -> np.ndarray:
    """(k,) int64, sorted."""
    return np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8), count=len(study.labels)))


def _key(study: OpenStudy) -> str:
    return f"forget.{study.key}"
