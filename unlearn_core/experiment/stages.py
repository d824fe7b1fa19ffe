"""Each stage of the data's way as a stored result: find it, or make it once.

A stage is a spec and a function that writes its result. `fulfil` is the one door: every page, command and job goes
through it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch

from unlearn_core import data as datasets
from unlearn_core import projection
from unlearn_core.attacks.signals import margin
from unlearn_core.data import Data, Dataset, Images
from unlearn_core.engines import engine
from unlearn_core.ensembles import (
    Bank,
    BankSums,
    deal,
    goes_stacked,
    member_seed,
    stack_size,
    train_members,
)
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment.spread import found, fulfil_all, spread
from unlearn_core.memorization import Memorization, memorization, stability
from unlearn_core.models import Classifier, new_model
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.rows import others, unpack
from unlearn_core.rum import unlearn_many
from unlearn_core.store import Draft, Result, Store
from unlearn_core.training import Outputs, Trained, Training, embed, pick_device, predict, use_threads
from unlearn_core.unlearning import Request, Unlearned, Unlearner
from unlearn_core.unlearning.base import Fresh

SPLITS = ("train", "validation", "test")
PART = 8  # members of a bank that are kept together: as many are lost when a worker is killed


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
    count: int = param(PART, 1, help="how many members")

    @property
    def numbers(self) -> range:
        """The numbers of its members."""
        return range(self.first, self.first + self.count)


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
    """All of these trained models, in order. Missing ones that share a recipe and a size are trained together, and more
    than go together are shared out among the workers.
    """
    trainings = list(trainings)
    alike = defaultdict(list)
    for training in dict.fromkeys(trainings):
        if store.find(training) is None:
            n = len(dataset(store, training.data, tell).train.y)
            alike[training.but(seed=0, without=""), len(training_rows(training, n))].append(training)
    groups = []
    for (shared, _), members in alike.items():
        size = trained_together(shared, dataset(store, shared.data))
        groups += [members[i : i + size] for i in range(0, len(members), size)]
    spread(store, groups, tell)
    return [found(store, t) for t in trainings]


def trained_together(training: Training, images: Dataset) -> int:
    """How many models of a recipe one worker trains together."""
    return stack_size(training, images) if goes_stacked(training, images) else 1


def _train_together(store: Store, trainings: Sequence[Training], tell: Tell) -> list[Result]:
    """Models that share a recipe and a size, trained in this process."""
    shared = trainings[0].but(seed=0, without="")
    images = dataset(store, shared.data, tell)
    rows = [training_rows(training, len(images.train.y)) for training in trainings]
    members = train_members(shared, images, rows, [training.seed for training in trainings], tell)
    return [
        store.remember(training, partial(_write_trained, trained=trained, images=images), device=_device())
        for training, trained in zip(trainings, members, strict=True)
    ]


def _check_finite(trained: Trained) -> None:
    if not all(torch.isfinite(value).all() for value in trained.model.state_dict().values()):
        raise BadValue("Training diverged: weights are no longer numbers. Choose a smaller learning rate.")


def _write_trained(draft: Draft, trained: Trained, images: Dataset) -> None:
    _check_finite(trained)
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
    model = new_model(training.model, dataset(store, training.data), 0, training.width)
    use_threads(model)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in result.arrays("weights").items()})
    return model.to(pick_device()).eval()


def outputs(store: Store, data: Data, result: Result, split: str) -> Outputs:
    """The kept logits of a Training or Run result on a split."""
    return Outputs(result.arrays("logits")[split], getattr(dataset(store, data), split).y.numpy())


def _device() -> str:
    return pick_device().type


# -- bank --------------------------------------------------------------------------------------------------------------


def _part(store: Store, part: BankPart, tell: Tell) -> Result:
    return bank_parts(store, [part], tell)[0]


def bank_parts(store: Store, parts: Iterable[BankPart], tell: Tell = silent) -> list[Result]:
    """These parts of one bank, in order; the members of those that are missing are trained together.

    Each part holds `correct` (count, n) bool, `phi` (count, n) and `test_phi` (count, n_test) float32, and
    `test_accuracy` (count,): what its members say of all training and test images.
    """
    parts = list(parts)
    missing = [part for part in dict.fromkeys(parts) if store.find(part) is None]
    if missing:
        shared = missing[0]
        images = dataset(store, shared.training.data)
        numbers = [m for part in missing for m in part.numbers]
        # Members are dealt one after the other, so these do not depend on how many come after them.
        dealt = enumerate(itertools.islice(deal(len(images.train.y), shared.share, shared.seed), max(numbers) + 1))
        wanted = set(numbers)
        own_rows = {number: np.flatnonzero(member) for number, member in dealt if number in wanted}
        rows, seeds = [own_rows[m] for m in numbers], [member_seed(shared.seed, m) for m in numbers]
        trained = train_members(shared.training, images, rows, seeds, tell)
        for part in missing:
            columns = _say(images, itertools.islice(trained, part.count))
            store.remember(part, lambda draft, columns=columns: _write_part(draft, *columns), device=_device())
    return [found(store, part) for part in parts]


def _say(images: Dataset, members: Iterable[Trained]) -> tuple[dict[str, np.ndarray], float]:
    """What members say of all images, and the seconds of their training."""
    columns, seconds = defaultdict(list), 0.0
    for trained in members:
        _check_finite(trained)
        on_train, on_test = predict(trained.model, images.train), predict(trained.model, images.test)
        columns["correct"].append(on_train.logits.argmax(1) == on_train.labels)
        columns["phi"].append(margin(on_train.logits, on_train.labels).astype(np.float32))
        columns["test_phi"].append(margin(on_test.logits, on_test.labels).astype(np.float32))
        columns["test_accuracy"].append((on_test.logits.argmax(1) == on_test.labels).mean())
        seconds += trained.seconds
    return {name: np.stack(values) for name, values in columns.items()}, seconds


def _write_part(draft: Draft, columns: dict[str, np.ndarray], seconds: float) -> None:
    draft.seconds = seconds
    draft.arrays(**columns)


def _bank(store: Store, bank: Bank, tell: Tell) -> Result:
    images, parts = dataset(store, bank.training.data), parts_of(bank)
    together = max(1, trained_together(bank.training, images) // PART)
    sums, curve = BankSums(len(images.train.y), len(images.test.y)), []
    members, accuracies, seconds = deal(sums.n, bank.share, bank.seed), [], 0.0
    with engine() as workers:
        # One that may stop early trains as many parts at a time as are under way at once.
        stride = workers.at_once * together if bank.stop_at else len(parts)
        for start in range(0, len(parts), stride):
            now = parts[start : start + stride]

            def told(stage, done, total, start=start, share=len(now) / len(parts)):  # noqa: B008
                tell("bank", round(1000 * (start / len(parts) + share * done / total)), 1000)

            for part, result in zip(now, fulfil_all(store, now, told, together), strict=True):
                # What was trained beyond the end is not counted: the number of workers does not change a result.
                if not _stable(bank, sums.n, curve):
                    accuracies += _add(sums, members, part, result)
                    seconds += result.manifest()["seconds"]
                    agreed = stability(sums.count, sums.right)
                    more = {"reliability": agreed.reliability, "test_accuracy": np.mean(accuracies)}
                    curve.append(vars(agreed) | more)
            if _stable(bank, sums.n, curve):
                break

    def make(draft: Draft) -> None:
        draft.seconds = seconds
        draft.arrays(**sums.arrays())
        draft.table(pd.DataFrame(curve))

    return store.remember(bank, make, device=_device())


def _stable(bank: Bank, n: int, curve: list[dict]) -> bool:
    """Whether the scores of all n images are as reliable as a bank that may stop early asks for."""
    if not bank.stop_at or not curve:
        return False
    return curve[-1]["images"] == n and curve[-1]["reliability"] >= bank.stop_at


def parts_of(bank: Bank) -> list[BankPart]:
    """The parts in which a bank is trained and kept."""
    shared = {"training": bank.training, "share": bank.share, "seed": bank.seed}
    starts = range(0, bank.models, PART)
    return [BankPart(**shared, first=first, count=min(PART, bank.models - first)) for first in starts]


def _add(sums: BankSums, members: Iterator[np.ndarray], part: BankPart, result: Result) -> list[float]:
    """Add the members of the next part to the sums; returns their test accuracies."""
    arrays = result.arrays()
    for i, number in enumerate(part.numbers):
        sums.add(number, next(members), arrays["correct"][i], arrays["phi"][i], arrays["test_phi"][i])
    return arrays["test_accuracy"].tolist()


def bank_sums(result: Result) -> BankSums:
    """The sums of a finished bank."""
    return BankSums.of(result.arrays(), int(result.table()["members"].iloc[-1]))


def bank_stability(result: Result) -> pd.DataFrame:
    """How stable a bank's memorization scores were after each of its parts: the fields of Stability, reliability, and
    the mean `test_accuracy` of the members so far. The last line is the bank itself.
    """
    return result.table()


def bank_memorization(result: Result) -> Memorization:
    """Memorization scores of all training rows from a bank's result."""
    arrays = result.arrays()
    return memorization(arrays["count"].sum(0, dtype=np.int64), arrays["right"].sum(0, dtype=np.int64))


