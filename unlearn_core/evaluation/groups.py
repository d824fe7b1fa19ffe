"""Whether forgetting was fair: the accuracy of every group of images beside a retrained model's.

A group is a class, or any other grouping. The unit is the seed: a gap is taken between two models of the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unlearn_core.attacks.signals import correctness
from unlearn_core.evaluation.seeds import Estimate, over_seeds
from unlearn_core.params import BadValue


@dataclass(frozen=True)
class Fairness:
    """Gaps in accuracy to retraining, group by group.

    `table` has a line per group: `group` (its number), `images`, `unlearned` and `retrained` (mean accuracies, 0 to 1),
    `gap` (unlearned - retrained, -1 to 1, below 0 = the group pays for the forgetting) with the `half_width` of its
    95 % interval over `seeds`; None where a group is empty, and for the half width of a single seed. `worst` is the
    group with the largest mean |gap|. `largest_gap` is, over seeds, the largest |gap| of any group, 0 to 1; `spread`
    the largest gap minus the smallest, 0 to 2: 0 where all groups pay alike, however much.
    """

    table: pd.DataFrame
    worst: int | None
    largest_gap: Estimate
    spread: Estimate


def fairness(
    unlearned: np.ndarray | Sequence[np.ndarray],
    retrained: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    count: int | None = None,
) -> Fairness:
    """Logits (N, K), or (S, N, K) for S seeds in the same order, of N images with labels (N,) and group numbers (N,).

    Without `groups` the classes are the groups. `count` says how many groups there are, of which some may be empty;
    else the largest number tells. Largest gap and spread pick the worst of many noisy numbers, so a perfect run does
    not read 0 but what a second retrained model reads in the place of the unlearned one: the noise floor.
    Raises BadValue for other shapes, no seeds, and numbers that name no group.
    Source: accuracy by group before and after unlearning: Zhang et al. (2023), "To Be Forgotten or To Be Fair:
    Unveiling Fairness Implications of Machine Unlearning Methods", arXiv:2302.03350.
    Departs from the paper: the gap is to a retrained model of the same seed, so what retraining costs a group too is
    not counted against the method.
    """
    labels = np.asarray(labels)
    groups = np.asarray(labels if groups is None else groups)
    if groups.shape != labels.shape or not np.issubdtype(groups.dtype, np.integer):
        raise BadValue("Every image needs the number of one group.")
    total = (int(groups.max()) + 1 if len(groups) else 0) if count is None else count
    if len(groups) and not (groups.min() >= 0 and groups.max() < total):
        raise BadValue(f"Groups are numbered from 0 to {total - 1}.")
    images = np.bincount(groups, minlength=total)
    filled = np.flatnonzero(images)
    ours, theirs = (_accuracies(logits, labels, groups, images)[:, filled] for logits in (unlearned, retrained))
    if ours.shape != theirs.shape:
        raise BadValue("Unlearned and retrained models are compared seed by seed, so there must be as many of each.")
    gaps = ours - theirs
    lines = [{"group": g, "images": int(images[g])} | _NOTHING for g in range(total)]
    for at, group in enumerate(filled):
        gap = over_seeds(gaps[:, at])
        lines[group] |= {"unlearned": float(ours[:, at].mean()), "retrained": float(theirs[:, at].mean())}
        lines[group] |= {"gap": gap.mean, "half_width": gap.half_width, "seeds": gap.n}
    # As objects, so that None stays what it is.
    table = pd.DataFrame(lines, columns=["group", "images", *_NOTHING], dtype=object)
    table = table.astype({"group": int, "images": int})
    if not len(filled):
        return Fairness(table, None, over_seeds([]), over_seeds([]))
    worst = int(filled[np.abs(gaps.mean(axis=0)).argmax()])
    return Fairness(table, worst, over_seeds(np.abs(gaps).max(axis=1)), over_seeds(np.ptp(gaps, axis=1)))


_NOTHING = dict.fromkeys(("unlearned", "retrained", "gap", "half_width", "seeds"))


def _accuracies(logits, labels: np.ndarray, groups: np.ndarray, images: np.ndarray) -> np.ndarray:
    """(S, G) accuracy of each group under each model; anything where a group is empty."""
    models = np.asarray(logits)
    models = models[None] if models.ndim == 2 else models
    if models.ndim != 3 or not len(models) or models.shape[1] != len(labels):
        raise BadValue("Logits are tables of images by classes, one for each seed, of the images that have labels.")
    if np.isnan(models).any():
        raise BadValue("A logit is not a number, so accuracies cannot be compared.")
    right = [np.bincount(groups, correctness(one, labels), minlength=len(images)) for one in models]
    return np.stack(right) / np.maximum(images, 1)
