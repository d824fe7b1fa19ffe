"""How much each training image is memorized: what including it in training changes for the image itself.

    mem(i) = P[model trained with i gets i right] - P[model trained without i gets i right]

estimated from a bank of models on subsets, as the difference of two shares.

Source: Feldman (2020), "Does Learning Require Memorization?", arXiv:1906.05271; Feldman and Zhang (2020), "What Neural
Networks Memorize and Why", arXiv:2008.03703 (the estimator).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FITTED = 0.99


@dataclass(frozen=True)
class Memorization:
    """Scores (n,) float64 in [-1, 1], higher = more memorized, with their standard errors, and how well members fit.

    `fitted` is the mean accuracy of the members on the images they trained on. Below 0.99 the scores come out too low,
    because an image the members cannot fit has nothing to lose; `warning` then says so in one sentence, else it is
    None.
    """

    scores: np.ndarray
    standard_error: np.ndarray
    fitted: float

    @property
    def warning(self) -> str | None:
        if self.fitted >= FITTED:
            return None
        return (
            f"The models fit only {self.fitted:.1%} of the images they trained on, so memorization scores are too low; "
            "train longer or with a larger learning rate."
        )


def memorization(member: np.ndarray, correct: np.ndarray) -> Memorization:
    """Scores from a bank: member (M, n) and correct (M, n) bool. Every row must be in and out of at least one model."""
    m, c = member.astype(float), correct.astype(float)
    n_in, n_out = m.sum(0), (1 - m).sum(0)
    if (n_in == 0).any() or (n_out == 0).any():
        raise ValueError("some image is in all models or in none, so its memorization cannot be estimated")
    p_in, p_out = (m * c).sum(0) / n_in, ((1 - m) * c).sum(0) / n_out
    # Add-one smoothing in the error only: a share of 0 or 1 from few models is not known exactly.
    s_in, s_out = (p_in * n_in + 1) / (n_in + 2), (p_out * n_out + 1) / (n_out + 2)
    error = np.sqrt(s_in * (1 - s_in) / n_in + s_out * (1 - s_out) / n_out)
    return Memorization(p_in - p_out, error, float((m * c).sum() / m.sum()))
