"""Losses that are mean cross-entropies of a step's batches, each times a number, added up: most are.

Their slopes by the logits are one formula. So a stack of nets needs neither vmap nor automatic differentiation for
them, which take longer than the products of small nets do. Whether a loss is such a sum is found by calling it with
values that know nothing but what they mean: a loss that does anything else with them is none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch.nn import functional as F

from unlearn_core.unlearning.request import Batch

PLAIN = {
    "weight": None,
    "size_average": None,
    "ignore_index": -100,
    "reduce": None,
    "reduction": "mean",
    "label_smoothing": 0.0,
}
CONSTANT = ""  # the part of a sum that is no cross-entropy


class _Other(Exception):
    """Something else was asked of a value than what a sum of cross-entropies takes."""


class _Meant(torch.Tensor):
    """A value of which only the meaning is there: ("images" | "labels" | "logits", batch), or a sum of cross-entropies,
    as {batch: what its own is multiplied with}.
    """

    meaning: tuple[str, str] | dict[str, float | torch.Tensor]

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        # torch passes the options of a loss by name, those too that were given by place.
        if func is F.cross_entropy and kwargs == PLAIN:
            return _mean_cross_entropy(*args)
        if func.__name__ in ARITHMETIC and not kwargs:
            return _meant(ARITHMETIC[func.__name__](*map(_factors, args)))
        raise _Other


def _meant(meaning: tuple | dict) -> _Meant:
    value = torch.empty(0).as_subclass(_Meant)
    value.meaning = meaning
    return value


def _meaning(value) -> tuple | dict | None:
    return value.meaning if isinstance(value, _Meant) else None


def _mean_cross_entropy(logits, labels) -> _Meant:
    match _meaning(logits), _meaning(labels):
        case ("logits", of), ("labels", same) if of == same:
            return _meant({of: 1.0})
    raise _Other


def _factors(value) -> dict:
    if isinstance(value, int | float):
        return {CONSTANT: value}
    if not isinstance(_meaning(value), dict):
        raise _Other
    return value.meaning


def _scaled(by: Callable, a: dict, b: dict) -> dict:
    if set(b) != {CONSTANT}:
        raise _Other
    return {of: by(factor, b[CONSTANT]) for of, factor in a.items()}


def _add(a: dict, b: dict) -> dict:
    return {of: a.get(of, 0.0) + b.get(of, 0.0) for of in a | b}


def _times(a: dict, b: dict) -> dict:
    return _scaled(operator.mul, *((b, a) if set(a) == {CONSTANT} else (a, b)))


def _negative(a: dict) -> dict:
    return {of: -factor for of, factor in a.items()}


def _less(a: dict, b: dict) -> dict:
    return _add(a, _negative(b))


# By the name that torch gives to what was done.
ARITHMETIC = {
    "add": _add,
    "sub": _less,
    "mul": _times,
    "neg": _negative,
    "div": lambda a, b: _scaled(operator.truediv, a, b),
    "__rsub__": lambda a, b: _less(b, a),
    "__rdiv__": lambda a, b: _scaled(operator.truediv, b, a),
}


class _Unasked:
    """A model that such a loss does not look at."""

    def __call__(self, x: torch.Tensor) -> _Meant:
        raise _Other

    def __getattr__(self, name: str):
        raise _Other


class _Model(_Unasked):
    """A model that says its logits and no more."""

    def __call__(self, x: torch.Tensor) -> _Meant:
        match _meaning(x):
            case ("images", of):
                return _meant(("logits", of))
        raise _Other


def meant_batch(of: str) -> Batch:
    """The images and labels of the batch "forget" or "retain", as a loss may be handed them here."""
    return Batch(_meant(("images", of)), _meant(("labels", of)))


def meant_number(values: torch.Tensor) -> torch.Tensor:
    """A setting in which members differ, (M,), as a loss may be handed it here."""
    return _meant({CONSTANT: values})


def factors_of(loss: Callable, step) -> dict[str, float | torch.Tensor] | None:
    """By batch, what its mean cross-entropy is multiplied with in `loss(model, original, step)`: one number, or one for
    each member (M,). None where the loss is no sum of these.
    """
    try:
        found = _factors(loss(_Model(), _Unasked(), step))
        return {of: factor for of, factor in found.items() if of != CONSTANT} or None
    except _Other:
        return None
