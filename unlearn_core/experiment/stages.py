"""Each stage of the data's way as a stored result: find it, or make it once.

A stage is a spec and a function that writes its result. `fulfil` is the one door: every page, command and job goes
through it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import torch

from unlearn_core import data as datasets
from unlearn_core import projection
from unlearn_core.attacks.signals import margin
from unlearn_core.data import Data, Dataset
from unlearn_core.ensembles import CHUNK, Bank, balanced_subsets, member_seed, train_members
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.memorization import Memorization, memorization
from unlearn_core.models import Classifier, new_model
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.rows import others, unpack
from unlearn_core.rum import unlearn_many
from unlearn_core.store import Draft, Result, Store
from unlearn_core.training import Outputs, Trained, Training, embed, pick_device, predict, use_threads
from unlearn_core.unlearning import Request, Unlearned, Unlearner
from unlearn_core.unlearning.base import Fresh

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
class BankPart(Spec):
    """Some members of a bank: what is kept when a bank is interrupted, and what a larger bank shares with a smaller."""

    training: Training = param(help="how each member is trained")
    share: float = param(0.7, 0.1, 0.9, help="share of the training images each member sees")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the bank")
    first: int = param(0, 0, help="number of the first member")
    count: int = param(CHUNK, 1, help="how many members")


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
    """All of these trained models, in order. Missing ones that share a recipe and a size are trained together."""
    trainings = list(trainings)
    groups = defaultdict(list)
    for training in dict.fromkeys(trainings):
        if store.find(training) is None:
            images = dataset(store, training.data, tell)
            rows = training_rows(training, len(images.train.y))
            groups[training.but(seed=0, without=""), len(rows)].append((training, rows))
    for (shared, _), members in groups.items():
        images = dataset(store, shared.data)
        rows, seeds = np.stack([r for _, r in members]), [t.seed for t, _ in members]
        for (training, _), trained in zip(members, train_members(shared, images, rows, seeds, tell), strict=True):
            write = partial(_write_trained, trained=trained, images=images)
            store.remember(training, write, device=_device())
    return [store.find(t) for t in trainings]


def _write_trained(draft: Draft, trained: Trained, images: Dataset) -> None:
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
    return train_all(store, [training], tell)[0]


def load_model(store: Store, training: Training, result: Result) -> Classifier:
    """The classifier whose weights a Training or Run result holds, in eval mode."""
    use_threads(training)
    model = new_model(training.model, dataset(store, training.data), 0, training.width)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in result.arrays("weights").items()})
    return model.to(pick_device()).eval()


def outputs(store: Store, data: Data, result: Result, split: str) -> Outputs:
    """The kept logits of a Training or Run result on a split."""
    return Outputs(result.arrays("logits")[split], getattr(dataset(store, data), split).y.numpy())


def _device() -> str:
    return pick_device().type


# -- bank --------------------------------------------------------------------------------------------------------------


def _bank_part(store: Store, part: BankPart, tell: Tell) -> Result:
    images = dataset(store, part.training.data)
    train, test = images.train, images.test
    numbers = range(part.first, part.first + part.count)
    # Members are dealt one after the other, so these do not depend on how many come after them.
    member = balanced_subsets(len(train.y), numbers.stop, part.share, part.seed)[part.first :]
    rows = np.stack([np.flatnonzero(m) for m in member])
    seeds = [member_seed(part.seed, m) for m in numbers]

    def make(draft: Draft) -> None:
        columns = defaultdict(list)
        for trained in train_members(part.training, images, rows, seeds, tell):
            on_train, on_test = predict(trained.model, train), predict(trained.model, test)
            columns["correct"].append(on_train.logits.argmax(1) == on_train.labels)
            columns["phi"].append(margin(on_train.logits, on_train.labels).astype(np.float32))
            columns["test_phi"].append(margin(on_test.logits, on_test.labels).astype(np.float32))
            columns["test_accuracy"].append((on_test.logits.argmax(1) == on_test.labels).mean())
        draft.arrays(member=member, **{k: np.stack(v) for k, v in columns.items()})

    return store.remember(part, make, device=_device())


def _bank(store: Store, bank: Bank, tell: Tell) -> Result:
    shared = {"training": bank.training, "share": bank.share, "seed": bank.seed}
    starts = range(0, bank.models, CHUNK)
    parts = [BankPart(**shared, first=first, count=min(CHUNK, bank.models - first)) for first in starts]
    for part in parts:

        def told(stage, done, total, part=part):
            tell("bank", round(1000 * (part.first + part.count * done / total)), 1000 * bank.models)

        fulfil(store, part, told)
    tell("bank", bank.models, bank.models)

    def make(draft: Draft) -> None:
        found = [store.find(part) for part in parts]
        draft.seconds = sum(r.manifest()["seconds"] for r in found)
        arrays = [r.arrays() for r in found]
        draft.arrays(**{k: np.concatenate([a[k] for a in arrays]) for k in arrays[0]})

    return store.remember(bank, make, device=_device())


def bank_memorization(result: Result) -> Memorization:
    """Memorization scores of all training rows from a bank's result."""
    arrays = result.arrays()
    return memorization(arrays["member"], arrays["correct"])


