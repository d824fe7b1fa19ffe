"""How much was forgotten and how much remembered, as shares of what the original model knew.

Forgetting rate, memory retention rate and degree of unlearning are named after Zuo et al. (2024), arXiv:2401.04385,
whose formulas were not available: after Zuo et al., our operational definition. All take accuracies as fractions, 0 to
1; where one is unknown (None) or the original knew nothing the answer is None. The value to aim at is that of a
retrained model in the place of the unlearned one, and its spread over seeds is the noise floor.
"""

from __future__ import annotations

import numpy as np

from unlearn_core.params import BadValue

Known = float | None


def forgetting_rate(original: Known, unlearned: Known) -> Known:
    """Share of the original's accuracy on the forget images that is gone, up to 1; below 0 = better than before.

    A retrained model's value is the target: seldom 0, seldom 1. Raises BadValue for what is no fraction.
    Source: after Zuo et al. (2024), arXiv:2401.04385, our operational definition.
    """
    kept = _share(original, unlearned)
    return None if kept is None else (original - unlearned) / original


def memory_retention_rate(original: Known, unlearned: Known) -> Known:
    """Share of the original's accuracy on the kept images that is left, at least 0; above 1 = better than before.

    Higher is better; a retrained model reads about 1. Raises BadValue for what is no fraction.
    Source: after Zuo et al. (2024), arXiv:2401.04385, our operational definition.
    """
    return _share(original, unlearned)


def degree_of_unlearning(original: Known, unlearned: Known, relative: bool = False) -> Known:
    """Accuracy lost on slightly perturbed forget images, -1 to 1; `relative`: as a share of the original's.

    The perturbation must be the same for both models and chosen before the unlearned one is looked at. A retrained
    model's value is the target. Raises BadValue for what is no fraction.
    Source: after Zuo et al. (2024), arXiv:2401.04385, our operational definition.
    """
    if relative:
        return forgetting_rate(original, unlearned)
    return original - unlearned if _known(original, unlearned) else None


def membership_forgetting_rate(before: np.ndarray, after: np.ndarray) -> Known:
    """Share of forget images turned from member to non-member for an attack: (non-members gained) / (members before).

    `before` and `after` (n,) are truth values, "called a member", for the original and the unlearned model. At most 1;
    below 0 when members were gained; None when the attack called no image a member before. A retrained model's value is
    the target. Raises BadValue when the two are not about the same images.
    Source: Liu et al. (2020), "Learn to Forget: Machine Unlearning via Neuron Masking", arXiv:2003.10933.
    """
    before, after = np.asarray(before, bool), np.asarray(after, bool)
    if before.ndim != 1 or before.shape != after.shape:
        raise BadValue("A forgetting rate compares the attack's answers for the same images before and after.")
    members = int(before.sum())
    return (members - int(after.sum())) / members if members else None


def _share(original: Known, unlearned: Known) -> Known:
    return unlearned / original if _known(original, unlearned) and original else None


def _known(*accuracies: Known) -> bool:
    if any(a is None or np.isnan(a) for a in accuracies):
        return False
    if not all(0 <= a <= 1 for a in accuracies):
        raise BadValue("Accuracies are compared as fractions from 0 to 1, not {:g} and {:g}.".format(*accuracies))
    return True
