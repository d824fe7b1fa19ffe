"""Many models at once: retrained references over seeds, and the bank of models on subsets of the training images.

Small nets train *stacked*, in one pass for all; larger nets one after the other, which is faster for them. Both give
what each model would become alone. Which of the two is said by the work of one step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

import numpy as np
import psutil
import torch

from unlearn_core.data import Dataset
from unlearn_core.dense import layers_of
from unlearn_core.device import pick_device
from unlearn_core.engines import machine
from unlearn_core.ensembles.stacked import train_stacked
from unlearn_core.ensembles.subsets import balanced_subsets, deal, everywhere, member_seed
from unlearn_core.ensembles.sums import BankSums
from unlearn_core.models import new_model
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.stacking import bytes_per_member, kept_bytes, out_of_memory, pays, work_per_step
from unlearn_core.training import SoFar, Trained, Training, train_each

# Members stacked at once. More gain nothing on a CPU, whose cache they leave; a GPU is filled by hundreds.
MOST = {"cpu": 32, "cuda": 1024}
FREE_SHARE = 0.5  # of the free memory that a stack may take


@spec
class Bank(Spec):
    """Models trained on balanced subsets of the training images: the ground of memorization scores and of LiRA."""

    training: Training = param(help="how each member is trained; its own seed and `without` play no part")
    models: int = param(256, 10, 10_000, help="number of members; 64 are a preview")
    share: float = param(0.7, 0.1, 0.9, help="share of the training images each member sees")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the subsets and of the members")
    stop_at: float = param(
        0.0, 0.0, 0.999, help="stop early once memorization scores are as reliable as this; 0 = train all members"
    )

    def __post_init__(self):
        super().__post_init__()
        # Two requests that mean the same bank must have the same key.
        object.__setattr__(self, "training", self.training.afresh.but(seed=0, without=""))


def goes_stacked(training: Training, dataset: Dataset) -> bool:
    """Whether models of this recipe train together rather than one after the other. Half precision is for nets whose
    steps fill the device, and those go alone; steps with differential privacy are made for one model.
    """
    return not training.noise and training.precision == "float32" and pays(*_one(training, dataset))


def goes_dense(training: Training, dataset: Dataset) -> bool:
    """Whether they do so as products of matrices alone, without torch's optimisers."""
    return goes_stacked(training, dataset) and layers_of(_one(training, dataset)[0]) is not None


def work_per_pass(training: Training, dataset: Dataset) -> float:
    """Operations of going once over all training images, in steps of this recipe."""
    model, batch = _one(training, dataset)
    return work_per_step(model, batch) * len(dataset.train.y) / len(batch)


def bytes_of(training: Training, dataset: Dataset) -> tuple[int, float, float]:
    """Bytes of one model of this recipe: its weights, what a step keeps of each image for the way back, and the largest
    piece of that.
    """
    model, batch = _one(training, dataset)
    kept, largest = kept_bytes(model, batch[:2])  # BatchNorm takes no single image
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return weights, kept / len(batch[:2]), largest / len(batch[:2])


def stack_size(training: Training, dataset: Dataset) -> int:
    """How many members are stacked at once, by the device, its free memory, and how often such work died before; at
    least 1.
    """
    model, batch = _one(training, dataset)
    if batch.device.type == "cuda":
        free = torch.cuda.mem_get_info(batch.device)[0]
    else:
        free = psutil.virtual_memory().available
    most = MOST.get(batch.device.type, MOST["cpu"])
    fits = int(min(most, FREE_SHARE * free // bytes_per_member(model, batch)))
    return max(1, fits >> machine.halvings())


def _one(training: Training, dataset: Dataset):
    device = pick_device()
    if dataset.grey:  # its size alone counts, which grey squares in the place of images do not change
        dataset = replace(dataset, grey=False)
    model = new_model(training.model, dataset, 0, training.width).to(device)
    return model, dataset.train.x[: training.batch].to(device)


def train_members(
    training: Training,
    dataset: Dataset,
    rows: Sequence[np.ndarray],
    seeds: list[int],
    tell: Tell = silent,
    rates: Sequence[float] | None = None,
    kept: Sequence[SoFar] = (),
) -> Iterator[Trained]:
    """Train len(seeds) models, member m on rows[m] (all of one length) with seeds[m], at the start with the learning
    rate rates[m] or else the recipe's; yields them in order. Those that go one by one go on from kept[m].

    A stack that does not fit into memory is halved, and goes on from the members that are finished. A single model that
    would go with others has a twin, because a stack of one is rounded otherwise than any other: so a model is the same
    whoever is trained beside it. On a GPU it may take as many (see `at_least`).
    """
    if not goes_stacked(training, dataset):
        yield from train_each(training, dataset, rows, seeds, tell, rates=rates, kept=kept)
        return
    done, size = 0, stack_size(training, dataset)
    while done < len(seeds):
        chunk = slice(done, done + size)
        count = len(seeds[chunk])
        members = np.arange(max(count, _least.get())) % count  # and copies of them

        def part(stage, step, steps, done=done, count=count):
            tell(stage, steps * done + step * count, steps * len(seeds))

        short = False
        try:
            stack = np.stack(rows[chunk])[members], [seeds[chunk][m] for m in members]
            own = rates and [rates[chunk][m] for m in members]
            for trained in itertools.islice(train_stacked(training, dataset, *stack, part, own), count):
                yield trained
                done += 1
        except (MemoryError, RuntimeError) as error:
            if size == 1 or not out_of_memory(error):
                raise
            short = True
        if short:  # after the error is gone, which holds on to all that the stack had
            size //= 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


_least: ContextVar[int] = ContextVar("least size of a stack", default=2)


@contextmanager
def at_least(models: int) -> Iterator[None]:
    """Fill each stack up to so many models with copies: a GPU may choose another way for another size of stack, and so
    a model is made again as it was made among others.
    """
    token = _least.set(max(2, models))
    try:
        yield
    finally:
        _least.reset(token)


__all__ = [
    "Bank",
    "BankSums",
    "at_least",
    "balanced_subsets",
    "bytes_of",
    "deal",
    "everywhere",
    "goes_dense",
    "goes_stacked",
    "member_seed",
    "stack_size",
    "train_members",
    "work_per_pass",
]
