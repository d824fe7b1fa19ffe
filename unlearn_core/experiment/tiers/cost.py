"""What an audit will cost here, from what its models took before; nothing is run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from unlearn_core import engines
from unlearn_core.experiment.pace import FAR, pace
from unlearn_core.experiment.run_times import UNKNOWN
from unlearn_core.experiment.tiers.audit import Audit
from unlearn_core.experiment.tiers.inversion import deletions
from unlearn_core.experiment.tiers.per_example import design
from unlearn_core.experiment.tiers.subject import GROUP, Subject
from unlearn_core.experiment.trained_models import dataset, trained_together
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.params import BadValue
from unlearn_core.result import Result
from unlearn_core.store import Store
from unlearn_core.training import Training

# What a first measurement takes, in epochs of unlearning one model, by audits of the nets for digits: of one seed, of
# one deletion, of one model of each kind. Relearning took 50 with one hidden layer and 475 with a wide small CNN.
EPOCHS = {"Instant": 37.0, "Relearned": 150.0, "Inversion": 7.0, "Distribution": 27.0}


@dataclass(frozen=True)
class Cost:
    """Models that are still to be made: `trainings` from scratch and `runs` of the algorithm; `reused` are there.

    `seconds` is what they and the measuring will take on as many workers as are at once under way, going by models and
    measurements of the same kind in the store. `megabytes` of disk likewise. Both are None where such a model was never
    made; `unknown` names what else was never made here and so is not counted. `guess` are the seconds of that by how
    fast an epoch of such models is, 0 where nothing tells.
    """

    trainings: int
    runs: int
    reused: int
    seconds: float | None
    megabytes: float | None
    unknown: tuple[str, ...]
    guess: float = 0.0

    @property
    def ahead(self) -> tuple[float, float, float] | None:
        """Seconds of all of it: what is likely, the least and the most. None where a part is not even guessed."""
        if self.seconds is None or (self.unknown and not self.guess):
            return None
        least, most = self.seconds / UNKNOWN + self.guess / FAR, self.seconds * UNKNOWN + self.guess * FAR
        return self.seconds + self.guess, least, most


def cost(store: Store, wanted: Audit) -> Cost:
    """The cost of an audit. Where no shadow models are possible they cost nothing, for they are left out."""
    if store.find(wanted) is not None:
        return Cost(0, 0, 0, 0.0, 0.0, ())
    trainings, runs = needed(store, wanted)
    new_trainings = [t for t in trainings if store.find(t) is None]
    new_runs = [r for r in runs if store.find(r) is None]
    reused = len(trainings) + len(runs) - len(new_trainings) - len(new_runs)
    together = trained_together(wanted.subject.training, dataset(store, wanted.subject.training.data))
    tasks = [Task("Training", new_trainings, together, "training"), Task("Run", new_runs, GROUP, "unlearning")]
    tasks += _measurements(store, wanted)
    seconds, megabytes, unknown, guess = 0.0, 0.0, [], 0.0
    for task in tasks:
        like = _alike(store, task.kind, wanted.subject)
        if task.new and not like:
            unknown.append(task.name)
            guess += _epochs(task, wanted) / min(engines.at_once(), len(task.new))
        elif task.new:
            workers = min(engines.at_once(), -(-len(task.new) // task.together))
            seconds += len(task.new) * float(np.mean([r.undisturbed() for r in like])) / workers
            megabytes += len(task.new) * float(np.mean([_bytes(r) for r in like])) / 1e6
    if {"training", "unlearning"} & set(unknown):
        seconds = megabytes = None
    guess = guess * _epoch(store, wanted) if guess and seconds is not None else 0.0
    return Cost(len(new_trainings), len(new_runs), reused, seconds, megabytes, tuple(unknown), guess)


def _epochs(task: Task, wanted: Audit) -> float:
    """What a measurement takes that was never made here, in epochs of unlearning such a model."""
    each = {"Inversion": wanted.deletions, "Distribution": wanted.models}.get(task.kind, 1)
    return EPOCHS.get(task.kind, 0.0) * each * len(task.new)


def _epoch(store: Store, wanted: Audit) -> float:
    """Seconds of such an epoch; 0 where no study tells."""
    training = wanted.subject.training
    found = pace(store, training.afresh, dataset(store, training.data))
    return found.epoch if found else 0.0


@dataclass(frozen=True)
class Task:
    """Results of one kind that are still to be made, so many of them by one worker at a time."""

    kind: str
    new: list
    together: int
    name: str


def _measurements(store: Store, wanted: Audit) -> list[Task]:
    """What is asked of the models once they are there."""
    asked = {"measuring": wanted.instants}
    if wanted.tier >= 1:
        asked["relearning"] = wanted.relearned
    if wanted.tier >= 2:
        asked["reading deletions"] = [wanted.inversion]
    if wanted.tier >= 3:
        asked["comparing distributions"] = [wanted.distribution]
    missing = {name: [spec for spec in specs if store.find(spec) is None] for name, specs in asked.items()}
    return [Task(type(asked[name][0]).__name__, new, 1, name) for name, new in missing.items()]


def needed(store: Store, wanted: Audit) -> tuple[list[Training], list[Run]]:
    """Every model that an audit asks: those trained from scratch, and the unlearned ones."""
    subject, seeds = wanted.subject, len(wanted.instants)
    if wanted.tier >= 3:
        seeds = max(seeds, wanted.models)
    trainings = [t for seed in range(seeds) for t in subject.trainings(seed).values()]
    runs = [subject.run(seed) for seed in range(seeds)]
    if wanted.tier >= 2:
        with suppress(BadValue):  # no shadows for such a set
            dealt = design(store, wanted.per_example)
            trainings += dealt.trainings(subject)
            runs += dealt.runs(subject)
        runs += deletions(store, wanted.inversion)
    return list(dict.fromkeys(trainings)), list(dict.fromkeys(runs))


SEEN_ENOUGH = 20


def _alike(store: Store, kind: str, subject: Subject) -> list[Result]:
    """The newest few stored results of a kind for the same recipe; of runs, those of the same algorithm."""
    found = []
    for result in store.results(kind):
        spec = result.spec()
        spec = getattr(spec, "subject", spec)
        training = spec if kind == "Training" else spec.training
        same = kind != "Run" or type(spec.unlearner) is type(subject.unlearner)
        taken = kind == "Training" and training.weights  # it came from elsewhere and took no training
        if same and not taken and training.afresh.but(seed=0, without="") == subject.training.afresh:
            found.append(result)
        if len(found) == SEEN_ENOUGH:
            break
    return found


def _bytes(result: Result) -> int:
    return sum(file.stat().st_size for file in result.folder.iterdir())
