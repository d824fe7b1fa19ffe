"""What a reconstruction costs, by the published formula on arrays: the oracle of `probes.inversion.reconstruct`.

Source: Hu et al. (2024), arXiv:2404.03233; Geiping et al. (2020), "Inverting Gradients", arXiv:2003.14053.
"""

from __future__ import annotations

import numpy as np


def matching_cost(trial, target, image, smoothness: float = 1e-2) -> float | None:
    """`cosine_distance` of an image's gradient from a target + smoothness * `total_variation`; None where that is."""
    distance = cosine_distance(trial, target)
    return None if distance is None else distance + smoothness * total_variation(image)


def cosine_distance(trial, target) -> float | None:
    """1 - the cosine of the one angle between all numbers of two lists of weight arrays; None where one is all 0."""
    a, b = (np.concatenate([np.ravel(x) for x in side]).astype(float) for side in (trial, target))
    return float(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) if a.any() and b.any() else None


def total_variation(image) -> float:
    """Mean step between neighbours along a row + that along a column, of images (..., H, W); one pixel adds nothing."""
    steps = (np.abs(np.diff(np.asarray(image, float), axis=axis)) for axis in (-1, -2))
    return float(sum(step.mean() for step in steps if step.size))
