"""How much faster than the obvious way, as ratios measured side by side: `python tests/benchmarks/run.py [NAME ...]`

Prints one JSON line a case: the work, seconds of this project's way and of the obvious one, and their ratio. One thread
each. Not tests: a ratio depends on the machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from unlearn_core.attacks import lira_online, summarise  # noqa: E402
from unlearn_core.data import Data, load  # noqa: E402
from unlearn_core.ensembles import balanced_subsets, member_seed, train_members  # noqa: E402
from unlearn_core.entanglement import EmbeddingSums  # noqa: E402
from unlearn_core.models import new_model  # noqa: E402
from unlearn_core.rows import others  # noqa: E402
from unlearn_core.training import recipe, train  # noqa: E402
from unlearn_core.unlearning import ALGORITHMS, Request, unlearn_together  # noqa: E402


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bank(model: str, members: int = 32) -> tuple[str, float, float]:
    """Members of a digits bank against a DataLoader loop, one model after the other, with the same recipe."""
    with tempfile.TemporaryDirectory() as folder:
        digits = load(Data(), Path(folder))
    training = recipe(Data()).but(model=model, lr=0.1 if model == "cnn" else 0.3)
    member = balanced_subsets(len(digits.train.y), members, 0.7, 0)
    rows, seeds = np.stack([np.flatnonzero(m) for m in member]), [member_seed(0, m) for m in range(members)]

    def obvious(count: int = 4) -> None:
        for m in range(count):
            images = torch.utils.data.TensorDataset(digits.train.x[rows[m]], digits.train.y[rows[m]])
            loader = torch.utils.data.DataLoader(images, training.batch, shuffle=True)
            net = new_model(model, digits, seeds[m]).train()
            optimiser = torch.optim.SGD(net.parameters(), lr=training.lr)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.epochs * len(loader))
            for _ in range(training.epochs):
                for x, y in loader:
                    optimiser.zero_grad()
                    torch.nn.functional.cross_entropy(net(x), y).backward()
                    optimiser.step()
                    schedule.step()

    ours = seconds(lambda: list(train_members(training, digits, rows, seeds))) / members
    return f"digits {model}, one member of a bank", ours, seconds(obvious) / 4


def grid(runs: int = 72) -> tuple[str, float, float]:
    """Unlearning runs of ten epochs on digits, side by side against one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        digits = load(Data(), Path(folder))
    original = train(recipe(Data()), digits, np.arange(len(digits.train.y))).model
    forget = np.arange(100)
    keep = others(forget, len(digits.train.y))
    requests = [Request(digits.train.x, digits.train.y, forget, keep, 10, seed=s) for s in range(runs)]
    unlearners = [ALGORITHMS["random-label"](lr=0.01 + 0.001 * s) for s in range(runs)]
    ours = seconds(lambda: unlearn_together(unlearners, [original] * runs, requests))
    alone = seconds(lambda: [u(original, r) for u, r in zip(unlearners[:12], requests[:12], strict=True)]) * runs / 12
    return f"{runs} unlearning runs", ours, alone


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


CASES = {"bank-mlp": lambda: bank("mlp"), "bank-cnn": lambda: bank("cnn", 16), "grid": grid,
         "entanglement": entanglement, "lira": lira}  # fmt: skip

if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        work, ours, obvious = CASES[name]()
        print(
            json.dumps({"work": work, "seconds": ours, "obvious": obvious, "ratio": round(obvious / ours, 1)}),
            flush=True,
        )
