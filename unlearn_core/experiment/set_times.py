"""How long an algorithm takes on one forget set: by what was timed on this very set, and else by what is nearest to it,
so that all that is said of one set at one time says the same.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

import numpy as np

from unlearn_core.experiment.landscape import Landscape, landscapes, names
from unlearn_core.experiment.run_times import Seen, length_of, measured_by, run_seconds, steps_of
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.result import Result
from unlearn_core.rows import pack
from unlearn_core.rum import Plan, Rum
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.retrain import Retrain


def timed(finished: OpenStudy, rows: np.ndarray) -> Seen:
    """Seconds of each algorithm that was run by itself, one value for an epoch, or for a run of what has none: on these
    very rows where everything was tried on them, else by the study's own runs, else on other sets on which everything
    was tried, else by the landscape. Many more runs go side by side there, so its seconds are stretched by the middle
    of how much longer those took that were run both there and elsewhere.
    """
    elsewhere, here, forget = defaultdict(list), {}, pack(rows)
    for result in _tried(finished):
        unlearner, seconds = result.spec().unlearner, _seconds(result)
        if isinstance(unlearner, (Rum, Retrain)) or not steps_of(unlearner):
            continue
        elsewhere[type(unlearner)].append(seconds / length_of(unlearner))
        if result.spec().forget == forget:
            here[type(unlearner)] = [seconds / length_of(unlearner)]
    nearer = {**elsewhere, **measured_by(finished), **here}
    among_many = _landscape(finished)
    both = [np.median(nearer[cls]) / among_many[cls] for cls in nearer.keys() & among_many.keys() if among_many[cls]]
    longer = float(np.median(both)) if both else 1.0
    return {cls: [longer * seconds] for cls, seconds in among_many.items()} | nearer


def expected(finished: OpenStudy, rows: np.ndarray, landscape: Landscape) -> dict[str, float]:
    """Seconds of one run of each algorithm of a landscape on these rows, by its name there."""
    seen = timed(finished, rows)
    return {name: float(run_seconds(finished, u, seen)[0]) for u, name in names(landscape).items()}


def plan_tried(finished: OpenStudy, plan: Plan, parts: dict[str, np.ndarray]) -> float | None:
    """Mean seconds of a run of this plan on these parts, where everything was tried on their rows, or of its algorithm
    where it runs one on all of them; else None.
    """
    rum = plan.resolve(parts)
    same = [rum, rum.parts[0].unlearner] if len(rum.parts) == 1 else [rum]
    forget = pack(np.sort(np.concatenate([*parts.values()])))
    asked = ((r.spec(), r) for r in _tried(finished))
    return next((_seconds(r) for spec, r in asked if spec.forget == forget and spec.unlearner in same), None)


def _tried(finished: OpenStudy) -> list[Result]:
    found = finished.store.results("Attempt")
    return [result for result in found if result.spec().training == finished.spec.training]


@lru_cache(maxsize=4096)  # what is stored never changes
def _seconds(result: Result) -> float:
    table = result.table()
    return float(table.loc[table["what"] == "method", "seconds"].mean())


def _landscape(finished: OpenStudy) -> dict[type[Unlearner], float]:
    """Median seconds over the sets of the landscape, as `timed` has them; empty where there is none."""
    for result in landscapes(finished.store, finished.spec.bank):
        medians = result.table().groupby("algorithm")["seconds"].median()
        run = [(u, name) for u, name in names(result.spec()).items() if name in medians.index]
        return {type(u): float(medians[name]) / length_of(u) for u, name in reversed(run)}
    return {}
