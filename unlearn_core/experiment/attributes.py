"""What is known of the training images before anything is unlearned, and the parts of a set that follow from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from unlearn_core.ensembles import Bank
from unlearn_core.experiment.embedded_images import embedding_sums
from unlearn_core.experiment.measures import Target
from unlearn_core.experiment.memorized import Unbanked, memorization_of
from unlearn_core.experiment.proxy_scores import proxy_scores
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.forget import Known
from unlearn_core.progress import Tell, silent
from unlearn_core.rum import Plan
from unlearn_core.store import Store


def known(store: Store, bank: Bank | Unbanked, tell: Tell = silent) -> Known:
    """What a forget set is chosen from; the bank and the embedding are made only if a rule asks."""
    images = dataset(store, bank.training.data, tell)
    return Known(
        labels=images.train.y.numpy(),
        classes=images.classes,
        memorization=cache(lambda: memorization_of(store, bank, tell).scores),
        sums=cache(lambda: embedding_sums(store, bank.training, tell)),
        mislabelled=images.mislabelled,
    )


def scores(by: str, about: Known, proxy: Callable[[str], np.ndarray]) -> np.ndarray:
    """(n,) float64 scores that a plan refines by, one of Plan's choices of `by`; higher = more memorized.

    `proxy` gives the scores of a name of PROXIES. By entanglement these are only distances, which say what lies
    together.
    """
    if by == "memorization":
        return about.memorization()
    if by == "entanglement":
        return -about.sums().squares
    return proxy(by)


def parts(plan: Plan, rows: np.ndarray, about: Known, proxy: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of each part into which a plan cuts these rows."""
    measure = about.sums().score if plan.by == "entanglement" else None
    return plan.refine(rows, scores(plan.by, about, proxy)[rows], measure)


def cutter(
    store: Store, bank: Bank | Unbanked, tell: Tell = silent
) -> Callable[[Plan, np.ndarray], dict[str, np.ndarray]]:
    """cut(plan, rows) -> the parts of a forget set under a plan; what they need is made where it is missing, and read
    once for all plans.
    """
    about, proxy = known(store, bank, tell), cache(partial(proxy_scores, store, bank.training, tell=tell))
    return lambda plan, rows: parts(plan, rows, about, proxy)


def refine(
    store: Store, bank: Bank | Unbanked, plan: Plan, rows: np.ndarray, tell: Tell = silent
) -> dict[str, np.ndarray]:
    """The parts of a forget set under one plan."""
    return cutter(store, bank, tell)(plan, rows)


def target(store: Store, bank: Bank | Unbanked, rows: np.ndarray) -> Target:
    """What is measured on. The parts are thirds by memorization, whatever a plan cuts by, so all methods share them."""
    images = dataset(store, bank.training.data)
    return Target(images.train.y.numpy(), images.test.y.numpy(), rows, refine(store, bank, Plan(), rows))
