"""Membership inference on arrays: was this image part of the training?

ATTACKS is the contents page. A new attack is a function of arrays in one of the files beside this one, and one row
here; the row's `needs` are the names of the function's arguments, so whoever runs attacks hands over what it has by
name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from unlearn_core.attacks import signals
from unlearn_core.attacks.lira import Side, lira_offline, lira_offline_two_sided, lira_online, summarise
from unlearn_core.attacks.population import FEATURES, best_threshold, svc_efficacy, threshold_efficacy
from unlearn_core.attacks.roc import Measured, Roc, auc, auc_interval, clopper_pearson, roc, tpr_at_fpr


@dataclass(frozen=True)
class Attack:
    """One row of ATTACKS.

    `gives` is "scores" (one per image, higher = more likely a member, to be judged by a ROC) or "efficacy" (the share
    of the forget images called non-members).
    """

    function: Callable
    needs: tuple[str, ...]
    gives: str
    label: str
    help: str
    source: str


ATTACKS: dict[str, Attack] = {
    # One score per image from the audited model alone.
    "confidence": Attack(
        signals.margin,
        ("logits", "labels"),
        "scores",
        "Confidence",
        "How sure the model is of the label. The loss gives the same order of images.",
        "Yeom et al. 2018, arXiv:1709.01604",
    ),
    "entropy": Attack(
        lambda logits, labels: -FEATURES["entropy"](logits, labels),
        ("logits", "labels"),
        "scores",
        "Entropy",
        "How sure the model is of any class, the label aside.",
        "Shokri et al. 2017, arXiv:1610.05820",
    ),
    "modified_entropy": Attack(
        lambda logits, labels: -FEATURES["modified_entropy"](logits, labels),
        ("logits", "labels"),
        "scores",
        "Modified entropy",
        "Entropy that counts being sure of a wrong class as a sign of a non-member.",
        "Song and Mittal 2021, arXiv:2003.10595",
    ),
    "correctness": Attack(
        signals.correctness,
        ("logits", "labels"),
        "scores",
        "Correctness",
        "Whether the model is right: the weakest attack, a floor for the others.",
        "Yeom et al. 2018, arXiv:1709.01604",
    ),
    # One score per image, compared with shadow models: `phi` is the audited model's margin.
    "lira_online": Attack(
        lira_online,
        ("phi", "inside", "outside"),
        "scores",
        "Likelihood ratio (LiRA)",
        "Compares the model with models that saw this image and models that did not. Wants about 64 of them.",
        "Carlini et al. 2022, arXiv:2112.03570",
    ),
    "lira_online_pooled": Attack(
        partial(lira_online, variance="pooled"),
        ("phi", "inside", "outside"),
        "scores",
        "Likelihood ratio, one variance for all (LiRA)",
        "The same with one variance for all images: steadier when there are few shadow models.",
        "Carlini et al. 2022, arXiv:2112.03570",
    ),
    "lira_offline": Attack(
        lira_offline,
        ("phi", "outside"),
        "scores",
        "Likelihood ratio without members (offline LiRA)",
        "Compares the model only with models that never saw this image: surer than they are speaks for a member.",
        "Carlini et al. 2022, arXiv:2112.03570",
    ),
    "lira_offline_two_sided": Attack(
        lira_offline_two_sided,
        ("phi", "outside"),
        "scores",
        "Unusual in either direction (offline LiRA)",
        "As before, but an image the model is less sure of than expected stands out too: it finds over-unlearning.",
        "Carlini et al. 2022, arXiv:2112.03570, as in the released code",
    ),
    # One attacker for all images, taught on retained and test images.
    "threshold": Attack(
        threshold_efficacy,
        ("retain", "test", "forget"),
        "efficacy",
        "Confidence attack, exact threshold (MIA-efficacy)",
        "Share of the forget images that the best single confidence threshold calls non-members.",
        "Song and Mittal 2021, arXiv:2003.10595",
    ),
    "svc": Attack(
        svc_efficacy,
        ("retain", "test", "forget"),
        "efficacy",
        "Confidence attack, classifier (MIA-efficacy)",
        "The same by a support-vector classifier, the form of the published numbers.",
        "Jia et al. 2023, arXiv:2304.04934; Fan et al. 2024, arXiv:2310.12508",
    ),
}

__all__ = [
    "ATTACKS",
    "FEATURES",
    "Attack",
    "Measured",
    "Roc",
    "Side",
    "auc",
    "auc_interval",
    "best_threshold",
    "clopper_pearson",
    "lira_offline",
    "lira_offline_two_sided",
    "lira_online",
    "roc",
    "signals",
    "summarise",
    "svc_efficacy",
    "threshold_efficacy",
    "tpr_at_fpr",
]
