"""How well it worked, as pure functions of arrays and numbers.

METRICS is the contents page: a new metric is a function in one of the files beside this one, and one row here. Arrows,
tooltips, column heads and axis titles come from the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from unlearn_core.attacks import auc_interval, threshold_efficacy, tpr_at_fpr
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.evaluation.closeness import (
    accuracy,
    agreement,
    average_gap,
    disagreement,
    group_tow,
    indiscernibility,
    percentage_error,
    retention,
    speedup,
    tow,
    tow_mia,
)
from unlearn_core.evaluation.seeds import Estimate, inside_seed_spread, over_seeds, paired_difference


@dataclass(frozen=True)
class Metric:
    """One row of METRICS.

    `direction` says what a higher value means. `tier` is what it costs: 0 the models at hand, 1 several seeds, 2 shadow
    models, 3 many retrained models.
    """

    function: Callable
    label: str
    direction: Literal["better", "worse", "closer_to_retrain"]
    help: str
    source: str
    tier: int


METRICS: dict[str, Metric] = {
    # What the model gets right.
    "forget_accuracy": Metric(
        accuracy,
        "Accuracy on forgotten images",
        "closer_to_retrain",
        "Share of the forget images still classified correctly. A retrained model gets many of them right too.",
        "definition",
        0,
    ),
    "retain_accuracy": Metric(
        accuracy,
        "Accuracy on kept images",
        "better",
        "Share of the training images you keep that the model classifies correctly.",
        "definition",
        0,
    ),
    "test_accuracy": Metric(
        accuracy,
        "Accuracy on test images",
        "better",
        "Share of the test images that the model classifies correctly.",
        "definition",
        0,
    ),
    # How close it comes to a model retrained without the forget images.
    "group_tow": Metric(
        group_tow,
        "Closeness to retraining, part by part (group ToW)",
        "better",
        "Like ToW, but forgetting one part of the images too much and another too little cannot cancel.",
        "this project, after Zhao et al. 2024, arXiv:2406.01257",
        1,
    ),
    "tow": Metric(
        tow,
        "Closeness to retraining (ToW)",
        "better",
        "1 when the three accuracies equal a retrained model's. Two retrained models read a little less than 1.",
        "Zhao et al. 2024, arXiv:2406.01257",
        1,
    ),
    "tow_mia": Metric(
        tow_mia,
        "Closeness to retraining under attack (ToW-MIA)",
        "better",
        "Like ToW, with the confidence attack's success in the place of the accuracy on forgotten images.",
        "Zhao et al. 2024, arXiv:2406.01257",
        1,
    ),
    "average_gap": Metric(
        average_gap,
        "Average gap to retraining",
        "worse",
        "Mean distance to the retrained model in the three accuracies and in the confidence attack's success.",
        "Fan et al. 2024, arXiv:2310.12508",
        1,
    ),
    "agreement": Metric(
        agreement,
        "Agreement with retraining",
        "better",
        "Share of images for which the model and a retrained model predict the same class.",
        "definition",
        0,
    ),
    "disagreement": Metric(
        disagreement,
        "Disagreement with retraining",
        "worse",
        "Share of images for which the model and a retrained model predict different classes.",
        "Zhao et al. 2024, arXiv:2406.01257",
        0,
    ),
    # What an attacker can tell.
    "mia_efficacy": Metric(
        threshold_efficacy,
        "Forgotten images taken for unseen (MIA-efficacy)",
        "closer_to_retrain",
        "Share of the forget images that the confidence attack calls non-members. More than retraining is a trace too.",
        "Fan et al. 2024, arXiv:2310.12508",
        0,
    ),
    "auc": Metric(
        auc_interval,
        "Attack success over all thresholds (AUC)",
        "closer_to_retrain",
        "Chance that the attack ranks a forgotten image above an unseen one. Retraining does not read exactly 0.5.",
        "DeLong et al. 1988",
        0,
    ),
    "tpr_at_1_fpr": Metric(
        partial(tpr_at_fpr, alpha=0.01),
        "Attack success at 1 % false alarms (TPR@1%FPR)",
        "closer_to_retrain",
        "Share of the forgotten images found by an attacker who wrongly accuses 1 of 100 unseen images.",
        "Carlini et al. 2022, arXiv:2112.03570",
        0,
    ),
    # What it cost, and how hard it was.
    "speedup": Metric(
        speedup,
        "Times faster than retraining (RTE)",
        "better",
        "Seconds to retrain divided by seconds to unlearn.",
        "Cadet et al. 2024, arXiv:2410.01276",
        0,
    ),
    "entanglement": Metric(
        EmbeddingSums.score,
        "Entanglement (ES)",
        "worse",
        "How far the forget images and the kept images overlap in embedding space. High means hard to forget.",
        "Zhao et al. 2024, arXiv:2406.01257",
        0,
    ),
}

__all__ = [
    "METRICS",
    "Estimate",
    "Metric",
    "accuracy",
    "agreement",
    "average_gap",
    "disagreement",
    "group_tow",
    "indiscernibility",
    "inside_seed_spread",
    "over_seeds",
    "paired_difference",
    "percentage_error",
    "retention",
    "speedup",
    "tow",
    "tow_mia",
]
