"""What the shadow models of an audit said, read once for all who look at it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.shared import state
from unlearn_core.experiment.tiers.per_example import Observed, PerExample
from unlearn_core.experiment.tiers.shadow_attack import ShadowVerdict, judged


def lost(audit: str) -> PerExample | None:
    """What would make it anew where the store has it no more: damaged, or left behind by a file; None where it has."""
    asked = state.store().open("Audit", audit).spec().per_example
    return asked if state.store().find(asked) is None else None


def observed(audit: str) -> Observed:
    """Of the audit with this key, which goes at least to tier 2."""
    return _observed(str(state.store().root), audit)


def verdict(audit: str, question: str, on: str, rows: np.ndarray | None) -> ShadowVerdict:
    """What their attacker reads on the images called `on`; see shadow_attack.judged."""
    return _verdict(str(state.store().root), audit, question, on, rows)


@st.cache_resource(max_entries=4)
def _observed(root: str, audit: str) -> Observed:
    store = state.store()
    return Observed.of(store.find(store.open("Audit", audit).spec().per_example))


@st.cache_resource(max_entries=32)
def _verdict(root: str, audit: str, question: str, on: str, _rows: np.ndarray | None) -> ShadowVerdict:
    return judged(_observed(root, audit), question, _rows)
