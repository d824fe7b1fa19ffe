"""What the paper's study would cost at full scale, from what the small one took and how fast each net trains here."""

from __future__ import annotations

import time
from statistics import mean

import numpy as np
import torch

from unlearn_core.data import Data, Dataset, Images
from unlearn_core.device import with_threads
from unlearn_core.engines import workers
from unlearn_core.experiment.paper import SCALES
from unlearn_core.experiment.study import SINGLES
from unlearn_core.training import train

FULL = 45_000  # training images of CIFAR-10 less those for validation
TRIED = {"small": 2_048, "full": 256}  # images a net is timed on; after as many to warm up


def rates() -> dict:
    """Images a second that a process of one thread trains by each scale's recipe, and how many processes there are."""
    found = {}
    for scale, n in TRIED.items():
        training = SCALES[scale].training(Data(name="CIFAR-10")).but(epochs=1)
        pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 3, 32, 32), np.uint8))
        images = Images(pixels, torch.arange(n) % 10)
        dataset = Dataset("noise", tuple("0123456789"), images, images, images)
        with with_threads(1):
            train(training, dataset, np.arange(n))
            started = time.perf_counter()
            train(training, dataset, np.arange(n))
            found[scale] = n / (time.perf_counter() - started)
    return found | {"processes": workers()}


def full_cost(kinds: dict, setting: dict, cost: dict) -> dict[str, float]:
    """Seconds of one process for each kind of result at full scale."""
    small, full = SCALES["small"], SCALES["full"]
    images = FULL / setting["train"] * cost["small"] / cost["full"]
    training = images * full.training(Data(name="CIFAR-10")).epochs / small.recipe["epochs"]
    unlearning = images * mean(u.epochs for u in SINGLES if hasattr(u, "epochs")) / small.epochs
    times = {
        "Training": training,
        "BankPart": training * full.models / small.models,
        "Tuning": unlearning,
        "PlanTrial": unlearning,
        "Run": unlearning,
        "Curvature": training,
        "Holdout": images,
    }
    return {kind: kinds[kind]["seconds"] * by for kind, by in times.items() if kind in kinds}
