"""Training one classifier, and asking a trained one.

All randomness is counter-based: the order of epoch e is a pure function of (seed, e), so nothing has to be remembered
to go on from the middle, and many models can train side by side exactly as each would alone.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.data import Data, Dataset, Images
from unlearn_core.models import MODELS, Classifier, new_model
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell, silent


@spec
class Training(Spec):
    """How a classifier is trained. With `without`, the same recipe on what is left: a retrained model."""

    data: Data = param(Data(), help="the images")
    model: str = param("mlp", choices=MODELS, help="architecture")
    width: int = param(0, 0, 2048, help="hidden units or first channels; 0 = the architecture's own")
    epochs: int = param(30, 1, 1000, help="passes over the training images")
    lr: float = param(0.3, 1e-6, 10.0, log=True, help="learning rate at the start")
    momentum: float = param(0.0, 0.0, 0.999, help="momentum of SGD")
    weight_decay: float = param(0.0, 0.0, 0.1, help="L2 penalty of SGD")
    batch: int = param(32, 1, 8192, help="images per step")
    schedule: str = param("cosine", choices=("cosine", "constant"), help="how the learning rate changes over the steps")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the initial weights and of the order of the images")
    without: str = param("", help="row numbers of training images to leave out, such as 3,7-9")


# The paper's recipe for CIFAR (SGD 0.1, momentum 0.9, weight decay 5e-4, batch 256, cosine, no augmentation); digits
# fit fully
# with a plain large learning rate, and a model that does not fit its images has nothing memorized to forget.
_PAPER = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "batch": 256}
RECIPES: dict[str, dict] = {
    "digits": {"model": "mlp", "epochs": 30, "lr": 0.3, "batch": 32},
    "digits-noisy": {"model": "mlp", "epochs": 60, "lr": 0.3, "batch": 32},
    "CIFAR-10": {"model": "resnet18", "epochs": 30, **_PAPER},
    "CIFAR-100": {"model": "resnet50", "epochs": 60, **_PAPER},
    "SVHN": {"model": "resnet18", "epochs": 30, **_PAPER},
    "Fashion-MNIST": {"model": "resnet9", "epochs": 20, **_PAPER},
}


def recipe(data: Data, side: int | None = None) -> Training:
    """The recipe this project uses for a dataset; for a user's own images it goes by their side length in pixels."""
    own = RECIPES["digits"] | {"model": "cnn"} if side and side < 16 else {"model": "resnet9", "epochs": 20, **_PAPER}
    return Training(data=data, **RECIPES.get(data.name, own))


@dataclass(frozen=True)
class Outputs:
    """What a model says about a set of images: logits (N, K) float32 and the labels (N,) int64. Asked once, kept."""

    logits: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Trained:
    """A trained model and, per training row, running means over the epochs taken during training at no extra pass.

    `trajectory`: confidence in the label, largest confidence, negative entropy, correctness; each (n_train,) float32,
    NaN for rows that were left out. Measured on each image's own mini-batch before the step, as the memorization
    proxies ask.
    """

    model: Classifier
    trajectory: dict[str, np.ndarray]
    seconds: float


def pick_device() -> torch.device:
    """The accelerator where there is one, else the CPU. UNLEARN_DEVICE overrides."""
    if wanted := os.environ.get("UNLEARN_DEVICE"):
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


THREADS = torch.get_num_threads()  # torch's own choice for this machine


def use_threads(training: Training) -> None:
    """Let torch use one thread for small nets, its own choice for large ones.

    A small net's steps are too short to share out: on a busy machine, two threads made them 5 to 50 times slower.
    """
    torch.set_num_threads(1 if MODELS[training.model].stacks else THREADS)


def epoch_order(rows: np.ndarray, seed: int, epoch: int, stream: int = 0) -> np.ndarray:
    """The rows in the order of one epoch: a pure function of its arguments (Philox is counter-based).

    `stream` keeps independent uses of one seed apart (training, unlearning, forget batches, ...).
    """
    return np.random.Generator(np.random.Philox(key=[seed, (stream << 32) | epoch])).permutation(rows)


def learning_rate(lr: float, schedule: str, step: int, steps: int) -> float:
    """The learning rate of a step (counted from 0) out of `steps`."""
    return lr * 0.5 * (1 + math.cos(math.pi * step / steps)) if schedule == "cosine" else lr


def trajectory_of(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(..., B, 4): confidence in the label, largest confidence, sum of p log p, correctness. Detached."""
    p = logits.detach().float().softmax(-1)
    label = p.gather(-1, y.unsqueeze(-1)).squeeze(-1)
    top, guess = p.max(-1)
    return torch.stack([label, top, torch.special.xlogy(p, p).sum(-1), (guess == y).float()], -1)


TRAJECTORY = ("confidence", "max_confidence", "negative_entropy", "correctness")


def train(training: Training, dataset: Dataset, rows: np.ndarray, tell: Tell = silent) -> Trained:
    """Train one model on these training rows. Calls tell("train", step, steps) at every step."""
    device, started = pick_device(), time.perf_counter()
    x, y = dataset.train.x.to(device), dataset.train.y.to(device)
    model = new_model(training.model, dataset, training.seed, training.width).to(device).train()
    optimiser = torch.optim.SGD(
        model.parameters(), lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay
    )
    per_epoch = math.ceil(len(rows) / training.batch)
    steps, step = per_epoch * training.epochs, 0
    seen = torch.zeros(len(y), len(TRAJECTORY), device=device)
    for epoch in range(training.epochs):
        order = torch.from_numpy(epoch_order(rows, training.seed, epoch)).to(device)
        for batch in order.split(training.batch):
            optimiser.param_groups[0]["lr"] = learning_rate(training.lr, training.schedule, step, steps)
            logits = model(x[batch])
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(logits, y[batch]).backward()
            seen[batch] += trajectory_of(logits, y[batch])
            optimiser.step()
            step += 1
            tell("train", step, steps)
    trajectory = as_trajectory(seen.cpu().numpy() / training.epochs, rows)
    return Trained(model.eval(), trajectory, time.perf_counter() - started)


def as_trajectory(means: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Name the columns of (n_train, 4) means and blank the rows that were not trained on."""
    left_out = np.ones(len(means), bool)
    left_out[rows] = False
    means = np.where(left_out[:, None], np.nan, means).astype(np.float32)
    return dict(zip(TRAJECTORY, means.T, strict=True))


@torch.no_grad()
def predict(model: Classifier, images: Images, batch: int = 1024) -> Outputs:
    """The model's logits on a set of images, in eval mode, without augmentation; row for row."""
    model.eval()
    device = model.mean.device
    parts = [model(x.to(device)).float().cpu() for x in images.x.split(batch)]
    logits = torch.cat(parts).numpy() if parts else np.zeros((0, model.head.out_features), np.float32)
    return Outputs(logits, images.y.numpy())


@torch.no_grad()
def embed(model: Classifier, images: Images, batch: int = 1024) -> np.ndarray:
    """(N, D) float32 features before the last layer, in eval mode."""
    model.eval()
    device = model.mean.device
    return torch.cat([model.embed(x.to(device)).float().cpu() for x in images.x.split(batch)]).numpy()
