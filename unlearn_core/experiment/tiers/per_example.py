"""Tier 2: what single images give away, by shadow models in thirds (see thirds.py)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unlearn_core.attacks.signals import margin
from unlearn_core.device import numerics
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.model_seeds import SHADOWS
from unlearn_core.experiment.tiers.subject import Subject, check, runs
from unlearn_core.experiment.tiers.thirds import BLOCK, Role, asked, deal_roles, left_out, to_forget, triples
from unlearn_core.experiment.trained_models import dataset, train_all
from unlearn_core.experiment.unlearned_models import Run, refuse
from unlearn_core.params import BadField, Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.rows import unpack
from unlearn_core.store import Store
from unlearn_core.training import Training

# The ceiling sets half of the blocks against the other half, and judging needs three of each.
FEWEST = 18


@spec
class PerExample(Spec):
    """Shadow models of one way of forgetting, and what they say of the forget images and of two like each."""

    subject: Subject = param(help="what is audited")
    shadows: int = param(48, FEWEST, 3000, help="shadow models, a multiple of three; 48 see each image 16 times a role")

    def __post_init__(self):
        super().__post_init__()
        if self.shadows % BLOCK:
            raise BadField("shadows", f"must be a multiple of three, not {self.shadows}.")


@dataclass(frozen=True)
class Design:
    """Which images the shadows share out, (3, k), and the role of each in each shadow, (S, 3, k)."""

    rows: np.ndarray
    roles: np.ndarray

    def trainings(self, subject: Subject) -> list[Training]:
        return [
            subject.training.but(seed=SHADOWS + s, without=left_out(self.rows, roles))
            for s, roles in enumerate(self.roles)
        ]

    def runs(self, subject: Subject) -> list[Run]:
        return [
            Run(
                training=training,
                forget=to_forget(self.rows, roles),
                unlearner=asked(subject.unlearner, self.rows, roles),
                seed=training.seed,
            )
            for training, roles in zip(self.trainings(subject), self.roles, strict=True)
        ]


def design(store: Store, wanted: PerExample) -> Design:
    """The shadows' images and roles. Images are matched by their mean confidence while the recipe's first model was
    trained, which costs nothing; before that is known, by class alone.
    """
    subject = wanted.subject
    labels = dataset(store, subject.training.data).train.y.numpy()
    original, confidence = store.find(subject.training.afresh), np.zeros(len(labels))
    if original is not None:
        confidence = original.arrays("trajectory")["confidence"].astype(np.float64)
    rows = triples(unpack(subject.forget, len(labels)), labels, confidence, subject.training.seed)
    return Design(rows, deal_roles(rows.shape[1], wanted.shadows, subject.training.seed))


def _per_example(store: Store, wanted: PerExample, tell: Tell) -> Result:
    subject = wanted.subject
    check(store, subject)
    started = time.perf_counter()
    fulfil(store, subject.training.afresh, tell)  # images are matched by what it found hard
    dealt = design(store, wanted)
    todo = dealt.runs(subject)
    refuse(store, todo[0].training, unpack(todo[0].forget, dealt.rows.max() + 1), todo[0].unlearner)
    trained = train_all(store, dealt.trainings(subject), tell)
    unlearned = runs(store, todo, tell)
    labels = dataset(store, subject.training.data).train.y.numpy()[dealt.rows.ravel()]

    def said(results: list[Result]) -> np.ndarray:
        each = (margin(r.arrays("logits")["train"][dealt.rows.ravel()], labels) for r in results)
        return np.stack([phi.astype(np.float32) for phi in each])

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - started
        draft.arrays(
            rows=dealt.rows.ravel(),
            roles=dealt.roles.reshape(len(dealt.roles), -1),
            before=said(trained),
            after=said(unlearned),
        )

    return store.remember(wanted, make, device=numerics)


@dataclass(frozen=True)
class Observed:
    """What shadows say of the images they share out: margins (S, n) before and after unlearning, and roles (S, n).

    The first `forget` of the n images are the forget images, in the order of their rows.
    """

    rows: np.ndarray
    roles: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, result: Result) -> Observed:
        return cls(**result.arrays())

    @property
    def forget(self) -> int:
        return len(self.rows) // 3

    def phi(self, role: Role, when: str) -> np.ndarray:
        """(S / 3, n) margins of each image in the models where it has a role, one of each block, "before" or "after"
        the unlearning.
        """
        said = getattr(self, when).reshape(-1, BLOCK, self.roles.shape[1])
        in_role = self.roles.reshape(said.shape) == role
        return np.where(in_role, said, 0).sum(axis=1, dtype=np.float64)

    @cached_property
    def never_seen(self) -> np.ndarray:
        """(S / 3, n) margins in models that never saw the image and were not changed: like retrained ones."""
        return self.phi(Role.OUT, "before")

    @cached_property
    def unlearned(self) -> np.ndarray:
        """(S / 3, n) margins in models that were made to forget the image."""
        return self.phi(Role.UNLEARN, "after")

    @cached_property
    def remembered(self) -> np.ndarray:
        """(S / 3, n) margins in the same models before they forgot it."""
        return self.phi(Role.UNLEARN, "before")

    @cached_property
    def bystanders(self) -> np.ndarray:
        """(S / 3, n) margins in models that never saw the image and forgot others."""
        return self.phi(Role.OUT, "after")


MAKERS[PerExample] = _per_example
