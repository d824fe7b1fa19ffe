"""Training one classifier, and asking a trained one.

All randomness is counter-based: the order of epoch e is a pure function of (seed, e), so nothing has to be remembered
to go on from the middle, and many models can train side by side exactly as each would alone.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.augmentation import AUGMENTATIONS, epoch_draws, flip_and_crop
from unlearn_core.data import Data, Dataset, Images
from unlearn_core.device import pick_device, ready_for
from unlearn_core.models import MODELS, Classifier, new_model
from unlearn_core.params import BadField, BadValue, Spec, param, spec
from unlearn_core.privacy import PrivateSteps, epsilon, poisson_batches
from unlearn_core.progress import Tell, silent

PRECISIONS = ("float32", "bfloat16")
SHA256 = re.compile("[0-9a-f]{64}")


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
    augment: str = param("none", choices=AUGMENTATIONS, help="changes of the images: none, or random flips and shifts")
    precision: str = param("float32", choices=PRECISIONS, help="numbers in a pass; bfloat16 is faster for large nets")
    noise: float = param(
        0.0,
        0.0,
        100.0,
        later=True,
        help="differential privacy: noise in lengths of the longest gradient; 0 = without",
    )
    clip: float = param(1.0, 1e-3, 1000.0, later=True, help="differential privacy: longest gradient of one image")
    schedule: str = param("cosine", choices=("cosine", "constant"), help="how the learning rate changes over the steps")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the initial weights and of the order of the images")
    without: str = param("", help="row numbers of training images to leave out, such as 3,7-9")
    weights: str = param(
        "",
        later=True,
        help="SHA-256 of the weights of a model trained elsewhere, which is the original then; empty = train it here",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.weights and not SHA256.fullmatch(self.weights):
            raise BadField("weights", "must be the SHA-256 of weights, 64 hexadecimal digits, or empty.")
        if self.without:
            object.__setattr__(self, "weights", "")  # a retrained model is always one of the recipe

    @property
    def afresh(self) -> Training:
        """The recipe with nothing given: every model of it is trained here."""
        return self.but(weights="")


# A small CNN falls apart now and then at the rate that suits the nets of one layer.
_CNN = {"model": "cnn", "epochs": 40, "lr": 0.05, "batch": 32}
# The paper's recipe for CIFAR (SGD 0.1, momentum 0.9, weight decay 5e-4, batch 256, cosine, no augmentation); digits
# fit fully with a plain large learning rate, and a model that does not fit its images has nothing memorized to forget.
_PAPER = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "batch": 256}
# ResNet-9 fits 5,000 CIFAR-10 images fully at this rate; at 0.05 and more it does not.
_RESNET9 = {"model": "resnet9", "epochs": 20, "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "batch": 64}
RECIPES: dict[str, dict] = {
    "digits": {"model": "mlp", "epochs": 30, "lr": 0.3, "batch": 32},
    "digits-noisy": {"model": "mlp", "epochs": 60, "lr": 0.3, "batch": 32},
    "CIFAR-10": {"model": "resnet18", "epochs": 30, **_PAPER},
    "CIFAR-100": {"model": "resnet50", "epochs": 60, **_PAPER},
    "SVHN": {"model": "resnet18", "epochs": 30, **_PAPER},
    "Fashion-MNIST": _RESNET9,
}


def recipe(data: Data, side: int | None = None) -> Training:
    """The recipe this project uses for a dataset; for a user's own images it goes by their side length in pixels."""
    own = _CNN if side and side < 16 else _RESNET9
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
    proxies ask. `together` counts the models that went through one pass with it, itself among them.
    """

    model: Classifier
    trajectory: dict[str, np.ndarray]
    seconds: float
    together: int = 1


def epoch_order(rows: np.ndarray, seed: int, epoch: int, stream: int = 0) -> np.ndarray:
    """The rows in the order of one epoch: a pure function of its arguments (Philox is counter-based).

    `stream` keeps independent uses of one seed apart (training, unlearning, forget batches, ...).
    """
    return np.random.Generator(np.random.Philox(key=[seed, (stream << 32) | epoch])).permutation(rows)


def learning_rate(lr: float, schedule: str, step: int, steps: int) -> float:
    """The learning rate of a step (counted from 0) out of `steps`."""
    return lr * 0.5 * (1 + math.cos(math.pi * step / steps)) if schedule == "cosine" else lr


TRAJECTORY = ("confidence", "max_confidence", "negative_entropy", "correctness")


def trajectory_of(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(..., 4), the columns of TRAJECTORY: confidence in the label, largest confidence, sum of p log p, correctness."""
    p = logits.detach().float().softmax(-1)
    label = p.gather(-1, y.unsqueeze(-1)).squeeze(-1)
    top, guess = p.max(-1)
    return torch.stack([label, top, torch.special.xlogy(p, p).sum(-1), (guess == y).float()], -1)


