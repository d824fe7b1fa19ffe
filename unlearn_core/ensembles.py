"""Many models at once: retrained references over seeds, and the bank of models on subsets of the training images.

Small nets are *stacked*: their parameters get a leading member axis and one pass trains all of them, each with its own
seed and its own rows. Larger nets train one by one, which is faster for them. Both give what each model would become
alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from unlearn_core.data import Dataset
from unlearn_core.models import MODELS, new_model
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.training import (
    TRAJECTORY,
    Trained,
    Training,
    as_trajectory,
    epoch_order,
    learning_rate,
    pick_device,
    train,
    trajectory_of,
    use_threads,
)

CHUNK = 32  # members stacked at once: more gain nothing on a CPU and cost memory


@spec
class Bank(Spec):
    """Models trained on balanced subsets of the training images: the ground of memorization scores and of LiRA."""

    training: Training = param(help="how each member is trained; its own seed and `without` play no part")
    models: int = param(256, 10, 10_000, help="number of members; 64 are a preview")
    share: float = param(0.7, 0.1, 0.9, help="share of the training images each member sees")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the subsets and of the members")

    def __post_init__(self):
        super().__post_init__()
        # Two requests that mean the same bank must have the same key.
        object.__setattr__(self, "training", self.training.but(seed=0, without=""))


def balanced_subsets(n: int, models: int, share: float, seed: int) -> np.ndarray:
    """(models, n) bool: which rows each member trains on. Every member sees round(share n) rows.

    Every row is left out of the same number of members, up to one where models * (1 - share) is not whole. Members'
    left-out rows are dealt from shuffled decks of all rows, one deck after the other, so no row is dealt twice before
    all were dealt once. Balanced subsets estimate memorization better than independent ones when members are few.
    """
    rng = np.random.default_rng([seed, 0xBA7C])
    out = n - round(share * n)
    member = np.ones((models, n), bool)
    deck = rng.permutation(n)
    for m in range(models):
        hand, deck = deck[:out], deck[out:]
        if len(hand) < out:
            # The new deck first deals rows that this hand does not hold already.
            fresh = rng.permutation(n)
            held = np.isin(fresh, hand)
            fresh = np.concatenate([fresh[~held], fresh[held]])
            missing = out - len(hand)
            hand, deck = np.concatenate([hand, fresh[:missing]]), rng.permutation(fresh[missing:])
        member[m, hand] = False
    return member


def member_seed(bank_seed: int, member: int) -> int:
    """An independent seed for each member (never seed + member: neighbouring banks would share models)."""
    return int(np.random.SeedSequence([bank_seed, member]).generate_state(1)[0] >> 1)


def train_members(
    training: Training, dataset: Dataset, rows: np.ndarray, seeds: list[int], tell: Tell = silent
) -> Iterator[Trained]:
    """Train len(seeds) models, member m on rows[m] (all of one length) with seeds[m]; yields them in order."""
    use_threads(training)
    if not MODELS[training.model].stacks or len(seeds) == 1:
        for m, seed in enumerate(seeds):

            def part(stage, done, total, m=m):
                tell(stage, m * total + done, len(seeds) * total)

            yield train(training.but(seed=seed), dataset, rows[m], part)
        return
    for start in range(0, len(seeds), CHUNK):
        chunk = slice(start, start + CHUNK)

        def part(stage, done, total, start=start):
            share = len(seeds[start : start + CHUNK]) / len(seeds)
            tell(stage, round(total * (start / len(seeds)) + done * share), total)

        yield from _train_stacked(training, dataset, rows[chunk], seeds[chunk], part)


def _train_stacked(training: Training, dataset: Dataset, rows: np.ndarray, seeds: list[int], tell: Tell):
    device, started = pick_device(), time.perf_counter()
    x, y = dataset.train.x.to(device).float() / 255, dataset.train.y.to(device)
    models = [new_model(training.model, dataset, seed, training.width).to(device) for seed in seeds]
    params, buffers = stack_module_state(models)
    skeleton = models[0]
    optimiser = torch.optim.SGD(
        list(params.values()), lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay
    )
    # The sum of independent losses: the gradient of each member's parameters is that of its own loss.
    forward = vmap(lambda p, b, xb: functional_call(skeleton, (p, b), (xb,)))
    members, size = rows.shape
    steps, step = math.ceil(size / training.batch) * training.epochs, 0
    seen = torch.zeros(members, len(y), len(TRAJECTORY), device=device)
    member_axis = torch.arange(members, device=device)[:, None]
    for epoch in range(training.epochs):
        order = np.stack([epoch_order(r, s, epoch) for r, s in zip(rows, seeds, strict=True)])
        for batch in torch.from_numpy(order).to(device).split(training.batch, dim=1):
            optimiser.param_groups[0]["lr"] = learning_rate(training.lr, training.schedule, step, steps)
            logits = forward(params, buffers, x[batch])
            loss = F.cross_entropy(logits.flatten(0, 1), y[batch].flatten(), reduction="sum") / batch.shape[1]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            seen[member_axis, batch] += trajectory_of(logits, y[batch])
            optimiser.step()
            step += 1
            tell("train", step, steps)
    seen = seen.cpu().numpy() / training.epochs
    seconds = (time.perf_counter() - started) / members
    for m, model in enumerate(models):
        model.load_state_dict({k: v[m].detach() for k, v in (params | buffers).items()})
        yield Trained(model.eval(), as_trajectory(seen[m], rows[m]), seconds)
