"""What an attack comes to: a method's models beside the original and two retrained ones, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scipy.special import ndtri

from unlearn_core.attacks.roc import delong_difference
from unlearn_core.evaluation import Estimate, paired_difference
from unlearn_core.experiment.audit import Attacked, attack
from unlearn_core.experiment.comparison import CEILING, ORIGINAL, RETRAINED, side_of_zero
from unlearn_core.experiment.views import OpenStudy


def difference(first: Attacked, second: Attacked) -> Estimate:
    """AUC of the first minus AUC of the second with its 95 % interval.

    Over seeds, paired, where there are several; with a single seed over images (DeLong), for these two models.
    """
    if len(first.seeds) > 1:
        return paired_difference(first.aucs, second.aucs)
    pairs = [(a.members[0], a.others[0]) for a in (first, second)]
    apart, variance, _ = delong_difference(*pairs)
    return Estimate(apart, float(ndtri(0.975) * math.sqrt(max(variance, 0.0))), 1)


@dataclass(frozen=True, eq=False)
class Verdict:
    """A method under one attack beside its references.

    `apart` is its AUC minus the retrained models', two-sided: above 0 it remembers more than retraining, below 0 it is
    over-unlearned (with `audit.EITHER_DIRECTION` above 0 says only that it stands out). `power` is the original's AUC
    minus the retrained models': where its interval holds 0 the attack sees nothing to begin with. `floor` is one
    retrained model minus another. `part` is all, or a third of the forget set: low, medium or high.
    """

    part: str
    audited: Attacked
    original: Attacked
    retrained: Attacked
    again: Attacked
    apart: Estimate
    power: Estimate
    floor: Estimate

    @property
    def noise(self) -> float:
        """As far as one retrained model may lie from another: the end of that interval that is further from 0."""
        return abs(self.floor.mean) + self.floor.half_width

    @property
    def side(self) -> int:
        """1 or -1 where `apart` lies above or below 0 with its whole interval, and beyond the noise floor; else 0.

        The interval alone would not do: the likelihood ratio's two retrained models are each other's unseen images,
        their AUCs mirror each other, and with few seeds such a difference alone can miss 0.
        """
        return side_of_zero(self.apart) or 0 if abs(self.apart.mean) > self.noise else 0

    @property
    def has_power(self) -> bool:
        """Whether the very test that `side` is would tell the original from retraining: a floor so wide that even the
        original would pass lets anything pass."""
        return side_of_zero(self.power) == 1 and self.power.mean > self.noise

    @property
    def blind(self) -> bool:
        """Whether nothing was found by a test that could not have found anything: no verdict at all."""
        return not self.side and not self.has_power


def judge(study: OpenStudy, method: str, statistic: str, part: str = "all", seeds: Sequence[int] = ()) -> Verdict:
    """The attack on a method, the original and two retrained models, and how they differ."""
    return _judged(study, method, statistic, part, tuple(seeds))


@lru_cache(maxsize=16)
def _judged(study: OpenStudy, method: str, statistic: str, part: str, seeds: tuple[int, ...]) -> Verdict:
    audited, original, retrained, again = (
        attack(study, name, statistic, part, seeds) for name in (method, ORIGINAL, RETRAINED, CEILING)
    )
    differences = (difference(x, retrained) for x in (audited, original, again))
    return Verdict(part, audited, original, retrained, again, *differences)
