"""What one model's output says about one image: the numbers every attack starts from.

All work row by row in float64, so a value never depends on the batch it was computed in. Here each signal has its
natural direction; the one place that turns them into "higher = more likely a member" is ATTACKS.
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr, expit, logsumexp, softmax

# Logs of smaller probabilities are cut here, as in the published attack: an impossible class costs 69 nats.
SMALLEST = 1e-30


def probabilities(logits: np.ndarray) -> np.ndarray:
    """(N, K) float64 softmax of the logits (N, K); every row sums to 1."""
    return softmax(np.asarray(logits, np.float64), axis=1)


def margin(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) logit-scaled confidence, ln p_y - ln(1 - p_y), any real number; higher = surer of the label.

    Computed as z_y - logsumexp of the other logits, which is the same number without ever rounding p_y to 1.
    Source: Carlini et al. (2022), "Membership Inference Attacks From First Principles", arXiv:2112.03570.
    """
    others = np.array(logits, np.float64)
    rows = np.arange(len(others))
    own = others[rows, labels]
    others[rows, labels] = -np.inf
    return own - logsumexp(others, axis=1)


def confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) probability of the label, 0 to 1."""
    return expit(margin(logits, labels))


def loss(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) cross-entropy -ln p_y in nats, at least 0; exact also where p_y rounds to 1."""
    return np.logaddexp(0.0, -margin(logits, labels))


def entropy(probs: np.ndarray) -> np.ndarray:
    """(N,) entropy of the probabilities (N, K) in nats, 0 to ln K; a probability of 0 adds nothing."""
    return entr(np.asarray(probs, np.float64)).sum(axis=1)


def modified_entropy(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) -(1 - p_y) ln p_y - sum over the other classes of p_j ln(1 - p_j), in nats; 0 when sure and right.

    Source: Song, Mittal (2021), "Systematic Evaluation of Privacy Risks of Machine Learning Models", arXiv:2003.10595.
    """
    p = np.asarray(probs, np.float64)
    rows = np.arange(len(p))
    own = p[rows, labels]
    terms = p * np.log(np.maximum(1 - p, SMALLEST))
    terms[rows, labels] = (1 - own) * np.log(np.maximum(own, SMALLEST))
    return -terms.sum(axis=1)


def correctness(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) 1.0 where the largest logit is the label's, else 0.0; of equal logits the lowest class counts."""
    return (np.argmax(logits, axis=1) == labels).astype(np.float64)
