"""What attacks tell of a method: the one place that decides it, for the Audit page and the report alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import unlearn_core.experiment.audit as audit
from unlearn_core.experiment.audit import Verdict
from unlearn_core.experiment.views import OpenStudy

# By the side on which a method lies of retraining.
SAYS = {1: "remembers more than retraining", -1: "is over-unlearned", 0: "cannot be told from retraining"}
# The same for the attack that is high for anything unusual.
SAYS_EITHER = {1: "stands out from retraining", -1: "stands out less than retraining", 0: SAYS[0]}


def says(verdict: Verdict, statistic: str) -> str:
    """What one verdict of an attack says of a method or of a part, as the end of a sentence."""
    return (SAYS_EITHER if statistic == audit.EITHER_DIRECTION else SAYS)[verdict.side]


@dataclass(frozen=True, eq=False)
class Told:
    """What one attack tells of a method over all seeds: on all forgotten images together (`whole`) and on each part
    that has images."""

    statistic: str
    whole: Verdict
    parts: tuple[Verdict, ...]

    @property
    def label(self) -> str:
        return audit.STATISTICS[self.statistic].label

    @property
    def off(self) -> tuple[Verdict, ...]:
        """Where the method lies off retraining: on all images together, else on the parts where it does.

        Whether the attack sees anything in the original is no matter: that it finds nothing needs power, a finding
        does not.
        """
        return (self.whole,) if self.whole.side else tuple(v for v in self.parts if v.side)

    @property
    def finding(self) -> str:
        """What the attack finds, as the end of "it finds that"; empty where it finds nothing. Parts on the other side
        of retraining than all together are named too: in one mean they would vanish."""
        if self.whole.side:
            against = self._each([v for v in self.parts if v.side == -self.whole.side])
            return f"it {says(self.whole, self.statistic)}" + (f", though {against}" if against else "")
        return self._each(self.off)

    def _each(self, parts: Sequence[Verdict]) -> str:
        each = [f"the {v.part} part {says(v, self.statistic)}" for v in parts]
        return " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))


def told(study: OpenStudy, method: str, statistic: str = "") -> Told:
    """An attack on a method; unless named, the one that the report goes by. Raises BadValue as audit.judge does."""
    statistic = statistic or audit.default_statistic(study)
    parts = [part for part, rows in study.parts.items() if len(rows)]
    whole, *each = (audit.judge(study, method, statistic, part) for part in ("all", *parts))
    return Told(statistic, whole, tuple(each))


def others(study: OpenStudy, method: str) -> list[Told]:
    """The attacks beside the report's that find a method off retraining, in the order of STATISTICS."""
    own = audit.default_statistic(study)
    found = [told(study, method, name) for name in audit.statistics(study) if name != own]
    return [each for each in found if each.off]
