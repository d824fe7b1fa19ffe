"""One unlearning of one model: what an algorithm is asked, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import count

import numpy as np
import torch

from unlearn_core.data import Dataset, Images
from unlearn_core.device import numerics, pick_device
from unlearn_core.ensembles import goes_stacked, train_members, work_per_pass
from unlearn_core.experiment.door import MAKERS, TOGETHER, fulfil
from unlearn_core.experiment.spread import found, shared_out, spread
from unlearn_core.experiment.trained_models import (
    all_logits,
    dataset,
    load_model,
    train_all,
    training_rows,
    write_model,
)
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell, each_of, silent
from unlearn_core.result import Draft, Result
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import Rum, unlearn_many
from unlearn_core.store import Store
from unlearn_core.training import Training, learning_rate, steps_of, train
from unlearn_core.unlearning import Original, Request, Unlearned, Unlearner
from unlearn_core.unlearning.request import Batch, Fresh, History


@spec
class Run(Spec):
    """One unlearning of one model."""

    training: Training = param(Training(), help="the original model")
    forget: str = param(help="row numbers of the training images to forget")
    unlearner: Unlearner = param(help="the algorithm")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the algorithm")


def unlearn(
    store: Store, runs: Sequence[Run], tell: Tell = silent, shown: slice = slice(None)
) -> list[tuple[Unlearned, dict[str, dict]]]:
    """Carry out runs of one dataset together: each unlearned model, and the logits of each split after each step of a
    plan.
    """
    images = dataset(store, runs[0].training.data)
    on_device, unseen = to_device(images, shown)  # one copy for all runs
    originals = {t: load_model(store, t, fulfil(store, t)) for t in dict.fromkeys(run.training for run in runs)}
    models = [originals[run.training] for run in runs]
    steps: list[dict[str, dict]] = [{} for _ in runs]
    requests = [
        _request(run, images, on_device, unseen, kept, told)
        for run, kept, told in zip(runs, steps, each_of(tell, len(runs)), strict=True)
    ]
    return list(zip(unlearn_many([run.unlearner for run in runs], models, requests), steps, strict=True))


def request_of(store: Store, run: Run) -> Request:
    """What a run asks of its algorithm."""
    images = dataset(store, run.training.data)
    return _request(run, images, *to_device(images), {}, silent)


def refuse(store: Store, training: Training, rows: np.ndarray, unlearner: Unlearner) -> None:
    """Raises BadValue, one sentence, where an algorithm cannot be asked to forget these rows."""
    unlearner.refuse(_question(store, training, pack(rows)))


@lru_cache(maxsize=4)  # all algorithms are asked the same, and a page asks them all
def _question(store: Store, training: Training, forget: str) -> Request:
    images = dataset(store, training.data)
    unseen = Batch(*images.validation) if len(images.validation.y) else None
    run = Run(training=training, forget=forget, unlearner=Original())  # by whom does not matter yet
    return _request(run, images, images.train, unseen, {}, silent)  # nothing has to be on the device yet


def to_device(images: Dataset, shown: slice = slice(None)) -> tuple[Images, Batch | None]:
    """The training images, and those of the validation images that may be looked at, where there are any."""
    device, likes = pick_device(), {"memory_format": torch.channels_last}  # a third faster through convolutions
    splits = (images.train, images.validation)
    known, unseen = (Images(split.x.to(device, **likes), split.y.to(device)) for split in splits)
    return known, Batch(unseen.x[shown], unseen.y[shown]) if len(unseen.y) else None


def _request(
    run: Run, images: Dataset, on_device: Images, validation: Batch | None, steps: dict[str, dict], tell: Tell
) -> Request:
    def after(name: str, model: Classifier) -> None:
        steps[name] = all_logits(model, images)

    forget, trained_on = unpack(run.forget, len(images.train.y)), training_rows(run.training, len(images.train.y))
    if len(never := np.setdiff1d(forget, trained_on)):
        raise BadValue(f"Row {never[0]} was left out of the training, so there is nothing to forget.")
    return Request(
        x=on_device.x,
        y=on_device.y,
        forget=forget,
        retain=np.setdiff1d(trained_on, forget),
        classes=len(images.classes),
        seed=run.seed,
        tell=tell,
        after=after,
        recipe=partial(_fresh, run.training, images),
        validation=validation,
        # Steps with differential privacy are none that an algorithm could go through again, and those taken elsewhere
        # are not known.
        history=None if run.training.noise or run.training.weights else _history(run.training, images, tell),
        corrected=None if images.true_labels is None else torch.from_numpy(images.true_labels).to(on_device.y),
    )


def _fresh(
    training: Training,
    images: Dataset,
    rows: np.ndarray,
    seeds: Sequence[int],
    tell: Tell = silent,
    start: Classifier | None = None,
    epochs: int | None = None,
) -> Iterator[Fresh]:
    """The Recipe of a training."""
    training = training.afresh.but(without="", epochs=epochs or training.epochs)
    if start is None:
        trained = train_members(training, images, [rows] * len(seeds), list(seeds), tell)
    else:
        trained = (train(training.but(seed=seed), images, rows, tell, start=start) for seed in seeds)
    for each in trained:
        yield Fresh(each.model, steps_of(training, len(rows)), training.epochs * len(rows))


def _history(training: Training, images: Dataset, tell: Tell) -> History:
    """Nothing was written down during the training: the order of its images is a pure function of its seed, so it can
    be gone through again.
    """
    rows = training_rows(training, len(images.train.y))
    steps = steps_of(training, len(rows))

    def replay(watch) -> Classifier:
        number = count()
        seen = lambda model, x, y, own: watch(next(number), model, Batch(x, y), own.cpu().numpy())  # noqa: E731
        return train(training, images, rows, tell, seen).model

    rate = partial(learning_rate, training.lr, training.schedule, steps=steps)
    return History(steps, training.momentum, training.weight_decay, lambda step: rate(step=step), replay)


def run_groups(store: Store, groups: Iterable[Sequence[Run]], tell: Tell = silent) -> list[list[Result]]:
    """All of these runs of one dataset, in order. The runs of a group go side by side where they can; groups are shared
    out among the workers.
    """
    groups = [list(group) for group in groups]
    missing = [[run for run in dict.fromkeys(group) if store.find(run) is None] for group in groups]
    train_all(store, [run.training for group in missing for run in group], tell)
    spread(store, missing, tell)
    return [[found(store, run) for run in group] for group in groups]


def run_all(store: Store, runs: Sequence[Run], tell: Tell = silent) -> list[Result]:
    """All of these runs of one recipe, in order, side by side where they can; those that take long are shared out among
    the workers.
    """
    missing = [run for run in dict.fromkeys(runs) if store.find(run) is None]
    if missing:
        training, unlearners = missing[0].training, [run.unlearner for run in missing]
        train_all(store, [run.training for run in missing], tell)
        alone = not goes_stacked(training, dataset(store, training.data))
        spread(store, shared_out(missing, work_of(store, training, unlearners), alone), tell)
    return [found(store, run) for run in runs]


def work_of(store: Store, training: Training, unlearners: Iterable[Unlearner]) -> float:
    """About how many operations runs on models of this recipe are: an epoch is a pass over all training images, and
    what has no epochs counts as one.
    """
    return sum(map(_passes, unlearners)) * work_per_pass(training, dataset(store, training.data))


def _passes(unlearner: Unlearner) -> int:
    if isinstance(unlearner, Rum):
        return sum(_passes(part.unlearner) for part in unlearner.parts)
    return getattr(unlearner, "epochs", 1)


def _run_together(store: Store, runs: Sequence[Run], tell: Tell) -> list[Result]:
    """Runs of one dataset in this process."""
    images, found = dataset(store, runs[0].training.data), []
    for run, (unlearned, steps) in zip(runs, unlearn(store, runs, tell), strict=True):

        def make(draft: Draft, unlearned=unlearned, steps=steps) -> None:
            draft.seconds = unlearned.cost.seconds
            write_model(draft, unlearned.model, images)
            for i, logits in enumerate(steps.values()):
                draft.arrays(f"step{i}", **logits)
            draft.json("cost", vars(unlearned.cost) | {"plan": list(steps)})

        found.append(store.remember(run, make, device=numerics))
    return found


def _run(store: Store, run: Run, tell: Tell) -> Result:
    return run_all(store, [run], tell)[0]


MAKERS[Run] = _run
TOGETHER[Run] = _run_together
