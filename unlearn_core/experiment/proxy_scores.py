"""The memorization proxies of a trained model's training images as stored results."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.special import softmax

from unlearn_core.device import numerics, pick_device
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.trained_models import dataset, load_model, training_rows
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.proxies import PROXIES, from_trajectory, loss_curvature, retrain_on, symmetric_kl
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.training import Training, predict, train


@spec
class Holdout(Spec):
    """How far the predictions of a trained model move when it is trained on with the validation images alone."""

    training: Training = param(Training(), help="the model")
    lr: float = param(0.1, 1e-6, 10.0, log=True, help="learning rate, constant")
    epochs: int = param(30, 1, 1000, help="most passes over the validation images")
    patience: int = param(4, 1, 1000, help="epochs without a better loss after which it stops")


@spec
class Curvature(Spec):
    """Curvature of the loss around each training image, as a mean over the epochs of a training."""

    training: Training = param(Training(), help="how the model is trained")
    h: float = param(0.01, 1e-6, 1.0, log=True, help="length of the step, with pixels between 0 and 1")


STAGES: dict[str, Callable[[Training], Spec]] = {
    # Faster than the model itself was trained, it is not moved by what it learns but thrown off.
    "holdout_retraining": lambda training: Holdout(training=training, lr=min(0.1, training.lr)),
    "loss_curvature": lambda training: Curvature(training=training),
}


def stage(training: Training, name: str) -> Spec:
    """The spec whose result holds a proxy's scores."""
    return training if PROXIES[name].recorded else STAGES[name](training)


def proxy_scores(store: Store, training: Training, name: str, tell: Tell = silent) -> np.ndarray:
    """(n,) float64 scores of a proxy of PROXIES, higher = more memorized; NaN for rows that were not trained on.

    Found in the store or made now. Raises BadValue where the images do not allow it.
    """
    result = fulfil(store, stage(training, name), tell)
    if PROXIES[name].recorded:
        return from_trajectory(name, result.arrays("trajectory"))
    return result.arrays()["scores"]


def is_ready(store: Store, training: Training, name: str) -> bool:
    """Whether the scores of a proxy are there, so that asking for them takes no more than reading."""
    return store.find(stage(training, name)) is not None


def _holdout(store: Store, holdout: Holdout, tell: Tell) -> Result:
    training = holdout.training
    trained = fulfil(store, training, tell)
    images = dataset(store, training.data)

    def make(draft: Draft) -> None:
        _settle()
        started = time.perf_counter()
        moved, losses = retrain_on(
            load_model(store, training, trained),
            images.validation,
            lr=holdout.lr,
            epochs=holdout.epochs,
            patience=holdout.patience,
            batch=training.batch,
            seed=training.seed,
            tell=tell,
        )
        before, after = trained.arrays("logits")["train"], predict(moved, images.train).logits
        divergence = symmetric_kl(*(softmax(logits.astype(np.float64), axis=1) for logits in (before, after)))
        scores = np.full(len(images.train.y), np.nan)
        rows = training_rows(training, len(scores))
        scores[rows] = divergence[rows]
        draft.seconds = time.perf_counter() - started
        draft.arrays(scores=scores)
        draft.json("course", {"losses": losses})

    return store.remember(holdout, make, device=numerics)


def _curvature(store: Store, curvature: Curvature, tell: Tell) -> Result:
    training = curvature.training
    images = dataset(store, training.data, tell)
    rows = training_rows(training, len(images.train.y))

    def make(draft: Draft) -> None:
        total = torch.zeros(len(images.train.y), device=pick_device())

        def watch(model, x, y, numbers) -> None:
            total[numbers] += loss_curvature(model, x.float() / 255, y, curvature.h)

        _settle()
        draft.seconds = train(training, images, rows, tell, watch=watch).seconds
        scores = np.full(len(total), np.nan)
        scores[rows] = total.cpu().numpy()[rows] / training.epochs
        draft.arrays(scores=scores)

    return store.remember(curvature, make, device=numerics)


def _settle() -> None:
    """Make torch load what the first optimiser of a process loads: seconds that are no cost of a score."""
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])


MAKERS[Holdout] = _holdout
MAKERS[Curvature] = _curvature
