"""Attacks on the models of a finished study: does anything give away that the forget images were once trained on?

An `Attacked` holds the scores of one attack on one method's models, one pair of arrays per seed. Models of different
seeds are different samples, images under one model are not: so with several seeds every number is taken per seed and
its interval is over seeds; with a single seed the interval is over images and speaks of that one model only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from scipy.special import expit

from unlearn_core.attacks import (
    ATTACKS,
    Attack,
    Measured,
    Roc,
    auc,
    auc_interval,
    best_threshold,
    cluster_bootstrap,
    rmia_offline,
    roc,
    tpr_at_fpr,
)
from unlearn_core.attacks.rmia import RAISED, halves
from unlearn_core.attacks.roc import needed
from unlearn_core.attacks.signals import margin
from unlearn_core.evaluation import Estimate, over_seeds
from unlearn_core.experiment.comparison import CEILING, ORIGINAL, RETRAINED
from unlearn_core.experiment.measured_groups import third
from unlearn_core.experiment.measures import OWN_VARIANCE
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue

# Attacks that score single images, and so have a distribution and a ROC.
STATISTICS = {name: attack for name, attack in ATTACKS.items() if attack.gives == "scores"}
RARE = 0.01  # a share of false alarms that is worth axes of its own, powers of ten, where it can be measured
# This one is high for images that are unusual in either direction, so a high value is no sign of remembering.
EITHER_DIRECTION = "lira_offline_two_sided"


def statistics(study: OpenStudy) -> dict[str, Attack]:
    """The rows of STATISTICS that a study allows."""
    return {name: row for name, row in STATISTICS.items() if not _lacks(study, name)}


def _lacks(study: OpenStudy, statistic: str) -> str:
    """What an attack needs that a study does not have, as a sentence; empty where it has all."""
    if STATISTICS[statistic].needs != ("logits", "labels") and not study.spec.models:
        return "This attack needs a bank of models, and no bank of models was trained."
    if statistic == "rmia_offline" and study.target.unseen.sum() < 2:  # some for each of the two halves
        return "This attack needs two test images of the forgotten classes at least, and this study has fewer."
    return ""


def default_statistic(study: OpenStudy) -> str:
    """The likelihood-ratio attack of the study's own numbers: with one variance for all images if its bank is small,
    and in its place the confidence attack without a bank.
    """
    if not study.spec.models:
        return "confidence"
    return "lira_online" if study.shadows.outside.count.min() >= OWN_VARIANCE else "lira_online_pooled"


def compares_same_images(statistic: str) -> bool:
    """Whether the unseen images of an attack are the forget images themselves, in models that never saw them."""
    return "phi" in STATISTICS[statistic].needs


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of one attack on several models. Higher = more likely a member.

    `members[i]` are the scores of the forget images `rows` under the model of `seeds[i]`; `others[i]` those of the
    unseen images that it compares with.
    """

    seeds: tuple[int, ...]
    rows: np.ndarray
    members: tuple[np.ndarray, ...]
    others: tuple[np.ndarray, ...]

    @property
    def unseen(self) -> int:
        """How many images the attack compares with, under each model."""
        return len(self.others[0])

    @property
    def readings(self) -> int:
        """How many readings of unseen images a share of false alarms is measured on."""
        return self.unseen

    @cached_property
    def aucs(self) -> list[float]:
        return [auc(m, o) for m, o in zip(self.members, self.others, strict=True)]

    def at(self, threshold: float) -> tuple[float, float]:
        """(share of forget images, share of unseen images) with a score of at least `threshold`, means over seeds."""
        found = np.mean([(m >= threshold).mean() for m in self.members])
        accused = np.mean([(o >= threshold).mean() for o in self.others])
        return float(found), float(accused)

    def can_tell(self, accused: float) -> bool:
        """Whether a share of unseen images wrongly accused is measurable here, by the rule of `found_at`."""
        return self.readings >= needed(accused)

    def threshold_at(self, alpha: float) -> float:
        """The score that a share `alpha` of the unseen images reaches, over all seeds: where to begin to look."""
        return float(np.quantile(np.concatenate(self.others), 1 - alpha))


