"""How much faster than the obvious way, as ratios measured side by side: `python tests/benchmarks/run.py [NAME ...]`

Prints one JSON line a case: the work, seconds of this project's way and of the obvious one, and their ratio. One thread
a process; cases that end in -2 use two processes. Loops as published code has them run in a process of their own, in
which nothing of this project was set. Not tests: a ratio depends on the machine, and on what else it does.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from unlearn_core.attacks import lira_online, mean_probability, rmia_online, summarise  # noqa: E402
from unlearn_core.data import Data, Dataset, Images, load  # noqa: E402
from unlearn_core.engines.local import Local  # noqa: E402
from unlearn_core.ensembles import BankSums, balanced_subsets, deal, member_seed, train_members  # noqa: E402
from unlearn_core.entanglement import EmbeddingSums  # noqa: E402
from unlearn_core.experiment.bank import BankPart, add_part  # noqa: E402
from unlearn_core.memorization import stability  # noqa: E402
from unlearn_core.models import new_model  # noqa: E402
from unlearn_core.rows import others  # noqa: E402
from unlearn_core.store import Store  # noqa: E402
from unlearn_core.training import Training, recipe, train  # noqa: E402
from unlearn_core.unlearning import ALGORITHMS, Request, unlearn_together  # noqa: E402

RECIPES = {"mlp": recipe(Data()), "cnn": recipe(Data()).but(model="cnn", lr=0.1)}


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@cache
def digits() -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        return load(Data(), Path(folder))


# -- banks -------------------------------------------------------------------------------------------------------------


def members(task: dict, tell: Callable = lambda *args: None) -> float:
    """Train members `first` to `last` of a bank on digits; what a worker does."""
    torch.set_num_threads(1)
    n, numbers = len(digits().train.y), range(task["first"], task["last"])
    rows = [np.flatnonzero(m) for m in balanced_subsets(n, task["last"], 0.7, 0)[task["first"] :]]
    training = RECIPES[task["model"]].but(epochs=task["epochs"])
    return seconds(lambda: list(train_members(training, digits(), rows, [member_seed(0, m) for m in numbers])))


def loader_loop(training: Training, images: Images, dataset: Dataset, seed: int) -> None:
    """What published code does: a DataLoader, one model, one batch after the other."""
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images.x, images.y), training.batch, shuffle=True
    )
    net = new_model(training.model, dataset, seed, training.width).train()
    optimiser = torch.optim.SGD(
        net.parameters(), lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.epochs * len(loader))
    for _ in range(training.epochs):
        for x, y in loader:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            optimiser.step()
            schedule.step()


@contextmanager
def published(function: Callable[[dict, Callable], float], task: dict) -> Iterator[Callable[[], float]]:
    """Asks a warm process of its own, begun as a script is, for function(task), as often as it is called."""
    worker = Local(1)
    worker.method = "spawn"
    ask = lambda: next(iter(worker.map(function, [task])))[1]  # noqa: E731
    ask()
    yield ask
    worker.close()


def bank_loop(task: dict, tell: Callable = lambda *args: None) -> float:
    """Seconds of four models of a bank, one after the other."""
    torch.set_num_threads(1)
    rows = np.flatnonzero(balanced_subsets(len(digits().train.y), 1, 0.7, 0)[0])
    images = Images(digits().train.x[rows], digits().train.y[rows])
    return seconds(lambda: [loader_loop(RECIPES[task["model"]], images, digits(), seed) for seed in range(4)])


def bank(model: str, processes: int, models: int) -> tuple[str, float, float]:
    """A digits bank against a DataLoader loop, one model after the other, with the same recipe."""
    members({"model": model, "first": 0, "last": 2, "epochs": 1})  # what is loaded once
    whole = {"model": model, "epochs": RECIPES[model].epochs}
    with published(bank_loop, {"model": model}) as loop:
        before = loop()
        if processes == 1:
            ours = seconds(lambda: members(whole | {"first": 0, "last": models}))
        else:
            tasks = [whole | {"first": first, "last": first + 32} for first in range(0, models, 32)]
            workers = Local(processes)
            warm = [{"model": model, "first": 0, "last": 2, "epochs": 1}] * processes
            list(workers.map(members, warm))
            ours = seconds(lambda: list(workers.map(members, tasks)))
            workers.close()
        alone = (before + loop()) / 8 * models
    return f"digits {model}, bank of {models}, {processes} process{'es' * (processes > 1)}", ours, alone


def random_images(images: int) -> Dataset:
    """As many images of the size of CIFAR's, of noise."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 256, (images, 3, 32, 32)).astype(np.uint8))
    part = Images(x, torch.from_numpy(rng.integers(0, 10, images)))
    return Dataset("random", tuple("abcdefghij"), part, part, part)