def bank_columns(store: Store, bank: Bank, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, k) member and phi: what each member of a finished bank says of these k training rows. Parts are read one
    after the other, so that only these columns are ever in memory.
    """
    result = fulfil(store, bank)
    trained = int(result.table()["members"].iloc[-1])
    parts = [part for part in parts_of(bank) if part.first < trained]
    n = result.arrays()["count"].shape[2]
    member = [dealt[rows] for dealt in itertools.islice(deal(n, bank.share, bank.seed), trained)]
    phi = [part.arrays()["phi"][:, rows] for part in fulfil_all(store, parts)]
    return np.stack(member), np.concatenate(phi)


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
    on_device = Images(images.train.x.to(pick_device()), images.train.y.to(pick_device()))  # one copy for all runs
    originals = {t: load_model(store, t, fulfil(store, t)) for t in dict.fromkeys(run.training for run in runs)}
    models = [originals[run.training] for run in runs]
    steps: list[dict[str, dict]] = [{} for _ in runs]
    requests = [_request(run, images, on_device, kept, tell) for run, kept in zip(runs, steps, strict=True)]
    return list(zip(unlearn_many([run.unlearner for run in runs], models, requests), steps, strict=True))


def _request(run: Run, images: Dataset, on_device: Images, steps: dict[str, dict], tell: Tell) -> Request:
    def after(name: str, model: Classifier) -> None:
        steps[name] = all_logits(model, images)

    def recipe(rows: np.ndarray, seed: int, tell: Tell) -> Fresh:
        trained = next(train_members(run.training, images, rows[None], [seed], tell)).model
        t = run.training
        return Fresh(trained, t.epochs * -(-len(rows) // t.batch), t.epochs * len(rows))

    forget = unpack(run.forget, len(images.train.y))
    return Request(
        x=on_device.x,
        y=on_device.y,
        forget=forget,
        retain=others(forget, len(images.train.y)),
        classes=len(images.classes),
        seed=run.seed,
        tell=tell,
        after=after,
        recipe=recipe,
    )


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
    """All of these runs of one dataset, in order, side by side where they can."""
    return run_groups(store, [runs], tell)[0]


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

        found.append(store.remember(run, make, device=_device()))
    return found


def _run(store: Store, run: Run, tell: Tell) -> Result:
    return run_all(store, [run], tell)[0]


# -- the one door ------------------------------------------------------------------------------------------------------

MAKERS = {Training: _training, Bank: _bank, BankPart: _part, Embedding: _embedding, Map: _map, Run: _run}


# Kinds that many of are made faster together than one after the other.
TOGETHER = {Training: _train_together, BankPart: bank_parts, Run: _run_together}


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
