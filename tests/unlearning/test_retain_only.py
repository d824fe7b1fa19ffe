"""Algorithms that see the retain set only, against the formulas of their sources."""

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.unlearning.common import RETAIN, SHARED, quick, same, weights
from unlearn_core.models import Classifier
from unlearn_core.unlearning import Cost, Request
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.request import Batch
from unlearn_core.unlearning.retain_only.cf_k import CFk
from unlearn_core.unlearning.retain_only.eu_k import EUk
from unlearn_core.unlearning.retain_only.fine_tune import FineTune
from unlearn_core.unlearning.retain_only.l1_sparse import L1Sparse
from unlearn_core.unlearning.retain_only.noisy_descent import ORDERS, M, Walk, features
from unlearn_core.unlearning.retain_only.noisy_fine_tune import NoisyFineTune

IDENTITIES = {
    "CF-k with a net of no more than k blocks is fine-tuning": (CFk(k=1, **SHARED), FineTune(**SHARED)),
    "noisy fine-tuning without noise and clipping is fine-tuning": (
        NoisyFineTune(sigma=0.0, clip=100.0, **SHARED),
        FineTune(**SHARED),
    ),
    "L1-sparse without its penalty is fine-tuning": (L1Sparse(alpha=0.0, **SHARED), FineTune(**SHARED)),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities_hold_bit_for_bit(case, tiny_model, asked):
    one, other = IDENTITIES[case]
    assert same(one(tiny_model, asked(seed=3)).model, other(tiny_model, asked(seed=3)).model)
    assert not same(one(tiny_model, asked(seed=3)).model, tiny_model)


def test_the_l1_penalty_covers_all_weights_and_fades(tiny_model, tiny):
    batch = Batch(tiny.train.x[:50], tiny.train.y[:50])
    ce, size = (
        F.cross_entropy(tiny_model(batch.x), batch.y).item(),
        sum(float(p.abs().sum()) for p in weights(tiny_model)),
    )
    for of in (0.0, 0.5, 0.9):
        loss = L1Sparse(alpha=0.01).loss(tiny_model, None, Step(None, batch, 0, of))
        assert float(loss.detach()) == pytest.approx(ce + 0.01 * (1 - of) * size, rel=1e-5)
    assert [s.of for s in L1Sparse(epochs=4, batch=300).steps(quick_request(tiny))] == [0, 0.25, 0.5, 0.75]


def test_l1_makes_weights_small(tiny_model, asked):
    plain, sparse = (
        cls(epochs=5, lr=0.05)(tiny_model, asked()).model for cls in (FineTune, lambda **k: L1Sparse(alpha=0.01, **k))
    )
    assert sum(float(p.abs().sum()) for p in weights(sparse)) < 0.8 * sum(float(p.abs().sum()) for p in weights(plain))


def quick_request(images):
    return Request(images.train.x, images.train.y, np.arange(40), np.arange(40, 300), 4)


# -- CF-k and EU-k -----------------------------------------------------------------------------------------------------

DEEP = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.ReLU()))