def residual_loop(task: dict, tell: Callable = lambda *args: None) -> float:
    """Seconds of one epoch in float32."""
    torch.set_num_threads(1)
    dataset = random_images(task["images"])
    return seconds(lambda: loader_loop(Training(**task["recipe"]), dataset.train, dataset, 0))


def residual(model: str, width: int, images: int = 5_000) -> tuple[str, float, float]:
    """One epoch of a residual net on CIFAR-size images, in float32 by a DataLoader, against this project's loop."""
    dataset = random_images(images)
    recipe = {"model": model, "width": width, "epochs": 1, "batch": 256, "lr": 0.1, "momentum": 0.9}
    recipe |= {"weight_decay": 5e-4}
    training = Training(**recipe, precision="bfloat16")
    train(training, dataset, np.arange(512))
    ours, obvious = [], []
    with published(residual_loop, {"images": images, "recipe": recipe}) as loop:
        for _ in range(5):  # in turn, and the middle: with what lies where in memory a loop's time goes by a tenth
            ours.append(seconds(lambda: train(training, dataset, np.arange(images))))
            obvious.append(loop())
    return f"{model}, one epoch of {images:,} images", statistics.median(ours), statistics.median(obvious)


def bank_memory(n: int = 50_000, models: int = 1_000, n_test: int = 10_000) -> tuple[str, float, float]:
    """The most memory that summing up a bank takes against the table of all margins: a part read from the store, its
    members' subsets and sums, and how stable the scores are. "Seconds" are megabytes here. The images are not counted,
    nor is the copy of the finished sums that is made to write them.
    """
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        part = BankPart(training=Training())
        said = {"correct": rng.random((part.count, n)) < 0.9, "test_accuracy": np.ones(part.count)}
        said |= {name: rng.random((part.count, k), np.float32) for name, k in (("phi", n), ("test_phi", n_test))}
        result = Store(folder).remember(part, lambda draft: draft.arrays(**said))
        stability(np.ones((2, 2, 9)), rng.random((2, 2, 9)))  # what is loaded once
        tracemalloc.start()
        sums, members = BankSums(n, n_test), deal(n, 0.7, 0)
        for first in range(0, models, part.count):
            add_part(sums, members, part.but(first=first), result)
            stability(sums.count, sums.right)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return f"megabytes of a bank, {n:,} images x {models:,} models", peak / 1e6, 4 * n * models / 1e6


# -- unlearning --------------------------------------------------------------------------------------------------------


RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
SEEDS, SETS, EPOCHS = 4, 3, 10


@cache
def originals() -> list[torch.nn.Module]:
    """Trained models, one for each seed."""
    rows = np.arange(len(digits().train.y))
    return [t.model for t in train_members(RECIPES["mlp"], digits(), [rows] * SEEDS, [*range(SEEDS)])]


