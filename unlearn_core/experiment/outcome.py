"""What came of a finished study, in the two numbers that a list has room for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from unlearn_core.attacks.roc import needed
from unlearn_core.disk import StoreError
from unlearn_core.evaluation import Estimate, over_seeds
from unlearn_core.experiment.study_table import CEILING, RETRAINED, best_single
from unlearn_core.result import Result
from unlearn_core.store import Store


@dataclass(frozen=True)
class Outcome:
    """The study's first plan, or the algorithm that came closest to retraining where it has none (`title`): group ToW
    and attack success at 1 % false alarms (TPR@1%FPR), means over seeds with 95 % intervals; and the same of what they
    are held against, a second retrained model and the retrained one. A mean is None where it is not measurable; of the
    exposure `why_not` says why.
    """

    title: str
    closeness: Estimate
    ceiling: Estimate
    exposure: Estimate
    target: Estimate

    @property
    def why_not(self) -> str:
        """As a clause; empty where the exposure was measured."""
        if self.exposure.mean is not None:
            return ""
        return f"it needs {needed(0.01):,} test images of the forgotten classes, and this study has fewer"


def outcome(store: Store, study_key: str) -> Outcome | None:
    """Of the finished study with this key; None where there is none that this version can read."""
    try:
        return _outcome(store.open("Study", study_key).folder)
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
