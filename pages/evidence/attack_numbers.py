"""What an attack reads on several models, as a table: its AUC, and what it finds at rare false alarms."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.shared import numbers
from pages.shared.text import WRAPPED
from unlearn_core.attacks import Measured
from unlearn_core.evaluation import METRICS

# Rates of false alarms at which an attack is asked what it finds.
RATES = {"TPR@0.1%FPR": 0.001, "TPR@1%FPR": 0.01, "TPR@10%FPR": 0.1}
LEAST = "An attack that fails is no proof that anything was deleted: it shows the least that leaks, never the most."
SHORT, WIDE = 24, 160  # letters of a cell in one line, and pixels of a column whose cells take two


def draw(models: dict, resampled: Sequence[str] = ()) -> None:
    """A line for each model (its name -> its `success` and `found_at`); `resampled` is its other interval, if any."""
    lines = pd.DataFrame({"Model": list(models), "AUC": [numbers.interval(m.success) for m in models.values()]})
    if resampled:
        lines["AUC, resampled"] = resampled
    for head, alpha in RATES.items():
        lines[head] = [cell(model.found_at(alpha)) for model in models.values()]
    help = {
        "AUC": METRICS["auc"].help,
        "AUC, resampled": "The interval from drawing the models again and then their images, a bootstrap. With few "
        "seeds it is too narrow where seeds differ much: believe the wider of the two.",
        "TPR@1%FPR": METRICS["tpr_at_1_fpr"].help,
    }
    long = lines[[*RATES]].map(len).to_numpy().max() > SHORT
    heads = {
        head: st.column_config.TextColumn(head, help=help.get(head), width=WIDE if long and head in RATES else None)
        for head in lines
    }
    st.dataframe(lines, column_config=heads, hide_index=True, **({"row_height": WRAPPED} if long else {}))


def cell(found: Measured) -> str:
    """A number with its interval, or that it is not measurable, and what it needs where that is short enough."""
    if found.value is not None:
        return numbers.interval(found)
    return found.why if found.why.startswith(f"{numbers.MISSING} (") else numbers.MISSING
