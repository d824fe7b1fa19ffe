"""How long models take, by what a finished study took: one run of an algorithm, one trial of a learning rate, one
training, and how far they vary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from unlearn_core.experiment.study import searches
from unlearn_core.experiment.usual_times import usual
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.rum import PARTS, Plan, Rum
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain

UNKNOWN = 2.0  # the factor by which seconds may be off where nothing says how they spread


Seen = Mapping[type[Unlearner], list[float]]  # seconds of runs by their algorithm, as `measured_by` has them


def steps_of(unlearner: Unlearner) -> tuple[Unlearner, ...]:
    """What runs, one after the other, without what leaves the model as it is."""
    steps = (part.unlearner for part in unlearner.parts) if isinstance(unlearner, Rum) else (unlearner,)
    return tuple(step for step in steps if not isinstance(step, Original))


def run_seconds(finished: OpenStudy, unlearner: Unlearner, seen: Seen | None = None) -> np.ndarray:
    """(3,) seconds of one run: expected, fastest, slowest. Leaving the model as it is takes none; what the finished
    study never ran, nor is `seen` elsewhere (set_times.py), takes as long as the others, for each of its epochs where
    it has them. A plan takes as much longer than its steps as those did that the study ran.
    """
    return _by_steps(finished, unlearner, seen) * (_of_plans(finished) if isinstance(unlearner, Rum) else 1.0)


def _by_steps(finished: OpenStudy, unlearner: Unlearner, more: Seen | None = None) -> np.ndarray:
    measured, total, factor = more or measured_by(finished), np.zeros(3), spread(finished)
    for step in steps_of(unlearner):
        if isinstance(step, Retrain):
            total += training_seconds(finished) * np.array([1.0, 1 / factor, factor])
            continue
        seen = measured.get(type(step)) or _others(finished, step)
        middle = np.median(seen)
        total += length_of(step) * np.array([middle, min(*seen, middle / factor), max(*seen, middle * factor)])
    return total


@lru_cache(maxsize=8)
def _of_plans(finished: OpenStudy) -> float:
    """How many times as long as their steps, each as it is timed or guessed, the plans of a study took: going from part
    to part takes its time, and fewer runs go side by side. 1 where it ran none.
    """
    found = []
    for line in finished.table[finished.table["kind"] == "plan"].itertuples():
        result = finished.run_result(line.method, line.seed)
        if likely := _by_steps(finished, result.spec().unlearner)[0]:
            found.append(result.undisturbed() / likely)
    return float(np.median(found)) if found else 1.0


def plan_took(finished: OpenStudy, plan: Plan, parts: dict[str, np.ndarray]) -> float | None:
    """Mean seconds of a run of this plan on these parts, where the finished study ran it, as given or with the settings
    that it chose; else None.
    """
    chosen = plan.but(**{part: finished.best.get(getattr(plan, part), getattr(plan, part)) for part in PARTS})
    asked = [each.resolve(parts) for each in (plan, chosen)]
    for method, lines in finished.table[finished.table["kind"] == "plan"].groupby("method"):
        if finished.run_result(method, int(lines["seed"].iloc[0])).spec().unlearner in asked:
            return float(lines["seconds"].mean())
    return None


def trial_seconds(finished: OpenStudy, unlearner: Unlearner, seen: Seen | None = None) -> np.ndarray:
    """(3,) seconds of one run that only chooses a learning rate, as `run_seconds` has them: by the study's own search
    for this algorithm, where more runs go side by side than in a method, and a small net's step takes many hardly
    longer than few. As any other run where the study searched for none.
    """
    if not (a_trial := _tried(finished).get(type(unlearner))):
        return run_seconds(finished, unlearner, seen)
    return length_of(unlearner) * a_trial * np.array([1.0, 1 / spread(finished), spread(finished)])


def never_run(finished: OpenStudy, unlearners: Iterable[Unlearner], seen: Seen | None = None) -> set[type[Unlearner]]:
    """The algorithms among these, or among their steps, whose seconds are those of others."""
    return {type(step) for u in unlearners for step in steps_of(u)} - {Retrain} - (seen or measured_by(finished)).keys()


@lru_cache(maxsize=8)
def training_seconds(finished: OpenStudy) -> float:
    """Mean seconds of training one model. Models trained side by side share their time, so only the mean tells."""
    references = finished.table[finished.table["method"].isin(["retrained", "retrained-again"])]
    return float(
        np.mean([finished.run_result(line.method, line.seed).undisturbed() for line in references.itertuples()])
    )


def spread(finished: OpenStudy) -> float:
    """By which factor runs like those of a finished study may be faster or slower than the median: see `spread_of`."""
    return spread_of(list(measured_by(finished).values()))


def spread_of(measured: list[list[float]]) -> float:
    """The factor, at least 1, within which one more run lies with chance 0.9 of the middle of those of its kind, by the
    spread of the logarithms that all kinds share; few runs have a wide one.

    Runs of one stack share their seconds, so equal ones are a single observation. Where no kind has two it is UNKNOWN,
    and never more, because many runs together spread less than one.
    """
    kinds = [np.log(sorted(set(times))) for times in measured if min(times, default=0) > 0]
    freedom = sum(len(times) - 1 for times in kinds)
    if not freedom:
        return UNKNOWN
    variance = sum(((times - times.mean()) ** 2).sum() for times in kinds) / freedom
    each = np.mean([len(times) for times in kinds if len(times) > 1])
    return float(min(UNKNOWN, np.exp(stdtrit(freedom, 0.95) * np.sqrt(variance * (1 + 1 / each)))))


def length_of(step: Unlearner) -> int:
    """What its seconds grow with: its epochs; one for what has none."""
    return getattr(step, "epochs", 1)


@lru_cache(maxsize=8)
def _alone(finished: OpenStudy) -> list[tuple[Unlearner, int, float]]:
    """An algorithm, the length of its steps, and seconds: for each run of the study in which it did all the work."""
    found = []
    for line in finished.table[finished.table["kind"] != "reference"].itertuples():
        result = finished.run_result(line.method, line.seed)
        steps = steps_of(result.spec().unlearner)
        if len({type(step) for step in steps}) == 1:
            found.append((steps[0], sum(map(length_of, steps)), result.undisturbed()))
    return found


@lru_cache(maxsize=8)
def measured_by(finished: OpenStudy) -> dict[type, list[float]]:
    """Seconds of each algorithm, one value a run: for an epoch, or for all of a run that has none."""
    found = defaultdict(list)
    for step, length, seconds in _alone(finished):
        found[type(step)].append(seconds / length)
    return dict(found)


@lru_cache(maxsize=8)
def _tried(finished: OpenStudy) -> dict[type, float]:
    """Seconds of one trial of each algorithm whose learning rate the study chose: for an epoch, or for all of a run."""
    found = {}
    for search in searches(finished.store, finished.spec, finished.forget).values():
        if (result := finished.store.find(search)) is not None:
            length = sum(map(length_of, search.unlearners)) * len(search.seeds)
            found[type(search.unlearners[0])] = result.undisturbed() / length
    return found


def _others(finished: OpenStudy, step: Unlearner) -> list[float]:
    """What stands for an algorithm that was never run: by each that was, as many times as long as it as is usual. Where
    nobody knows what is usual, all runs of the others, by epochs or as a whole as it has epochs or not; where there are
    none, training.
    """
    if of_this := usual().get(type(step)):
        measured = ((np.median(seconds), usual().get(cls)) for cls, seconds in measured_by(finished).items())
        if found := [of_this * seconds / of_that for seconds, of_that in measured if of_that]:
            return found
    runs = [(length if hasattr(step, "epochs") else 1, seconds) for _, length, seconds in _alone(finished)]
    training = finished.spec.training.epochs if hasattr(step, "epochs") else 1
    return [seconds / length for length, seconds in runs] or [training_seconds(finished) / training]
