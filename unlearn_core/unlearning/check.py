"""What every algorithm promises, tried on a small net and 200 images of noisy stripes: a few seconds for most.

A check that passes has not found a fault; it does not say that the algorithm forgets.
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count, product

import numpy as np
import torch

from unlearn_core.data import Dataset, Images
from unlearn_core.models import Classifier
from unlearn_core.params import Param, build, params, plain
from unlearn_core.progress import silent
from unlearn_core.rows import others
from unlearn_core.training import Training, learning_rate, predict, steps_of, train
from unlearn_core.unlearning.base import Unlearned, Unlearner
from unlearn_core.unlearning.request import Batch, Fresh, History, Request
from unlearn_core.unlearning.stacked import run_stacked, stacks

IMAGES, CLASSES, SIDE = 200, 4, 8
FORGET = np.arange(10, 50)
ASIDE = np.arange(150, 170)  # in neither set, such as an earlier request of a stream
MOST_TRIED = 48  # combinations of `grid`
WRONG = -100_000  # a label that no class has


@dataclass(frozen=True)
class Check:
    """One promise, whether it held, and where it did not, what was found, in one sentence."""

    promise: str
    held: bool
    found: str


class _Broken(Exception):
    pass


def check(cls: type[Unlearner]) -> Iterator[Check]:
    """Each promise in turn, for an algorithm in a short form: two epochs, where it has epochs, and else as declared."""
    trial = _Trial(cls)
    for promise, tried in PROMISES.items():
        try:
            with _on_its_own():
                tried(trial)
        except _Broken as broken:
            yield Check(promise, False, str(broken))
        except Exception as error:
            said = " ".join(str(error).split())[:160].rstrip(".")
            yield Check(promise, False, f"It stopped with {type(error).__name__}{f': {said}' if said else ''}.")
        else:
            yield Check(promise, True, "")


@contextmanager
def _on_its_own() -> Iterator[None]:
    """On the CPU, and with all draws of chance afterwards as if it had not been."""
    state, numbers, words = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    device = os.environ.get("UNLEARN_DEVICE")
    os.environ["UNLEARN_DEVICE"] = "cpu"  # where what it is tried on lies
    try:
        yield
    finally:
        os.environ.pop("UNLEARN_DEVICE") if device is None else os.environ.update(UNLEARN_DEVICE=device)
        torch.set_rng_state(state)
        np.random.set_state(numbers)  # noqa: NPY002
        random.setstate(words)


class _Trial:
    """The algorithm with what it is tried on."""

    def __init__(self, cls: type[Unlearner]):
        self.cls = cls
        short = {"epochs": 2, "batch": 32}
        self.unlearner = cls(**{p.name: short[p.name] for p in params(cls) if p.name in short})

    @cached_property
    def images(self) -> Dataset:
        rng = np.random.default_rng(0)
        stripes = rng.integers(60, 190, (CLASSES, 1, SIDE, SIDE))

        def some(n: int) -> Images:
            y = np.arange(n) % CLASSES
            x = np.clip(stripes[y] + rng.normal(0, 55, (n, 1, SIDE, SIDE)), 0, 255).astype(np.uint8)
            return Images(torch.from_numpy(x), torch.from_numpy(y.astype(np.int64)))

        return Dataset("stripes", tuple("abcd"), some(IMAGES), some(40), some(80))

    training = Training(model="mlp", width=16, epochs=6, lr=0.2, batch=32)

    @cached_property
    def model(self) -> Classifier:
        return train(self.training, self.images, np.arange(IMAGES)).model

    def request(self, **changes) -> Request:
        """What the algorithm is asked, in copies of its own; a whole class where that is what it needs."""
        y, unseen = self.images.train.y.clone(), self.images.validation
        forget = np.flatnonzero(y.numpy() == 1) if "classes" in self.cls.needs else FORGET.copy()
        given = {
            "x": self.images.train.x.clone(),
            "y": y,
            "forget": forget,
            "retain": others(forget, IMAGES),
            "seed": 0,
        }
        given |= {"recipe": self._recipe, "validation": Batch(unseen.x, unseen.y), "history": self._history}
        given |= {"corrected": y.clone()}
        return Request(classes=CLASSES, **given | changes)

    def _recipe(self, rows, seeds, tell=silent, start=None, epochs=None) -> Iterator[Fresh]:
        epochs = epochs or 2
        for seed in seeds:
            fresh = train(self.training.but(seed=seed, epochs=epochs), self.images, rows, tell, start=start).model
            yield Fresh(fresh, -(-len(rows) // 32) * epochs, epochs * len(rows))

    @property
    def _history(self) -> History:
        t, steps = self.training, steps_of(self.training, IMAGES)

        def replay(watch) -> Classifier:
            number = count()
            seen = lambda m, x, y, rows: watch(next(number), m, Batch(x, y), rows)  # noqa: E731
            return train(t, self.images, np.arange(IMAGES), watch=seen).model

        rate = lambda step: learning_rate(t.lr, t.schedule, step, steps)  # noqa: E731
        return History(steps, t.momentum, t.weight_decay, rate, replay)

    def run(self, **changes) -> Unlearned:
        return self.unlearner(self.model, self.request(**changes))

    @cached_property
    def unlearned(self) -> Unlearned:
        return self.run()


def _same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def _settings(trial: _Trial) -> None:
    if build(plain(trial.unlearner)) != trial.unlearner:
        raise _Broken("Written down and read back, its settings are others.")
    for p in params(trial.cls):
        for value in (p.low, p.high, *(p.choices or ())):
            if value is not None:
                trial.cls(**{p.name: value})
    combinations = list(product(*trial.cls.grid.values())) if trial.cls.grid else []
    if len(combinations) > MOST_TRIED:
        raise _Broken(f"Its grid has {len(combinations)} combinations; at most {MOST_TRIED} are tried.")
    for values in combinations:
        trial.unlearner.but(**dict(zip(trial.cls.grid, values, strict=True)))


def _answers(trial: _Trial) -> None:
    model = trial.unlearned.model
    if not isinstance(model, Classifier):
        raise _Broken("It returns something else than the model it was given a copy of.")
    if any(m.training for m in model.modules()):
        raise _Broken("A part of the model is left in training mode.")
    logits = predict(model, trial.images.test).logits
    if logits.shape != (len(trial.images.test.y), CLASSES) or not np.isfinite(logits).all():
        raise _Broken("The model no longer gives one finite number for each image and class.")


def _untouched(trial: _Trial) -> None:
    original, request = copy.deepcopy(trial.model).train(), trial.request()
    before, kept = copy.deepcopy(original.state_dict()), copy.deepcopy((request.x, request.y))
    rows = request.forget.copy(), request.retain.copy()
    result = trial.unlearner(original, request).model
    if any(not torch.equal(v, before[k]) for k, v in original.state_dict().items()) or not original.training:
        raise _Broken("It changes the original model; only the copy may be changed.")
    if any(p.grad is not None for p in original.parameters()):
        raise _Broken("It leaves gradients in the original model.")
    if not all(map(torch.equal, (request.x, request.y), kept)):
        raise _Broken("It changes the images or labels that it was given.")
    if not all(map(np.array_equal, (request.forget, request.retain), rows)):
        raise _Broken("It changes the row numbers that it was given.")
    if {p.data_ptr() for p in original.parameters()} & {p.data_ptr() for p in result.parameters()}:
        raise _Broken("The result shares weights with the original model.")


def _moves(trial: _Trial) -> None:
    if trial.unlearned.cost.diverged_at is not None:
        raise _Broken(f"With its default settings it diverged at step {trial.unlearned.cost.diverged_at}.")
    if _same(trial.unlearned.model, trial.model):
        raise _Broken("The result has the weights of the original.")


def _repeats(trial: _Trial) -> None:
    first = trial.unlearned.model
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    random.seed(99)
    if not _same(first, trial.run().model):
        raise _Broken("The same seed gave other weights: draw from unlearn_core/unlearning/draws.py, by request.seed.")


def _declared(trial: _Trial) -> None:
    """What it may not see holds NaN and a label that no class has: one look and the weights are no numbers."""
    needs, request = set(trial.cls.needs), trial.request()
    retain = np.setdiff1d(request.retain, ASIDE)
    named = request.forget if "classes" in needs else []  # a class is named by the labels of its images
    gone = {need: None for need in ("recipe", "history", "corrected") if need not in needs}
    if "validation" not in needs:
        gone["validation"] = Batch(torch.full((40, 1, SIDE, SIDE), torch.nan), torch.full((40,), WRONG))
    hidden = [rows for need, rows in (("forget", request.forget), ("retain", retain)) if need not in needs]
    clean = request.x.float() / 255
    x, y = clean.clone(), request.y.clone()
    for rows in (np.setdiff1d(ASIDE, request.forget), *hidden):
        x[rows], y[np.setdiff1d(rows, named)] = torch.nan, WRONG
    if not {"labels", "classes"} & needs:
        y[:] = WRONG
    asked = {"forget": request.forget, "retain": retain} | gone
    plain_run = trial.run(x=clean, y=request.y, **asked).model
    try:
        poisoned = trial.run(x=x, y=y, **asked)
    except (IndexError, RuntimeError, AssertionError, TypeError, AttributeError) as error:
        raise _Broken("It looks at something that its needs do not name.") from error
    if poisoned.cost.diverged_at is not None or not _same(plain_run, poisoned.model):
        raise _Broken("It looks at something that its needs do not name.")


def _elsewhere(p: Param, value: float) -> float:
    """Another value of a setting, half as large where its range allows that."""
    low, high = (-np.inf if p.low is None else p.low), (np.inf if p.high is None else p.high)
    return float(np.clip(value / 2 if value else 0.1, low, high))


def _side_by_side(trial: _Trial) -> None:
    """Settings that are decimal numbers may differ within a stack, so the loss must not ask them questions."""
    if not stacks(trial.unlearner, trial.model, trial.request()):
        return
    numbers = {p: getattr(trial.unlearner, p.name) for p in params(trial.cls) if p.kind is float}
    other = trial.unlearner.but(**{p.name: _elsewhere(p, value) for p, value in numbers.items()})
    requests = [trial.request(), trial.request(seed=1)]
    try:
        together = run_stacked([trial.unlearner, other], [trial.model] * 2, requests)
    except Exception as error:
        raise _Broken(
            "It cannot run side by side. A loss does sums with its settings and asks them no questions, such as "
            "`if self.weight`; of a model it may ask logits, features (`embed`) and parameters. The error was: "
            f"{(str(error).splitlines() or [type(error).__name__])[0].rstrip('.')}."
        ) from error
    for unlearner, request, stacked in zip((trial.unlearner, other), requests, together, strict=True):
        alone = unlearner(trial.model, request).model.state_dict()
        if any(not torch.allclose(v, alone[k], rtol=1e-2, atol=1e-3) for k, v in stacked.model.state_dict().items()):
            raise _Broken("Side by side with other runs it gives other weights than alone.")


PROMISES: dict[str, Callable[[_Trial], None]] = {
    "its settings can be written down and read back": _settings,
    "its model answers": _answers,
    "what it is given stays as it was": _untouched,
    "it changes the model": _moves,
    "the same seed gives the same weights": _repeats,
    "it looks at nothing that it does not declare": _declared,
    "it runs side by side as alone": _side_by_side,
}
