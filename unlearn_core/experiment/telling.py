"""What can be told of a method beside retraining, by attacks and by accuracy: the one place that decides it, for
Compare, Audit and the report alike.

Two things are asked of a number, and each has its limit with its own name. That an attack *finds* something has to
exceed the noise floor (`Verdict.noise`); that there is *no* difference has to hold within the margin (`margin`),
with the whole interval. Accuracies go by the margin in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

import unlearn_core.experiment.audit as audit
import unlearn_core.experiment.comparison as core
import unlearn_core.experiment.verdicts as verdicts
from unlearn_core.evaluation import Estimate
from unlearn_core.evaluation.seeds import ROUNDING
from unlearn_core.experiment.measured_groups import filled, third
from unlearn_core.experiment.verdicts import Verdict
from unlearn_core.experiment.views import OpenStudy

# -- the rule for numbers ----------------------------------------------------------------------------------------------

# A difference up to this, in accuracy or AUC, counts as none even where all retrained models read the same; and more
# than that never does, however far few retrained models seem to lie apart.
SMALLEST, LARGEST = 0.01, 0.1
# Accuracies move in steps of one image, so that two seeds agree by chance and their interval then has no width at all.
RULE = (
    "Too few images or seeds decide nothing: a mean difference of no more than one image, or two seeds that agree "
    "where one image more or less in one of them would change the answer."
)


def margin(floor: Sequence[float]) -> float | None:
    """What counts as no difference to retraining: as far as 95 of 100 pairs of retrained models lie apart, but at least
    SMALLEST and at most LARGEST. None with fewer than two pairs.

    `floor` has a difference between two retrained models for each seed. As the two are trained alike, it lies around 0,
    and Student's t tells from its size how large the next one may be.
    """
    known = np.array([d for d in floor if not pd.isna(d)], np.float64)
    if len(known) < 2:
        return None
    found = float(stdtrit(len(known), 0.975) * np.sqrt((known**2).mean()))
    return min(max(found, SMALLEST), LARGEST)


def place(apart: Estimate, within: float | None, worse_only: bool = False) -> int | None:
    """Where a method lies beside retraining, going by the whole interval of its difference: 0 where all of it stays
    within the margin, 1 or -1 where all of it lies above or below the margin, None where it reaches over an end or
    where there is no interval. With `worse_only` nothing lies too high to be within.

    That no difference is found does not make two things equal; an interval inside a margin does.
    Source: Schuirmann (1987), "A comparison of the two one-sided tests procedure and the power approach for assessing
    the equivalence of average bioavailability", J. Pharmacokinetics and Biopharmaceutics 15.
    """
    if within is None or apart.mean is None or apart.half_width is None:
        return None
    low, high, end = apart.mean - apart.half_width, apart.mean + apart.half_width, within + ROUNDING
    if high < -end or low > end:
        return -1 if high < -end else 1
    return 0 if low >= -end and (worse_only or high <= end) else None


def too_few(apart: Estimate, within: float | None, images: int, worse_only: bool = False) -> str:
    """Why an accuracy that is a share of so many images decides nothing although its interval seems to, by RULE, as a
    clause; empty where it does decide, or its interval leaves it open anyway."""
    side = place(apart, within, worse_only)
    if side is None:
        return ""
    if side and abs(apart.mean) <= 1 / images + ROUNDING:
        return f"no more than one image of {images:,}, too few to judge by"
    # The interval of two values that lie one image apart.
    wide = Estimate(apart.mean, float(stdtrit(1, 0.975)) / (2 * images), 2)
    if apart.n == 2 and apart.half_width <= ROUNDING and place(wide, within, worse_only) != side:
        return f"two seeds agree on it, and one image of {images:,} more or less in one of them would change the answer"
    return ""


# -- accuracies --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beside:
    """An accuracy of a method beside that of retrained models of the same seeds: the difference, the margin, and as
    `side` what `place` says of the two; None too where there is too little to judge by, and then `why` says so."""

    apart: Estimate
    margin: float | None
    side: int | None
    why: str = ""


def beside(study: OpenStudy, method: str, metric: str, worse_only: bool = False) -> Beside:
    """An accuracy (a column of the study's table whose name ends so) beside retraining."""
    each = core.by_seed(study, metric)
    apart = core.versus(study, method, core.RETRAINED, metric).difference
    within = margin((each[core.CEILING] - each[core.RETRAINED]).tolist())
    why = too_few(apart, within, _images(study, metric.removesuffix("_accuracy")), worse_only)
    return Beside(apart, within, None if why else place(apart, within, worse_only), why)


def _images(study: OpenStudy, on: str) -> int:
    sizes = {"test": len(study.target.test_labels), "forget": len(study.forget)}
    sizes["retain"] = len(study.labels) - len(study.forget)
    return sizes[on] if on in sizes else len(study.parts[on])


def accuracy_blind(study: OpenStudy) -> list[str]:
    """The thirds on which accuracy tells nothing, as not even the original lies off retraining there."""
    return [name for name in filled(study) if not beside(study, core.ORIGINAL, f"{name}_accuracy").side]


# -- attacks -----------------------------------------------------------------------------------------------------------

# By the side on which a method lies of retraining.
SAYS = {1: "remembers more than retraining", -1: "is over-unlearned", 0: "cannot be told from retraining"}
# The same for the attack that is high for anything unusual.
SAYS_EITHER = {1: "stands out from retraining", -1: "stands out less than retraining", 0: SAYS[0]}
# Where nothing was found by a test that could not find anything.
BLIND = "cannot be judged"


def says(verdict: Verdict, statistic: str) -> str:
    """What one verdict of an attack says of a method or of a third, as the end of a sentence. That one seed finds
    nothing is no success, and must not read like one.
    """
    if verdict.blind:
        return BLIND
    if not verdict.side and len(verdict.audited.seeds) == 1:
        return f"{SAYS[0]} by one seed, which settles nothing"
    return (SAYS_EITHER if statistic == audit.EITHER_DIRECTION else SAYS)[verdict.side]


def without_power(verdict: Verdict) -> str:
    """Why silence of an attack proves nothing, as a clause; empty where it has power."""
    if verdict.has_power:
        return ""
    if core.side_of_zero(verdict.power) == 1:
        return "has too few images or seeds to judge by: its noise floor is so wide that even the original would pass"
    return "finds no more in the original than in a retrained model"


def margin_of(verdict: Verdict) -> float | None:
    """Within what the report calls what an attack reads like retraining."""
    pairs = zip(verdict.again.aucs, verdict.retrained.aucs, strict=True)
    return margin([again - own for again, own in pairs])


@dataclass(frozen=True, eq=False)
class Told:
    """What one attack tells of a method over all seeds: on all forgotten images together (`whole`) and on each third
    that has images (`parts`)."""

    statistic: str
    whole: Verdict
    parts: tuple[Verdict, ...]

    @property
    def label(self) -> str:
        return audit.STATISTICS[self.statistic].label

    @property
    def off(self) -> tuple[Verdict, ...]:
        """Where the method lies off retraining: on all images together, else on the thirds where it does.

        Whether the attack sees anything in the original is no matter: that it finds nothing needs power, a finding
        does not.
        """
        return (self.whole,) if self.whole.side else tuple(v for v in self.parts if v.side)

    @property
    def finding(self) -> str:
        """What the attack finds, as the end of "it finds that"; empty where it finds nothing. Thirds on the other side
        of retraining than all together are named too: in one mean they would vanish."""
        if self.whole.side:
            against = self._each([v for v in self.parts if v.side == -self.whole.side])
            return f"it {says(self.whole, self.statistic)}" + (f", though {against}" if against else "")
        return self._each(self.off)

    def _each(self, parts: Sequence[Verdict]) -> str:
        each = [f"the {third(v.part)} {says(v, self.statistic)}" for v in parts]
        return " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))


def told(study: OpenStudy, method: str, statistic: str = "") -> Told:
    """An attack on a method; unless named, the one that the report goes by. Raises BadValue as verdicts.judge does."""
    statistic = statistic or audit.default_statistic(study)
    whole, *each = (verdicts.judge(study, method, statistic, part) for part in ("all", *filled(study)))
    return Told(statistic, whole, tuple(each))


def others(study: OpenStudy, method: str) -> list[Told]:
    """The attacks beside the report's that find a method off retraining, in the order of STATISTICS."""
    own = audit.default_statistic(study)
    found = [told(study, method, name) for name in audit.statistics(study) if name != own]
    return [each for each in found if each.off]
