"""RMIA: is this image more probable, against what reference models say, than images that were not trained on?

Every image x has a ratio: the audited model's probability of its label over p(x), the average over reference models.
The score is the share of population images z whose ratio is more than gamma times smaller. Few reference models
already do, which is its selling point. The population must hold NO member of the audited model, nor an image that is
asked about: an image compared with itself or with other members looks like a non-member. For unlearning the audited
model is the unlearned one, the references are retrained models, and z are held-out images.

Source: Zarifzadeh, Liu, Shokri (2024), "Low-Cost High-Power Membership Inference Attacks", arXiv:2312.03262.
Departs from the paper: plain softmax probabilities, the plain mean over references, and no views of z.
"""

from __future__ import annotations

import numpy as np

from unlearn_core.params import BadValue

# An image that is impossible for all references has an enormous ratio, not an infinite one.
SMALLEST = 1e-12
# The factor a of the offline form by dataset, as the paper found it; elsewhere it is not known: then 1.
RAISED = {"CIFAR-10": 0.3, "CIFAR-100": 0.6}
# Ratios that differ by rounding alone are tied.
ROUNDING = 1e-12


def mean_probability(probs: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
    """(n,) or (n, A) mean over the models in `chosen` (S, n) bool, all if None, of probs (S, n) or (S, n, A).

    NaN for an image without such a model. The running sums of a bank give the same without the table.
    """
    if chosen is None:
        return np.asarray(probs).mean(axis=0, dtype=np.float64)
    # Contracting without a product of the two tables: one pass over each.
    total = np.einsum("sn,sn...->n...", chosen, probs, dtype=np.float64, casting="same_kind")
    count = chosen.sum(axis=0).reshape(-1, *[1] * (total.ndim - 1))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def halves(unseen: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Which of so many unseen images are the population, and which the non-members: drawn once, the same for all
    models.
    """
    drawn = np.random.default_rng([seed, 0x41]).permutation(unseen)
    return np.sort(drawn[: unseen // 2]), np.sort(drawn[unseen // 2 :])


def rmia_online(
    probs: np.ndarray,
    mean_in: np.ndarray,
    mean_out: np.ndarray,
    population_probs: np.ndarray,
    mean_population: np.ndarray,
    gamma: float = 2.0,
) -> np.ndarray:
    """(n,) share of the population, 0 to 1, that the image dominates; higher = more likely a member.

    `probs` (n,) or (n, A) are the audited model's probabilities of the labels, for A views of each image (an image
    dominates where most views do); `mean_in` and `mean_out`, of that shape, are the means over reference models that
    saw the image and that did not; p(x) is the mean of the two. `population_probs` (m,) and `mean_population` (m,) are
    the audited model's probabilities and the references' means for the population. A ratio of exactly `gamma` does not
    count; gamma is at least 1, and is 1 in today's Privacy Meter. A perfect unlearner has an AUC of 0.5 with these
    scores, up to the luck of the training. NaN where a mean is.
    Raises BadValue for no population, for what is no probability, or a gamma below 1.
    """
    reference = (_means(mean_in) + _means(mean_out)) / 2
    return _dominated(probs, reference, population_probs, _means(mean_population), gamma)


def rmia_offline(
    probs: np.ndarray,
    mean_out: np.ndarray,
    population_probs: np.ndarray,
    mean_population: np.ndarray,
    a: float = 1.0,
    gamma: float = 2.0,
) -> np.ndarray:
    """(n,) as `rmia_online`, without reference models that saw the image.

    Their mean is taken to be a times that of the others plus 1 - a, for the population too. The paper has a = 0.3 for
    CIFAR-10, 0.6 for CIFAR-100, 0.2 for Purchase-100; with 1 seeing an image changes nothing. To choose a, attack a
    reference model, never the audited one. Raises BadValue as `rmia_online` does, and for an a outside 0 to 1.
    """
    if not 0 <= a <= 1:
        raise BadValue(f"The factor a of offline RMIA lies between 0 and 1, not {a}.")
    half = [((1 + a) * _means(mean) + (1 - a)) / 2 for mean in (mean_out, mean_population)]
    return _dominated(probs, half[0], population_probs, half[1], gamma)


def _dominated(
    probs: np.ndarray, reference: np.ndarray, population_probs: np.ndarray, mean_population: np.ndarray, gamma: float
) -> np.ndarray:
    if not len(population_probs):
        raise BadValue("RMIA compares with population images, so it needs at least one.")
    if not gamma >= 1:
        raise BadValue(f"RMIA's gamma is at least 1, not {gamma}.")
    ratio, bar = _ratios(probs, reference), _ratios(population_probs, mean_population)
    if np.isnan(bar).any():
        raise BadValue("A population image has no reference model.")
    if ratio.ndim == 2:
        # Most views dominate z exactly when their lower median does.
        middle = (ratio.shape[1] - 1) // 2
        ratio = np.partition(ratio, middle, axis=1)[:, middle]
    bar = np.sort(bar) * (gamma * (1 + ROUNDING))
    return np.where(np.isnan(ratio), np.nan, np.searchsorted(bar, ratio, side="left") / len(bar))


def _ratios(probs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    probs = np.asarray(probs, np.float64)
    if not ((probs >= 0) & (probs <= 1)).all():
        raise BadValue("A probability lies between 0 and 1.")
    return probs / np.maximum(reference, SMALLEST)


def _means(values: np.ndarray) -> np.ndarray:
    """Mean probabilities as they are, NaN included."""
    values = np.asarray(values, np.float64)
    if ((values < 0) | (values > 1)).any():
        raise BadValue("A probability lies between 0 and 1.")
    return values
