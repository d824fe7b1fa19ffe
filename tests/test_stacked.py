"""Runs side by side become what they become alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from unlearn_core.models import new_model
from unlearn_core.rows import others
from unlearn_core.rum import Part, Rum, unlearn_many
from unlearn_core.unlearning import ALGORITHMS, GradientUnlearner, Request, unlearn_together
from unlearn_core.unlearning.stacked import stacks

STACKABLE = [name for name, cls in ALGORITHMS.items() if issubclass(cls, GradientUnlearner)]


@pytest.fixture(scope="module")
def cases(digits):
    """Two models and two forget sets of one size."""
    n = len(digits.train.y)
    models = [new_model("mlp", digits, seed, 16).eval() for seed in (0, 1)]
    sets = [np.arange(40), np.arange(100, 140)]
    requests = [
        Request(digits.train.x, digits.train.y, forget, others(forget, n), len(digits.classes), seed=seed)
        for seed, forget in enumerate(sets)
    ]
    return models, requests


def weights(unlearned) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in unlearned.model.parameters()])


@pytest.mark.parametrize("name", STACKABLE)
def test_side_by_side_equals_one_by_one(name, cases):
    models, requests = cases
    unlearners = [ALGORITHMS[name](lr=lr, epochs=2, weight_decay=1e-3) for lr in (0.001, 0.01)]
    assert stacks(unlearners, models, requests)
    together = unlearn_together(unlearners, models, requests)
    for unlearner, model, request, stacked in zip(unlearners, models, requests, together, strict=True):
        alone = unlearner(model, request)
        assert not torch.equal(weights(alone), torch.cat([p.detach().flatten() for p in model.parameters()]))
        torch.testing.assert_close(weights(stacked), weights(alone), rtol=1e-3, atol=1e-5)
        for field in ("steps", "forget_gradients", "retain_gradients", "diverged_at"):
            assert getattr(stacked.cost, field) == getattr(alone.cost, field), field


def test_plans_side_by_side_equal_one_by_one(cases):
    models, requests = cases
    plans = []
    for request in requests:
        first, second = request.forget[:20], request.forget[20:]
        parts = [
            Part(name="a", rows=f"{first[0]}-{first[-1]}", unlearner=ALGORITHMS["fine-tune"](epochs=1)),
            Part(name="b", rows=f"{second[0]}-{second[-1]}", unlearner=ALGORITHMS["random-label"](epochs=1)),
        ]
        plans.append(Rum(parts=tuple(parts)))
    for plan, model, request, stacked in zip(
        plans, models, requests, unlearn_many(plans, models, requests), strict=True
    ):
        torch.testing.assert_close(weights(stacked), weights(plan(model, request)), rtol=1e-3, atol=1e-5)


def test_one_member_that_diverges_does_not_take_the_others_along(cases):
    models, requests = cases
    unlearners = [ALGORITHMS["neggrad"](lr=lr, epochs=200) for lr in (1e-4, 10.0)]
    calm, wild = unlearn_together(unlearners, models, requests)
    assert calm.cost.diverged_at is None
    torch.testing.assert_close(weights(calm), weights(unlearners[0](models[0], requests[0])), rtol=1e-3, atol=1e-5)
    assert torch.isfinite(weights(wild)).all()


def test_an_algorithm_that_does_more_than_say_its_loss_runs_alone(cases, monkeypatch):
    """What it does in `run` would else be left out, and only where several seeds run together."""
    models, requests = cases
    cls = ALGORITHMS["fine-tune"]
    assert stacks([cls(), cls()], models, requests)
    monkeypatch.setattr(cls, "run", lambda self, *rest: GradientUnlearner.run(self, *rest), raising=False)
    assert not stacks([cls(), cls()], models, requests)


def test_unlike_runs_do_not_stack(cases, digits):
    models, requests = cases
    cls = ALGORITHMS["fine-tune"]
    assert not stacks([cls(), cls(epochs=3)], models, requests)
    assert not stacks([cls(), ALGORITHMS["original"]()], models, requests)
    assert not stacks([cls()], models[:1], requests[:1])
    larger = Request(
        digits.train.x, digits.train.y, np.arange(41), others(np.arange(41), len(digits.train.y)), len(digits.classes)
    )
    assert not stacks([cls(), cls()], models, [requests[0], larger])
    assert all(a is not b for a, b in pairwise(unlearn_together([ALGORITHMS["original"]()] * 2, models, requests)))