@dataclass(frozen=True, eq=False)
class Attacked(Scored):
    """One attack on the models of one method, one for each seed."""

    @cached_property
    def rocs(self) -> tuple[Roc, ...]:
        return tuple(roc(m, o) for m, o in zip(self.members, self.others, strict=True))

    @cached_property
    def success(self) -> Measured:
        """AUC with its 95 % interval: over seeds, or DeLong's over images where there is a single seed.

        Where an attack compares the same images in two models DeLong's interval is on the wide side: it takes the two
        sides for unrelated.
        """
        if len(self.seeds) == 1:
            return auc_interval(self.members[0], self.others[0])
        return _share(over_seeds(self.aucs))

    @cached_property
    def resampled(self) -> Measured:
        """AUC with its interval from drawing models again, then images: believe the wider of this and `success`."""
        return cluster_bootstrap(list(zip(self.members, self.others, strict=True)), auc, resamples=1000)

    def found_at(self, alpha: float) -> Measured:
        """Share of the forget images found while at most a share `alpha` of unseen images is accused, and its interval.

        None with the reason where a single model has too few unseen images; images are never pooled over seeds for it.
        """
        each = [tpr_at_fpr(m, o, alpha) for m, o in zip(self.members, self.others, strict=True)]
        if len(each) == 1 or each[0].value is None:
            return each[0]
        return _share(over_seeds([e.value for e in each]))

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The ROC: `fpr`, `tpr`, and `low` and `high` of the 95 % interval over seeds (NaN with one seed).

        `tpr` is the mean of the seeds' own curves at each rate of false alarms, so the area under it is the mean AUC.
        Every rate stands twice, for the two ends of its vertical step.
        """
        fpr = np.unique(np.concatenate([r.fpr for r in self.rocs]))
        each = np.array([np.ravel(_ends(r, fpr), order="F") for r in self.rocs])
        fpr = np.repeat(fpr, 2)
        spread = [over_seeds(column).half_width for column in each.T] if len(each) > 1 else np.nan
        mean = each.mean(axis=0)
        low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
        return pd.DataFrame({"fpr": fpr, "tpr": mean, "low": low, "high": high})


def _ends(curve: Roc, fpr: np.ndarray) -> np.ndarray:
    """(2, n) lowest and highest TPR of a curve at each FPR; between two points, where scores are tied, a line."""
    before = np.searchsorted(curve.fpr, fpr, side="left").clip(1)
    after = np.searchsorted(curve.fpr, fpr, side="right") - 1
    start, end = curve.fpr[before - 1], curve.fpr[before]
    way = np.divide(fpr - start, end - start, out=np.zeros(len(fpr)), where=end > start)
    between = curve.tpr[before - 1] + way * (curve.tpr[before] - curve.tpr[before - 1])
    exact = curve.fpr[after] == fpr
    return np.stack([np.where(fpr == 0, 0.0, between), np.where(exact, curve.tpr[after], between)])


def attack(study: OpenStudy, method: str, statistic: str, part: str = "all", seeds: Sequence[int] = ()) -> Attacked:
    """An attack of STATISTICS on a method's models; `part` is all, low, medium or high; no seeds means all of them.

    Likelihood-ratio attacks compare with the same images under a retrained model of another seed. The others compare
    with test images, of the classes that the forget set has, under the audited model itself; RMIA with half of them,
    for the other half is its population.
    Raises BadValue for an unknown attack, method, part or seed, for an empty part, and for an attack that needs what
    the study lacks.
    """
    if statistic not in STATISTICS:
        raise BadValue(f"{statistic!r} is not an attack that scores single images.")
    if lacking := _lacks(study, statistic):
        raise BadValue(lacking)
    return _attacked(study, method, statistic, part, tuple(seeds) or all_seeds(study))


@lru_cache(maxsize=64)  # those of as many verdicts as are kept: each is small, but keeps its study open
def _attacked(study: OpenStudy, method: str, statistic: str, part: str, seeds: tuple[int, ...]) -> Attacked:
    rows = rows_of(study, part)
    inside = np.isin(study.forget, rows)
    pairs = [_scores(study, method, statistic, seed, inside) for seed in seeds]
    return Attacked(seeds, rows, tuple(m for m, _ in pairs), tuple(o for _, o in pairs))


def all_seeds(study: OpenStudy) -> tuple[int, ...]:
    return tuple(range(study.spec.seeds))


def rows_of(study: OpenStudy, part: str) -> np.ndarray:
    """The forget images of a part, sorted. Raises BadValue for an unknown or empty part."""
    rows = study.forget if part == "all" else study.parts.get(part)
    if rows is None:
        raise BadValue(f"{part!r} is not what is measured on: choose all, low, medium or high.")
    if not len(rows):
        raise BadValue(f"The {third(part)} of this forget set is empty.")
    return rows


def _scores(
    study: OpenStudy, method: str, statistic: str, seed: int, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    chosen = STATISTICS[statistic]
    if statistic == "rmia_offline":
        return _relative(study, method, seed, inside)
    if not compares_same_images(statistic):
        logits = study.logits(method, seed)
        rows, seen = study.forget[inside], np.isin(study.target.test_labels, study.labels[study.forget])
        members = chosen.function(logits["train"][rows], study.labels[rows])
        return members, chosen.function(logits["test"][seen], study.target.test_labels[seen])
    # A second retrained model is compared with the first, never with itself.
    judge = RETRAINED if method == CEILING else CEILING
    sides = {"inside": study.shadows.inside, "outside": study.shadows.outside}
    sides = {name: side for name, side in sides.items() if name in chosen.needs}
    variance = {}
    if statistic.startswith("lira_offline") and study.shadows.outside.count.min() < OWN_VARIANCE:
        variance = {"variance": "pooled"}
    members, others = (
        chosen.function(study.margins(name, seed)["forget"], **sides, **variance)[inside] for name in (method, judge)
    )
    return members, others


def _relative(study: OpenStudy, method: str, seed: int, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RMIA by the bank: its models that never saw an image are the references, for they never saw the test images."""
    probs = {of: expit(margins) for of, margins in study.margins(method, seed).items()}
    known = study.references
    population, others = halves(len(probs["held_out"]))
    bar, a = (
        (probs["held_out"][population], known["held_out"][population]),
        RAISED.get(study.spec.training.data.name, 1.0),
    )
    members = rmia_offline(probs["forget"], known["forget"], *bar, a=a)[inside]
    return members, rmia_offline(probs["held_out"][others], known["held_out"][others], *bar, a=a)


