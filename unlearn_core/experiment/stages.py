"""Each stage of the data's way as a stored result: find it, or make it once.

A stage is a spec and a function that writes its result. `fulfil` is the one door: every page, command and job goes
through it. Stages in files of their own (bank.py, tuning.py, ...) enter themselves in MAKERS.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import count

import numpy as np
import torch

from unlearn_core import data as datasets
from unlearn_core import projection
from unlearn_core.data import Data, Dataset, Images
from unlearn_core.device import numerics, pick_device, use_threads
from unlearn_core.engines import engine
from unlearn_core.ensembles import goes_stacked, stack_size, train_members, work_per_pass
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment.own_weights import GONE, OwnWeights, arrays_of
from unlearn_core.experiment.spread import found, shared_out, spread, workers_for
from unlearn_core.models import Classifier, Ensemble, new_model, voters
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell, each_of, silent
from unlearn_core.rows import others, pack, unpack
from unlearn_core.rum import Rum, unlearn_many
from unlearn_core.store import Draft, Result, Store
from unlearn_core.training import Outputs, Trained, Training, embed, learning_rate, predict, steps_of, train
from unlearn_core.unlearning import Original, Request, Unlearned, Unlearner
from unlearn_core.unlearning.request import Batch, Fresh, History

SPLITS = ("train", "validation", "test")


@spec
class Embedding(Spec):
    """Features of all images before the last layer of a trained model."""

    training: Training = param(Training(), help="the model")


@spec
class Map(Spec):
    """Training and test images as points on one plane, from the embeddings of a trained model."""

    training: Training = param(Training(), help="the model")
    neighbours: int = param(15, 2, 200, help="UMAP: how many neighbours shape a point's place")
    min_dist: float = param(0.1, 0.0, 1.0, help="UMAP: how closely points may lie")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the layout")


@spec
class Run(Spec):
    """One unlearning of one model."""

    training: Training = param(Training(), help="the original model")
    forget: str = param(help="row numbers of the training images to forget")
    unlearner: Unlearner = param(help="the algorithm")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the algorithm")


def dataset(store: Store, data: Data, tell: Tell = silent) -> Dataset:
    """The images of a dataset, from the store's own data folder."""
    return datasets.load(data, store.root / "data", tell)


# -- training ----------------------------------------------------------------------------------------------------------


def training_rows(training: Training, n: int) -> np.ndarray:
    return others(unpack(training.without, n), n)


def train_all(store: Store, trainings: Iterable[Training], tell: Tell = silent) -> list[Result]:
    """All of these trained models, in order. Missing ones that share a size, and a recipe but for the learning rate,
    are trained together, and shared out among the workers where they are more than go together, or take long.
    """
    trainings = list(trainings)
    alike = defaultdict(list)
    for training in dict.fromkeys(trainings):
        if training.weights:
            fulfil(store, training, tell)
        elif store.find(training) is None:
            n = len(dataset(store, training.data, tell).train.y)
            alike[_shared(training), len(training_rows(training, n))].append(training)
    groups = []
    for (shared, _), members in alike.items():
        # The largest rates last: a model that diverges stops what comes after it.
        members.sort(key=lambda training: training.lr)
        size = a_share(shared, dataset(store, shared.data), len(members))
        groups += [members[i : i + size] for i in range(0, len(members), size)]
    spread(store, groups, tell)
    return [found(store, t) for t in trainings]


def _shared(training: Training) -> Training:
    """What models that train together have in common."""
    return training.but(seed=0, without="", lr=Training().lr)


def trained_together(training: Training, images: Dataset) -> int:
    """How many models of a recipe one worker trains together."""
    return stack_size(training, images) if goes_stacked(training, images) else 1


