"""One unlearned model measured against its retrained reference: from kept logits to a row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlearn_core import evaluation
from unlearn_core.attacks import Side, auc, lira_online, summarise, threshold_efficacy, tpr_at_fpr
from unlearn_core.attacks.signals import margin
from unlearn_core.data import Dataset
from unlearn_core.rows import others, unpack
from unlearn_core.unlearning import Unlearner

# Below this many shadow models on a side, one variance for all images is steadier than one for each.
OWN_VARIANCE = 64


@dataclass(frozen=True)
class Shadows:
    """What the bank knows of the forget images' margins in models that saw them and models that did not."""

    inside: Side
    outside: Side

    @classmethod
    def of(cls, member: np.ndarray, phi: np.ndarray) -> Shadows:
        """From what the members (M,) of a bank say of the forget images (k,): member and phi (M, k)."""
        phi = phi.astype(np.float64)
        return cls(summarise(phi, member), summarise(phi, ~member))

    def score(self, phi: np.ndarray) -> np.ndarray:
        """(k,) LiRA score of each forget image under a model with margins `phi` (k,); higher = more likely a member."""
        variance = "each" if self.outside.count.min() >= OWN_VARIANCE else "pooled"
        return lira_online(phi, self.inside, self.outside, variance)


@dataclass(frozen=True)
class Target:
    """What is to be forgotten, and with what labels all is measured."""

    labels: np.ndarray
    test_labels: np.ndarray
    forget: np.ndarray
    parts: dict[str, np.ndarray]

    @property
    def retain(self) -> np.ndarray:
        return others(self.forget, len(self.labels))

    def accuracies(self, logits: dict[str, np.ndarray]) -> dict[str, float | None]:
        """Shares of right answers on the forget, retain and test set."""
        return {
            "forget": evaluation.accuracy(logits["train"][self.forget], self.labels[self.forget]),
            "retain": evaluation.accuracy(logits["train"][self.retain], self.labels[self.retain]),
            "test": evaluation.accuracy(logits["test"], self.test_labels),
        }

    def part_accuracies(self, logits: dict[str, np.ndarray]) -> dict[str, float | None]:
        return {name: evaluation.accuracy(logits["train"][r], self.labels[r]) for name, r in self.parts.items()}

    def forget_margins(self, logits: dict[str, np.ndarray]) -> np.ndarray:
        """(k,) logit-scaled confidence on the forget images."""
        return margin(logits["train"][self.forget], self.labels[self.forget])

    @property
    def unseen(self) -> np.ndarray:
        """(n_test,) bool: test images of the forget set's classes; others would tell classes apart, not members."""
        return np.isin(self.test_labels, self.labels[self.forget])

    def test_margins(self, logits: dict[str, np.ndarray]) -> np.ndarray:
        """Logit-scaled confidence on the `unseen` test images."""
        return margin(logits["test"][self.unseen], self.test_labels[self.unseen])

    def efficacy(self, logits: dict[str, np.ndarray]) -> float | None:
        """Share of the forget images that the confidence attack calls non-members."""
        keep = self.retain
        return threshold_efficacy(
            (logits["train"][keep], self.labels[keep]),
            (logits["test"], self.test_labels),
            (logits["train"][self.forget], self.labels[self.forget]),
        )


def measure(
    target: Target,
    unlearned: dict[str, np.ndarray],
    retrained: dict[str, np.ndarray],
    again: dict[str, np.ndarray],
    shadows: Shadows | None,
) -> dict[str, float | None]:
    """All numbers of one unlearned model. `retrained` is its reference; `again`, a second retrained model of another
    seed, gives the images the likelihood-ratio attack compares with: the same images under a model that never saw
    them. That attack needs `shadows`; without them its `lira_auc` is None.
    """
    acc_u, acc_r = target.accuracies(unlearned), target.accuracies(retrained)
    parts_u, parts_r = target.part_accuracies(unlearned), target.part_accuracies(retrained)
    mia_u, mia_r = target.efficacy(unlearned), target.efficacy(retrained)
    phi, held_out = target.forget_margins(unlearned), target.test_margins(unlearned)
    row = {f"{split}_accuracy": value for split, value in acc_u.items()}
    row |= {f"{part}_accuracy": value for part, value in parts_u.items()}
    lira = None
    if shadows is not None:
        lira = auc(shadows.score(phi), shadows.score(target.forget_margins(again)))
    return row | {
        "tow": evaluation.tow(acc_u, acc_r),
        "group_tow": evaluation.group_tow(acc_u, acc_r, parts_u, parts_r),
        "tow_mia": evaluation.tow_mia(acc_u, acc_r, mia_u, mia_r),
        "mia_efficacy": mia_u,
        "attack_auc": auc(phi, held_out),
        "tpr_at_1_fpr": tpr_at_fpr(phi, held_out, 0.01).value,
        "forget_disagreement": evaluation.disagreement(
            unlearned["train"][target.forget], retrained["train"][target.forget]
        ),
        "test_disagreement": evaluation.disagreement(unlearned["test"], retrained["test"]),
        "lira_auc": lira,
    }


@dataclass(frozen=True)
class Validation:
    """What settings and plans are chosen by: the same numbers with the validation images in the place of the test
    images, where there are any. Of what an algorithm looks at validation images itself, half are `shown` to it, and the
    other half judge it.
    """

    target: Target
    split: str
    shown: slice
    judging: slice

    @classmethod
    def of(cls, images: Dataset, forget: str, parts: Sequence[str], unlearners: Sequence[Unlearner]) -> Validation:
        """`forget` and `parts` as text, such as 3,7-9."""
        n, split = len(images.train.y), "validation" if len(images.validation.y) else "test"
        rows = {f"part{i}": unpack(text, n) for i, text in enumerate(parts)}
        halves = slice(0, None, 2), slice(1, None, 2)
        if split == "test" or not any("validation" in unlearner.needs for unlearner in unlearners):
            halves = slice(None), slice(None)
        labels = images.train.y.numpy(), getattr(images, split).y.numpy()[halves[1]]
        return cls(Target(*labels, unpack(forget, n), rows), split, *halves)

    def measure(self, unlearned: dict[str, np.ndarray], retrained: dict[str, np.ndarray]) -> dict[str, float | None]:
        """All numbers of one unlearned model against its retrained one, from logits of all splits."""
        reference = self._held_out(retrained)
        return measure(self.target, self._held_out(unlearned), reference, reference, None)

    def _held_out(self, logits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"train": logits["train"], "test": logits[self.split][self.judging]}
