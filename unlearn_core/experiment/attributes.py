"""What is known of the training images before anything is unlearned, and the parts of a set that follow from it."""

from __future__ import annotations

import numpy as np

from unlearn_core.ensembles import Bank
from unlearn_core.experiment.measures import Target
from unlearn_core.experiment.stages import bank_memorization, dataset, embedding_sums, fulfil
from unlearn_core.forget import Known
from unlearn_core.progress import Tell, silent
from unlearn_core.rum import Plan
from unlearn_core.store import Store


def known(store: Store, bank: Bank, tell: Tell = silent) -> Known:
    """What a forget set is chosen from; the bank and the embedding are made only if a rule asks."""
    images = dataset(store, bank.training.data, tell)
    return Known(
        labels=images.train.y.numpy(),
        classes=images.classes,
        memorization=lambda: bank_memorization(fulfil(store, bank, tell)).scores,
        sums=lambda: embedding_sums(store, bank.training, tell),
        mislabelled=images.mislabelled,
    )


def refine(store: Store, bank: Bank, plan: Plan, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of a forget set under a plan."""
    if plan.by == "memorization":
        return plan.refine(rows, bank_memorization(fulfil(store, bank)).scores[rows])
    if plan.by == "confidence":
        trajectory = fulfil(store, bank.training).arrays("trajectory")["confidence"]
        return plan.refine(rows, -trajectory[rows].astype(float))
    sums = embedding_sums(store, bank.training)
    return plan.refine(rows, -sums.squares[rows], sums.score)


def target(store: Store, bank: Bank, rows: np.ndarray) -> Target:
    """What is measured on. The parts are thirds by memorization, whatever a plan cuts by, so all methods share them."""
    images = dataset(store, bank.training.data)
    return Target(images.train.y.numpy(), images.test.y.numpy(), rows, refine(store, bank, Plan(), rows))
