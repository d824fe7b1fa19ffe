"""How memorized the images are: by a bank of models, or, where none was trained, by what training itself recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core.ensembles import Bank
from unlearn_core.experiment.bank import bank_memorization
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.proxy_scores import proxy_scores
from unlearn_core.memorization import Memorization
from unlearn_core.progress import Tell, silent
from unlearn_core.store import Store
from unlearn_core.training import Training


@dataclass(frozen=True)
class Unbanked:
    """Stands where a bank would, for images that are ranked without one."""

    training: Training


def bank_of(training: Training, models: int, stop_at: float = 0.0) -> Bank | Unbanked:
    """The bank of so many models; 0 = none. Raises BadValue for fewer than a bank has."""
    if not models:
        return Unbanked(training.afresh.but(seed=0, without=""))
    return Bank(training=training, models=models, stop_at=stop_at)


def memorization_of(store: Store, bank: Bank | Unbanked, tell: Tell = silent) -> Memorization:
    """Memorization of all training rows, with what it rests on made where it is missing.

    Without a bank the scores are 1 - the model's mean confidence in the label during training, in [0, 1].

    Source: Zhao et al. (2024), arXiv:2406.01257 (C-proxy).
    """
    if isinstance(bank, Bank):
        return bank_memorization(fulfil(store, bank, tell))
    scores = 1 + proxy_scores(store, bank.training, "confidence", tell)
    return Memorization(np.clip(scores, 0, 1), None, None)  # a mean of float32 may miss 1 by a rounding error
