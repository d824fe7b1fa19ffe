"""A map of made-up images under three models, without a study behind it."""

from types import SimpleNamespace

import numpy as np

from unlearn_core.experiment.shared_map import Moved


def made_up(n: int, classes: int = 10) -> Moved:
    """Of n images a tenth is to be forgotten, and moved further."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n)
    angle = labels * (2 * np.pi / classes)
    places = {"original": np.c_[np.cos(angle), np.sin(angle)] * 4 + rng.normal(size=(n, 2))}
    places |= {name: places["original"] + rng.normal(size=(n, 2)) for name in ("unlearned", "retrained")}
    moved = {name: rng.random((1, n)).astype(np.float32) for name in ("unlearned", "retrained", "floor")}
    forget = np.arange(0, n, 10)
    moved["unlearned"][0, forget] += 1
    study = SimpleNamespace(
        key=f"made-up-{n}-{classes}",
        labels=labels,
        classes=[str(c) for c in range(classes)],
        forget=forget,
        target=SimpleNamespace(retain=np.setdiff1d(np.arange(n), forget)),
    )
    return Moved(study, "fine-tune", places, moved)