@pytest.fixture
def deep(tiny):
    """Three blocks, the second of them BatchNorm, and a head."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Flatten(), copy.deepcopy(DEEP))
        return Classifier(trunk, nn.Linear(8, 4), tiny.mean, tiny.std).eval()


def moved(model, original):
    before = dict(original.named_parameters())
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


@pytest.mark.parametrize("cls", [CFk, EUk])
@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_only_the_last_blocks_move(cls, k, deep, asked):
    """Momentum and weight decay would move the others, were only their gradients masked."""
    blocks = [{"trunk.1.0"}, {"trunk.1.1"}, {"trunk.1.3.0"}]
    layers = {"head"}.union(*blocks[3 - k :]) if k else {"head"}
    expected = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert moved(cls(k=k, **SHARED)(deep, asked()).model, deep) == expected


def test_eu_k_of_all_layers_is_training_from_scratch(deep, asked):
    """Nothing is left of the original: another one gives the same model, which is what a fresh net is trained to."""
    other = copy.deepcopy(deep)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1)
    other.trunk[1][1].running_mean.add_(3)
    unlearner, request = EUk(k=3, **SHARED), asked(seed=3)
    ours = unlearner(deep, request).model
    assert same(ours, unlearner(other, request).model)
    assert all(
        torch.equal(a, b) for a, b in zip(ours.buffers(), unlearner(other, request).model.buffers(), strict=True)
    )
    assert not same(EUk(k=2, **SHARED)(deep, request).model, EUk(k=2, **SHARED)(other, request).model)
    fresh = copy.deepcopy(other)
    unlearner.begin(fresh, other, request, Cost())
    assert same(ours, FineTune(**SHARED)(fresh, request).model)
    bound = 1 / 8  # of torch's first weights for 64 inputs
    assert fresh.trunk[1][0].weight.abs().max() <= bound and fresh.trunk[1][0].weight.std() > 0.9 * bound / 3**0.5


def test_eu_k_starts_from_other_weights_with_each_seed(deep, asked):
    heads = []
    for seed in (0, 0, 1):
        model = copy.deepcopy(deep)
        EUk(k=0).begin(model, deep, asked(seed=seed), Cost())
        assert moved(model, deep) == {"head.weight", "head.bias"}
        heads.append(model.head.weight)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


# -- noisy fine-tuning -------------------------------------------------------------------------------------------------


def test_a_step_of_noisy_fine_tuning_is_a_step_of_langevin(tiny_model, asked):
    """theta - lr clip(grad) + sqrt(2 lr) sigma N(0, 1): what is left after the clipped step has that deviation."""
    request = asked()
    model = copy.deepcopy(tiny_model)
    F.cross_entropy(model(request.x[request.retain]), request.y[request.retain]).backward()
    length = sum(float(p.grad.square().sum()) for p in model.parameters()) ** 0.5
    for clip in (length / 3, 2 * length):
        unlearner = NoisyFineTune(epochs=1, batch=512, lr=0.04, clip=clip, sigma=0.5)
        after = weights(unlearner(tiny_model, request).model)
        noise = torch.cat(
            [
                (a - (p.detach() - 0.04 * min(1, clip / length) * p.grad)).flatten()
                for a, p in zip(after, model.parameters(), strict=True)
            ]
        )
        still = weights(unlearner.but(sigma=0.0)(tiny_model, request).model)
        for a, p in zip(still, model.parameters(), strict=True):
            torch.testing.assert_close(a, p.detach() - 0.04 * min(1, clip / length) * p.grad, rtol=1e-4, atol=1e-6)
        assert len(noise) > 1000
        assert float(noise.std()) == pytest.approx((2 * 0.04) ** 0.5 * 0.5, rel=0.1)  # four deviations of the estimate
        assert abs(float(noise.mean())) < 4 * float(noise.std()) / len(noise) ** 0.5


def test_noise_differs_from_step_to_step(tiny_model, asked):
    one, two = (weights(NoisyFineTune(epochs=e, batch=512, lr=0.04)(tiny_model, asked()).model) for e in (1, 2))
    calm = weights(NoisyFineTune(epochs=1, batch=512, lr=0.04, sigma=0.0)(tiny_model, asked()).model)
    more = weights(NoisyFineTune(epochs=2, batch=512, lr=0.04, sigma=0.0)(tiny_model, asked()).model)
    first = torch.cat([(a - b).flatten() for a, b in zip(one, calm, strict=True)])
    second = torch.cat([(a - b).flatten() for a, b in zip(two, more, strict=True)]) - first
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.3


# -- the certified head ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 10, 200])
@pytest.mark.parametrize("gone", [1, 20])
def test_langevins_bound_holds_where_the_answer_is_known(steps, gone):
    """Walks down m/2 w^2 + g w are Gaussian, so their divergence is known: the bound is above it at every order."""
    walk = Walk(n=100, gone=gone, m=0.1, eta=0.5, sigma=0.2)
    apart = 2 * gone * M / walk.n / walk.m  # of two settled walks: gradients of `gone` points turned round
    variance = 2 * walk.eta * walk.sigma**2 / (1 - (1 - walk.eta * walk.m) ** 2)
    truth = ORDERS * (apart * (1 - walk.eta * walk.m) ** steps) ** 2 / (2 * variance)
    bound = np.exp(-steps * walk.m * walk.eta / ORDERS) * walk.start()
    assert (bound >= truth).all() and (steps or (bound < 4 * truth).all())


def test_langevins_bound_by_hand():
    """At one order: 4 a S^2 M^2 / (m sigma^2 n^2) e^(-K m eta / a) + ln(1 / delta) / (a - 1), over a grid."""
    walk = Walk(n=1000, gone=2, m=0.05, eta=1.5, sigma=0.03)

    def bound(a, steps):
        start = 4 * a * 2**2 * 2 / (0.05 * 0.03**2 * 1000**2)
        return start * np.exp(-steps * 0.05 * 1.5 / a) + np.log(1000) / (a - 1)

    for steps in (0, 100, 1000):
        found = min(bound(1 + i / 100, steps) for i in range(1, 200_000))
        assert walk.epsilon(steps, 1e-3) == pytest.approx(found, rel=1e-3)
    needed = walk.steps(0.5, 1e-3)
    assert needed > 10 and walk.epsilon(needed, 1e-3) <= 0.5 < walk.epsilon(needed - 2, 1e-3)
    assert walk.steps(100.0, 1e-3) == 0


def test_langevin_says_what_it_certifies(tiny_model, asked):
    unlearned = quick("langevin-head")(tiny_model, asked())
    notes = unlearned.cost.notes
    assert 0 < notes["epsilon of the head"] <= 5.0 and notes["delta of the head"] == 1 / 300
    assert notes["steps of learning"] + notes["steps of unlearning"] == unlearned.cost.steps
    assert json.loads(json.dumps(notes)) == notes
    assert quick("langevin-head", epsilon=1.0)(tiny_model, asked()).cost.steps > unlearned.cost.steps
    assert moved(unlearned.model, tiny_model) == {"head.weight", "head.bias"} and not unlearned.model.head.bias.any()


def test_what_langevin_bounds_is_bounded(tiny_model, asked):
    """No image's gradient is longer than M: its features are cut, those of a far image of the forget set too."""
    request = asked(x=asked().x.float().div(255).index_fill(0, torch.arange(10, 50), 40.0))
    x, scale = features(tiny_model, request, np.r_[request.retain, request.forget], RETAIN)
    assert x.norm(dim=1).max() <= 1 + 1e-6
    assert float((x[:RETAIN].norm(dim=1) < 1 - 1e-6).float().mean()) == pytest.approx(0.5, abs=0.02)
    raw = tiny_model.embed(request.x[request.retain])
    short = raw.norm(dim=1) < scale
    torch.testing.assert_close(x[:RETAIN][short] * scale, raw[short].detach())


