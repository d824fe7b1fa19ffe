"""Algorithms that learn from what other models say, against the formulas of their sources."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.unlearning.common import RETAIN, SHARED, same, weights
from tests.unlearning.costs import PER_EPOCH
from unlearn_core.unlearning.distil.scrub import Scrub
from unlearn_core.unlearning.gradient import Step
from unlearn_core.unlearning.request import Batch
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

IDENTITIES = {
    "SCRUB that neither pushes nor distils is fine-tuning": (
        Scrub(max_epochs=0, alpha=0.0, gamma=1.0, **SHARED),
        FineTune(**SHARED),
    ),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities_hold_bit_for_bit(case, tiny_model, asked):
    one, other = IDENTITIES[case]
    assert same(one(tiny_model, asked(seed=3)).model, other(tiny_model, asked(seed=3)).model)
    assert not same(one(tiny_model, asked(seed=3)).model, tiny_model)


def test_scrub_without_pushing_is_distillation_on_the_retain_set(tiny_model, asked):
    cost = Scrub(max_epochs=0, epochs=3, batch=32)(tiny_model, asked()).cost
    assert cost.forget_gradients == 0 and cost.retain_gradients == 3 * RETAIN and cost.steps == 3 * PER_EPOCH
    # Distilling from itself without labels moves nothing: the student already says what the teacher says.
    still = Scrub(max_epochs=0, gamma=0.0, epochs=2)(tiny_model, asked()).model
    for a, b in zip(weights(still), weights(tiny_model), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("epochs", "pushes"), [(5, 3), (2, 4), (3, 3), (4, 1)])
def test_scrub_pushes_in_its_first_epochs_only(epochs, pushes, asked):
    """Epochs count from 1: with 3 of 5 the run ends with two on the retain set alone; no epoch ends with a push."""
    request, unlearner = asked(), Scrub(epochs=epochs, max_epochs=pushes, batch=32)
    steps = list(unlearner.steps(request))
    assert len(steps) == unlearner.steps_in(request)
    for epoch in range(epochs):
        kinds = ["retain" if s.forget is None else "forget" for s in steps if s.epoch == epoch]
        assert kinds == ["forget"] * (2 if epoch < pushes else 0) + ["retain"] * PER_EPOCH
    assert all((s.forget is None) != (s.retain is None) for s in steps)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_losses_of_scrub(temperature, tiny_model, asked, tiny):
    """By hand in float64: T^2 KL(teacher / T || student / T), batch mean; minus that on forget, with CE on retain."""
    student = FineTune(epochs=1, lr=0.1)(tiny_model, asked()).model
    batch = Batch(tiny.train.x[:50], tiny.train.y[:50])
    unlearner = Scrub(alpha=0.3, gamma=0.6, temperature=temperature)

    def log_softmax(model):
        z = model(batch.x).detach().double().numpy() / temperature
        return z - np.log(np.exp(z).sum(1, keepdims=True))

    p, q = log_softmax(tiny_model), log_softmax(student)
    distance = temperature**2 * (np.exp(p) * (p - q)).sum(1).mean()
    ce = F.cross_entropy(student(batch.x), batch.y).item()
    with torch.no_grad():
        push = float(unlearner.loss(student, tiny_model, Step(batch, None, 0, 0.0)))
        hold = float(unlearner.loss(student, tiny_model, Step(None, batch, 0, 0.0)))
    assert distance > 1e-4 and push == pytest.approx(-distance, rel=1e-4)
    assert hold == pytest.approx(0.6 * ce + 0.3 * distance, rel=1e-4)


def test_the_teacher_does_not_move(tiny_model, asked):
    """A student that is far away by the second epoch is still compared with the original."""
    seen = []

    class Watched(Scrub):
        def loss(self, model, original, step):
            seen.append([p.clone() for p in original.parameters()])
            return super().loss(model, original, step)

    Watched(epochs=2, lr=0.1)(tiny_model, asked())
    assert all(torch.equal(a, b) for a, b in zip(seen[0], seen[-1], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(seen[-1], weights(tiny_model), strict=True))
