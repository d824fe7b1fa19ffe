"""Forget sets worth a look, each with what speaks for it, from what a study has in its store already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core.experiment.bank import bank_sums
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.set_numbers import quick_facts
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.forget import ByEntanglement, ByMemorization
from unlearn_core.params import BadValue
from unlearn_core.words import among_random, hundredths

STANDS_OUT = 0.95  # share of random sets of its size that a set called entangled is more entangled than
DOUBT = 0.5  # share of the models without an image that give its label; where fewer do, the label is doubted


@dataclass(frozen=True)
class Recommended:
    """A set with a `title`, its sorted `rows` (k,), and `evidence`: what was measured, in one or two sentences. `first`
    (k,) holds the same rows, those that speak most for it first.
    """

    title: str
    rows: np.ndarray
    first: np.ndarray
    evidence: str


def recommended(study: OpenStudy) -> tuple[list[Recommended], list[str]]:
    """Sets worth a look, and a sentence for each that is left out: why.

    They are likely mislabelled images where the study has a bank, the most memorized, and the most entangled group
    where it is more entangled than nearly all random sets; as many of the latter two as the study forgets, where there
    are enough.
    """
    found = [_mislabelled(study), _memorized(study), _entangled(study)]
    return [one for one in found if not isinstance(one, str)], [one for one in found if isinstance(one, str)]


def doubt(study: OpenStudy) -> np.ndarray | None:
    """(n,) share, 0 to 1, of the bank's models that did not train on an image and give another class than its label;
    None without a bank.
    """
    if not study.spec.models:
        return None
    sums = bank_sums(fulfil(study.store, study.spec.bank))
    count, right = sums.count.sum(0, dtype=np.int64)[0], sums.right.sum(0, dtype=np.int64)[0]
    return 1 - right / count


def _mislabelled(study: OpenStudy) -> Recommended | str:
    """Models that never saw an image contradict its label, and only those that did see it agree: an image that is
    merely hard is often wrong under both.

    Source: after Northcutt, Jiang and Chuang (2021), "Confident Learning", arXiv:1911.00068: labels are doubted by
    predictions of models that were not trained on them.
    """
    doubted = doubt(study)
    if doubted is None:
        return "Likely mislabelled images are found with a bank of models, and this study has none."
    rows = np.flatnonzero((doubted > DOUBT) & (study.memorization.scores > DOUBT))
    if len(rows) == 0:
        return "No image is contradicted by most of the models that never saw it, so no label is doubted."
    if len(rows) == len(study.labels):
        return "Every image is contradicted by most of the models that never saw it, so no label stands out."
    said = (
        f"On average {doubted[rows].mean():.0%} of the models that never saw these images give another class than "
        f"their label; on all training images {doubted.mean():.1%} do."
    )
    known = study.data.mislabelled
    if known is None:
        said += " Which labels are really wrong is not known here: some of these images are only unusual."
    else:
        found = int(known[rows].sum())
        said += (
            f" Of these, {found:,} of {len(rows):,} are known to be wrong, of {int(known.sum()):,} wrong ones in all."
        )
    order = np.lexsort((rows, -np.round(doubted[rows], 9)))
    return Recommended("Likely mislabelled", rows, rows[order], said)


def _memorized(study: OpenStudy) -> Recommended:
    scores, size = study.memorization.scores, min(len(study.forget), len(study.labels) - 1)
    rows = ByMemorization(level="high", size=size).choose(study.known)
    title = "Most memorized" if study.spec.models else "Learned last"
    own, every = hundredths(scores[rows].mean()), hundredths(scores.mean())
    said = f"Mean {study.score_words.name} {own}; all training images have {every}."
    if study.spec.models:
        said += " Forgetting them changes most what the model says of the images themselves."
    alike = np.flatnonzero(scores == scores[rows].min())
    inside = len(np.intersect1d(alike, rows))
    if inside < len(alike):
        said += f" {len(alike):,} images have the very same lowest score: {inside:,} are in it, by row number."
    return Recommended(title, rows, rows[np.lexsort((rows, -np.round(scores[rows], 9)))], said)


def _entangled(study: OpenStudy) -> Recommended | str:
    size = min(len(study.forget), len(study.labels) // 3)
    try:
        rows = ByEntanglement(level="high", size=size).choose(study.known)
    except BadValue:  # too few images for groups
        return "No set is called most entangled: there are too few images to group them by distance."
    es = quick_facts(study, rows).entanglement
    if es.percentile < STANDS_OUT:
        return (
            "No set is recommended as most entangled: the best candidate, images at one distance from the middle, is "
            f"{among_random(es.percentile, 'more entangled')} of its size, and {STANDS_OUT:.0%} is asked for."
        )
    said = (
        f"{es.share_of_random:.2g} times as entangled as a random set of this size, and "
        f"{among_random(es.percentile, 'more entangled')}."
    )
    near = study.sums.squares[rows]
    return Recommended("Most entangled", rows, rows[np.lexsort((rows, near))], said)
