"""What can be said of a method without any retrained model: an attack beside test images, and beside what models of the
bank read that never saw an image. Weaker than verdicts.py: what retraining would read is only foretold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from unlearn_core.attacks import Measured, auc
from unlearn_core.evaluation import over_seeds
from unlearn_core.experiment.audit import Attacked, attack, rows_of
from unlearn_core.experiment.bank import bank_columns, bank_test_margins
from unlearn_core.experiment.comparison import ORIGINAL
from unlearn_core.experiment.views import OpenStudy

STATISTIC = "confidence"  # the one score that a bank keeps of each of its models
FEWEST = 2  # images on each side, for an AUC to say anything of a model


@dataclass(frozen=True, eq=False)
class Reading:
    """The confidence attack on a method (`audited`) and the original, on a `part` of the forgotten images against test
    images of their classes.

    `never` (m,) is the AUC of the same attack on models of the bank, each on the images of the part that it never saw;
    empty without a bank, and where the set takes most of a class.
    `expected` is where 95 of 100 further such models would read, None without a bank.
    """

    part: str
    audited: Attacked
    original: Attacked
    never: np.ndarray
    expected: Measured | None

    @property
    def guess(self) -> float:
        """What a retrained model is expected to read, 0 to 1: the bank's, or 0.5, as for test images, without one."""
        return self.expected.value if self.expected else 0.5

    def off_by(self, retrained: float) -> float:
        """How far the guess lies above what retrained models do read, -1 to 1."""
        return self.guess - retrained

    @property
    def has_power(self) -> bool:
        """Whether the same test tells the original from models that never saw the images."""
        return self.expected is not None and self.original.success.low > self.expected.high

    @property
    def side(self) -> int | None:
        """1 or -1 where the whole interval of the method lies above or below what is expected, 0 where it does not and
        that of the original does; None where nothing can be said.
        """
        if self.expected is None:
            return None
        found = self.audited.success
        if found.low > self.expected.high or found.high < self.expected.low:
            return 1 if found.low > self.expected.high else -1
        return 0 if self.has_power else None


def read(study: OpenStudy, method: str, part: str = "all") -> Reading:
    """The reading of a method on all, or on the low, medium or high third. Asks no retrained model.

    An interval for one further model, by Student's t: the models of a bank differ by what they were trained on, and by
    which few images each never saw, so it is wider than one for retrained models.
    Raises BadValue for an unknown method or part, and for an empty part.
    Source: Ye et al. (2022), arXiv:2111.09679 (attack-P, with a population of test images); Zarifzadeh et al. (2024),
    arXiv:2312.03262, for reference models that never saw an image.
    """
    # Models of the bank knew every class, so they say nothing of models that know one of them hardly or not at all.
    never = np.empty(0) if study.about(study.forget).lost else _never(study, part)
    found = over_seeds(never.tolist())
    expected = None
    if len(never) > 1:
        reach = float(stdtrit(len(never) - 1, 0.975) * never.std(ddof=1) * math.sqrt(1 + 1 / len(never)))
        low, high = max(0.0, found.mean - reach), min(1.0, found.mean + reach)
        expected = Measured(found.mean, low, high, f"where 95 of 100 further models read, by {len(never)}")
    audited, original = (attack(study, name, STATISTIC, part) for name in (method, ORIGINAL))
    return Reading(part, audited, original, never, expected)


@lru_cache(maxsize=32)
def _never(study: OpenStudy, part: str) -> np.ndarray:
    """(m,) the AUC of each model of the bank on what it never saw of a part, against unseen test images."""
    rows = rows_of(study, part)
    if not study.spec.models:
        return np.empty(0)
    unseen = study.target.unseen
    member, phi = bank_columns(study.store, study.spec.bank, rows)
    test = bank_test_margins(study.store, study.spec.bank)[:, unseen]
    pairs = [(own[~seen], held_out) for seen, own, held_out in zip(member, phi, test, strict=True)]
    return np.array([auc(*pair) for pair in pairs if min(map(len, pair)) >= FEWEST], np.float64)
