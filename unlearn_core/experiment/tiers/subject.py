"""What is audited: one way of forgetting one set, and the models that belong to it.

Every model is a `Training` or a `Run` of the seeds that studies use too, so what a study made is never made again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from unlearn_core.experiment.comparison import CEILING, ORIGINAL, RETRAINED
from unlearn_core.experiment.measures import Target
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.trained_models import dataset, train_all
from unlearn_core.experiment.unlearned_models import Run, refuse, run_groups
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Result
from unlearn_core.rows import check_forget, pack, unpack
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain

# The models of one seed. All are compared with the same second retrained model, which has a seed, and so first weights,
# of its own: an original and a retrained model of one seed start alike, which would make them look alike.
KINDS = ("unlearned", "original", "retrained", "again")
JUDGE = {kind: "retrained" if kind == "again" else "again" for kind in KINDS}
RESERVED = ("forget", "retain", "test", "shadows", "")
ENDS = {ORIGINAL: Original(), RETRAINED: Retrain()}
# Runs of one algorithm that one worker does side by side.
GROUP = 16


@spec
class Subject(Spec):
    """One way of forgetting one set."""

    training: Training = param(Training(), help="how the original model is trained")
    forget: str = param(help="row numbers of the training images to forget")
    parts: tuple = param((), help="parts of the forget set that are looked at by themselves, such as high:3,7-9")
    unlearner: Unlearner = param(help="the algorithm")

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "training", self.training.but(seed=0, without=""))
        if not all(isinstance(part, str) and ":" in part for part in self.parts):
            raise BadValue("A part is written as its name, a colon and its rows, such as high:3,7-9.")

    @classmethod
    def of(cls, training: Training, rows: np.ndarray, parts: dict[str, np.ndarray], unlearner: Unlearner) -> Subject:
        written = tuple(f"{name}:{pack(own)}" for name, own in parts.items() if len(own))
        return cls(training=training, forget=pack(rows), parts=written, unlearner=unlearner)

    def trainings(self, seed: int) -> dict[str, Training]:
        """The models of a seed that are trained from scratch."""
        own = self.training.but(seed=seed)
        again = self.training.but(seed=AGAIN + seed, without=self.forget)
        return {"original": own, "retrained": own.but(without=self.forget), "again": again}

    def run(self, seed: int) -> Run:
        return Run(training=self.training.but(seed=seed), forget=self.forget, unlearner=self.unlearner, seed=seed)

    def target(self, store: Store) -> Target:
        """What is measured on."""
        images = dataset(store, self.training.data)
        n = len(images.train.y)
        parts = dict(part.split(":", 1) for part in self.parts)
        rows, forget = {name: unpack(text, n) for name, text in parts.items()}, check_forget(unpack(self.forget, n), n)
        for name, own in rows.items():
            if name in RESERVED or not len(own) or len(np.setdiff1d(own, forget)):
                raise BadValue(f"The part {name!r} must have a name of its own and hold some of the images to forget.")
        return Target(images.train.y.numpy(), images.test.y.numpy(), forget, rows)


def subject_of_run(run: Run) -> Subject:
    """What a single run belongs to; its forget set is looked at as a whole."""
    if run.training.without:
        raise BadValue("This run is of a model that was trained on part of the images; audit one of all images.")
    return Subject(training=run.training, forget=run.forget, unlearner=run.unlearner)


def subject_of_method(study: OpenStudy, method: str) -> Subject:
    """What a method of a finished study belongs to, with the parts of the study. Raises BadValue for the second
    retrained models, which every audit has.
    """
    if method in ENDS:
        unlearner = ENDS[method]
    elif method == CEILING:
        raise BadValue("The second retrained models are part of every audit; audit a method.")
    else:
        unlearner = study.run_result(method, 0).spec().unlearner
    return Subject.of(study.spec.training, study.forget, study.parts, unlearner)


def check(store: Store, subject: Subject) -> None:
    """Raises BadValue, one sentence, where the algorithm cannot be asked to forget these rows."""
    refuse(store, subject.training, subject.target(store).forget, subject.unlearner)


def models(store: Store, subject: Subject, seeds: Iterable[int], tell: Tell = silent) -> dict[str, list[Result]]:
    """Kind -> the stored model of each seed, in order; missing ones are made now."""
    seeds = list(seeds)
    wanted = [subject.trainings(seed) for seed in seeds]
    flat = train_all(store, [training for each in wanted for training in each.values()], tell)
    found = {kind: flat[i :: len(KINDS) - 1] for i, kind in enumerate(wanted[0])}
    return {"unlearned": runs(store, [subject.run(seed) for seed in seeds], tell)} | found


def runs(store: Store, wanted: list[Run], tell: Tell = silent) -> list[Result]:
    """Runs of one algorithm, in order, several side by side and shared out among the workers."""
    groups = run_groups(store, [wanted[i : i + GROUP] for i in range(0, len(wanted), GROUP)], tell)
    return [result for group in groups for result in group]
