"""The simple attack of the challenge's starting kit: can forgotten and test images be told apart by their losses?"""

from __future__ import annotations

import numpy as np

from unlearn_core.params import BadValue


def simple_mia(forget_losses: np.ndarray, test_losses: np.ndarray, splits: int = 10, seed: int = 0) -> float | None:
    """Accuracy, 0 to 1, of a logistic regression that tells forget from test images by their losses (n,), (m,).

    The mean over splits into nine tenths to learn from and one tenth to be judged on, after the larger side was cut to
    the size of the smaller by a seeded sample. About 0.5 where nothing can be told; closer to the retrained model's
    value = better. None where a side is empty or the two are too few to split. A linear rule on one loss is one
    threshold for all images: the weakest of the attacks here. Where whole classes are forgotten, hand over test
    images of those classes alone, or the attack measures the difference of the classes.
    Raises BadValue for a loss that is not finite.
    Source: the starting kit of the NeurIPS 2023 machine unlearning challenge, Triantafillou et al. (2024),
    arXiv:2406.09073.
    """
    sides = [np.asarray(losses, np.float64) for losses in (forget_losses, test_losses)]
    size, rng = min(len(side) for side in sides), np.random.default_rng(seed)
    forget, test = (s if len(s) == size else s[np.sort(rng.choice(len(s), size, replace=False))] for s in sides)
    accuracies = split_accuracies(forget, test, splits, seed)
    return float(accuracies.mean()) if accuracies is not None else None


def split_accuracies(
    forget_losses: np.ndarray, test_losses: np.ndarray, splits: int = 10, seed: int = 0
) -> np.ndarray | None:
    """(splits,) the accuracies of `simple_mia`, on all losses as they are; None where they are too few to split."""
    losses = np.concatenate([test_losses, forget_losses]).astype(np.float64)
    if not np.isfinite(losses).all():
        raise BadValue("A loss is not finite, so the attack cannot learn from it.")
    # The judged tenth, rounded up, must have room for both kinds.
    if min(len(test_losses), len(forget_losses)) < 2 or len(losses) <= 10:
        return None
    from sklearn.linear_model import LogisticRegression  # a second of import that only this form needs
    from sklearn.model_selection import StratifiedShuffleSplit

    truth = np.r_[np.zeros(len(test_losses)), np.ones(len(forget_losses))]
    right = []
    for known, asked in StratifiedShuffleSplit(n_splits=splits, random_state=seed).split(losses[:, None], truth):
        fitted = LogisticRegression().fit(losses[known, None], truth[known])
        right.append(fitted.score(losses[asked, None], truth[asked]))
    return np.array(right)