def asked(models: list[torch.nn.Module]) -> tuple[list, list, list]:
    """(algorithms, originals, requests): random-label at each learning rate, on each set of images, of each seed."""
    n, rng = len(digits().train.y), np.random.default_rng(0)
    sets = [np.sort(rng.choice(n, 100, replace=False)) for _ in range(SETS)]
    grid = [(lr, rows, seed) for lr in RATES for rows in sets for seed in range(SEEDS)]
    requests = [Request(digits().train.x, digits().train.y, f, others(f, n), 10, seed=s) for _, f, s in grid]
    unlearners = [ALGORITHMS["random-label"](lr=lr, epochs=EPOCHS) for lr, _, _ in grid]
    return unlearners, [models[seed] for _, _, seed in grid], requests


def relabelled(unlearner, original: torch.nn.Module, request: Request) -> None:
    """Random-label as published code runs it: relabelled and kept images in one DataLoader, drawn anew each epoch."""
    net, y = copy.deepcopy(original), request.y.clone()
    optimiser = torch.optim.SGD(
        net.parameters(), lr=unlearner.lr, momentum=unlearner.momentum, weight_decay=unlearner.weight_decay
    )
    for _ in range(unlearner.epochs):
        y[request.forget] = torch.randint(request.classes, (len(request.forget),))
        everything = torch.utils.data.TensorDataset(request.x, y)
        for x, labels in torch.utils.data.DataLoader(everything, unlearner.batch, shuffle=True):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x), labels).backward()
            optimiser.step()


def unlearning(task: dict, tell: Callable = lambda *args: None) -> float:
    """Some of these runs (a slice of them): together, or one after the other."""
    torch.set_num_threads(1)
    runs = slice(*task["runs"])
    if task["way"] == "published":  # on fresh models, for training them is this project's
        models, one = [new_model("mlp", digits(), seed) for seed in range(SEEDS)], relabelled
    else:
        models, one = originals(), lambda u, m, r: u(m, r)
    unlearners, models, requests = (values[runs] for values in asked(models))
    if task["way"] == "together":
        return seconds(lambda: unlearn_together(unlearners, models, requests))
    return seconds(lambda: [one(u, m, r) for u, m, r in zip(unlearners, models, requests, strict=True)])


