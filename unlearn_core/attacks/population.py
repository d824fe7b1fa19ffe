"""One attacker for all images: learn "member or not" on retained and test images, then ask about the forget images.

All forms return the MIA-efficacy: the share of forget images called NON-members, 0 to 1. The target is the retrained
model's value on the same images, neither 0 nor 1. `retain`, `test` and `forget` are pairs (logits (N, K), labels (N,))
of one model. Where members and non-members hardly differ, the cut between them is set by chance and so is the efficacy.
"""

from __future__ import annotations

import numpy as np

import unlearn_core.attacks.signals as signals
from unlearn_core.params import BadValue

# Fitting an SVC takes time between the square and the cube of its examples.
LARGEST_SIDE = 5000

Pair = tuple[np.ndarray, np.ndarray]

# What the SVC may look at: functions of (logits, labels).
FEATURES = {
    "correctness": signals.correctness,
    "confidence": signals.confidence,
    "entropy": lambda logits, labels: signals.entropy(signals.probabilities(logits)),
    "modified_entropy": lambda logits, labels: signals.modified_entropy(signals.probabilities(logits), labels),
    "probabilities": lambda logits, labels: signals.probabilities(logits),
}

# The same as scores, higher = more likely a member, where there is one number: what a threshold may be laid on.
SCORES = {
    "confidence": signals.margin,
    "entropy": lambda logits, labels: -FEATURES["entropy"](logits, labels),
    "modified_entropy": lambda logits, labels: -FEATURES["modified_entropy"](logits, labels),
    "correctness": signals.correctness,
}


def svc_efficacy(retain: Pair, test: Pair, forget: Pair, feature: str = "confidence", seed: int = 0) -> float | None:
    """MIA-efficacy by a support-vector classifier, the form of the published numbers; None when a set is empty.

    It learns from equally many retained and test images, a seeded sample of at most 5,000 each.
    Source: Jia et al. (2023), "Model Sparsity Can Simplify Machine Unlearning", arXiv:2304.04934; Fan et al. (2024),
    arXiv:2310.12508.
    Departs from the papers: a seeded sample instead of the first rows, and the cap.
    """
    size = min(len(retain[1]), len(test[1]), LARGEST_SIDE)
    rng = np.random.default_rng(seed)
    features = []
    for logits, labels in (retain, test):
        rows = np.sort(rng.choice(len(labels), size, replace=False)) if size < len(labels) else slice(None)
        features.append(FEATURES[feature](logits[rows], labels[rows]))
    return svc_share(*features, FEATURES[feature](*forget))


def svc_share(members: np.ndarray, others: np.ndarray, asked: np.ndarray) -> float | None:
    """Share of the `asked` features (N, F) an SVC taught on the other two calls non-members; None if one is empty."""
    if not (len(members) and len(others) and len(asked)):
        return None
    from sklearn.svm import SVC  # a second of import that only this form needs

    members, others, asked = (x.reshape(len(x), -1) for x in (members, others, asked))
    truth = np.r_[np.ones(len(members)), np.zeros(len(others))]
    svc = SVC(C=3, gamma="auto", kernel="rbf").fit(np.concatenate([members, others]), truth)
    return float((svc.predict(asked) == 0).mean())


def threshold_efficacy(retain: Pair, test: Pair, forget: Pair) -> float | None:
    """MIA-efficacy by the best single threshold on the confidence, exact, without sampling; None when a set is empty.

    The threshold is taken on the logit-scaled confidence: the same order of images, but nothing is rounded to 1.
    Source: Song, Mittal (2021), arXiv:2003.10595, with one threshold for all classes.
    """
    members, others, asked = (signals.margin(*pair) for pair in (retain, test, forget))
    if not (len(members) and len(others) and len(asked)):
        return None
    threshold, _ = best_threshold(members, others)
    return float((asked < threshold).mean())


def classwise_efficacy(retain: Pair, test: Pair, forget: Pair, feature: str = "confidence") -> float | None:
    """MIA-efficacy by the best threshold for each class of its own, exact, without sampling; None when a set is empty.

    `feature` is confidence, entropy, modified_entropy, or correctness, which needs no threshold: wrong = a non-member.
    A class that is missing among the retained or the test images is judged by the one threshold for all classes. Few
    images of a class make its threshold a matter of luck. Raises BadValue for another feature.
    Source: Song, Mittal (2021), "Systematic Evaluation of Privacy Risks of Machine Learning Models", arXiv:2003.10595.
    Departs from the paper: of equally good thresholds the highest is taken, and missing classes have a threshold.
    """
    if feature not in SCORES:
        raise BadValue(f"{feature} has no threshold; choose one of {', '.join(SCORES)}.")
    members, others, asked = (SCORES[feature](*pair) for pair in (retain, test, forget))
    if not (len(members) and len(others) and len(asked)):
        return None
    labels = np.asarray(forget[1])
    thresholds = {
        c: class_threshold(members, retain[1], others, test[1], c) if feature != "correctness" else 1.0
        for c in np.unique(labels)
    }
    return float((asked < np.array([thresholds[c] for c in labels])).mean())


def class_threshold(
    members: np.ndarray, member_labels: np.ndarray, others: np.ndarray, other_labels: np.ndarray, label: int
) -> float:
    """The `best_threshold` of the scores of one class; that of all scores where the class has none on a side."""
    own = members[np.asarray(member_labels) == label], others[np.asarray(other_labels) == label]
    return best_threshold(*own if len(own[0]) and len(own[1]) else (members, others))[0]


def best_threshold(members: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """The observed score t from which on "member" is right most often, and its balanced accuracy, 0.5 to 1.

    The rule is one-sided: a surer model speaks for a member, never against. Balanced accuracy is (share of members >= t
    + share of others < t) / 2, so unequal numbers do not matter. Of equally good thresholds the highest is taken, the
    one that accuses fewest: the choice then depends neither on the order of the images nor on the scale of the scores.
    """
    scores, accuracy = balanced_accuracies(members, others)
    best = np.flatnonzero(accuracy >= accuracy.max() - 1e-12)[-1]
    return float(scores[best]), float(accuracy[best])


def balanced_accuracies(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All distinct scores in rising order, and the balanced accuracy of each as a threshold."""
    scores = np.unique(np.concatenate([members, others]))
    missed = np.searchsorted(np.sort(members), scores, side="left") / len(members)
    cleared = np.searchsorted(np.sort(others), scores, side="left") / len(others)
    return scores, (1 - missed + cleared) / 2
