"""What many models say of one image as smooth curves, one for each kind of model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import gaussian_kde

POINTS = 300
BESIDE = 0.15  # of the span of all values, on either side


@dataclass(frozen=True)
class Densities:
    """`at` (POINTS,), rising, from below the least value to above the largest; by name the density there, (POINTS,) and
    at least 0, of those samples that have one, with an area of 1 less the tails beyond `at`; and each sample's mean.
    """

    at: np.ndarray
    curves: dict[str, np.ndarray]
    means: dict[str, float]


def densities(samples: dict[str, np.ndarray]) -> Densities:
    """Gaussian kernel densities with Silverman's bandwidth of samples (M,) by name, all at the same places. A sample of
    fewer than three values, or of equal ones, has no density.

    Source: Silverman (1986), "Density Estimation for Statistics and Data Analysis".
    """
    together = np.concatenate(list(samples.values()))
    beside = BESIDE * (np.ptp(together) or 1.0)
    at = np.linspace(together.min() - beside, together.max() + beside, POINTS)
    curves = {
        name: gaussian_kde(values, "silverman")(at)
        for name, values in samples.items()
        if len(values) > 2 and np.ptp(values) > 1e-9
    }
    return Densities(at, curves, {name: float(values.mean()) for name, values in samples.items()})
