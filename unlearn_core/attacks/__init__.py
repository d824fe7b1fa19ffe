"""Membership inference on arrays: was this image part of the training?

ATTACKS is the contents page. A new attack is a function of arrays in one of the files beside this one, and one row
here; the row's `needs` are the names of the function's arguments, so whoever runs attacks hands over what it has by
name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from unlearn_core.attacks import blocks, signals
from unlearn_core.attacks.bootstrap import cluster_bootstrap
from unlearn_core.attacks.lira import Side, lira_offline, lira_offline_two_sided, lira_online, summarise
from unlearn_core.attacks.population import (
    FEATURES,
    SCORES,
    best_threshold,
    classwise_efficacy,
    svc_efficacy,
    threshold_efficacy,
)
from unlearn_core.attacks.references import attack_p, attack_r
from unlearn_core.attacks.rmia import mean_probability, rmia_offline, rmia_online
from unlearn_core.attacks.roc import Measured, Roc, auc, auc_interval, clopper_pearson, roc, tpr_at_fpr
from unlearn_core.attacks.simple import simple_mia, split_accuracies
from unlearn_core.attacks.u_lira import (
    p_member,
    population_log_odds,
    u_lira,
    u_lira_kde,
)


@dataclass(frozen=True)
class Attack:
    """One row of ATTACKS.

    `gives` is "scores" (one per image, higher = more likely a member, to be judged by a ROC), "efficacy" (the share of
    the forget images called non-members), or "reference": an attack that asks for more than one model's logits and the
    likelihood ratio's `phi`, `inside` and `outside`, such as shadow models that unlearned or a population, so that only
    who has these can run it. It gives scores like the first kind, but for "simple", which gives its accuracy.
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
        SCORES["entropy"],
        ("logits", "labels"),
        "scores",
        "Entropy",
        "How sure the model is of any class, the label aside.",
        "Shokri et al. 2017, arXiv:1610.05820",
    ),
    "modified_entropy": Attack(
        SCORES["modified_entropy"],
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
    # The same, by the mean probability of its models and beside a population of unseen images.
    "rmia_offline": Attack(
        rmia_offline,
        ("probs", "mean_out", "population_probs", "mean_population"),
        "scores",
        "Relative likelihood without members (offline RMIA)",
        "The same by reference models that never saw the image alone.",
        "Zarifzadeh et al. 2024, arXiv:2312.03262",
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
    "svc_correctness": Attack(
        partial(svc_efficacy, feature="correctness"),
        ("retain", "test", "forget"),
        "efficacy",
        "Correctness attack, classifier (MIA-efficacy)",
        "The same on whether the model is right.",
        "Jia et al. 2023, arXiv:2304.04934; Fan et al. 2024, arXiv:2310.12508",
    ),
    "svc_entropy": Attack(
        partial(svc_efficacy, feature="entropy"),
        ("retain", "test", "forget"),
        "efficacy",
        "Entropy attack, classifier (MIA-efficacy)",
        "The same on how sure the model is of any class.",
        "Jia et al. 2023, arXiv:2304.04934; Fan et al. 2024, arXiv:2310.12508",
    ),
    "svc_modified_entropy": Attack(
        partial(svc_efficacy, feature="modified_entropy"),
        ("retain", "test", "forget"),
        "efficacy",
        "Modified entropy attack, classifier (MIA-efficacy)",
        "The same on the entropy that knows the label.",
        "Jia et al. 2023, arXiv:2304.04934; Fan et al. 2024, arXiv:2310.12508",
    ),
    "svc_probabilities": Attack(
        partial(svc_efficacy, feature="probabilities"),
        ("retain", "test", "forget"),
        "efficacy",
        "Probabilities attack, classifier (MIA-efficacy)",
        "The same on the probabilities of all classes.",
        "Jia et al. 2023, arXiv:2304.04934; Fan et al. 2024, arXiv:2310.12508",
    ),
    "classwise": Attack(
        classwise_efficacy,
        ("retain", "test", "forget"),
        "efficacy",
        "Confidence attack, a threshold for each class (MIA-efficacy)",
        "Share of the forget images that the best confidence threshold of their own class calls non-members.",
        "Song and Mittal 2021, arXiv:2003.10595",
    ),
    "classwise_modified_entropy": Attack(
        partial(classwise_efficacy, feature="modified_entropy"),
        ("retain", "test", "forget"),
        "efficacy",
        "Modified entropy attack, a threshold for each class (MIA-efficacy)",
        "The same on the entropy that knows the label, the strongest form of its authors.",
        "Song and Mittal 2021, arXiv:2003.10595",
    ),
    # What needs more than the pages have at hand: shadow models that unlearned, reference models, a population.
    "u_lira": Attack(
        u_lira,
        ("phi", "unlearned", "unseen"),
        "reference",
        "Likelihood ratio of unlearned to unseen (U-LiRA)",
        "Compares the model with models that unlearned this image and models that never saw it. Perfect reads 0.5.",
        "Hayes et al. 2024, arXiv:2403.01218",
    ),
    "u_lira_pooled": Attack(
        partial(u_lira, variance="pooled"),
        ("phi", "unlearned", "unseen"),
        "reference",
        "Likelihood ratio of unlearned to unseen, one variance for all (U-LiRA)",
        "The same with one variance for all images: steadier below about 16 models of each kind.",
        "Hayes et al. 2024, arXiv:2403.01218",
    ),
    "u_lira_kde": Attack(
        u_lira_kde,
        ("phi", "unlearned_phi", "unseen_phi"),
        "reference",
        "Likelihood ratio of unlearned to unseen, any shape (U-LiRA)",
        "The same with kernel densities in the place of normal ones. Wants many models, and the scores of each.",
        "Hayes et al. 2024, arXiv:2403.01218; Naderloui et al. 2025, arXiv:2506.13009",
    ),
    "u_lira_population": Attack(
        population_log_odds,
        ("phi", "unlearned_phi", "unseen_phi"),
        "reference",
        "One attacker for all images (population U-LiRA)",
        "What an attacker sees who does not tell the images apart. What U-LiRA finds more is hidden in the average.",
        "Hayes et al. 2024, arXiv:2403.01218; Naderloui et al. 2025, arXiv:2506.13009",
    ),
    "rmia_online": Attack(
        rmia_online,
        ("probs", "mean_in", "mean_out", "population_probs", "mean_population"),
        "reference",
        "Relative likelihood (RMIA)",
        "Share of unseen images that this one outdoes, against what reference models say of both. Needs only a few.",
        "Zarifzadeh et al. 2024, arXiv:2312.03262",
    ),
    "attack_p": Attack(
        attack_p,
        ("losses", "population_losses"),
        "reference",
        "Loss among other images (attack-P)",
        "Share of unseen images with at least this loss. The same order of images as the confidence.",
        "Ye et al. 2022, arXiv:2111.09679",
    ),
    "attack_r": Attack(
        attack_r,
        ("losses", "reference_losses"),
        "reference",
        "Loss among other models (attack-R)",
        "How far below its losses in models that never saw the image its loss lies.",
        "Ye et al. 2022, arXiv:2111.09679",
    ),
    "simple": Attack(
        simple_mia,
        ("forget_losses", "test_losses"),
        "reference",
        "Loss attack of the challenge's starting kit",
        "How often a linear rule on the loss tells forgotten from test images. Closer to retraining is better.",
        "Triantafillou et al. 2024, arXiv:2406.09073",
    ),
}

__all__ = [
    "ATTACKS",
    "FEATURES",
    "SCORES",
    "Attack",
    "Measured",
    "Roc",
    "Side",
    "attack_p",
    "attack_r",
    "auc",
    "auc_interval",
    "best_threshold",
    "blocks",
    "classwise_efficacy",
    "clopper_pearson",
    "cluster_bootstrap",
    "lira_offline",
    "lira_offline_two_sided",
    "lira_online",
    "mean_probability",
    "p_member",
    "population_log_odds",
    "rmia_offline",
    "rmia_online",
    "roc",
    "signals",
    "simple_mia",
    "split_accuracies",
    "summarise",
    "svc_efficacy",
    "threshold_efficacy",
    "tpr_at_fpr",
    "u_lira",
    "u_lira_kde",
]
