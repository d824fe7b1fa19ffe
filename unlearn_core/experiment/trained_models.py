"""Models that are trained, or came from elsewhere, and what they say of all images."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch

from unlearn_core import __version__
from unlearn_core import data as datasets
from unlearn_core.data import Data, Dataset
from unlearn_core.device import numerics, pick_device, ready_for
from unlearn_core.ensembles import goes_stacked, stack_size, train_members, work_per_pass
from unlearn_core.experiment.door import MAKERS, TOGETHER, fulfil
from unlearn_core.experiment.own_weights import GONE, OwnWeights, arrays_of
from unlearn_core.experiment.spread import found, spread, workers_for
from unlearn_core.experiment.unfinished import Unfinished
from unlearn_core.models import Classifier, Ensemble, new_model, voters
from unlearn_core.params import BadValue, key
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Draft, Result
from unlearn_core.rows import others, unpack
from unlearn_core.store import Store
from unlearn_core.training import Outputs, Trained, Training, predict

SPLITS = ("train", "validation", "test")


def dataset(store: Store, data: Data, tell: Tell = silent) -> Dataset:
    """The images of a dataset, from the store's own data folder."""
    return datasets.load(data, store.root / "data", tell)


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
    kept = [unfinished(store, key(training)) for training in trainings]
    members = train_members(shared, images, rows, seeds, tell, rates, kept)
    results = []
    for training, trained, behind in zip(trainings, members, kept, strict=True):
        write = partial(_write_trained, trained=trained, images=images)
        results.append(store.remember(training, write, device=made_on(trained.together)))
        behind.drop()
    return results


def unfinished(store: Store, name: str) -> Unfinished:
    """Where a training of this name keeps how far it is."""
    return Unfinished(store.root, name, json.dumps([__version__, torch.__version__, numerics()]))


def check_finite(trained: Trained) -> None:
    """Raises BadValue where training diverged."""
    if not all(torch.isfinite(value).all() for value in trained.model.state_dict().values()):
        raise BadValue("Training diverged: weights are no longer numbers. Choose a smaller learning rate.")


def _write_trained(draft: Draft, trained: Trained, images: Dataset) -> None:
    check_finite(trained)
    draft.seconds = trained.seconds
    write_model(draft, trained.model, images)
    draft.arrays("trajectory", **trained.trajectory)


def write_model(draft: Draft, model: Classifier, images: Dataset) -> None:
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
    ready_for(model)
    model.load_state_dict(state)
    return model.to(pick_device()).eval()


def outputs(store: Store, data: Data, result: Result, split: str) -> Outputs:
    """The kept logits of a Training or Run result on a split."""
    return Outputs(result.arrays("logits")[split], getattr(dataset(store, data), split).y.numpy())


def made_on(together: int) -> Callable[[], dict]:
    """What is recorded of a model that so many went through one pass with."""
    return lambda: numerics() | {"together": together}


MAKERS |= {OwnWeights: _gone, Training: _training}
TOGETHER[Training] = _train_together
