"""What the attacker with shadow models reads: scores before and after, and what he finds at each rate of false alarms.

The shadow models of tier 2 are judged block by block (attacks/blocks.py). Scores of all blocks go into one ROC, so that
rare false alarms can be measured; readings within a block, and of an image in several, hang together, so every interval
is one over blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from unlearn_core.attacks import Measured
from unlearn_core.attacks.blocks import Trials, over_blocks, roc_over_blocks, tpr_over_blocks
from unlearn_core.attacks.roc import needed
from unlearn_core.evaluation import METRICS, Estimate, within
from unlearn_core.experiment.audit import Scored
from unlearn_core.experiment.comparison import side_of_zero
from unlearn_core.experiment.tiers.overview import gap_over_blocks
from unlearn_core.experiment.tiers.per_example import Observed
from unlearn_core.experiment.tiers.single_images import trials
from unlearn_core.experiment.tiers.thirds import BLOCK

QUESTIONS = ("efficacy", "privacy")
PLACES = 300  # of a ROC, along each of both kinds of axis


@dataclass(frozen=True, eq=False)
class Shadowed(Scored):
    """The attack on the shadow models; `seeds` number the blocks, whose scores (n,) of the same images are `members`
    and `others`. `shadows` is how many models were made, of which a ceiling needs two blocks for one of its own.
    """

    shadows: int

    @classmethod
    def of(cls, found: Trials, rows: np.ndarray, columns: np.ndarray, shadows: int) -> Shadowed:
        members, others = (tuple(scores[:, columns]) for scores in (found.members, found.others))
        return cls(tuple(range(len(members))), rows[columns], members, others, shadows)

    @property
    def readings(self) -> int:
        """Of all blocks together."""
        return self.unseen * len(self.seeds)

    @cached_property
    def mean(self) -> Measured:
        """AUC, the mean over blocks, with its 95 % interval, which may reach beyond what can be read: differences go by
        all of it.
        """
        return over_blocks(self.aucs)

    @cached_property
    def success(self) -> Measured:
        """The same for reading, with its interval as far as an AUC goes."""
        if self.mean.low is None:
            return self.mean
        low, high = within(self.mean.low, self.mean.high, METRICS["auc"].ends)
        return replace(self.mean, low=low, high=high)

    def found_at(self, alpha: float) -> Measured:
        """Share of the images found while at most a share `alpha` of the readings of unseen ones is accused, with its
        95 % interval over blocks; None, saying how many shadow models there would have to be, where these are too few.
        """
        if self.can_tell(alpha):
            if alpha not in self._found:  # drawing blocks again takes longer than the rest of a page
                self._found[alpha] = tpr_over_blocks(self.trials, alpha)
            return self._found[alpha]
        if not alpha > 0:
            return Measured(None, why="not measurable (needs a rate of false alarms above 0)")
        blocks = math.ceil(needed(alpha) / self.unseen) * (self.shadows // BLOCK // len(self.seeds))
        return Measured(None, why=f"not measurable (needs {BLOCK * blocks:,} shadow models)")

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The ROC of all blocks in one: `fpr`, `tpr`, and `low` and `high` of the 95 % interval over blocks."""
        there = np.arange(self.readings + 1) / self.readings
        wanted = np.r_[np.geomspace(1 / self.readings, 1, PLACES), np.linspace(0, 1, PLACES)]
        fpr = there[np.unique(np.searchsorted(there, wanted, side="right") - 1)]
        table = pd.DataFrame(dict(zip(("tpr", "low", "high"), roc_over_blocks(self.trials, fpr), strict=True)))
        table.insert(0, "fpr", fpr)
        return pd.concat([pd.DataFrame(0.0, [0], table.columns), table], ignore_index=True)

    @cached_property
    def _found(self) -> dict[float, Measured]:
        return {}

    @property
    def trials(self) -> Trials:
        return Trials(np.stack(self.members), np.stack(self.others))


@dataclass(frozen=True, eq=False)
class ShadowVerdict:
    """Unlearned models beside the same before they unlearned (`original`: what there was to find) and beside models
    that never saw the images, judged by others of their kind (`retrained`: the target).
    """

    audited: Shadowed
    original: Shadowed
    retrained: Shadowed

    @cached_property
    def apart(self) -> Estimate:
        """AUC minus the target's, with its interval over blocks."""
        return gap_over_blocks(self.audited.mean, self.retrained.mean, len(self.audited.seeds))

    @property
    def side(self) -> int:
        """1 where the images can be told from ones never seen, 0 where they cannot; -1 where the attacker is wrong more
        often than right, which tells them too.
        """
        return side_of_zero(self.apart) or 0

    @property
    def blind(self) -> bool:
        """Whether nothing was found where nothing could be, even before forgetting: no verdict at all."""
        power = gap_over_blocks(self.original.mean, self.retrained.mean, len(self.original.seeds))
        return not self.side and side_of_zero(power) != 1


def beside_mates(seen: Observed, scores: np.ndarray, parts: dict[str, np.ndarray]) -> pd.DataFrame:
    """How hard the images are that shadows forget, by part: the mean of `scores` (n,), higher = harder, of the `own`
    images, and of their `mates`, the two others that shadows forget in their place. A part without images is left out.
    """
    own, *others = np.split(seen.rows, len(seen.rows) // seen.forget)
    lines = {}
    for part, rows in parts.items():
        inside = np.isin(own, rows)
        if inside.any():
            mates = np.concatenate([scores[each[inside]] for each in others])
            lines[part] = {"own": float(scores[own[inside]].mean()), "mates": float(mates.mean())}
    return pd.DataFrame.from_dict(lines, orient="index")


def judged(seen: Observed, question: str, rows: np.ndarray | None = None) -> ShadowVerdict:
    """The attacker who knows each image, on `question` "efficacy" or "privacy" (single_images.trials), on these of the
    images that the shadows share out; None means all of them, those beside the forget images too.

    `original` and `retrained` are by the same attacker, each taught on models of its own kind.
    """
    columns = np.arange(len(seen.rows)) if rows is None else np.flatnonzero(np.isin(seen.rows, rows))
    return ShadowVerdict(
        *(
            Shadowed.of(trials(seen, asked, "per example"), seen.rows, columns, len(seen.before))
            for asked in (question, "power", "ceiling")
        )
    )
