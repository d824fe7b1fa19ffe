"""Plans tried on models that are not reported, with validation images in place of the test images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from unlearn_core.device import numerics
from unlearn_core.experiment.door import MAKERS, TOGETHER
from unlearn_core.experiment.measures import Validation
from unlearn_core.experiment.side_by_side import unlearn_plans
from unlearn_core.experiment.spread import found, shared_out, spread
from unlearn_core.experiment.trained_models import all_logits, dataset, train_all
from unlearn_core.experiment.unlearned_models import Run, work_of
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Result
from unlearn_core.rum import Rum
from unlearn_core.store import Store
from unlearn_core.training import Training


@spec
class PlanTrial(Spec):
    """One plan, or one algorithm as a plan with a single part, on models that are not reported."""

    training: Training = param(help="how the models are trained")
    forget: str = param(help="rows to forget")
    parts: tuple = param(help="rows of each part that closeness is measured on")
    unlearner: Rum = param(help="what is tried")
    seeds: tuple = param(help="seeds of the models")


def try_all(store: Store, trials: Sequence[PlanTrial], tell: Tell = silent) -> list[Result]:
    """All of these trials of one forget set, in order; missing ones are carried out together, and shared out among the
    workers where they take long.

    Each has a table with a line per seed: `seed`, `seconds`, `diverged` and the measures, validation images taken for
    test images where there are any.
    """
    missing = [trial for trial in dict.fromkeys(trials) if store.find(trial) is None]
    if missing:
        training = missing[0].training
        _models(store, missing[0], tell)  # before the trials are shared out, for they share these
        work = work_of(store, training, [trial.unlearner for trial in missing for _ in trial.seeds])
        spread(store, shared_out(missing, work), tell)  # neighbours stay together: many begin alike
    return [found(store, trial) for trial in trials]


def _models(store: Store, trial: PlanTrial, tell: Tell = silent) -> tuple[list[Training], list[Result]]:
    """The trainings of the models that a trial is tried on, which are there afterwards, and their retrained models."""
    originals = [trial.training.but(seed=s) for s in trial.seeds]
    trained = train_all(store, [*originals, *(t.but(without=trial.forget) for t in originals)], tell)
    return originals, trained[len(originals) :]


def _try(store: Store, trials: Sequence[PlanTrial], tell: Tell) -> list[Result]:
    """Trials of one forget set, in this process."""
    one = trials[0]
    images = dataset(store, one.training.data)
    validation = Validation.of(images, one.forget, one.parts, ())
    originals, models = _models(store, one, tell)
    retrained = {s: r.arrays("logits") for s, r in zip(one.seeds, models, strict=True)}
    pairs = [(trial, training) for trial in trials for training in originals]
    runs = [Run(training=t, forget=one.forget, unlearner=trial.unlearner, seed=t.seed) for trial, t in pairs]
    lines: dict[PlanTrial, dict[int, dict]] = {trial: {} for trial in trials}
    for i, unlearned in unlearn_plans(store, runs, tell):
        trial, seed = pairs[i][0], pairs[i][1].seed
        row = validation.measure(all_logits(unlearned.model, images), retrained[seed])
        cost = unlearned.cost
        head = {"seed": seed, "seconds": cost.seconds, "diverged": cost.diverged_at is not None}
        lines[trial][seed] = head | row
        if len(lines[trial]) == len(trial.seeds):
            _keep(store, trial, [lines[trial][s] for s in trial.seeds])
    return [found(store, trial) for trial in trials]


def _keep(store: Store, trial: PlanTrial, lines: list[dict]) -> Result:
    def make(draft) -> None:
        draft.seconds = sum(line["seconds"] for line in lines)
        draft.table(pd.DataFrame(lines))

    return store.remember(trial, make, device=numerics)


MAKERS[PlanTrial] = lambda store, trial, tell: try_all(store, [trial], tell)[0]
TOGETHER[PlanTrial] = _try