def as_trajectory(means: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Name the columns of (n_train, 4) means and blank the rows that were not trained on."""
    left_out = np.ones(len(means), bool)
    left_out[rows] = False
    means = np.where(left_out[:, None], np.nan, means).astype(np.float32)
    return dict(zip(TRAJECTORY, means.T, strict=True))


Watch = Callable[[Classifier, torch.Tensor, torch.Tensor, torch.Tensor], None]


EVERY = 60.0  # seconds of work that may be lost, and the rest of an epoch


class SoFar(Protocol):
    """Where a training keeps how far it is."""

    def load(self) -> dict[str, np.ndarray] | None:
        """What was kept last; None where there is nothing to go on from."""

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        """Keep these in the place of those before."""


def train(
    training: Training,
    dataset: Dataset,
    rows: np.ndarray,
    tell: Tell = silent,
    watch: Watch | None = None,
    start: Classifier | None = None,
) -> Trained:
    """Train one model on these training rows, from fresh weights or from those of `start`. Calls tell("train", step,
    steps) at every step.

    `watch(model, x, y, rows)` is called before each step with its images (B, C, H, W) uint8, their labels and row
    numbers; the model is as the step finds it.
    """
    return next(train_each(training, dataset, [rows], [training.seed], tell, watch, start))


def train_each(
    training: Training,
    dataset: Dataset,
    rows: Sequence[np.ndarray],
    seeds: Sequence[int],
    tell: Tell = silent,
    watch: Watch | None = None,
    start: Classifier | None = None,
    rates: Sequence[float] | None = None,
    kept: Sequence[SoFar] = (),
) -> Iterator[Trained]:
    """Train models one after the other, model m on rows[m] with seeds[m], at the start with the learning rate rates[m]
    or else the recipe's; yields them in order.

    Images lie on the device, mostly channels last; what is set up for the first model serves all. Model m goes on from
    what is in kept[m], and keeps there how far it is after an epoch, each minute; not where every step is watched, nor
    with differential privacy.
    """
    device = pick_device()
    # What takes the gradients of single images apart (Opacus) reads activations as if channels came first.
    likes = {} if training.noise else {"memory_format": torch.channels_last}
    x = dataset.train.x.to(device, **likes)
    y = dataset.train.y.to(device)
    model = new_model(training.model, dataset, seeds[0], training.width)
    ready_for(model)
    model = model.to(device, **likes)
    passes = None if training.noise else Passes(model, x[: training.batch], training.precision)
    total = sum(steps_of(training, len(r)) for r in rows)
    done = 0
    rates = rates or [training.lr] * len(seeds)
    keep = kept if kept and watch is None and not training.noise else [None] * len(seeds)
    for own_rows, seed, lr, unfinished in zip(rows, seeds, rates, keep, strict=True):
        started = saved = time.perf_counter()
        fresh = new_model(training.model, dataset, seed, training.width)
        model.load_state_dict((fresh if start is None else start).state_dict())
        model.train()
        # Fresh every time, so that no momentum is left of the model before.
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=training.lr,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        private = None
        if training.noise:
            if training.precision != "float32":
                raise BadValue("Training with differential privacy is done in float32: choose that precision.")
            private = PrivateSteps(
                model, optimiser, training.noise, training.clip, min(training.batch, len(own_rows)), seed
            )
        steps, step = steps_of(training, len(own_rows)), 0
        seen = torch.zeros(len(y), len(TRAJECTORY), device=device)
        times = torch.zeros(len(y), 1, device=device)
        begun = 0
        if unfinished and (found := unfinished.load()):
            begun, spent = _go_on(found, model, optimiser, seen, times)
            started, step = started - spent, steps // training.epochs * begun
        for epoch in range(begun, training.epochs):
            batches = _batches(training, own_rows, seed, epoch)
            order = torch.from_numpy(np.concatenate(batches)).to(device)
            sizes = [len(b) for b in batches]
            draws = None
            if training.augment != "none":
                draws = torch.from_numpy(epoch_draws(len(order), seed, epoch)).to(device).split(sizes)
            said = []
            for i, batch in enumerate(order.split(sizes)):
                images = x[batch] if draws is None else flip_and_crop(x[batch], draws[i])
                if watch is not None:
                    watch(model, images, y[batch], batch)
                optimiser.param_groups[0]["lr"] = learning_rate(lr, training.schedule, step, steps)
                if private is None:
                    said.append(passes(images, y[batch]))
                    optimiser.step()
                else:
                    said.append(private(images, y[batch]))
                step += 1
                tell("train", done + step, total)
            seen.index_add_(0, order, trajectory_of(torch.cat(said), y[order]))
            times.index_add_(0, order, torch.ones_like(order, dtype=times.dtype)[:, None])
            # The last state of one among several is kept at once: it is no result before all of them are done.
            last, now = epoch + 1 == training.epochs, time.perf_counter()
            if unfinished and (len(seeds) > 1 if last else now - saved >= EVERY):
                unfinished.save(_so_far(model, optimiser, seen, times, epoch + 1, now - started))
                saved = now
        done += steps
        if private is not None:
            private.close()
        # An image that no step drew, which happens with differential privacy only, is one the model never got right.
        trajectory = as_trajectory((seen / times.clamp(min=1)).cpu().numpy(), own_rows)
        finished = fresh.to(device)
        finished.load_state_dict(model.state_dict())
        yield Trained(finished.eval(), trajectory, time.perf_counter() - started)


def _so_far(model, optimiser, seen, times, epochs: int, seconds: float) -> dict[str, np.ndarray]:
    """All that a training needs to go on after so many epochs."""
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    momentum = [optimiser.state[p].get("momentum_buffer") for p in model.parameters()]
    state |= {f"momentum.{i}": buffer for i, buffer in enumerate(momentum) if buffer is not None}
    state |= {"seen": seen, "times": times}
    numbers = {"epochs": np.array(epochs), "seconds": np.array(seconds)}
    return {name: value.cpu().numpy() for name, value in state.items()} | numbers


def _go_on(found: dict[str, np.ndarray], model, optimiser, seen, times) -> tuple[int, float]:
    """Put `_so_far` back; returns the epochs and the seconds behind it."""
    found = {name: torch.from_numpy(value) for name, value in found.items()}
    model.load_state_dict({name.removeprefix("model."): v for name, v in found.items() if name.startswith("model.")})
    for i, p in enumerate(model.parameters()):
        if (buffer := found.get(f"momentum.{i}")) is not None:
            optimiser.state[p]["momentum_buffer"] = torch.empty_like(p).copy_(buffer).detach()
    seen.copy_(found["seen"])
    times.copy_(found["times"])
    return int(found["epochs"]), float(found["seconds"])


def _batches(training: Training, rows: np.ndarray, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each step of an epoch: each row once, or, with differential privacy, as chance has it."""
    if training.noise:
        return poisson_batches(rows, training.batch, seed, epoch)
    order = epoch_order(rows, seed, epoch)
    return [order[start : start + training.batch] for start in range(0, len(order), training.batch)]


def promise(training: Training, images: int) -> tuple[float, float] | None:
    """(epsilon, delta) of a model trained on so many images; None where it was trained without differential
    privacy, or elsewhere.
    """
    if not training.noise or training.weights:
        return None
    return epsilon(training.noise, images, training.batch, steps_of(training, images))


def steps_of(training: Training, images: int) -> int:
    """Steps of one training on this many images."""
    return math.ceil(images / training.batch) * training.epochs


class Passes:
    """The forward and backward pass of a model on a batch; gradients are left in its parameters.

    On CUDA the passes are recorded once, on a batch like `example`, and replayed, for a step of a small net is mostly
    the start of its kernels. Gradients and weights keep their place in memory, so other weights may be copied in.
    """

    def __init__(self, model: Classifier, example: torch.Tensor, precision: str):
        self.model, self.precision, self.graph = model, precision, None
        if example.device.type != "cuda":
            return
        with torch.cuda.device(example.device):  # streams and recordings are those of the current device
            self._record(example)

    def _record(self, example: torch.Tensor) -> None:
        self.x, self.y = example.clone(), torch.zeros(len(example), dtype=torch.int64, device=example.device)
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # so that no library sets itself up during the recording
                self._eager(self.x, self.y)
        torch.cuda.current_stream().wait_stream(aside)
        self.model.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.logits = self._passes(self.x, self.y)
        self.graph = graph

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """(B, K) float32 logits, detached, from before the step."""
        if self.graph is None or len(x) != len(self.x):
            return self._eager(x, y)
        self.x.copy_(x)
        self.y.copy_(y)
        with torch.cuda.device(x.device):
            self.graph.replay()
        return self.logits.clone()

    def _eager(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        # Recorded gradients must stay where they are.
        self.model.zero_grad(set_to_none=self.graph is None)
        return self._passes(x, y)

    def _passes(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        bf16 = self.precision == "bfloat16"
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
            logits = self.model(x)
        logits = logits.float()
        F.cross_entropy(logits, y).backward()
        return logits.detach()


ASKED = 256  # images a trained model is asked of at once: more leave a CPU's cache, and a GPU is filled by them


@torch.no_grad()
def predict(model: Classifier, images: Images) -> Outputs:
    """The model's logits on a set of images, in eval mode and float32, without augmentation; row for row."""
    parts = _asked(model, model.__call__, images)
    logits = torch.cat(parts).numpy() if parts else np.zeros((0, model.head.out_features), np.float32)
    return Outputs(logits, images.y.numpy())


@torch.no_grad()
def embed(model: Classifier, images: Images) -> np.ndarray:
    """(N, D) float32 features before the last layer, in eval mode."""
    return torch.cat(_asked(model, model.embed, images)).numpy()


def _asked(model: Classifier, question: Callable, images: Images) -> list[torch.Tensor]:
    """The answers to each batch, on the CPU. Images lie channels last, as convolutions like them."""
    model.eval()
    device = model.mean.device
    batches = (x.to(device, memory_format=torch.channels_last) for x in images.x.split(ASKED))
    return [question(x).float().cpu() for x in batches]