# -- distributions -----------------------------------------------------------------------------------------------------


def is_ratio(statistic: str) -> bool:
    """Whether the scores are likelihood ratios, whose tails are so long that they are shown on the scale of arcsinh:
    even around 0, powers of ten further out."""
    return compares_same_images(statistic)


def histograms(
    scores: dict[str, Sequence[np.ndarray]], ratio: bool = False, bins: int = 32
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Shares of images in common bins: the edges (bins + 1,) and for each name the shares (bins,), which sum to 1.

    The edges span the middle 98 % of all scores; what lies outside is counted in the first and the last bin. With
    `ratio` the bins are equally wide on the scale of arcsinh. Where all scores are equal there is one bin around them.
    """
    together = np.concatenate([s for each in scores.values() for s in each])
    low, high = np.quantile(together, [0.01, 0.99])
    if low == high:
        low, high = together.min(), together.max()
    if low == high:
        edges = np.array([low - 0.5, low + 0.5])
    elif ratio:
        edges = np.sinh(np.linspace(np.arcsinh(low), np.arcsinh(high), bins + 1))
    else:
        edges = np.linspace(low, high, bins + 1)
    shares = {}
    for name, each in scores.items():
        pooled = np.clip(np.concatenate(each), edges[0], edges[-1])
        shares[name] = np.histogram(pooled, edges)[0] / len(pooled)
    return edges, shares


def thresholds(edges: np.ndarray) -> list[float]:
    """Thresholds worth trying: the edges and three steps between each two, with three significant digits, rising."""
    places = np.interp(np.arange(4 * len(edges) - 3) / 4, np.arange(len(edges)), edges)
    return sorted({float(f"{place:.3g}") + 0.0 for place in places})


# -- the confidence attack taught on kept and test images --------------------------------------------------------------


@dataclass(frozen=True)
class Efficacy:
    """MIA-efficacy of a method over seeds, and the attack's balanced accuracy on the images that it was taught on."""

    efficacy: Estimate
    balanced_accuracy: Estimate


def efficacy(study: OpenStudy, method: str, seeds: Sequence[int] = ()) -> Efficacy:
    """The confidence attack with its exact threshold. Balanced accuracy: 0.5 = it tells kept from test images no better
    than a coin, and then the efficacy is set by chance."""
    return _efficacy(study, method, tuple(seeds) or all_seeds(study))


@lru_cache(maxsize=64)
def _efficacy(study: OpenStudy, method: str, seeds: tuple[int, ...]) -> Efficacy:
    shares, right = [], []
    for seed in seeds:
        logits = study.logits(method, seed)
        keep = study.target.retain
        threshold, accuracy = best_threshold(
            margin(logits["train"][keep], study.labels[keep]), margin(logits["test"], study.target.test_labels)
        )
        shares.append(float((study.target.forget_margins(logits) < threshold).mean()))
        right.append(accuracy)
    return Efficacy(over_seeds(shares), over_seeds(right))


# -- single images -----------------------------------------------------------------------------------------------------


def at_risk(
    study: OpenStudy, method: str, part: str = "all", seeds: Sequence[int] = (), count: int = 24
) -> pd.DataFrame:
    """The forget images that look most like members under a method, by the likelihood ratio, the highest first.

    One line per image: `row`, `label` (its class), `part`, and the mean score over seeds under the audited models
    (`unlearned`), the `original` and the `retrained` ones. An image as high under retrained models gives nothing away.
    Raises BadValue without a bank.
    """
    seeds = tuple(seeds) or all_seeds(study)
    rows = rows_of(study, part)
    inside = np.isin(study.forget, rows)
    named = {"unlearned": method, "original": ORIGINAL, "retrained": RETRAINED}
    means = {name: np.mean([study.lira(m, s)[inside] for s in seeds], axis=0) for name, m in named.items()}
    part_of = {row: name for name, numbers in study.parts.items() for row in numbers}
    frame = pd.DataFrame({"row": rows, "label": [study.classes[y] for y in study.labels[rows]]})
    frame["part"] = [part_of[row] for row in rows]
    frame = frame.assign(**means)
    return frame.sort_values(["unlearned", "row"], ascending=[False, True]).head(count).reset_index(drop=True)


def _share(found: Estimate) -> Measured:
    """An estimate of a share; its interval ends at 0 and 1."""
    low, high = max(0.0, found.mean - found.half_width), min(1.0, found.mean + found.half_width)
    return Measured(found.mean, low, high, f"95 % interval over {found.n} seeds")
