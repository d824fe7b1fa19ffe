"""What the tests of algorithms share: short forms, and how two models are compared."""

import torch

from unlearn_core.unlearning import ALGORITHMS, GradientUnlearner
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

GRADIENT = {name: cls for name, cls in ALGORITHMS.items() if issubclass(cls, GradientUnlearner)}
EPOCHS, BATCH, FORGET, RETAIN = 2, 32, 40, 260  # of tiny_request: 300 images, 40 of them forgotten
SHARED = {"epochs": 3, "lr": 0.02, "batch": 32, "momentum": 0.9, "weight_decay": 1e-3}
# A quick form of those that would be slow with their own settings.
SHORT: dict[str, dict] = {
    "oracle-matching": {"oracles": 2},
    "rni": {"fine": 1},
    "sisa": {"shards": 1, "slices": 1, "epochs": EPOCHS},
    "condensed": {"inner": FineTune(epochs=EPOCHS, batch=BATCH), "images": 1, "fit": 3},
    "uwc": {"inner": NegGradPlus(epochs=EPOCHS, batch=BATCH)},
    "langevin-head": {"m": 1.0, "epsilon": 5.0},
    "mini-unlearning": {"share": 0.05},
    "lra-npp": {"change": "gaussian"},
}
# They draw nothing: another seed gives the same model.
DETERMINISTIC = {"original", "first-order", "second-order"}
# Their steps cannot grow without end: they clip gradients, Adam does not let a step exceed its rate, or
# one answer is right for all images, so that a large step is the last.
BOUNDED: set[str] = {"boundary-expand", "unsir", "bad-teacher", "oracle-matching", "munba", "noisy-fine-tune"}


def quick(name, **changes):
    """An algorithm in a short form."""
    short = {"epochs": EPOCHS, "batch": BATCH} if name in GRADIENT else {}
    return ALGORITHMS[name](**short | SHORT.get(name, {}) | changes)


def weights(model):
    return [p.detach() for p in model.parameters()]


def same(a, b):
    """Whether all weights are equal, bit for bit."""
    ours, theirs = weights(a), weights(b)
    return len(ours) == len(theirs) and all(torch.equal(x, y) for x, y in zip(ours, theirs, strict=True))


def finite(model):
    return all(bool(torch.isfinite(v).all()) for v in model.state_dict().values())