def grid(processes: int, against: str) -> tuple[str, float, float]:
    """Unlearning runs of ten epochs on digits, side by side against one after the other: as published code runs them,
    or by this program ("alone"), which takes no longer for a step than a step takes.
    """
    runs = SEEDS * SETS * len(RATES)
    warm = {"runs": (0, 2), "way": "together"}
    one_by_one = {"runs": (0, None, runs // 8), "way": against}  # a few of all learning rates
    unlearning(warm)
    unlearning(warm | {"way": "alone"})  # a process's first optimiser loads much of torch
    alone_here, workers = nullcontext(lambda: unlearning(one_by_one)), None
    together = lambda: unlearning({"runs": (0, None), "way": "together"})  # noqa: E731
    if processes > 1:
        tasks = [{"runs": (first, first + 18), "way": "together"} for first in range(0, runs, 18)]
        workers = Local(processes)
        list(workers.map(unlearning, [warm] * processes))
        together = lambda: seconds(lambda: list(workers.map(unlearning, tasks)))  # noqa: E731
    ours, alone = [], []
    with published(unlearning, one_by_one) if against == "published" else alone_here as loop:
        for _ in range(5):  # in turn, and the middle, as above
            ours.append(together())
            alone.append(8 * loop())
    if workers:
        workers.close()
    what = f"{runs} unlearning runs ({SEEDS} seeds x {SETS} forget sets x {len(RATES)} learning rates)"
    than = ", against DataLoader loops" if against == "published" else ", against this program's runs one by one"
    what = f"{what}, {processes} process{'es' * (processes > 1)}{than}"
    return what, statistics.median(ours), statistics.median(alone)


# -- scores ------------------------------------------------------------------------------------------------------------


def entanglement(n: int = 50_000, dim: int = 512, size: int = 3_000) -> tuple[str, float, float]:
    """The score of a changed selection against the formula from scratch."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, dim)).astype(np.float32)
    sums, rows = EmbeddingSums(x), rng.choice(n, size, replace=False)

    def scratch() -> float:
        y = x.astype(np.float64)
        inside = np.zeros(n, bool)
        inside[rows] = True
        f, r, m = y[inside], y[~inside], y.mean(0)
        spread = ((f - f.mean(0)) ** 2).sum(1).mean() + ((r - r.mean(0)) ** 2).sum(1).mean()
        return spread / (0.5 * (((f.mean(0) - m) ** 2).sum() + ((r.mean(0) - m) ** 2).sum()))

    assert abs(sums.score(rows) / scratch() - 1) < 1e-6  # noqa: S101
    ours = min(seconds(lambda: sums.score(rows)) for _ in range(5))
    return f"entanglement of {size:,} of {n:,} x {dim}", ours, min(seconds(scratch) for _ in range(3))


def lira(n: int = 50_000, models: int = 256) -> tuple[str, float, float]:
    """Online scores against a loop over images."""
    rng = np.random.default_rng(0)
    phi, member = rng.normal(size=(models, n)).astype(np.float32), rng.random((models, n)) < 0.5
    target = rng.normal(size=n)

    def loop(count: int = 2_000) -> None:
        for i in range(count):
            inside, outside = phi[member[:, i], i], phi[~member[:, i], i]
            for side in (inside, outside):
                m, s = np.median(side), side.std() + 1e-30
                _ = -((target[i] - m) ** 2) / (2 * s**2) - np.log(s)

    ours = seconds(lambda: lira_online(target, summarise(phi, member), summarise(phi, ~member)))
    return f"LiRA scores of {n:,} x {models}", ours, seconds(loop) * n / 2_000


def rmia(n: int = 50_000, models: int = 256, population: int = 10_000) -> tuple[str, float, float]:
    """Online scores, the references' means included, against a loop over images and a row of ratios for each."""
    rng = np.random.default_rng(0)
    probs, member = rng.random((models, n), np.float32), rng.random((models, n)) < 0.5
    z, target = rng.random((models, population), np.float32), rng.random(n)

    def ours() -> np.ndarray:
        means = mean_probability(probs, member), mean_probability(probs, ~member)
        return rmia_online(target, *means, target[:population], mean_probability(z))

    def loop(count: int = 2_000) -> np.ndarray:
        bar, found = 2 * target[:population] / z.mean(axis=0, dtype=np.float64), np.empty(count)
        for i in range(count):
            inside, outside = probs[member[:, i], i], probs[~member[:, i], i]
            found[i] = (target[i] / ((inside.mean() + outside.mean()) / 2) > bar).mean()
        return found

    assert np.abs(loop(50) - ours()[:50]).max() < 1e-3  # noqa: S101
    return f"RMIA scores of {n:,} x {models}", seconds(ours), seconds(loop) * n / 2_000


# Each with how many times faster it is to be; None where no goal was set.
CASES: dict[str, tuple[Callable[[], tuple[str, float, float]], float | None]] = {
    "bank-mlp": (lambda: bank("mlp", 1, 256), 6),
    "bank-mlp-2": (lambda: bank("mlp", 2, 256), 10),
    "bank-cnn": (lambda: bank("cnn", 1, 64), 2),
    "bank-cnn-2": (lambda: bank("cnn", 2, 64), 3.5),
    "resnet9": (lambda: residual("resnet9", 16), 2.5),
    "resnet20": (lambda: residual("resnet20", 16), 2.5),
    "grid": (lambda: grid(1, "published"), 5),
    "grid-2": (lambda: grid(2, "published"), 5),
    "grid-alone": (lambda: grid(1, "alone"), 5),
    "grid-alone-2": (lambda: grid(2, "alone"), 5),
    "entanglement": (entanglement, 50),
    "lira": (lira, 3),
    "rmia": (rmia, None),
    "bank-memory": (bank_memory, 20),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        case, goal = CASES[name]
        work, ours, obvious = case()
        line = {"work": work, "seconds": round(ours, 4), "obvious": round(obvious, 4)}
        print(json.dumps(line | {"ratio": round(obvious / ours, 1), "goal": goal}), flush=True)
