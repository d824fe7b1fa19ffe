"""What came of a finished study, or of trying everything, in the two numbers that a list has room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from unlearn_core.attacks.roc import needed
from unlearn_core.disk import StoreError
from unlearn_core.evaluation import Estimate, over_seeds, values_of
from unlearn_core.experiment.study_table import CEILING, REFERENCES, RETRAINED, best_single
from unlearn_core.result import Result
from unlearn_core.store import Store


@dataclass(frozen=True)
class Outcome:
    """The study's first plan, or what came closest to retraining where it has none or all was tried (`title`): group
    ToW and attack success at 1 % false alarms (TPR@1%FPR), means over seeds with 95 % intervals; and the same of what
    they are held against, a second retrained model and the retrained one. A mean is None where it is not measurable; of
    the exposure `why_not` says why. Where all was tried nobody asked for an exposure, so there is none.
    """

    title: str
    closeness: Estimate
    ceiling: Estimate
    exposure: Estimate | None = None
    target: Estimate | None = None

    @property
    def why_not(self) -> str:
        """As a clause; empty where the exposure was measured, or nobody asked for it."""
        if self.exposure is None or self.exposure.mean is not None:
            return ""
        return f"it needs {needed(0.01):,} test images of the forgotten classes, and this study has fewer"


def outcome(store: Store, key: str, kind: str = "Study") -> Outcome | None:
    """Of the finished study, or other kind of OUTCOMES, with this key; None where there is none that this version can
    read.
    """
    try:
        return OUTCOMES[kind](store.open(kind, key).folder)
    except (StoreError, OSError, LookupError):
        return None


@lru_cache(maxsize=10_000)  # a finished study never changes
def _outcome(folder: Path) -> Outcome:
    table = Result(folder).table()

    def of(method: str, column: str) -> Estimate:
        return over_seeds(table.loc[table["method"] == method, column].tolist())

    own = table[table["kind"] == "plan"]
    if own.empty:
        own = table[table["method"] == best_single(table)]
    first = own.iloc[0]
    return Outcome(
        first["title"],
        of(first["method"], "group_tow"),
        of(CEILING, "group_tow"),
        of(first["method"], "tpr_at_1_fpr"),
        of(RETRAINED, "tpr_at_1_fpr"),
    )


@lru_cache(maxsize=10_000)
def _closest(folder: Path) -> Outcome:
    result = Result(folder)
    table, seeds = result.table(), result.spec().seeds

    def closeness(line: pd.Series) -> Estimate:
        return Estimate(*values_of(line[["group_tow", "group_tow_half"]]), seeds)

    first = table[(table["kind"] != "reference") & table["group_tow"].notna()].iloc[0]  # the closest first
    ceiling = table[table["title"] == REFERENCES[CEILING]].iloc[0]
    return Outcome(first["title"], closeness(first), closeness(ceiling))


OUTCOMES: dict[str, Callable[[Path], Outcome]] = {"Study": _outcome, "TryEverything": _closest}
