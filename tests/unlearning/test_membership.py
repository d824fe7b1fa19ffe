"""Algorithms that train against an attack on membership, against the formulas of their sources."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F

from tests.unlearning.common import SHARED, same
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.membership.attack import Attack, gaussian_kl, margin, traces, train_attack
from unlearn_core.unlearning.membership.remi import Remi
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.request import Batch


def test_remi_without_its_terms_is_fine_tuning(tiny_model, asked):
    """NegGrad+ with alpha 1 draws the same batches."""
    ours = Remi(lam_mi=0.0, lam_kl=0.0, **SHARED)(tiny_model, asked(seed=3)).model
    assert same(ours, NegGradPlus(alpha=1.0, **SHARED)(tiny_model, asked(seed=3)).model)
    assert not same(ours, tiny_model)


def test_the_confidence_is_the_log_odds_of_the_label():
    logits, y = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)).double(), torch.arange(40) % 5
    p = logits.softmax(1).gather(1, y[:, None]).squeeze(1)
    torch.testing.assert_close(margin(logits, y), (p / (1 - p)).log())
    sure = torch.tensor([[200.0, 0.0, 0.0], [-200.0, 0.0, 0.0]])
    assert torch.isfinite(margin(sure, torch.tensor([0, 0]))).all()


@pytest.mark.parametrize("numbers", [(0.0, 1.0, 0.0, 1.0), (2.0, 0.5, -1.0, 3.0), (-1.0, 4.0, 0.0, 0.2)])
def test_the_divergence_of_gaussians_by_integration(numbers):
    mean, variance, to_mean, to_variance = numbers
    x = torch.linspace(-60, 60, 400_001, dtype=torch.float64)
    log_p = torch.distributions.Normal(mean, variance**0.5).log_prob(x)
    log_q = torch.distributions.Normal(to_mean, to_variance**0.5).log_prob(x)
    expected = torch.trapezoid(log_p.exp() * (log_p - log_q), x)
    found = gaussian_kl(*(torch.tensor(n, dtype=torch.float64) for n in numbers))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_the_attack_reads_sorted_probabilities_loss_and_correctness():
    logits, y = torch.tensor([[0.0, 2.0, 1.0], [0.0, 2.0, 1.0]]), torch.tensor([1, 0])
    p = np.exp([2.0, 1.0, 0.0]) / np.exp([2.0, 1.0, 0.0]).sum()
    expected = [[*p, np.log1p(-np.log(p[0])), 1.0], [*p, np.log1p(-np.log(p[2])), 0.0]]
    torch.testing.assert_close(traces(logits, y).double(), torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_the_attack_learns_who_is_a_member():
    """The higher its answer the more likely a member, and unequal numbers do not tip it."""
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 4, generator=draws)
    y = torch.randint(4, (200,), generator=draws)
    logits[:150].scatter_add_(1, y[:150, None], torch.full((150, 1), 3.0))
    asked_of = traces(logits, y)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    train_attack(net, asked_of[:150], asked_of[150:])
    said = net(asked_of).squeeze(1)
    assert roc_auc_score([1] * 150 + [0] * 50, said) > 0.9
    assert float((said[150:] < 0).float().mean()) > 0.5 and not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.0, 0.0), (0.0, 0.7), (0.5, 2.0)])
def test_the_loss_of_remi(weights, tiny_model, tiny, asked):
    """CE + lam_mi mean -log(1 - A) + lam_kl KL, by hand in float64."""
    unlearner = Remi(lam_mi=weights[0], lam_kl=weights[1])
    context = unlearner.context(None, tiny_model, asked(), None)
    unlearner.between(tiny_model, asked(), 0, context)
    forget, retain = (Batch(tiny.train.x[a:b], tiny.train.y[a:b]) for a, b in ((0, 30), (30, 90)))
    z = tiny_model(forget.x).detach()
    says = context.net(traces(z, forget.y)).detach().double().squeeze(1)
    odds = margin(z.double(), forget.y)
    mean, variance = odds.mean(), odds.var(unbiased=False) + 0.1
    to_mean, to_variance = context.mean.double(), context.variance.double()
    kl = 0.5 * (to_variance / variance).log() + (variance + (mean - to_mean) ** 2) / (2 * to_variance) - 0.5
    expected = F.cross_entropy(tiny_model(retain.x), retain.y).double()
    expected = expected + weights[0] * -(1 - says.sigmoid()).log().mean() + weights[1] * kl
    loss = unlearner.loss(tiny_model, None, Step(forget, retain, 0, 0.0, context=context))
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


def test_one_class_is_compared_with_validation_images_of_its_own(tiny_model, asked):
    """And a forget set of several classes, or one that validation lacks, with all of them."""
    x, y = asked().validation
    own = np.flatnonzero(asked().y.numpy() == 2)[:30]
    rest = Batch(x[y != 2], y[y != 2])
    for changes, batch in (
        ({"forget": own}, Batch(x[y == 2], y[y == 2])),
        ({}, Batch(x, y)),
        ({"forget": own, "validation": rest}, rest),
    ):
        request, unlearner = asked(**changes), Remi()
        context = unlearner.context(None, tiny_model, request, None)
        unlearner.between(tiny_model, request, 0, context)
        odds = margin(tiny_model(batch.x).detach(), batch.y)
        assert float(context.mean) == pytest.approx(float(odds.mean()), rel=1e-4)
        assert float(context.variance) == pytest.approx(float(odds.var(unbiased=False)) + 0.1, rel=1e-3)


def test_the_attack_is_refreshed_before_each_epoch_and_leaves_the_model_alone(tiny_model, asked):
    seen = []

    class Watched(Remi):
        def between(self, model, request, epoch, context):
            before, mode = copy.deepcopy(model), model.training
            super().between(model, request, epoch, context)
            assert same(before, model) and model.training == mode and isinstance(context, Attack)
            seen.append([p.clone() for p in context.net.parameters()])

    Watched(epochs=3, lr=0.05)(tiny_model, asked())
    assert len(seen) == 3 and not torch.equal(seen[0][0], seen[1][0]) and not torch.equal(seen[1][0], seen[2][0])


def test_remi_draws_nothing_from_the_global_source(tiny_model, asked):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    Remi(epochs=1)(tiny_model, asked())
    assert torch.equal(before, torch.random.get_rng_state())


def test_remi_hides_the_forget_set(on_digits):
    """The images of which the original is surest are no surer any more than those never seen."""
    _, model, request = on_digits
    with torch.no_grad():
        sure = np.sort(margin(model(request.x), request.y).argsort(descending=True)[:60].numpy())
    request = replace(request, forget=sure, retain=np.setdiff1d(np.arange(len(request.y)), sure))
    x, y = request.validation

    def apart(m):
        with torch.no_grad():
            forget = margin(m(request.x[request.forget]), request.y[request.forget])
            return float(forget.mean() - margin(m(x), y).mean())

    assert apart(model) > 3
    assert abs(apart(Remi(epochs=8, lr=0.003, lam_kl=1.0)(model, request).model)) < 1