def a_share(training: Training, images: Dataset, pieces: int, each: int = 1) -> int:
    """How many of so many pieces, of `each` models of a recipe, are one worker's task: as many as go together, and no
    more than leave the others their share.
    """
    most = max(1, trained_together(training, images) // each)
    if most == 1 or pieces < 2:
        return most
    work = pieces * each * training.epochs * work_per_pass(training, images)
    return min(most, -(-pieces // workers_for(pieces, work)))


def _train_together(store: Store, trainings: Sequence[Training], tell: Tell) -> list[Result]:
    """Models that share a size, and a recipe but for the learning rate, trained in this process."""
    shared = _shared(trainings[0])
    images = dataset(store, shared.data, tell)
    rows = [training_rows(training, len(images.train.y)) for training in trainings]
    seeds, rates = [training.seed for training in trainings], [training.lr for training in trainings]
    members = train_members(shared, images, rows, seeds, tell, rates)
    return [
        store.remember(
            training, partial(_write_trained, trained=trained, images=images), device=made_on(trained.together)
        )
        for training, trained in zip(trainings, members, strict=True)
    ]


def check_finite(trained: Trained) -> None:
    """Raises BadValue where training diverged."""
    if not all(torch.isfinite(value).all() for value in trained.model.state_dict().values()):
        raise BadValue("Training diverged: weights are no longer numbers. Choose a smaller learning rate.")


def _write_trained(draft: Draft, trained: Trained, images: Dataset) -> None:
    check_finite(trained)
    draft.seconds = trained.seconds
    _write_model(draft, trained.model, images)
    draft.arrays("trajectory", **trained.trajectory)


def _write_model(draft: Draft, model: Classifier, images: Dataset) -> None:
    draft.arrays("weights", **{k: v.cpu().numpy() for k, v in model.state_dict().items()})
    draft.arrays("logits", **all_logits(model, images))


def all_logits(model: Classifier, images: Dataset) -> dict[str, np.ndarray]:
    """(N, K) logits of a model on each split."""
    return {split: predict(model, getattr(images, split)).logits for split in SPLITS}


def _training(store: Store, training: Training, tell: Tell) -> Result:
    return _taken(store, training, tell) if training.weights else train_all(store, [training], tell)[0]


def _gone(store: Store, wanted: OwnWeights, tell: Tell) -> Result:
    raise BadValue(GONE)


def _taken(store: Store, training: Training, tell: Tell) -> Result:
    """A model that was trained elsewhere in the place of one trained here: the same one for every seed."""
    arrays, images = arrays_of(store, training), dataset(store, training.data, tell)
    asked = fulfil(store, training.but(seed=0), tell).arrays("logits") if training.seed else None

    def make(draft: Draft) -> None:
        draft.arrays("weights", **arrays)
        draft.arrays("logits", **(asked or all_logits(_classifier(store, training, arrays), images)))

    return store.remember(training, make, device=numerics)


def load_model(store: Store, training: Training, result: Result) -> Classifier:
    """The classifier whose weights a Training or Run result holds, an ensemble included, in eval mode."""
    return _classifier(store, training, result.arrays("weights"))


def _classifier(store: Store, training: Training, arrays: dict[str, np.ndarray]) -> Classifier:
    state = {k: torch.from_numpy(v) for k, v in arrays.items()}
    images, members = dataset(store, training.data), voters(state)
    models = [new_model(training.model, images, 0, training.width) for _ in range(members or 1)]
    model = Ensemble(models) if members else models[0]
    use_threads(model)
    model.load_state_dict(state)
    return model.to(pick_device()).eval()


def outputs(store: Store, data: Data, result: Result, split: str) -> Outputs:
    """The kept logits of a Training or Run result on a split."""
    return Outputs(result.arrays("logits")[split], getattr(dataset(store, data), split).y.numpy())


def made_on(together: int) -> Callable[[], dict]:
    """What is recorded of a model that so many went through one pass with."""
    return lambda: numerics() | {"together": together}


# -- embeddings --------------------------------------------------------------------------------------------------------


def _embedding(store: Store, spec: Embedding, tell: Tell) -> Result:
    trained = fulfil(store, spec.training, tell)

    def make(draft: Draft) -> None:
        model, images = load_model(store, spec.training, trained), dataset(store, spec.training.data)
        draft.arrays(train=embed(model, images.train), test=embed(model, images.test))

    return store.remember(spec, make, device=numerics)


def embedding_sums(store: Store, training: Training, tell: Tell = silent) -> EmbeddingSums:
    """What entanglement needs of the training images' embeddings under a trained model."""
    return EmbeddingSums(fulfil(store, Embedding(training=training), tell).arrays()["train"])


def _map(store: Store, spec: Map, tell: Tell) -> Result:
    embeddings = fulfil(store, Embedding(training=spec.training), tell).arrays()
    tell("map", 0, 1)

    def make(draft: Draft) -> None:
        both = np.concatenate([embeddings["train"], embeddings["test"]])
        n = len(embeddings["train"])
        for name, xy in (
            ("umap", projection.umap(both, spec.neighbours, spec.min_dist, spec.seed)),
            ("pca", projection.pca(both)),
        ):
            draft.arrays(name, train=xy[:n], test=xy[n:])

    result = store.remember(spec, make, device=numerics)
    tell("map", 1, 1)
    return result


# -- unlearning --------------------------------------------------------------------------------------------------------


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
    seed: int,
    tell: Tell = silent,
    start: Classifier | None = None,
    epochs: int | None = None,
) -> Fresh:
    """The Recipe of a training."""
    training = training.afresh.but(seed=seed, without="", epochs=epochs or training.epochs)
    if start is None:
        model = next(train_members(training, images, rows[None], [seed], tell)).model
    else:
        model = train(training, images, rows, tell, start=start).model
    return Fresh(model, steps_of(training, len(rows)), training.epochs * len(rows))


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
            _write_model(draft, unlearned.model, images)
            for i, logits in enumerate(steps.values()):
                draft.arrays(f"step{i}", **logits)
            draft.json("cost", vars(unlearned.cost) | {"plan": list(steps)})

        found.append(store.remember(run, make, device=numerics))
    return found


def _run(store: Store, run: Run, tell: Tell) -> Result:
    return run_all(store, [run], tell)[0]


# -- the one door ------------------------------------------------------------------------------------------------------

MAKERS = {OwnWeights: _gone, Training: _training, Embedding: _embedding, Map: _map, Run: _run}
# Kinds that many of are made faster together than one after the other.
TOGETHER = {Training: _train_together, Run: _run_together}


def fulfil_together(store: Store, specs: Sequence[Spec], tell: Tell = silent) -> list[Result]:
    """The results of specs of one kind and one dataset, in order, in this process."""
    kind = type(specs[0])
    return TOGETHER[kind](store, specs, tell) if kind in TOGETHER else [fulfil(store, spec, tell) for spec in specs]


def fulfil(store: Store, spec: Spec, tell: Tell = silent) -> Result:
    """The result of a spec, found in the store or made now, with everything it needs made before it."""
    if (found := store.find(spec)) is not None:
        return found
    with engine():  # the same workers for all that it needs
        return MAKERS[type(spec)](store, spec, tell)