# -- embeddings --------------------------------------------------------------------------------------------------------


def _embedding(store: Store, spec: Embedding, tell: Tell) -> Result:
    trained = fulfil(store, spec.training, tell)

    def make(draft: Draft) -> None:
        model, images = load_model(store, spec.training, trained), dataset(store, spec.training.data)
        draft.arrays(train=embed(model, images.train), test=embed(model, images.test))

    return store.remember(spec, make, device=_device())


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

    result = store.remember(spec, make)
    tell("map", 1, 1)
    return result


# -- unlearning --------------------------------------------------------------------------------------------------------


def unlearn(store: Store, runs: Sequence[Run], tell: Tell = silent) -> list[tuple[Unlearned, dict[str, dict]]]:
    """Carry out runs of one dataset together: each unlearned model, and the logits of each split after each step of a
    plan.
    """
    images = dataset(store, runs[0].training.data)
    originals = {t: load_model(store, t, fulfil(store, t)) for t in dict.fromkeys(run.training for run in runs)}
    models = [originals[run.training] for run in runs]
    steps: list[dict[str, dict]] = [{} for _ in runs]
    requests = [_request(run, images, model, kept, tell) for run, model, kept in zip(runs, models, steps, strict=True)]
    return list(zip(unlearn_many([run.unlearner for run in runs], models, requests), steps, strict=True))


def _request(run: Run, images: Dataset, original: Classifier, steps: dict[str, dict], tell: Tell) -> Request:
    def after(name: str, model: Classifier) -> None:
        steps[name] = all_logits(model, images)

    def recipe(rows: np.ndarray, seed: int, tell: Tell) -> Fresh:
        trained = next(train_members(run.training, images, rows[None], [seed], tell)).model
        t = run.training
        return Fresh(trained, t.epochs * -(-len(rows) // t.batch), t.epochs * len(rows))

    forget = unpack(run.forget, len(images.train.y))
    device = original.mean.device
    return Request(
        x=images.train.x.to(device),
        y=images.train.y.to(device),
        forget=forget,
        retain=others(forget, len(images.train.y)),
        classes=len(images.classes),
        seed=run.seed,
        tell=tell,
        after=after,
        recipe=recipe,
    )


def run_all(store: Store, runs: Sequence[Run], tell: Tell = silent) -> list[Result]:
    """All of these runs of one dataset, in order; missing ones are carried out together."""
    missing = [run for run in dict.fromkeys(runs) if store.find(run) is None]
    train_all(store, [run.training for run in missing], tell)
    for run, (unlearned, steps) in zip(missing, unlearn(store, missing, tell) if missing else (), strict=True):

        def make(draft: Draft, run=run, unlearned=unlearned, steps=steps) -> None:
            draft.seconds = unlearned.cost.seconds
            _write_model(draft, unlearned.model, dataset(store, run.training.data))
            for i, logits in enumerate(steps.values()):
                draft.arrays(f"step{i}", **logits)
            draft.json("cost", vars(unlearned.cost) | {"plan": list(steps)})

        store.remember(run, make, device=_device())
    return [store.find(run) for run in runs]


def _run(store: Store, run: Run, tell: Tell) -> Result:
    return run_all(store, [run], tell)[0]


# -- the one door ------------------------------------------------------------------------------------------------------

MAKERS = {Training: _training, Bank: _bank, BankPart: _bank_part, Embedding: _embedding, Map: _map, Run: _run}


def fulfil(store: Store, spec: Spec, tell: Tell = silent) -> Result:
    """The result of a spec, found in the store or made now, with everything it needs made before it."""
    if (found := store.find(spec)) is not None:
        return found
    return MAKERS[type(spec)](store, spec, tell)
