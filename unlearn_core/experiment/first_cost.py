"""What the first study of other images, or of another recipe, will cost: from a finished study of any kind, by how much
more work its own models are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from unlearn_core import engines
from unlearn_core.data import Dataset
from unlearn_core.ensembles import work_per_pass
from unlearn_core.experiment.bank import PART, BankPart
from unlearn_core.experiment.memory_cost import study_memory
from unlearn_core.experiment.pace import pace
from unlearn_core.experiment.run_times import run_seconds, training_seconds, trial_seconds
from unlearn_core.experiment.spread import worth
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.experiment.tuning import settings
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.models import new_model
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store
from unlearn_core.training import TRAJECTORY
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain


@dataclass(frozen=True)
class FirstCost:
    """Work of a study of which nothing is there: the `models` of its bank, `trainings` from scratch beside them,
    `trials` of learning rates, unlearning `runs` at most, what all of it takes on the disk (`megabytes`), and `seconds`
    for it, which may be off by `factor` either way. `at_once` is how many processes share it at most, `like` the name
    of the study whose speed it goes by. `memory` is the most megabytes that one of them takes on the `device`, which
    may be off by `memory_factor`.
    """

    models: int
    trainings: int
    trials: int
    runs: int
    seconds: float
    factor: float
    at_once: int
    like: str
    megabytes: float
    memory: float
    memory_factor: float
    device: str


def first_cost(store: Store, study: Study) -> FirstCost | None:
    """The cost of a study by the speed of the newest finished one with the same architecture and precision; where there
    is none, of the newest, whose runs then say nothing. None where no study is finished. Its images must be here.
    """
    images = dataset(store, study.training.data)
    if (found := pace(store, study.training, images)) is None:
        return None
    finished, same, a_training = found.finished, found.same, found.training

    def run(unlearner: Unlearner, seconds: Callable[[OpenStudy, Unlearner], np.ndarray] = run_seconds) -> float:
        if same:
            return found.a_pass * seconds(finished, unlearner)[0]
        if isinstance(unlearner, Original):
            return 0.0
        return a_training if isinstance(unlearner, Retrain) else getattr(unlearner, "epochs", 1) * found.epoch

    plans = [steps for plan in study.plans for steps in _ways(plan, study.controls)]
    runs = [*((u,) for u in study.unlearners), *plans]
    tried = dict.fromkeys([*study.unlearners, *(getattr(plan, part) for plan in study.plans for part in PARTS)])
    trials = [setting for u in tried for setting in settings(u)] if study.tuning_seeds else []
    trainings = study.seeds * (2 if study.training.weights else 3) + 2 * study.tuning_seeds * bool(trials)
    a_member = a_training * _member_seconds(finished) / training_seconds(finished)
    work = study.training.epochs * work_per_pass(study.training, images)  # of one model
    bank, models = _processes(-(-study.models // PART), work * study.models), _processes(trainings, work * trainings)
    # A method's runs and an algorithm's trials are a worker's task each.
    seconds = a_training * trainings / models + a_member * study.models / bank
    seconds += study.seeds * sum(run(u) for way in runs for u in way) / _processes(len(runs))
    seconds += study.tuning_seeds * sum(run(u, trial_seconds) for u in trials) / _processes(len(tried))
    memory, memory_factor, device = study_memory(finished, study, images)
    return FirstCost(
        models=study.models,
        trainings=trainings,
        trials=len(trials) * study.tuning_seeds,
        runs=len(runs) * study.seeds,
        seconds=float(seconds),
        factor=found.factor,
        at_once=max(bank, models, _processes(len(runs))),
        like=finished.spec.name,
        megabytes=_bytes(study, images, trainings, [len(way) for way in runs]) / 1e6,
        memory=memory,
        memory_factor=memory_factor,
        device=device,
    )


def _bytes(study: Study, images: Dataset, trainings: int, runs: list[int]) -> float:
    """What a study keeps: of each model its weights and logits, of a trained one how it learned, of a run its logits
    after each of so many steps too; the bank's sums and what its members said; and where the images lie.
    """
    model = new_model(study.training.model, images, 0, study.training.width)
    n, aside, test = (len(part.y) for part in (images.train, images.validation, images.test))
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    logits, learned = 4 * len(images.classes) * (n + aside + test), 4 * len(TRAJECTORY) * n
    members = study.models * (5 * n + 4 * test) + 112 * n + 24 * test if study.models else 0
    steps = sum(weights + logits * (1 + (count if count > 1 else 0)) for count in runs)
    return (
        (weights + logits + learned) * trainings
        + study.seeds * steps
        + members
        + 4 * model.head.in_features * (n + test)
    )


def _processes(pieces: int, work: float = math.inf) -> int:
    """How many processes share so many pieces of work, in operations; at least 1."""
    return max(1, min(engines.at_once(), pieces if work == math.inf else worth(pieces, work)))


def _ways(plan: Plan, controls: bool) -> Iterator[tuple[Unlearner, ...]]:
    """What a plan and its controls run, step by step, if all parts have images."""
    steps = tuple(getattr(plan, part) for part in PARTS)
    yield steps
    if controls:
        yield steps  # the same on parts drawn at random
        for each in dict.fromkeys(steps):
            yield (each,) * len(steps)  # for every part
            yield (each,) * len(steps)  # without parts, for as many epochs


def _member_seconds(finished: OpenStudy) -> float:
    """Mean seconds of one model of the bank; of a model outside it where there is none."""
    recipe = finished.spec.bank.training
    parts = [part for part in finished.store.results(BankPart.__name__) if part.spec().training == recipe]
    models = sum(part.spec().count for part in parts)
    return sum(part.undisturbed() for part in parts) / models if models else training_seconds(finished)
