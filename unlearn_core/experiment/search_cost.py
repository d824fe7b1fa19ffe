"""What a search for a plan will cost before it is run, from what the runs of a finished study took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearn_core.experiment.forecast import peak
from unlearn_core.experiment.model_seeds import AGAIN, TUNING
from unlearn_core.experiment.run_times import run_seconds, spread, training_seconds
from unlearn_core.experiment.search import PlanSearch, trials_of
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.rows import pack
from unlearn_core.rum import PARTS
from unlearn_core.training import Training


@dataclass(frozen=True)
class SearchCost:
    """Work that is still to be done: `trials` plans to try, `trainings` models to train from scratch, `runs` to confirm
    the best plans, and `seconds` for all of it, going by the runs of each algorithm in a finished study; they may
    be off by `factor` either way. `at_once` is how many processes share it, `memory` the most megabytes that a run of
    that study took on its `device`, 0 where nothing is left to do.
    """

    trials: int
    trainings: int
    runs: int
    seconds: float
    factor: float = 1.0
    at_once: int = 1
    memory: float = 0.0
    device: str = "cpu"


def search_cost(finished: OpenStudy, search: PlanSearch, so_far: bool = False) -> SearchCost:
    """The cost of a search with the same images, training and bank as a finished study, on the machine that ran it; of
    the confirmation of its best plans `so_far`, without trying more.

    Raises BadValue where the two do not share them, and where the forget set cannot be chosen.
    """
    if search.bank != finished.spec.bank:
        raise BadValue("The cost can be foretold only for a search with the same training and the same bank.")
    store, rows = finished.store, search.forget.choose(finished.known)
    if store.find(search) is not None:
        return SearchCost(0, 0, 0, 0.0)
    cut = finished.refine(search.plan, rows)
    names = [part for part in PARTS if len(cut[part])]
    space = search.space(names)
    trials = space.size if search.method == "grid" else search.trials
    left = 0 if so_far else trials - len(trials_of(store, search))
    missing = [t for t in dict.fromkeys(_trainings(search, pack(rows))) if store.find(t) is None]
    runs = (search.best + 1) * search.seeds

    each = [[run_seconds(finished, u)[0] for u in group] for group in space.choices]
    alone = [np.mean(seconds) for seconds in each]
    step = float(np.mean(alone))
    steps = trials * len(names)
    if search.method == "grid":  # plans that begin alike share their first steps
        kinds = sum(map(len, space.choices))
        step = float(np.mean(sum(each, [])))
        steps = len(space.orders) * sum(kinds**n for n in range(1, len(names) + 1))
    seconds = left / trials * steps * search.tuning_seeds * step
    seconds += search.tuning_seeds * sum(map(sum, each))
    seconds += runs * len(names) * step + len(missing) * training_seconds(finished)
    memory, device = peak(finished)
    return SearchCost(left, len(missing), runs, float(seconds), spread(finished), memory=memory, device=device)


def _trainings(search: PlanSearch, forget: str) -> list[Training]:
    seeds = range(search.seeds)
    reported = [*range(search.seeds), *(TUNING + s for s in range(search.tuning_seeds))]
    originals = [search.training.but(seed=s) for s in reported]
    again = [search.training.but(seed=AGAIN + s, without=forget) for s in seeds]
    trained_here = [] if search.training.weights else originals
    return [*trained_here, *(t.but(without=forget) for t in originals), *again]
