"""A game that lets anyone feel what a membership attack does: which of two images was the model trained on?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    once. The confidences are those of the study's first model of each method.

    Raises BadValue where the study has fewer forget or test images than pairs.
    """
    labels, unseen = study.labels, study.data.test.y.numpy()
    if min(len(study.forget), len(unseen)) < count:
        raise BadValue(f"The game needs {count} images to forget and {count} test images; this study has fewer.")
    rng = np.random.default_rng([seed, 0x6A])
    rows = rng.choice(study.forget, count, replace=False)
    free = rng.permutation(len(unseen)).tolist()
    sure = {m: _confidences(study, m) for m in methods}
    found = []
    for row, left in zip(rows.tolist(), (rng.random(count) < 0.5).tolist(), strict=True):
        stranger = next((i for i in free if unseen[i] == labels[row]), free[0])
        free.remove(stranger)
        seen = {m: (float(train[row]), float(test[stranger])) for m, (train, test) in sure.items()}
        found.append(Pair(row, stranger, left, seen))
    return found


def _confidences(study: OpenStudy, method: str) -> tuple[np.ndarray, np.ndarray]:
    logits = study.logits(method, 0)
    return confidence(logits["train"], study.labels), confidence(logits["test"], study.data.test.y.numpy())


def attack_hits(asked: list[Pair], method: str) -> float:
    """How many of these pairs the simplest attack gets right, "the surer one was trained on"; a tie counts one half."""
    hits = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in (pair.sure[method] for pair in asked)]
    return float(sum(hits))


def opposite_wins(study: OpenStudy, methods: tuple[str, ...]) -> dict[str, float]:
    """Of these methods those with which the opposite rule, "the less sure one was trained on", beats this attack: the
    share of all pairs for which it is right, 0.5 to 1, as a mean over seeds whose 95 % interval does not hold one half.
    A single seed has no interval, and so tells of none.
    """
    auc = study.means("attack_auc").loc[list(methods)]
    lost = auc["mean"] + auc["half_width"].astype(float).fillna(np.inf) < 0.5
    return {method: 1 - float(mean) for method, mean in auc.loc[lost, "mean"].items()}
