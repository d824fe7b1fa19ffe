"""U-LiRA: does a model's confidence in an image look as if it had learned and unlearned it, or never seen it?

Every example has two distributions of its logit-scaled confidence phi: over models that trained on it and unlearned it,
and over models for which it was unseen. Here they are asked about a further model; blocks.py asks them about shadow
models. There are two questions, and who reads one number should see the other beside it:

- privacy: unlearned models on what they unlearned, against unlearned models on what they never saw;
- efficacy: unlearned models on what they unlearned, against models before unlearning on what they never saw.

All shadow models must unlearn equally many images, by the same algorithm and settings, as the audited model did. 16
models on each side are a sensible minimum.
Source: Hayes, Shumailov, Triantafillou, Khalifa, Papernot (2024), "Inexact Unlearning Needs More Careful Evaluations to
Avoid a False Sense of Privacy", arXiv:2403.01218.
Departs from the paper: a floor on the deviation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit, logsumexp

from unlearn_core.attacks.lira import LIMIT, Side, log_density
from unlearn_core.params import BadValue

# An unlearner without randomness has no spread of its own; this share of all examples' spread stands in for it.
FLOOR = 1e-6


def u_lira(phi: np.ndarray, unlearned: Side, unseen: Side, variance: str = "each") -> np.ndarray:
    """Log-likelihood ratio of "trained on, then unlearned" to "never seen", with the shape of phi (n,) or (T, n).

    -1000 to 1000, natural log; higher = more likely a member once. A perfect unlearner has an AUC of 0.5 with it. NaN
    where an example has no model on one of the sides. `variance` is "each", or "pooled": one deviation a side for all
    examples, steadier below about 16 models. A deviation is never below a millionth of that of all observations
    around their means, so that an unlearner without randomness can be asked about.
    Raises BadValue for a phi that is not finite.
    """
    phi = _finite(phi)
    unlearned, unseen = (replace(side, median=None) for side in (unlearned, unseen))
    least = FLOOR * _pooled((unlearned, unseen))
    sides = ((side.mean, np.maximum(side.spread(variance), least)) for side in (unlearned, unseen))
    with_it, without = (log_density(phi, mean, spread) for mean, spread in sides)
    return np.clip(with_it - without, -LIMIT, LIMIT)


def u_lira_kde(
    phi: np.ndarray, unlearned_phi: np.ndarray, unseen_phi: np.ndarray, bandwidth: float | None = None
) -> np.ndarray:
    """(n,) the ratio of `u_lira` with kernel densities in the place of normal ones, from observations (M, n), (N, n).

    The kernel is normal; its bandwidth is Silverman's for every example and side, or one number for all. For shapes
    that are not normal, and many models: a density of few observations is rough in the tails.
    Raises BadValue for phi that are not finite and for a side without models.
    Source: Silverman (1986), "Density Estimation for Statistics and Data Analysis"; as an attack on unlearning
    Naderloui et al. (2025), arXiv:2506.13009.
    Departs from the latter: there the bandwidth is 1 for every example, which smooths most differences away.
    """
    phi, unlearned, unseen = _finite(phi), _finite(unlearned_phi), _finite(unseen_phi)
    if not (len(unlearned) and len(unseen)):
        raise BadValue("A density needs at least one model on each side.")
    widths: list[np.ndarray | float] = [bandwidth, bandwidth]
    if bandwidth is None:
        least = FLOOR * np.sqrt(np.mean(np.concatenate([x - x.mean(axis=0) for x in (unlearned, unseen)]) ** 2))
        widths = [np.maximum(_silverman(x), least) for x in (unlearned, unseen)]
    with_it, without = (_log_kernels(phi, x, w) for x, w in zip((unlearned, unseen), widths, strict=True))
    return np.clip(with_it - without, -LIMIT, LIMIT)


def p_member(log_ratio: np.ndarray) -> np.ndarray:
    """The chance, 0 to 1, of "trained on, then unlearned" at a log-likelihood ratio, both being equally likely before.

    Exactly 1/2 where both sides say the same; above 1/2 the attack says "member".
    """
    return expit(log_ratio)


def population_log_odds(phi: np.ndarray, unlearned_phi: np.ndarray, unseen_phi: np.ndarray) -> np.ndarray:
    """The log-odds of "unlearned" against "unseen" for phi, with its shape, by ONE attacker for all examples.

    A logistic regression on phi alone learns from all observations, of whatever shapes. Higher = more likely unlearned;
    which direction of phi that is, it learns. Show it beside the per-example attack: what that one finds more is what
    an average hides. Raises BadValue for a phi that is not finite and for a side without observations.
    Source: Naderloui et al. (2025), arXiv:2506.13009; Hayes et al. (2024), arXiv:2403.01218.
    """
    phi, unlearned, unseen = _finite(phi), _finite(unlearned_phi).ravel(), _finite(unseen_phi).ravel()
    if not (len(unlearned) and len(unseen)):
        raise BadValue("An attacker learns from at least one observation on each side.")
    from sklearn.linear_model import LogisticRegression  # a second of import that only this form needs

    truth = np.r_[np.ones(len(unlearned)), np.zeros(len(unseen))]
    fitted = LogisticRegression().fit(np.concatenate([unlearned, unseen])[:, None], truth)
    return fitted.coef_[0, 0] * phi + fitted.intercept_[0]


def _pooled(sides: tuple[Side, Side]) -> float:
    """The deviation of all observations of both sides around their means; 0 without any."""
    count, std = (np.concatenate([getattr(side, name) for side in sides]) for name in ("count", "std"))
    known = count > 0
    return float(np.sqrt(np.average(std[known] ** 2, weights=count[known]))) if known.any() else 0.0


def _silverman(observed: np.ndarray) -> np.ndarray:
    """(n,) bandwidth of each column of (M, n); 0 for a single observation."""
    models = len(observed)
    return observed.std(axis=0, ddof=int(models > 1)) * (0.75 * models) ** -0.2


def _log_kernels(phi: np.ndarray, observed: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """(n,) ln of the mean of normal kernels around the observations (M, n), at phi (n,)."""
    return logsumexp(log_density(phi, observed, width), axis=0) - np.log(len(observed))


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise BadValue("A confidence is not finite, so the attack cannot be judged.")
    return values
