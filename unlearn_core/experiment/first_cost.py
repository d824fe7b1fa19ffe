"""What the first study of other images, or of another recipe, will cost: from a finished study of any kind, by how much
more work its own models are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from unlearn_core import engines
from unlearn_core.data import DataError
from unlearn_core.ensembles import goes_stacked, work_per_pass
from unlearn_core.experiment.bank import BankPart
from unlearn_core.experiment.forecast import UNKNOWN, run_seconds, training_seconds
from unlearn_core.experiment.stages import dataset
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.tuning import settings
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import Unlearner

# By what the seconds may be off where the models of one study train side by side, and those of the other do not.
FAR = 4.0
NEWEST = 20  # studies that are looked at


@dataclass(frozen=True)
class FirstCost:
    """Work of a study of which nothing is there: the `models` of its bank, `trainings` from scratch beside them,
    `trials` of learning rates, unlearning `runs` at most, and `seconds` for all of it, which may be off by `factor`
    either way. `at_once` is how many processes share it, `like` the name of the study whose speed it goes by.
    """

    models: int
    trainings: int
    trials: int
    runs: int
    seconds: float
    factor: float
    at_once: int
    like: str


def first_cost(store: Store, study: Study) -> FirstCost | None:
    """The cost of a study by the speed of the newest finished one whose models train as its own do, side by side or one
    by one; where there is none of those, of the newest. None where no study is finished. Its images must be here.
    """
    images = dataset(store, study.training.data)
    together = goes_stacked(study.training, images)
    found = list(islice(_timed(store), NEWEST))
    if not found:
        return None
    same = [each for each, way in found if way == together]
    finished, at_once = (same or [found[0][0]])[0], max(1, engines.at_once())
    old = finished.spec.training
    a_pass = work_per_pass(study.training, images) / work_per_pass(old, finished.data)
    a_training = a_pass * study.training.epochs / old.epochs

    plans = [steps for plan in study.plans for steps in _ways(plan, study.controls)]
    runs = [*((u,) for u in study.unlearners), *plans]
    tried = dict.fromkeys([*study.unlearners, *(getattr(plan, part) for plan in study.plans for part in PARTS)])
    trials = [setting for u in tried for setting in settings(u)] if study.tuning_seeds else []
    trainings = study.seeds * (2 if study.training.weights else 3) + 2 * study.tuning_seeds * bool(trials)
    seconds = a_training * (training_seconds(finished) * trainings + _member_seconds(finished) * study.models)
    seconds += a_pass * study.seeds * sum(run_seconds(finished, u)[0] for steps in runs for u in steps)
    seconds += a_pass * study.tuning_seeds * sum(run_seconds(finished, u)[0] for u in trials)
    return FirstCost(
        models=study.models,
        trainings=trainings,
        trials=len(trials) * study.tuning_seeds,
        runs=len(runs) * study.seeds,
        seconds=float(seconds) / at_once,
        factor=UNKNOWN if same else FAR,
        at_once=at_once,
        like=finished.spec.name,
    )


def _timed(store: Store) -> Iterator[tuple[OpenStudy, bool]]:
    """Finished studies, the newest first, and whether their models train side by side; without those whose images are
    not here, and those whose models came from elsewhere.
    """
    for result in store.results("Study"):
        study = OpenStudy(store, result)
        with suppress(BadValue, DataError):
            if training_seconds(study) > 0:
                yield study, goes_stacked(study.spec.training, study.data)


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
    return sum(part.manifest()["seconds"] for part in parts) / models if models else training_seconds(finished)
