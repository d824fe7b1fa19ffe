"""How long models of any recipe take, by the speed of a finished study: one training, one epoch of unlearning, models
trained for a judgement, and one look at all images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from unlearn_core import engines
from unlearn_core.data import DATASETS, DataError, Dataset
from unlearn_core.disk import StoreError
from unlearn_core.ensembles import work_per_pass
from unlearn_core.experiment.asking_cost import LOOK, PASSES_OF_TRAINING, AskingCost
from unlearn_core.experiment.listed import whole_studies
from unlearn_core.experiment.recorded import recorded
from unlearn_core.experiment.run_times import UNKNOWN, training_seconds
from unlearn_core.experiment.trained_models import dataset, trained_together
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.result import Result
from unlearn_core.store import Store
from unlearn_core.training import Training, steps_of

# By what the seconds may be off where the models are others than those of the study gone by: nets for digits made
# 1.5e10 and 4e10 operations a second where a ResNet-9 in half precision made 1.1e11.
FAR = 8.0
# What an epoch of unlearning takes of models that no run here tells of, by 50 runs of seven algorithms on this
# project's nets: 1.5 epochs of training, and no less than its steps, which are taken one by one where training is not.
LIKE_TRAINING = 1.5
STEP = 2e-3
NEWEST = 20  # studies that are looked at


@dataclass(frozen=True)
class Pace:
    """The `finished` study gone by, whether its models are of the `same` architecture and precision, how much more work
    a pass over the images is than there, and the seconds of one `training` and of an `epoch` of unlearning.
    """

    finished: OpenStudy
    same: bool
    a_pass: float
    training: float
    epoch: float

    @property
    def factor(self) -> float:
        """By what the seconds may be off either way."""
        return UNKNOWN if self.same else FAR


def pace(store: Store, training: Training, images: Dataset) -> Pace | None:
    """By the newest finished study with the same architecture and precision, else by the newest. None where there is
    none whose images are here and whose models were trained here.
    """
    newest = list(islice(whole_studies(store), NEWEST))
    alike = [result for result in newest if _kind(result.spec().training) == _kind(training)]
    finished = next(_timed(store, [*alike, *newest]), None)
    if finished is None:
        return None
    old = finished.spec.training
    a_pass = work_per_pass(training, images) / work_per_pass(old, finished.data)
    a_training = a_pass * training.epochs / old.epochs * training_seconds(finished)
    at_least = steps_of(training.but(epochs=1), len(images.train.y)) * STEP
    epoch = max(LIKE_TRAINING * a_training / training.epochs, at_least)
    return Pace(finished, _kind(old) == _kind(training), a_pass, a_training, epoch)


def judging_cost(store: Store, training: Training, seeds: int) -> AskingCost | None:
    """What it takes to train the originals and the pairs of retrained models that a model is judged beside, if none of
    them is there; None where nothing tells, or the images are not here yet.
    """
    if not images_here(store, training):
        return None
    images = dataset(store, training.data)
    if (found := pace(store, training.afresh, images)) is None:
        return None
    groups = -(-3 * seeds // trained_together(training, images))
    seconds = 3 * seeds * found.training / min(engines.at_once(), groups) + (2 * seeds + 1) * LOOK
    return AskingCost(seconds, found.factor)


def looking_cost(store: Store, training: Training) -> AskingCost | None:
    """What it takes to ask one model of all images; None where nothing tells."""
    images = dataset(store, training.data)
    if (found := pace(store, training.afresh, images)) is None:
        return None
    n = sum(len(part.y) for part in (images.train, images.validation, images.test))
    passes = n / len(images.train.y) / PASSES_OF_TRAINING
    return AskingCost(passes * found.training / training.epochs + LOOK, FAR)


def images_here(store: Store, training: Training) -> bool:
    """Whether nothing has to be downloaded before a model can be trained."""
    row = DATASETS.get(training.data.name)
    return row is None or row.fetch is None or (store.root / "data" / "builtin" / training.data.name).is_dir()


def _kind(training: Training) -> tuple[str, str]:
    """What the speed of its models goes by, beside their work."""
    return training.model, training.precision


def _timed(store: Store, results: Iterable[Result]) -> Iterator[OpenStudy]:
    """Those whose images are here, and whose models were trained here."""
    for result in results:
        if recorded(store, result.key) is not None:
            continue
        study = OpenStudy(store, result)
        with suppress(BadValue, DataError, StoreError):
            if study.data and training_seconds(study) > 0:
                yield study
