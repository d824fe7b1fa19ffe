"""What a study will cost before it is run, from what the runs of a finished one took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from unlearn_core import engines
from unlearn_core.experiment.stages import Run, trained_together
from unlearn_core.experiment.study import AGAIN, Study, methods, searches
from unlearn_core.experiment.tuning import Tuning, chosen
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.rows import pack
from unlearn_core.rum import Rum
from unlearn_core.training import Training
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.retrain import Retrain


@dataclass(frozen=True)
class Forecast:
    """Work that is still to be done, and seconds for it: where all runs take as long as the median of those seen, and
    where all are as fast or as slow as the fastest and the slowest.

    `trainings` counts models trained from scratch, `trials` runs that choose learning rates, `runs` unlearning runs;
    `reused` counts results of all three kinds that are there already and cost nothing. `guessed` names algorithms that
    the finished study never ran, so that their seconds are those of the others.
    """

    trainings: int
    trials: int
    runs: int
    reused: int
    seconds: float
    fastest: float
    slowest: float
    guessed: tuple[str, ...]


def forecast(finished: OpenStudy, study: Study) -> Forecast:
    """The cost of a study with the same images, training and bank as a finished one, on the machine that ran that one.

    Raises BadValue where the two do not share them, and where the forget set cannot be chosen.
    """
    if study.bank != finished.spec.bank:
        raise BadValue("The cost can be foretold only for a study with the same training and the same bank.")
    store, rows = finished.store, study.forget.choose(finished.known)
    grid = searches(store, study, rows)
    tuned = {given: store.find(search) for given, search in grid.items()}
    best = {given: chosen(grid[given], result.table()) for given, result in tuned.items() if result}
    known = all(tuned.values())  # else the learning rates, and so the runs, are not settled yet

    runs = [
        Run(training=study.training.but(seed=s), forget=pack(rows), unlearner=unlearner, seed=s)
        for method in methods(store, study, rows, best)
        for s, unlearner in enumerate(method.unlearners)
    ]
    new_runs = [run for run in runs if not known or store.find(run) is None]
    trainings = _trainings(study, pack(rows), [*grid.values()])
    new_trainings = [t for t in trainings if store.find(t) is None]
    trials = [u for search in grid.values() for u in search.unlearners for _ in search.seeds]
    new_trials = [u for given, s in grid.items() if tuned[given] is None for u in s.unlearners for _ in s.seeds]

    work = [_seconds(finished, run.unlearner) for run in new_runs] + [_seconds(finished, u) for u in new_trials]
    # A method's runs and an algorithm's trials are a worker's task each; of models, as many as train together are.
    tasks = len(new_runs) // study.seeds + sum(result is None for result in tuned.values())
    expected, fastest, slowest = np.sum([np.zeros(3), *work], axis=0) / min(engines.at_once(), max(1, tasks))
    groups = -(-len(new_trainings) // trained_together(study.training, finished.data))
    training = _training_seconds(finished) * len(new_trainings) / min(engines.at_once(), max(1, groups))
    expected, fastest, slowest = (seconds + training for seconds in (expected, fastest, slowest))
    measured = _seconds_per_epoch(finished)
    algorithms = {step for u in [*(run.unlearner for run in new_runs), *new_trials] for step in _steps(u)}
    return Forecast(
        trainings=len(new_trainings),
        trials=len(new_trials),
        runs=len(new_runs),
        reused=len(runs) + len(trainings) + len(trials) - len(new_runs) - len(new_trainings) - len(new_trials),
        seconds=float(expected),
        fastest=float(fastest),
        slowest=float(slowest),
        guessed=tuple(sorted({u.title for u in algorithms if hasattr(u, "epochs") and type(u) not in measured})),
    )


def _trainings(study: Study, forget: str, grid: list[Tuning]) -> list[Training]:
    """Every model that the study trains from scratch, outside its bank."""
    seeds = range(study.seeds)
    originals = [study.training.but(seed=s) for s in seeds]
    retrained = [study.training.but(seed=a + s, without=forget) for a in (0, AGAIN) for s in seeds]
    pairs = [(seed, without) for search in grid for seed in search.seeds for without in ("", search.forget)]
    judges = [study.training.but(seed=seed, without=without) for seed, without in pairs]
    return list(dict.fromkeys([*originals, *retrained, *judges]))


def _steps(unlearner: Unlearner) -> tuple[Unlearner, ...]:
    return tuple(part.unlearner for part in unlearner.parts) if isinstance(unlearner, Rum) else (unlearner,)


def _seconds(finished: OpenStudy, unlearner: Unlearner) -> np.ndarray:
    """(3,) seconds of one run: expected, fastest, slowest. Leaving the model as it is takes none."""
    measured, total = _seconds_per_epoch(finished), np.zeros(3)
    for step in _steps(unlearner):
        if isinstance(step, Retrain):
            total += _training_seconds(finished)
        elif hasattr(step, "epochs"):
            seen = measured.get(type(step)) or [s for times in measured.values() for s in times] or [0.0]
            total += step.epochs * np.array([np.median(seen), min(seen), max(seen)])
    return total


@lru_cache(maxsize=8)
def _seconds_per_epoch(finished: OpenStudy) -> dict[type, list[float]]:
    """Seconds per epoch of each algorithm, one value a run of the finished study in which it alone did all the work."""
    found = defaultdict(list)
    for line in finished.table[finished.table["kind"] != "reference"].itertuples():
        steps = [
            u for u in _steps(finished.run_result(line.method, line.seed).spec().unlearner) if hasattr(u, "epochs")
        ]
        if len({type(u) for u in steps}) == 1:
            found[type(steps[0])].append(line.seconds / sum(u.epochs for u in steps))
    return found


def _training_seconds(finished: OpenStudy) -> float:
    """Mean seconds of training one model. Models trained side by side share their time, so only the mean tells."""
    references = finished.table[finished.table["method"].isin(["retrained", "retrained-again"])]
    return float(references["seconds"].mean())
