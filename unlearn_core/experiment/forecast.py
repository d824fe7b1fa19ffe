"""What a study will cost before it is run, from what the runs of a finished one took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from unlearn_core import engines
from unlearn_core.experiment.listed import whole_studies
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.run_times import never_run, run_seconds, spread, training_seconds, trial_seconds
from unlearn_core.experiment.set_times import timed
from unlearn_core.experiment.study import Study, methods, searches
from unlearn_core.experiment.trained_models import trained_together
from unlearn_core.experiment.tuning import Tuning, chosen
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue, Spec
from unlearn_core.result import Result
from unlearn_core.rows import MOST, pack, unpack
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import Unlearner


@dataclass(frozen=True)
class Forecast:
    """Work that is still to be done, and seconds for it: where all runs take as long as the median of those seen, and
    where all are as fast or as slow as the fastest and the slowest, or as runs spread where few were seen.

    `trainings` counts models trained from scratch, `trials` runs that choose learning rates, `runs` unlearning runs;
    `reused` counts results of all three kinds that are there already and cost nothing. `guessed` names algorithms that
    were never timed on models like these, so that their seconds are those of the others.

    `megabytes` is what the new results take on the disk; `memory` the most megabytes that a run of the finished study
    took on its `device` (cpu: all memory of its process), 0 where nothing is to be done; `at_once` how many processes
    need so much.
    """

    trainings: int
    trials: int
    runs: int
    reused: int
    seconds: float
    fastest: float
    slowest: float
    guessed: tuple[str, ...]
    megabytes: float = 0.0
    memory: float = 0.0
    device: str = "cpu"
    at_once: int = 1

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to compute."""
        return not self.runs + self.trials + self.trainings


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

    seen = timed(finished, rows) if new_runs or new_trials else None
    work = [run_seconds(finished, run.unlearner, seen) for run in new_runs]
    work += [trial_seconds(finished, u, seen) for u in new_trials]
    # A method's runs and an algorithm's trials are a worker's task each; of models, as many as train together are.
    tasks = len(new_runs) // study.seeds + sum(result is None for result in tuned.values())
    expected, fastest, slowest = np.sum([np.zeros(3), *work], axis=0) / min(engines.at_once(), max(1, tasks))
    groups = -(-len(new_trainings) // trained_together(study.training, finished.data))
    training = training_seconds(finished) * len(new_trainings) / min(engines.at_once(), max(1, groups))
    ends = training * np.array([1.0, 1 / spread(finished), spread(finished)])
    expected, fastest, slowest = np.array([expected, fastest, slowest]) + ends
    guessed = never_run(finished, [*(run.unlearner for run in new_runs), *new_trials], seen)
    megabytes = sum(run_megabytes(finished, run.unlearner) for run in new_runs)
    megabytes += size_of(finished.run_result("retrained", 0)) * len(new_trainings)
    if store.find(study) is None:
        megabytes += size_of(finished.result)
    memory, device = peak(finished) if new_runs or new_trials or new_trainings else (0.0, "cpu")
    return Forecast(
        trainings=len(new_trainings),
        trials=len(new_trials),
        runs=len(new_runs),
        reused=len(runs) + len(trainings) + len(trials) - len(new_runs) - len(new_trainings) - len(new_trials),
        seconds=float(expected),
        fastest=float(fastest),
        slowest=float(slowest),
        guessed=tuple(sorted(cls.title for cls in guessed)),
        megabytes=float(megabytes),
        memory=memory,
        device=device,
        at_once=max(1, min(engines.at_once(), max(tasks, groups))),
    )


def like(store: Store, study: Study) -> OpenStudy | None:
    """The newest finished study with the same images, training and bank, from which `forecast` can tell the cost."""
    return next((OpenStudy(store, r) for r in whole_studies(store) if r.spec().bank == study.bank), None)


def added(finished: OpenStudy, study: Study) -> dict[str, Forecast]:
    """What is added to the first plan alone by what runs beside it, in a study that has all of it: "earlier", the other
    plans; "singles", the single algorithms, beside those; "controls", beside these; and "retrained", the models that
    every study has. "whole" is all of it. Raises BadValue where `forecast` does.
    """
    plain = study.but(unlearners=(), controls=False)
    kinds = [study.alone, plain, study.but(controls=False), study.but(controls=True)]
    first, alone, beside, whole = (forecast(finished, kind) for kind in kinds)
    forget = pack(study.forget.choose(finished.known))
    references = [study.training.but(seed=a + s, without=forget) for a in (0, AGAIN) for s in range(study.seeds)]
    missing = sum(finished.store.find(training) is None for training in references)
    groups = -(-missing // trained_together(study.training, finished.data))
    seconds = training_seconds(finished) * missing / min(engines.at_once(), max(1, groups))
    megabytes = size_of(finished.run_result("retrained", 0)) * missing
    retrained = Forecast(missing, 0, 0, len(references) - missing, seconds, seconds, seconds, (), megabytes)
    more = {"earlier": beyond(alone, first), "singles": beyond(beside, alone), "controls": beyond(whole, beside)}
    return more | {"retrained": retrained, "whole": whole}


def beyond(with_it: Forecast, without: Forecast) -> Forecast:
    """What the first forecast holds more than the second."""
    summed = ("trainings", "trials", "runs", "reused", "seconds", "fastest", "slowest", "megabytes")
    return replace(with_it, **{name: getattr(with_it, name) - getattr(without, name) for name in summed})


def forget_size(spec: Spec) -> int | None:
    """How many images a spec asks to forget, where it says so by itself; None where its rule has to look at them."""
    rule = getattr(spec, "forget", None)
    named = rule if isinstance(rule, str) else getattr(rule, "named", None)
    if named is None:
        return getattr(rule, "size", None)
    try:
        return len(unpack(named, MOST))
    except BadValue:
        return None


def _trainings(study: Study, forget: str, grid: list[Tuning]) -> list[Training]:
    """Every model that the study trains from scratch, outside its bank."""
    seeds = range(study.seeds)
    originals = [] if study.training.weights else [study.training.but(seed=s) for s in seeds]
    retrained = [study.training.but(seed=a + s, without=forget) for a in (0, AGAIN) for s in seeds]
    pairs = [(seed, without) for search in grid for seed in search.seeds for without in ("", search.forget)]
    judges = [study.bank.training.but(seed=seed, without=without) for seed, without in pairs]
    return list(dict.fromkeys([*originals, *retrained, *judges]))


def size_of(result: Result) -> float:
    """Megabytes of a result on the disk."""
    return sum(size for size, _ in result.manifest()["files"].values()) / 1e6


def run_megabytes(finished: OpenStudy, unlearner: Unlearner) -> float:
    """Megabytes of one run: those of the finished study's run of the same kind, else of a model and its logits, which
    a plan keeps after each step too.
    """
    if type(unlearner) in (sizes := _sizes(finished)):
        return sizes[type(unlearner)]
    files = finished.run_result("retrained", 0).manifest()["files"]
    # A study that came in a file may have left its weights behind.
    weights, logits = (files.get(f"{name}.safetensors", (0,))[0] / 1e6 for name in ("weights", "logits"))
    return weights + logits * (1 + len(getattr(unlearner, "parts", ())))


@lru_cache(maxsize=8)
def _sizes(finished: OpenStudy) -> dict[type, float]:
    """Megabytes of one run of each algorithm that the finished study ran by itself."""
    singles = dict.fromkeys(finished.table.loc[finished.table["kind"] == "single", "method"])
    pairs = zip(finished.spec.unlearners, singles, strict=True)
    return {type(unlearner): size_of(finished.run_result(method, 0)) for unlearner, method in pairs}


@lru_cache(maxsize=8)
def peak(finished: OpenStudy) -> tuple[float, str]:
    """The most megabytes that a run of the finished study took, and on which device."""
    lines = finished.table[finished.table["kind"] != "reference"]
    results = [finished.run_result(line.method, line.seed) for line in lines.itertuples()]
    most = max((result.json("cost")["peak_megabytes"] for result in results), default=0.0)
    return float(most), results[0].manifest()["device"] if results else "cpu"
