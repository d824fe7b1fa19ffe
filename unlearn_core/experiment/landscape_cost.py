"""What a landscape will cost before it is measured, from what a finished study took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core import engines
from unlearn_core.experiment.forecast import peak
from unlearn_core.experiment.landscape import SLOW, Landscape, LandscapePart
from unlearn_core.experiment.run_times import UNKNOWN, never_run, run_seconds, spread, training_seconds
from unlearn_core.experiment.spread import still_to_make
from unlearn_core.experiment.try_everything import Attempt
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.unlearning import ALGORITHMS, Unlearner
from unlearn_core.unlearning.ends.retrain import Retrain


@dataclass(frozen=True)
class LandscapeCost:
    """Work that is still to be done: `sets` of which not all is measured, `trainings` from scratch, unlearning `runs`,
    and `seconds` for all of it, which may be off by `factor` either way. `guessed` counts algorithms that were never
    run here, which are taken for as long as the others, and `slow` those among them of which it is known that they take
    longer. `at_once` is how many processes share it, `memory` the most megabytes that a run of the study took on its
    `device`, 0 where nothing is left to do.
    """

    sets: int
    trainings: int
    runs: int
    seconds: float
    guessed: int
    slow: int
    factor: float
    at_once: int
    memory: float
    device: str


def landscape_cost(finished: OpenStudy, landscape: Landscape) -> LandscapeCost:
    """The cost of a landscape with the same training and bank as a finished study, on the machine that ran that one.
    What parts of it that are there already took counts more than what trying everything took, and that more than what
    the study took. Raises BadValue where the two do not share training and bank.
    """
    if landscape.bank != finished.spec.bank:
        raise BadValue("The cost can be foretold only for a landscape with the same training and the same bank.")
    taken: dict[Unlearner, list[float]] = {}
    missing: list[LandscapePart] = []
    for part in landscape.parts():
        if (result := finished.store.find(part)) is None:
            missing.append(part)
        else:
            taken.setdefault(part.unlearner, []).append(result.undisturbed() / part.count)
    measured = {u: float(np.median(seconds)) for u, seconds in taken.items()}
    measured.setdefault(Retrain(), 2 * training_seconds(finished))
    asked = {part.unlearner for part in missing}
    measured = _tried(finished, landscape, asked) | measured
    each = {u: measured[u] if u in measured else run_seconds(finished, u)[0] for u in asked}
    originals = still_to_make(finished.store, landscape.models_to_unlearn) if missing else 0
    total = sum(part.count * each[part.unlearner] for part in missing) + originals * training_seconds(finished)
    references = [part for part in missing if isinstance(part.unlearner, Retrain)]
    runs = sum(part.count for part in missing) - sum(part.count for part in references)
    guessed = never_run(finished, asked - measured.keys())
    memory, device = peak(finished) if missing else (0.0, "cpu")
    return LandscapeCost(
        sets=sum({part.sets: part.count for part in missing}.values()),
        trainings=2 * sum(part.count for part in references) + originals,
        runs=runs,
        seconds=float(total / max(1, engines.at_once())),
        guessed=len(guessed),
        slow=len(guessed & {ALGORITHMS[name] for name in SLOW}),
        factor=UNKNOWN if guessed else spread(finished),
        at_once=max(1, min(engines.at_once(), len(missing))),
        memory=memory,
        device=device,
    )


def _tried(finished: OpenStudy, landscape: Landscape, asked: set[Unlearner]) -> dict[Unlearner, float]:
    """Mean seconds of a run of these algorithms where everything was tried on some set of the same training."""
    found: dict[Unlearner, list[float]] = {}
    for result in finished.store.results("Attempt"):
        attempt: Attempt = result.spec()
        if attempt.training.afresh == landscape.training and attempt.unlearner in asked:
            found.setdefault(attempt.unlearner, []).append(float(result.table()["seconds"].mean()))
    return {unlearner: float(np.median(seconds)) for unlearner, seconds in found.items()}