def test_a_step_of_the_certified_head_goes_down_the_penalised_loss():
    """CE + m / 2 |W|^2 by autograd in float64, and the noise with its deviation."""
    draws = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(n, 40, generator=draws, dtype=torch.float64) for n in (10, 50))
    labels = torch.randint(10, (50,), generator=draws)
    walk = Walk(n=50, gone=1, m=0.3, eta=0.8, sigma=0.2)
    w = weight.clone().requires_grad_()
    (F.cross_entropy(x @ w.T, labels) + 0.15 * w.square().sum()).backward()
    found = walk.step(weight, x, F.one_hot(labels, 10).double().T, draws)
    noise = found - (weight - 0.8 * w.grad)
    assert float(noise.std()) == pytest.approx((2 * 0.8) ** 0.5 * 0.2, rel=0.15)  # four deviations of the estimate
    still = walk._replace(sigma=0.0).step(weight, x, F.one_hot(labels, 10).double().T, draws)
    torch.testing.assert_close(still, weight - 0.8 * w.grad)


def test_the_certified_head_fits_what_is_kept(tiny_model, asked):
    request = asked()
    model = quick("langevin-head", sigma=1e-3, m=0.01, epsilon=100.0)(tiny_model, request).model
    x, y = request.x[request.retain], request.y[request.retain]
    assert (model(x).argmax(1) == y).float().mean() > 0.9 * (tiny_model(x).argmax(1) == y).float().mean()
