"""Tier 0: everything that the models of one seed say at once, each beside the model it is compared with."""

from __future__ import annotations

import time
from itertools import chain

import numpy as np
import pandas as pd

import unlearn_core.experiment.tiers.from_models as from_models
import unlearn_core.experiment.tiers.from_outputs as from_outputs
from unlearn_core.attacks.signals import probabilities
from unlearn_core.data import Images
from unlearn_core.device import numerics
from unlearn_core.experiment.door import MAKERS
from unlearn_core.experiment.measures import Target
from unlearn_core.experiment.model_seeds import UNTRAINED
from unlearn_core.experiment.tiers.from_models import Inner
from unlearn_core.experiment.tiers.from_outputs import Seen
from unlearn_core.experiment.tiers.subject import JUDGE, KINDS, Subject, check, models
from unlearn_core.experiment.trained_models import dataset, load_model
from unlearn_core.models import new_model
from unlearn_core.params import Spec, param, spec
from unlearn_core.probes.perturbed import perturb
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.training import predict

# Models that never learned anything, for ZRF: one alone would move it.
BLANK = 5


@spec
class Instant(Spec):
    """All numbers of one unlearned model, its original and two retrained ones."""

    subject: Subject = param(help="what is audited")
    seed: int = param(0, 0, 99_999, help="seed of the models")


def _instant(store: Store, wanted: Instant, tell: Tell) -> Result:
    subject = wanted.subject
    check(store, subject)
    found = {kind: results[0] for kind, results in models(store, subject, [wanted.seed], tell).items()}
    target, started = subject.target(store), time.perf_counter()
    seen = {kind: seen_of(target, result) for kind, result in found.items()}
    never = untrained(store, subject, target.forget)
    inner = inner_of(store, subject, found, target)
    changed = perturb(inner["original"].model, inner["original"].images.train, target.forget, wanted.seed)
    lines = []
    for number, kind in enumerate(KINDS):
        tell("measuring", number, len(KINDS))
        lines += [
            {"kind": kind, "seed": wanted.seed} | line
            for line in chain(
                from_outputs.lines(seen[kind], seen[JUDGE[kind]], seen["original"], never),
                from_models.lines(inner[kind], inner[JUDGE[kind]], changed),
            )
        ]

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - started
        draft.table(pd.DataFrame(lines))

    return store.remember(wanted, make, device=numerics)


@spec
class Relearned(Spec):
    """How soon the models of one seed learn the forget images again."""

    subject: Subject = param(help="what is audited")
    seed: int = param(0, 0, 99_999, help="seed of the models")
    orders: int = param(5, 1, 100, help="orders of the training images, the same for all models")


def _relearned(store: Store, wanted: Relearned, tell: Tell) -> Result:
    found = {kind: results[0] for kind, results in models(store, wanted.subject, [wanted.seed], tell).items()}
    inner, started = inner_of(store, wanted.subject, found, wanted.subject.target(store)), time.perf_counter()
    lines = [{"seed": wanted.seed} | line for line in from_models.relearned(inner, wanted.seed, wanted.orders, tell)]

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - started
        draft.table(pd.DataFrame(lines))

    return store.remember(wanted, make, device=numerics)


def seen_of(target: Target, result: Result) -> Seen:
    """What a stored model says."""
    return Seen(target, result.arrays("logits"), result.manifest()["seconds"])


def inner_of(store: Store, subject: Subject, found: dict[str, Result], target: Target) -> dict[str, Inner]:
    """Kind -> the model of one seed, loaded."""
    images = dataset(store, subject.training.data)
    return {kind: Inner(load_model(store, subject.training, result), images, target) for kind, result in found.items()}


def untrained(store: Store, subject: Subject, rows: np.ndarray) -> np.ndarray:
    """(R, k, K) probabilities of R models with fresh weights for these training rows."""
    images, training = dataset(store, subject.training.data), subject.training
    asked = Images(images.train.x[rows], images.train.y[rows])
    fresh = (new_model(training.model, images, UNTRAINED + i, training.width) for i in range(BLANK))
    return np.stack([probabilities(predict(model, asked).logits) for model in fresh])


MAKERS[Instant] = _instant
MAKERS[Relearned] = _relearned
