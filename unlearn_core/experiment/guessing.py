"""A game that lets anyone feel what a membership attack does: which of two images was the model trained on?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import logit

from unlearn_core import evaluation
from unlearn_core.attacks.signals import confidence
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue

PAIRS = 10


@dataclass(frozen=True)
class Pair:
    """A forget image (a training `row`) and a test image (`stranger`) that no model was trained on; `left` is True
    where the forget image stands on the left. `sure` holds for each method the confidence in their labels of (the
    forget image, the test image), each from 0 to 1.
    """

    row: int
    stranger: int
    left: bool
    sure: dict[str, tuple[float, float]]

    def shown(self, method: str) -> tuple[float, float]:
        """The confidences as they stand on the screen: left, right."""
        member, stranger = self.sure[method]
        return (member, stranger) if self.left else (stranger, member)


def pairs(study: OpenStudy, methods: tuple[str, ...], seed: int, count: int = PAIRS) -> list[Pair]:
    """Pairs drawn by `seed`: forget images each once, test images of the same class where there are any left, each
    once: with a bank the one that is most nearly as hard (see `hardness`), else any. The confidences are those of the
    study's first model of each method.

    Raises BadValue where the study has fewer forget or test images than pairs.
    """
    labels, unseen = study.labels, study.data.test.y.numpy()
    if min(len(study.forget), len(unseen)) < count:
        raise BadValue(f"The game needs {count} images to forget and {count} test images; this study has fewer.")
    rng = np.random.default_rng([seed, 0x6A])
    drawn = rng.choice(len(study.forget), count, replace=False)
    free = rng.permutation(len(unseen)).tolist()
    sure, hard = {m: _confidences(study, m) for m in methods}, hardness(study)
    found = []
    for i, left in zip(drawn.tolist(), (rng.random(count) < 0.5).tolist(), strict=True):
        row = int(study.forget[i])
        alike = [other for other in free if unseen[other] == labels[row]]
        if hard is not None:
            alike = [alike[n] for n in np.argsort(np.abs(hard[1][alike] - hard[0][i]), kind="stable")]
        stranger = (alike or free)[0]
        free.remove(stranger)
        seen = {m: (float(train[row]), float(test[stranger])) for m, (train, test) in sure.items()}
        found.append(Pair(row, stranger, left, seen))
    return found


def hardness(study: OpenStudy) -> tuple[np.ndarray, np.ndarray] | None:
    """How sure models of the bank that were not trained on an image are of its label, as the logit of their mean
    probability: (k,) for the forget images and (n_test,), NaN where there is no such model or the class is not among
    those of the forget images. None without a bank. Without it a hard image beside an easy one gives away that it is
    hard, and not what the model was trained on.
    """
    if study.references is None:
        return None
    known = {name: logit(np.clip(p, 1e-12, 1 - 1e-12)) for name, p in study.references.items()}
    test = np.full(len(study.data.test.y), np.nan)
    test[study.target.unseen] = known["held_out"]
    return known["forget"], test


@lru_cache(maxsize=16)  # an open study lives as long as its cache
def won(study: OpenStudy, methods: tuple[str, ...]) -> dict[str, evaluation.Estimate]:
    """How often "the surer one was trained on" is right with each of these methods, 0 to 1 over seeds: with a bank over
    all forget images, each beside the test image of its class that is most nearly as hard, else over all pairs of a
    forget image and a test image. Unknown where no forget image has a partner.
    """
    hard = hardness(study)
    if hard is None:
        auc = study.table.set_index("method")["attack_auc"]
        return {method: evaluation.over_seeds(evaluation.values_of(auc.loc[[method]])) for method in methods}
    rows, partners = _most_alike(study, *hard)
    found = {}
    for method in methods:
        sure = (_confidences(study, method, seed) for seed in range(study.spec.seeds))
        shares = [np.mean((a[rows] > b[partners]) + (a[rows] == b[partners]) / 2) for a, b in sure if len(rows)]
        found[method] = evaluation.over_seeds(shares)
    return found


def _most_alike(study: OpenStudy, forget: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forget rows and, for each, the test image of its class of the nearest hardness; without those that have none."""
    own, partners = study.labels[study.forget], np.full(len(forget), -1)
    for label in np.unique(own[~np.isnan(forget)]):  # class by class, for all pairs would take much memory
        asked = np.flatnonzero((own == label) & ~np.isnan(forget))
        others = np.flatnonzero((study.data.test.y.numpy() == label) & ~np.isnan(test))
        if len(others):
            partners[asked] = others[np.abs(test[others] - forget[asked, None]).argmin(axis=1)]
    return study.forget[partners >= 0], partners[partners >= 0]


def _confidences(study: OpenStudy, method: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    logits = study.logits(method, seed)
    return confidence(logits["train"], study.labels), confidence(logits["test"], study.data.test.y.numpy())


def attack_hits(asked: list[Pair], method: str) -> float:
    """How many of these pairs the simplest attack gets right, "the surer one was trained on"; a tie counts one half."""
    hits = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in (pair.sure[method] for pair in asked)]
    return float(sum(hits))


def right_answers(asked: list[Pair], answers: dict[int, bool], part: slice) -> tuple[int, int]:
    """How many of this part of the pairs were answered rightly, and how many at all; an answer is True for the left."""
    told = [answers[number] == asked[number].left for number in range(*part.indices(len(asked))) if number in answers]
    return sum(told), len(told)


def opposite_wins(right: dict[str, evaluation.Estimate]) -> dict[str, float]:
    """Of these methods, as `won` has them, those with which the opposite rule, "the less sure one was trained on",
    beats this attack: the share of all pairs for which it is right, 0.5 to 1, as a mean over seeds whose 95 % interval
    does not hold one half. A single seed has no interval, and so tells of none.
    """
    told = {method: share for method, share in right.items() if share.half_width is not None}
    return {method: 1 - share.mean for method, share in told.items() if share.mean + share.half_width < 0.5}
