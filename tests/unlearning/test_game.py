"""Algorithms that settle forgetting and keeping as a game, against the formulas of their sources."""

import copy

import pytest
import torch
from torch.nn import functional as F

from tests.unlearning.common import weights
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.draws import random_labels
from unlearn_core.unlearning.game.munba import OPPOSED, Munba, bargain
from unlearn_core.unlearning.request import Batch


def vectors(cosine, long=1.0, short=1.0):
    """Two gradients in two tensors each, with these lengths and this cosine."""
    draws = torch.Generator().manual_seed(3)
    a, b = torch.linalg.qr(torch.randn(50, 2, generator=draws, dtype=torch.float64)).Q.T
    b = cosine * a + (1 - cosine**2) ** 0.5 * b
    return [tuple(v.float().split([20, 30])) for v in (long * a, short * b)]


@pytest.mark.parametrize("cosine", [-0.9, -0.3, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("lengths", [(1.0, 1.0), (100.0, 0.01), (1e-20, 3.0)])
def test_the_bargain_solves_its_definition(cosine, lengths):
    """G^T G a = 1 / a, also where the gradients are orthogonal; both weights are positive."""
    gradients = vectors(cosine, *lengths)
    a = torch.stack(bargain(*gradients)).double()
    g = torch.stack([torch.cat(parts).double() for parts in gradients])
    assert (a > 0).all()
    torch.testing.assert_close(g @ g.T @ a, 1 / a, rtol=1e-4, atol=0)


def test_both_sides_gain_equally_from_a_bargain():
    """Along the bargain both losses fall, each by as much in units of its own gradient; its length is sqrt(2)."""
    gradients = vectors(-0.8, 5.0, 0.1)
    g = torch.stack([torch.cat(parts) for parts in gradients])
    step = torch.stack(bargain(*gradients)) @ g
    gains = g @ step / g.norm(dim=1)
    assert gains[0] > 0 and float(gains[0]) == pytest.approx(float(gains[1]), rel=1e-4)
    assert float(step.norm()) == pytest.approx(2**0.5, rel=1e-5)


@pytest.mark.parametrize("gradients", [vectors(-1.0), vectors(OPPOSED / 2 - 1), vectors(0.5, 0.0, 1.0)])
def test_where_there_is_no_bargain_the_retain_set_leads(gradients):
    assert [float(a) for a in bargain(*gradients)] == [1.0, pytest.approx(0.1)]


def test_a_step_of_munba(tiny_model, tiny):
    """The gradient that is left is the bargain of the two, cut to norm 1; alone and by autograd."""
    forget, retain = (Batch(tiny.train.x[a:b], tiny.train.y[a:b]) for a, b in ((0, 20), (20, 60)))
    forget = Batch(forget.x, (forget.y + 1) % 4)
    sides = []
    for batch in (retain, forget):
        model = copy.deepcopy(tiny_model)
        F.cross_entropy(model(batch.x), batch.y).backward()
        sides.append(torch.cat([p.grad.flatten() for p in model.parameters()]).double())
    expected = sum(side / side.norm() for side in sides)
    model = copy.deepcopy(tiny_model)
    Munba().backward(model, None, Step(forget, retain, 0, 0.0))
    found = torch.cat([p.grad.flatten() for p in model.parameters()]).double()
    assert float(found.norm()) == pytest.approx(1.0, abs=1e-4)
    torch.testing.assert_close(found, expected / expected.norm(), rtol=1e-3, atol=1e-5)


def test_munba_learns_random_labels_on_the_forget_set_only(asked):
    request = asked(x=torch.arange(300)[:, None], seed=2)
    unlearner = Munba(epochs=2, batch=32, exclude_true=True)
    for step in unlearner.steps(request):
        drawn = random_labels(request, step.epoch, True)
        assert torch.equal(step.forget.y, drawn[step.forget.x.flatten()])
        assert (step.forget.y != request.y[step.forget.x.flatten()]).all()
        assert torch.equal(step.retain.y, request.y[step.retain.x.flatten()])


def test_the_first_step_is_as_long_as_the_rate(tiny_model, asked):
    after = weights(Munba(epochs=1, batch=512, lr=0.02)(tiny_model, asked()).model)
    moved = sum(float((a - b).square().sum()) for a, b in zip(after, weights(tiny_model), strict=True)) ** 0.5
    assert moved == pytest.approx(0.02, rel=1e-3)
