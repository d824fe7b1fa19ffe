"""What a landscape will cost before it is measured, from what a finished study took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core import engines
from unlearn_core.experiment.forecast import UNKNOWN, spread
from unlearn_core.experiment.landscape import Landscape, LandscapePart
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain


@dataclass(frozen=True)
class LandscapeCost:
    """Work that is still to be done: `sets` of which not all is measured, `trainings` from scratch, unlearning `runs`,
    and `seconds` for all of it, which may be off by `factor` either way. `guessed` counts algorithms that were never
    run here, which are taken for as long as the others. `at_once` is how many processes share it.
    """

    sets: int
    trainings: int
    runs: int
    seconds: float
    guessed: int
    factor: float
    at_once: int


def landscape_cost(finished: OpenStudy, landscape: Landscape) -> LandscapeCost:
    """The cost of a landscape with the same training and bank as a finished study, on the machine that ran that one.
    What parts of it that are there already took counts more than what the study took. Raises BadValue where the two do
    not share training and bank.
    """
    if landscape.bank != finished.spec.bank:
        raise BadValue("The cost can be foretold only for a landscape with the same training and the same bank.")
    taken: dict[Unlearner, list[float]] = {}
    missing: list[LandscapePart] = []
    for part in landscape.parts():
        if (result := finished.store.find(part)) is None:
            missing.append(part)
        else:
            taken.setdefault(part.unlearner, []).append(result.manifest()["seconds"] / part.count)
    measured = {u: float(np.median(seconds)) for u, seconds in taken.items()}
    table = finished.table
    training = float(table.loc[table["method"].isin(["retrained", "retrained-again"]), "seconds"].mean())
    measured.setdefault(Retrain(), 2 * training)
    measured[Original()] = 0.0
    per_epoch = _per_epoch(finished)
    usual = float(np.median(list(per_epoch.values()))) if per_epoch else training / landscape.training.epochs

    def seconds(unlearner: Unlearner) -> float:
        if unlearner in measured:
            return measured[unlearner]
        return getattr(unlearner, "epochs", 1) * per_epoch.get(type(unlearner), usual)

    total = sum(part.count * seconds(part.unlearner) for part in missing) / max(1, engines.at_once())
    references = [part for part in missing if isinstance(part.unlearner, Retrain)]
    runs = sum(part.count for part in missing) - sum(part.count for part in references)
    asked = {part.unlearner for part in missing}
    return LandscapeCost(
        sets=sum({part.sets: part.count for part in missing}.values()),
        trainings=2 * sum(part.count for part in references),
        runs=runs,
        seconds=float(total),
        guessed=(guessed := sum(u not in measured and type(u) not in per_epoch for u in asked)),
        factor=UNKNOWN if guessed else spread(finished),
        at_once=max(1, min(engines.at_once(), len(missing))),
    )


def _per_epoch(finished: OpenStudy) -> dict[type, float]:
    """Mean seconds per epoch of each algorithm that the study ran by itself."""
    singles = finished.table[finished.table["kind"] == "single"].groupby("method", sort=False)["seconds"].mean()
    pairs = zip(finished.spec.unlearners, singles, strict=True)
    return {type(u): mean / u.epochs for u, mean in pairs if hasattr(u, "epochs")}
