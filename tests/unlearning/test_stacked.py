"""Runs side by side become what they become alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from unlearn_core.models import new_model
from unlearn_core.params import params
from unlearn_core.rows import others
from unlearn_core.rum import Part, Rum, unlearn_many
from unlearn_core.unlearning import ALGORITHMS, GradientUnlearner, Request, unlearn_together
from unlearn_core.unlearning import stacked as stacking
from unlearn_core.unlearning.stacked import ALONE, alike, run_stacked, stacks

# Those that say no more than a loss; the others run one after the other.
STACKABLE = [
    name
    for name, cls in ALGORITHMS.items()
    if issubclass(cls, GradientUnlearner) and not cls.adam and set(cls.needs) <= {"retain", "forget", "labels"}
    if all(getattr(cls, hook) is getattr(GradientUnlearner, hook) for hook in ALONE)
]


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
    assert stacks(unlearners[0], models[0], requests[0])
    together = unlearn_together(unlearners, models, requests)
    for unlearner, model, request, stacked in zip(unlearners, models, requests, together, strict=True):
        alone = unlearner(model, request)
        assert not torch.equal(weights(alone), torch.cat([p.detach().flatten() for p in model.parameters()]))
        torch.testing.assert_close(weights(stacked), weights(alone), rtol=1e-3, atol=3e-5)
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


@pytest.mark.parametrize("name", STACKABLE)
def test_members_differ_in_every_decimal_setting(name, cases, monkeypatch):
    """Each setting as it is and at half its value (or a tenth, where it is 0): still one stack, still the same models.

    An algorithm whose loss asks such a setting a question (`if self.alpha`) fails here.
    """
    models, requests = cases
    first = ALGORITHMS[name](epochs=2, lr=0.002)
    unlearners = [first, elsewhere(first)]
    assert alike(unlearners[0], requests[0]) == alike(unlearners[1], requests[1])
    alone = [u(m, r) for u, m, r in zip(unlearners, models, requests, strict=True)]
    monkeypatch.setattr(type(unlearners[0]), "__call__", None)  # nobody goes alone
    for one, stacked in zip(alone, unlearn_together(unlearners, models, requests), strict=True):
        torch.testing.assert_close(weights(stacked), weights(one), rtol=1e-3, atol=1e-5)


def test_a_small_cnn_goes_side_by_side(digits):
    """A net that is not dense: its layers have rules of their own."""
    models = [new_model("cnn", digits, seed, 4).eval() for seed in (0, 1)]
    forget = np.arange(40)
    keep = others(forget, len(digits.train.y))
    requests = [Request(digits.train.x, digits.train.y, forget, keep, len(digits.classes), seed=s) for s in (0, 1)]
    unlearners = [ALGORITHMS["neggrad-plus"](lr=lr, epochs=1) for lr in (0.001, 0.01)]
    for u, m, r, stacked in zip(
        unlearners, models, requests, unlearn_together(unlearners, models, requests), strict=True
    ):
        torch.testing.assert_close(weights(stacked), weights(u(m, r)), rtol=1e-3, atol=1e-5)


def test_a_mixed_bag_comes_back_in_order(cases):
    """Two algorithms, two lengths: three groups, and each model where it was asked for."""
    models, requests = cases
    kinds = [ALGORITHMS["fine-tune"](epochs=1), ALGORITHMS["neggrad"](epochs=1), ALGORITHMS["fine-tune"](epochs=2)]
    unlearners = [kinds[i] for i in (0, 1, 0, 2, 1, 2)]
    asked = [models[i % 2] for i in range(6)], [requests[i % 2] for i in range(6)]
    for u, m, r, found in zip(unlearners, *asked, unlearn_together(unlearners, *asked), strict=True):
        torch.testing.assert_close(weights(found), weights(u(m, r)), rtol=1e-3, atol=1e-5)


def test_an_algorithm_that_does_more_than_say_its_loss_runs_alone(cases, monkeypatch):
    """What it does in `run` would else be left out, and only where several seeds run together."""
    models, requests = cases
    cls = ALGORITHMS["fine-tune"]
    assert stacks(cls(), models[0], requests[0])
    monkeypatch.setattr(cls, "run", lambda self, *rest: GradientUnlearner.run(self, *rest), raising=False)
    assert not stacks(cls(), models[0], requests[0])


def test_unlike_runs_are_not_alike(cases, digits):
    models, requests = cases
    cls, n = ALGORITHMS["fine-tune"], len(digits.train.y)
    larger = Request(digits.train.x, digits.train.y, np.arange(41), others(np.arange(41), n), len(digits.classes))
    first = alike(cls(), requests[0])
    assert first == alike(cls(lr=0.5), requests[1])
    assert first not in (
        alike(cls(epochs=3), requests[0]),
        alike(cls(), larger),
        alike(ALGORITHMS["neggrad"](), requests[0]),
    )
    assert not stacks(ALGORITHMS["original"](), models[0], requests[0])
    assert all(a is not b for a, b in pairwise(unlearn_together([ALGORITHMS["original"]()] * 2, models, requests)))


def test_a_run_is_the_same_whoever_runs_beside_it(cases):
    """To the last bit, alone or with another; and what it cost."""
    models, requests = cases
    unlearner = ALGORITHMS["neggrad-plus"](epochs=2)
    (alone,) = unlearn_together([unlearner], models[:1], requests[:1])
    beside, _ = unlearn_together([unlearner] * 2, models, requests)
    assert torch.equal(weights(alone), weights(beside))
    assert alone.cost.steps == beside.cost.steps and alone.cost.retain_gradients == beside.cost.retain_gradients


def elsewhere(unlearner):
    """With each decimal setting at half its value, or a tenth where it is 0."""
    numbers = {p.name: getattr(unlearner, p.name) for p in params(type(unlearner)) if p.kind is float}
    return unlearner.but(**{name: value / 2 if value else 0.1 for name, value in numbers.items()})


@pytest.mark.parametrize("name", STACKABLE)
def test_a_run_is_the_same_whatever_settings_run_beside_it(name, cases):
    models, requests = cases
    first = ALGORITHMS[name](epochs=2, lr=0.002)
    for unlearner in (first, first.but(weight_decay=0.01)):
        (alone, _), (beside, _) = (
            run_stacked([unlearner, other], models, requests) for other in (unlearner, elsewhere(unlearner))
        )
        assert torch.equal(weights(alone), weights(beside))


def test_a_run_is_the_same_in_a_pass_of_its_own(cases, monkeypatch):
    """Three runs, two in one pass: the last is left."""
    models, requests = cases
    unlearners = [ALGORITHMS["fine-tune"](epochs=2, lr=lr) for lr in (0.001, 0.002, 0.003)]
    asked = unlearners, [*models, models[0]], [*requests, requests[0]]
    together = run_stacked(*asked)
    monkeypatch.setattr(stacking, "AT_ONCE", 2)
    for whole, parted in zip(together, run_stacked(*asked), strict=True):
        assert torch.equal(weights(whole), weights(parted))


def test_a_loss_reads_its_own_learning_rate(cases):
    """Members differ in it most of the time."""

    class Shrink(GradientUnlearner):
        title = group = "test"

        def loss(self, model, original, step):
            return self.lr * model(step.retain.x).square().mean()

    models, requests = cases
    unlearners = [Shrink(lr=lr, epochs=1) for lr in (0.01, 0.3)]
    for one, m, r, stacked in zip(unlearners, models, requests, run_stacked(unlearners, models, requests), strict=True):
        torch.testing.assert_close(weights(stacked), weights(one(m, r)), rtol=1e-3, atol=1e-5)


def test_an_end_that_is_not_finite_gives_the_original_back(cases):
    class Burst(GradientUnlearner):
        title = group = "test"

        def loss(self, model, original, step):
            return model(step.retain.x).square().mean()

        @torch.no_grad()
        def end(self, model, request):
            next(model.parameters()).mul_(float("inf"))

    models, requests = cases
    unlearners = [Burst(lr=lr, epochs=1) for lr in (0.01, 0.1)]
    for one, m, r, stacked in zip(unlearners, models, requests, run_stacked(unlearners, models, requests), strict=True):
        alone = one(m, r)
        assert torch.equal(weights(stacked), weights(alone)) and stacked.cost.diverged_at == alone.cost.diverged_at > 0


def test_a_loss_may_ask_for_features(cases):
    """Those of the model and of the original, beside logits."""

    class Drift(GradientUnlearner):
        title = group = "test"

        def loss(self, model, original, step):
            x = step.retain.x
            return -(model.embed(x) - original.embed(x)).abs().mean() + model(x).square().mean()

    models, requests = cases
    unlearners = [Drift(lr=lr, epochs=1) for lr in (0.01, 0.1)]
    for one, m, r, stacked in zip(unlearners, models, requests, run_stacked(unlearners, models, requests), strict=True):
        torch.testing.assert_close(weights(stacked), weights(one(m, r)), rtol=1e-3, atol=1e-5)


def test_a_member_that_diverged_costs_no_more(cases):
    models, requests = cases
    unlearners = [ALGORITHMS["neggrad"](lr=lr, epochs=40, batch=40) for lr in (1e-4, 10.0)]
    for one, m, r, stacked in zip(unlearners, models, requests, run_stacked(unlearners, models, requests), strict=True):
        alone = one(m, r).cost
        assert (stacked.cost.steps, stacked.cost.forget_gradients) == (alone.steps, alone.forget_gradients)
