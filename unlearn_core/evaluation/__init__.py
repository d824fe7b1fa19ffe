"""How well it worked, as pure functions of arrays and numbers.

METRICS is the contents page: a new metric is a function in one of the files beside this one, and one row here. Arrows,
tooltips, column heads and axis titles come from the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from unlearn_core.attacks import auc_interval, threshold_efficacy, tpr_at_fpr
from unlearn_core.attacks.inversion import label_accuracy, retrieval_auc
from unlearn_core.attacks.simple import simple_mia
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.evaluation.calibration import calibration_error
from unlearn_core.evaluation.challenge import challenge_score, example_epsilons, forgetting_quality
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
from unlearn_core.evaluation.epistemic import efficacy, efficacy_upper_bound, information_score
from unlearn_core.evaluation.epsilon import (
    certified_quality,
    epsilon_from_attack,
    high_confidence_epsilon,
    one_run_epsilon,
    split_half_epsilons,
)
from unlearn_core.evaluation.margins_apart import margin_distance, margin_shift, told_apart
from unlearn_core.evaluation.outputs_apart import (
    activation_distance,
    js_divergence,
    js_divergences,
    klom,
    klom_each,
    total_variation,
    zrf,
)
from unlearn_core.evaluation.perturbation_degree import (
    degree_of_unlearning,
    forgetting_rate,
    membership_forgetting_rate,
    memory_retention_rate,
)
from unlearn_core.evaluation.relearning import anamnesis_index, relearn_time
from unlearn_core.evaluation.seeds import (
    Ends,
    Estimate,
    inside_seed_spread,
    over_seeds,
    paired_difference,
    reach,
    stands_out,
    values_of,
    within,
)
from unlearn_core.evaluation.weights_apart import (
    linear_cka,
    relative_weight_distance,
    weight_distance,
    weight_distances,
)

SHARE, AT_MOST_ONE, FROM_ZERO = (0.0, 1.0), (None, 1.0), (0.0, None)


@dataclass(frozen=True)
class Metric:
    """One row of METRICS.

    `direction` says what a higher value means. `tier` is what it costs: 0 the models at hand, 1 several seeds, 2 shadow
    models, 3 many retrained models. `remembers` is the side of a retrained model's value on which the forget images are
    remembered: 1 above it, -1 below it; the other side is over-unlearning, a failure too. 0 where no side says that.
    `ends` are the least and the most that it can read, None where there is no such end: an interval of Student's t may
    reach beyond, and is drawn and read out only up to there.
    """

    function: Callable
    label: str
    direction: Literal["better", "worse", "closer_to_retrain"]
    help: str
    source: str
    tier: int = field(kw_only=True)
    remembers: Literal[-1, 0, 1] = 0
    ends: Ends = (None, None)

    @property
    def short(self) -> str:
        """The abbreviation that the label ends with, or the whole label: a metric has these two names and no others."""
        return self.label.partition("(")[2].rstrip(")") or self.label


METRICS: dict[str, Metric] = {
    # What the model gets right.
    "forget_accuracy": Metric(
        accuracy,
        "Accuracy on forgotten images",
        "closer_to_retrain",
        "Share of the forget images still classified correctly. A retrained model gets many of them right too.",
        "definition",
        tier=0,
        remembers=1,
        ends=SHARE,
    ),
    "retain_accuracy": Metric(
        accuracy,
        "Accuracy on kept images",
        "better",
        "Share of the training images you keep that the model classifies correctly.",
        "definition",
        tier=0,
        ends=SHARE,
    ),
    "test_accuracy": Metric(
        accuracy,
        "Accuracy on test images",
        "better",
        "Share of the test images that the model classifies correctly.",
        "definition",
        tier=0,
        ends=SHARE,
    ),
    # How close it comes to a model retrained without the forget images.
    "group_tow": Metric(
        group_tow,
        "Closeness to retraining, part by part (group ToW)",
        "better",
        "Like ToW, but forgetting one part of the images too much and another too little cannot cancel.",
        "this project, after Zhao et al. 2024, arXiv:2406.01257",
        tier=1,
        ends=SHARE,
    ),
    "tow": Metric(
        tow,
        "Closeness to retraining (ToW)",
        "better",
        "1 when the three accuracies equal a retrained model's. Two retrained models read a little less than 1.",
        "Zhao et al. 2024, arXiv:2406.01257",
        tier=1,
        ends=SHARE,
    ),
    "tow_mia": Metric(
        tow_mia,
        "Closeness to retraining under attack (ToW-MIA)",
        "better",
        "Like ToW, with the confidence attack's success in the place of the accuracy on forgotten images.",
        "Zhao et al. 2024, arXiv:2406.01257",
        tier=1,
        ends=SHARE,
    ),
    "average_gap": Metric(
        average_gap,
        "Average gap to retraining",
        "worse",
        "Mean distance to the retrained model in the three accuracies and in the confidence attack's success.",
        "Fan et al. 2024, arXiv:2310.12508",
        tier=1,
        ends=FROM_ZERO,
    ),
    "agreement": Metric(
        agreement,
        "Agreement with retraining",
        "better",
        "Share of images for which the model and a retrained model predict the same class.",
        "definition",
        tier=0,
        ends=SHARE,
    ),
    "disagreement": Metric(
        disagreement,
        "Disagreement with retraining",
        "worse",
        "Share of images for which the model and a retrained model predict different classes.",
        "Zhao et al. 2024, arXiv:2406.01257",
        tier=0,
        ends=SHARE,
    ),
    # What an attacker can tell.
    "mia_efficacy": Metric(
        threshold_efficacy,
        "Forgotten images taken for unseen (MIA-efficacy)",
        "closer_to_retrain",
        "Share of the forget images that the confidence attack calls non-members. More than retraining is a trace too.",
        "Fan et al. 2024, arXiv:2310.12508",
        tier=0,
        remembers=-1,
        ends=SHARE,
    ),
    "auc": Metric(
        auc_interval,
        "Attack success over all thresholds (AUC)",
        "closer_to_retrain",
        "Chance that the attack ranks a forgotten image above an unseen one. Retraining does not read exactly 0.5.",
        "DeLong et al. 1988",
        tier=0,
        remembers=1,
        ends=SHARE,
    ),
    "tpr_at_1_fpr": Metric(
        partial(tpr_at_fpr, alpha=0.01),
        "Attack success at 1 % false alarms (TPR@1%FPR)",
        "closer_to_retrain",
        "Share of the forgotten images found by an attacker who wrongly accuses 1 of 100 unseen images.",
        "Carlini et al. 2022, arXiv:2112.03570",
        tier=0,
        remembers=1,
        ends=SHARE,
    ),
    "tpr_at_01_fpr": Metric(
        partial(tpr_at_fpr, alpha=0.001),
        "Attack success at 0.1 % false alarms (TPR@0.1%FPR)",
        "closer_to_retrain",
        "Share of the forgotten images found by an attacker who wrongly accuses 1 of 1,000 unseen images; needs 10,000 "
        "of them.",
        "Carlini et al. 2022, arXiv:2112.03570",
        tier=0,
        remembers=1,
        ends=SHARE,
    ),
    "tpr_at_10_fpr": Metric(
        partial(tpr_at_fpr, alpha=0.1),
        "Attack success at 10 % false alarms (TPR@10%FPR)",
        "closer_to_retrain",
        "Share of the forgotten images found by an attacker who wrongly accuses 1 of 10 unseen images.",
        "Carlini et al. 2022, arXiv:2112.03570",
        tier=0,
        remembers=1,
        ends=SHARE,
    ),
    "simple_mia": Metric(
        simple_mia,
        "Accuracy of a classifier of losses (simple MIA)",
        "closer_to_retrain",
        "How often one threshold on the loss tells forgotten from unseen images: the attack of the challenge's "
        "starting kit. Either direction counts, so over-unlearning reads high too.",
        "Triantafillou et al. 2024, arXiv:2406.09073",
        tier=0,
        ends=SHARE,
    ),
    "attack_epsilon": Metric(
        epsilon_from_attack,
        "Leakage proved by one attack (epsilon)",
        "closer_to_retrain",
        "What the hits and false alarms of one fixed threshold prove, in nats. Where nothing can be told it reads 0.",
        "Fagerland et al. 2015; Jagielski et al. 2020, arXiv:2006.07709",
        tier=0,
        ends=FROM_ZERO,
    ),
    "one_run_epsilon": Metric(
        one_run_epsilon,
        "Leakage proved by a single training (epsilon)",
        "worse",
        "What right guesses about images that fair coins put in or left out prove, in nats. A perfect method reads 0.",
        "Steinke et al. 2023, arXiv:2305.08846",
        tier=0,
        ends=FROM_ZERO,
    ),
    "rmia_auc": Metric(
        auc_interval,
        "Attack success with a few retrained models (RMIA, AUC)",
        "closer_to_retrain",
        "Chance that the attack ranks a forgotten image above an unseen one, each held against other images and a few "
        "reference models. A retrained model's value is perfect, about 0.5.",
        "Zarifzadeh et al. 2024, arXiv:2312.03262",
        tier=1,
        remembers=1,
        ends=SHARE,
    ),
    "u_lira_auc": Metric(
        auc_interval,
        "The audited models under the attack with shadow models (U-LiRA, AUC)",
        "closer_to_retrain",
        "Chance that an image looks more like unlearned in an unlearned model than in a retrained one. Two retrained "
        "models read about 0.5.",
        "Hayes et al. 2024, arXiv:2403.01218",
        tier=2,
        ends=SHARE,
    ),
    "u_lira_privacy_auc": Metric(
        auc_interval,
        "Forgotten or never seen, for unlearned models (U-LiRA privacy, AUC)",
        "closer_to_retrain",
        "Chance to tell an unlearned model that forgot the image from an unlearned model that never saw it. Perfect "
        "reads 0.5.",
        "Hayes et al. 2024, arXiv:2403.01218",
        tier=2,
        ends=SHARE,
    ),
    "u_lira_efficacy_auc": Metric(
        auc_interval,
        "Unlearned or never trained on the image (U-LiRA efficacy, AUC)",
        "closer_to_retrain",
        "Chance to tell an unlearned model from one that was never trained on the image, by what both say about it. "
        "Perfect reads 0.5.",
        "Hayes et al. 2024, arXiv:2403.01218",
        tier=2,
        ends=SHARE,
    ),
    "u_lira_privacy_tpr": Metric(
        tpr_at_fpr,
        "Images found at 1 % false alarms among unlearned models (U-LiRA privacy, TPR@1%FPR)",
        "closer_to_retrain",
        "Share of forgotten images an attacker with shadow models finds who accuses 1 of 100 never seen. Perfect reads "
        "0.01.",
        "Hayes et al. 2024, arXiv:2403.01218",
        tier=2,
        ends=SHARE,
    ),
    "u_lira_efficacy_tpr": Metric(
        tpr_at_fpr,
        "Images found at 1 % false alarms (U-LiRA efficacy, TPR@1%FPR)",
        "closer_to_retrain",
        "Share of unlearned images told from never trained ones by an attacker with shadow models who is wrong about 1 "
        "of 100. Perfect reads 0.01.",
        "Hayes et al. 2024, arXiv:2403.01218",
        tier=2,
        ends=SHARE,
    ),
    "retain_leakage": Metric(
        auc_interval,
        "Attack success on kept images (retain-set leakage, AUC)",
        "closer_to_retrain",
        "Chance that the attack ranks a kept image above an unseen one. More than a retrained model gives away means "
        "that forgetting some images exposed the others.",
        "DeLong et al. 1988",
        tier=0,
        ends=SHARE,
    ),
    "inversion_label_accuracy": Metric(
        label_accuracy,
        "Classes of deleted images that are read from the two models",
        "closer_to_retrain",
        "Share of single deletions whose class is guessed by someone with the model before and after. Training on "
        "without a deletion reads 1 divided by the number of classes.",
        "Hu et al. 2024, arXiv:2404.03233",
        tier=0,
        ends=SHARE,
    ),
    "inversion_retrieval": Metric(
        retrieval_auc,
        "Deleted images found among candidates (inversion, AUC)",
        "closer_to_retrain",
        "Chance that someone with the model before and after finds the deleted image before another. Training on "
        "without a deletion reads 0.5.",
        "this project, after Hu et al. 2024, arXiv:2404.03233",
        tier=0,
        ends=SHARE,
    ),
    # Whether many unlearned models can be told from many retrained ones.
    "forgetting_quality": Metric(
        forgetting_quality,
        "Forgetting quality of the NeurIPS challenge (F)",
        "better",
        "How hard many unlearned models are to tell from retrained ones. Perfect reads about 0.19, not 1.",
        "Triantafillou et al. 2024, arXiv:2406.09073",
        tier=3,
        ends=SHARE,
    ),
    "challenge_score": Metric(
        challenge_score,
        "Final score of the NeurIPS challenge",
        "better",
        "Forgetting quality times the accuracies on kept and test images over retraining's. Perfect reads about 0.19.",
        "Triantafillou et al. 2024, arXiv:2406.09073",
        tier=3,
        ends=FROM_ZERO,
    ),
    "challenge_score_capped": Metric(
        partial(challenge_score, capped=True),
        "Final score of the NeurIPS challenge, no credit for beating retraining",
        "better",
        "The final score with accuracies counted only up to those of retraining.",
        "this project, after Triantafillou et al. 2024, arXiv:2406.09073",
        tier=3,
        ends=SHARE,
    ),
    "certified_quality": Metric(
        certified_quality,
        "Forgetting quality, counting only what is proved",
        "better",
        "Like F, but an image costs points only for what half of the models prove. Perfect reads 1, as can few models.",
        "this project, after Triantafillou et al. 2024, arXiv:2406.09073",
        tier=3,
        ends=SHARE,
    ),
    # What it cost, and how hard it was.
    "speedup": Metric(
        speedup,
        "Times faster than retraining (RTE)",
        "better",
        "Seconds to retrain divided by seconds to unlearn.",
        "Cadet et al. 2024, arXiv:2410.01276",
        tier=0,
        ends=FROM_ZERO,
    ),
    "entanglement": Metric(
        EmbeddingSums.score,
        "Entanglement (ES)",
        "worse",
        "How far the forget images and the kept images overlap in embedding space. High means hard to forget.",
        "Zhao et al. 2024, arXiv:2406.01257",
        tier=0,
        ends=FROM_ZERO,
    ),
    # How far its outputs, weights and features are from a retrained model's.
    "js_divergence": Metric(
        js_divergence,
        "Distance of the probabilities from retraining (JS)",
        "worse",
        "0 when all probabilities equal a retrained model's, 0.69 at most. Two retrained models read more than 0.",
        "Lin 1991",
        tier=0,
        ends=FROM_ZERO,
    ),
    "activation_distance": Metric(
        activation_distance,
        "Distance of the outputs from retraining (activation distance)",
        "worse",
        "Mean length of the difference between the probabilities of the model and a retrained one, 0 to 1.41. Two "
        "retrained models read more than 0.",
        "Chundawat et al. 2023, arXiv:2205.08096",
        tier=0,
        ends=FROM_ZERO,
    ),
    "zrf": Metric(
        zrf,
        "Likeness to an untrained model on forgotten images (ZRF)",
        "closer_to_retrain",
        "1 when the outputs look like those of models that never learned anything. A retrained model reads less, so "
        "more than that is a trace too.",
        "Chundawat et al. 2023, arXiv:2205.08096",
        tier=0,
        remembers=-1,
        ends=SHARE,
    ),
    "klom": Metric(
        klom,
        "Distance between many unlearned and many retrained models (KLoM)",
        "worse",
        "How differently the margins of an image are spread, for the image at the 95th percentile. 0 is perfect, but "
        "retrained models against each other read about 0.6 with 100 models and far more with fewer.",
        "Georgiev et al. 2024, arXiv:2410.23232",
        tier=3,
        ends=FROM_ZERO,
    ),
    "margin_shift": Metric(
        margin_shift,
        "How much surer than retrained models (mean margin)",
        "closer_to_retrain",
        "Mean logit-scaled confidence minus that of retrained models. 0 is perfect, below 0 is over-unlearned.",
        "this project",
        tier=3,
        remembers=1,
    ),
    "margin_distance": Metric(
        margin_distance,
        "Distance of the margins of an image from those of retrained models (Wasserstein)",
        "worse",
        "Median over images. Unlike KLoM it reads little above its floor with few models; retrained models against "
        "each other set the floor.",
        "this project, after Georgiev et al. 2024, arXiv:2410.23232",
        tier=3,
        ends=FROM_ZERO,
    ),
    "told_apart": Metric(
        told_apart,
        "Images whose models are told from retrained ones (Kolmogorov-Smirnov)",
        "worse",
        "Share of images for which a test at 5 % sees a difference. Perfect reads at most about 0.05.",
        "Smirnov 1948",
        tier=3,
        ends=SHARE,
    ),
    "weight_distance": Metric(
        weight_distance,
        "Distance of the weights from retraining (L2)",
        "worse",
        "0 for the same weights. Two retrained models are far apart as well, so this is no verdict.",
        "Golatkar et al. 2020, arXiv:1911.04933",
        tier=0,
        ends=FROM_ZERO,
    ),
    "relative_weight_distance": Metric(
        relative_weight_distance,
        "Distance of the weights from retraining, as a share of their length",
        "worse",
        "0 for the same weights. Two retrained models are far apart as well, so this is no verdict.",
        "Cadet et al. 2024, arXiv:2410.01276",
        tier=0,
        ends=FROM_ZERO,
    ),
    "linear_cka": Metric(
        linear_cka,
        "Likeness of the features to retraining (linear CKA)",
        "better",
        "1 when the features equal a retrained model's up to rotation and scale. Two retrained ones read less than 1.",
        "Kornblith et al. 2019, arXiv:1905.00414",
        tier=0,
        ends=SHARE,
    ),
    "debiased_cka": Metric(
        partial(linear_cka, debiased=True),
        "Likeness of the features to retraining, for few images (debiased CKA)",
        "better",
        "Like linear CKA, but unrelated features read about 0 however few the images are. Two retrained models read "
        "less than 1.",
        "Nguyen et al. 2021, arXiv:2010.15327",
        tier=0,
        ends=AT_MOST_ONE,
    ),
    # What is left inside, and how much was lost.
    "relearn_time": Metric(
        relearn_time,
        "Epochs to relearn the forgotten images",
        "closer_to_retrain",
        "Epochs of 500 images, drawn from all training images, until the mean loss on the forget images is at most "
        "0.1. A perfect method takes as long as a retrained model.",
        "Golatkar et al. 2020, arXiv:1911.04933",
        tier=1,
        remembers=-1,
        ends=FROM_ZERO,
    ),
    "anamnesis_index": Metric(
        anamnesis_index,
        "Relearning time as a share of retraining's (AIN)",
        "closer_to_retrain",
        "1 when the forget images are relearned as slowly as by a retrained model. Less means knowledge was left.",
        "Chundawat et al. 2023, arXiv:2201.05629",
        tier=1,
        remembers=-1,
        ends=FROM_ZERO,
    ),
    "linear_probe_accuracy": Metric(
        accuracy,
        "Accuracy of a new last layer on forgotten images (linear probe)",
        "closer_to_retrain",
        "Share of the forget images that a new last layer gets right, taught on the frozen features with a few others "
        "of them. More than a retrained model's features allow means that only the old last layer forgot.",
        "Alain and Bengio 2017, arXiv:1610.01644",
        tier=0,
        remembers=1,
        ends=SHARE,
    ),
    "calibration_error": Metric(
        calibration_error,
        "Confidence against correctness on forgotten images (ECE)",
        "closer_to_retrain",
        "How far the model's confidence is from the share it gets right. A perfect method is as sure as a retrained "
        "model, neither more nor less.",
        "Guo et al. 2017, arXiv:1706.04599",
        tier=0,
        ends=SHARE,
    ),
    "forgetting_rate": Metric(
        forgetting_rate,
        "Forgetting rate (after Zuo et al., our operational definition)",
        "closer_to_retrain",
        "Share of the original accuracy on the forget images that is gone, below 0 where it rose. A perfect method "
        "reads what a retrained model reads.",
        "after Zuo et al. 2024, arXiv:2401.04385, our operational definition",
        tier=0,
        remembers=-1,
        ends=AT_MOST_ONE,
    ),
    "memory_retention_rate": Metric(
        memory_retention_rate,
        "Memory retention rate (after Zuo et al., our operational definition)",
        "better",
        "Share of the original accuracy on the kept images that is left. A retrained model reads about 1.",
        "after Zuo et al. 2024, arXiv:2401.04385, our operational definition",
        tier=0,
        ends=FROM_ZERO,
    ),
    "degree_of_unlearning": Metric(
        degree_of_unlearning,
        "Degree of unlearning (after Zuo et al., our operational definition)",
        "closer_to_retrain",
        "Accuracy lost on slightly perturbed forget images. A perfect method reads what a retrained model reads.",
        "after Zuo et al. 2024, arXiv:2401.04385, our operational definition",
        tier=0,
        remembers=-1,
    ),
    "membership_forgetting_rate": Metric(
        membership_forgetting_rate,
        "Members turned non-members for an attack (forgetting rate)",
        "closer_to_retrain",
        "Of the forget images that an attack called members, the share it no longer does, below 0 where it calls more "
        "so. A perfect method reads what a retrained model reads.",
        "Liu et al. 2020, arXiv:2003.10933",
        tier=0,
        remembers=-1,
        ends=AT_MOST_ONE,
    ),
    "epistemic_efficacy": Metric(
        efficacy,
        "How little the weights say about forgotten images (efficacy)",
        "closer_to_retrain",
        "1 divided by the mean squared gradient at the forget images. Well-learned images read high too, so only a "
        "retrained model's value tells what is perfect.",
        "Becker and Liebig 2022, arXiv:2208.10836",
        tier=0,
        ends=FROM_ZERO,
    ),
}

__all__ = [
    "FROM_ZERO",
    "METRICS",
    "SHARE",
    "Ends",
    "Estimate",
    "Metric",
    "accuracy",
    "activation_distance",
    "agreement",
    "anamnesis_index",
    "average_gap",
    "calibration_error",
    "certified_quality",
    "challenge_score",
    "degree_of_unlearning",
    "disagreement",
    "efficacy",
    "efficacy_upper_bound",
    "epsilon_from_attack",
    "example_epsilons",
    "forgetting_quality",
    "forgetting_rate",
    "group_tow",
    "high_confidence_epsilon",
    "indiscernibility",
    "information_score",
    "inside_seed_spread",
    "js_divergence",
    "js_divergences",
    "klom",
    "klom_each",
    "linear_cka",
    "membership_forgetting_rate",
    "margin_distance",
    "margin_shift",
    "memory_retention_rate",
    "one_run_epsilon",
    "over_seeds",
    "paired_difference",
    "percentage_error",
    "reach",
    "relative_weight_distance",
    "relearn_time",
    "retention",
    "speedup",
    "split_half_epsilons",
    "told_apart",
    "total_variation",
    "values_of",
    "stands_out",
    "within",
    "tow",
    "tow_mia",
    "weight_distance",
    "weight_distances",
    "zrf",
]
