"""Accuracy, and how close a model comes to one retrained without the forget images.

Shares are fractions, 0 to 1. Where a group is empty or a part of the formula is unknown the answer is None, never NaN,
so that results go to JSON as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from unlearn_core.attacks.signals import correctness
from unlearn_core.params import BadValue

Known = float | None
# Accuracy per set: "forget", "retain" and "test"; or per part of the forget set.
Accuracies = Mapping[str, Known]


def accuracy(logits: np.ndarray, labels: np.ndarray) -> Known:
    """Share of images whose largest logit is the label's (ties: the lowest class); None without images."""
    return float(correctness(logits, labels).mean()) if len(labels) else None


def agreement(logits: np.ndarray, reference: np.ndarray) -> Known:
    """Share of images for which two models predict the same class (ties: the lowest class); None without images.

    Two models can be equally accurate and disagree on which images they get right; this sees it.
    """
    return float((np.argmax(logits, axis=1) == np.argmax(reference, axis=1)).mean()) if len(logits) else None


def disagreement(logits: np.ndarray, reference: np.ndarray) -> Known:
    """Share of images for which two models predict different classes: 1 - agreement."""
    same = agreement(logits, reference)
    return None if same is None else 1 - same


def tow(unlearned: Accuracies, retrained: Accuracies) -> Known:
    """Tug-of-war: the product over forget, retain and test of 1 - |gap in accuracy|; 1 = as accurate as retraining.

    Source: Zhao, Kurmanji, Barbulescu, Triantafillou, Triantafillou (2024), arXiv:2406.01257.
    """
    return _tow(_gap(unlearned["forget"], retrained["forget"]), unlearned, retrained)


def tow_mia(unlearned: Accuracies, retrained: Accuracies, mia_unlearned: Known, mia_retrained: Known) -> Known:
    """Tug-of-war with the gap in MIA-efficacy in the place of the gap in forget accuracy.

    Source: Zhao et al. (2024), arXiv:2406.01257.
    """
    return _tow(_gap(mia_unlearned, mia_retrained), unlearned, retrained)


def group_tow(
    unlearned: Accuracies, retrained: Accuracies, parts_unlearned: Accuracies, parts_retrained: Accuracies
) -> Known:
    """Tug-of-war whose forget term is 1 - the mean over the parts of |gap in accuracy of that part|.

    Forgetting one part too much and another too little cannot cancel here, as it does in plain ToW. All parts count
    alike, large or small; empty parts are left out; None when all are empty. With equal parts it is never above ToW.
    """
    gaps = [gap for part in parts_retrained if (gap := _gap(parts_unlearned[part], parts_retrained[part])) is not None]
    return _tow(sum(gaps) / len(gaps) if gaps else None, unlearned, retrained)


def average_gap(unlearned: Accuracies, retrained: Accuracies, mia_unlearned: Known, mia_retrained: Known) -> Known:
    """Mean |gap to retraining| in forget, retain and test accuracy and MIA-efficacy; 0 = like retraining.

    Source: Fan et al. (2024), "SalUn", arXiv:2310.12508.
    """
    gaps = [_gap(unlearned[name], retrained[name]) for name in ("forget", "retain", "test")]
    gaps.append(_gap(mia_unlearned, mia_retrained))
    return None if None in gaps else sum(gaps) / len(gaps)


def speedup(retrain_seconds: Known, unlearn_seconds: Known) -> Known:
    """Run-time efficiency: how many times longer retraining takes; None when unlearning took no time.

    Source: Cadet et al. (2024), "Deep Unlearn: Benchmarking Machine Unlearning", arXiv:2410.01276.
    """
    return _ratio(retrain_seconds, unlearn_seconds)


def retention(new: Known, reference: Known) -> Known:
    """Accuracy as a share of the reference's; above 1 = better; None when the reference is 0.

    Source: Cadet et al. (2024), arXiv:2410.01276.
    """
    return _ratio(new, reference)


def indiscernibility(attack_accuracy: Known) -> Known:
    """1 - |accuracy of a two-sided attack - 0.5| / 0.5; 1 = the attacker guesses.

    Source: Cadet et al. (2024), arXiv:2410.01276.
    """
    return None if attack_accuracy is None else 1 - abs(attack_accuracy - 0.5) / 0.5


def percentage_error(a: Known, b: Known) -> Known:
    """Symmetric absolute percentage error (SAPE) 100 |a - b| / (|a| + |b|), 0 to 100; two zeros do not differ.

    Source: Cadet et al. (2024), arXiv:2410.01276.
    """
    if a is None or b is None:
        return None
    return 100 * abs(a - b) / (abs(a) + abs(b)) if a or b else 0.0


def _tow(forget_gap: Known, unlearned: Accuracies, retrained: Accuracies) -> Known:
    gaps = [forget_gap, *(_gap(unlearned[name], retrained[name]) for name in ("retain", "test"))]
    return None if None in gaps else math.prod(1 - gap for gap in gaps)


def _gap(a: Known, b: Known) -> Known:
    if a is None or b is None or math.isnan(a) or math.isnan(b):
        return None
    # 95 instead of 0.95 would give a plausible-looking product of nonsense.
    if not (0 <= a <= 1 and 0 <= b <= 1):
        raise BadValue(f"Accuracies are compared as fractions from 0 to 1, not {a:g} and {b:g}.")
    return abs(a - b)


def _ratio(a: Known, b: Known) -> Known:
    return None if a is None or not b else a / b
