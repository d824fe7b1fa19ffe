"""What came of a finished study, or of trying everything, as a line of a list."""

from __future__ import annotations

import streamlit as st

from pages.shared import numbers, state
from pages.shared.text import escape
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment.outcome import outcome


def draw(key: str, kind: str = "Study") -> None:
    """The two numbers that a study is looked for by, beside those of retrained models; nothing where it is gone, or its
    kind has none.
    """
    if (found := outcome(state.store(), key, kind)) is None:
        return
    exposure = ""
    if found.exposure:
        name = METRICS["tpr_at_1_fpr"].label
        exposure = f"; {name[0].lower()}{name[1:]} **{numbers.estimate(found.exposure)}**"
        exposure += f" ({found.why_not})" if found.why_not else ""
        exposure += f" (retrained {numbers.estimate(found.target)})" if numbers.known(found.target.mean) else ""
    closest = " came closest" if kind == "TryEverything" else ""
    st.caption(
        f"{escape(found.title)}{closest}: group ToW **{numbers.estimate(found.closeness)}** (two retrained models "
        f"{numbers.estimate(found.ceiling)}){exposure}."
    )
