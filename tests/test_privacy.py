"""Training with differential privacy: what its steps do, what they promise, and that all else stays as it was."""

import copy
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unlearn_core import training as trainings
from unlearn_core.data import Images
from unlearn_core.ensembles import goes_stacked
from unlearn_core.params import BadValue, build, canonical, plain
from unlearn_core.privacy import PrivateSteps, epsilon, for_a_group, poisson_batches
from unlearn_core.training import Training, predict, promise, train

pytest.importorskip("opacus")


def one_step(model, x, y, noise, clip, batch, lr=1.0, seed=0):
    """The weights after one private step, flat."""
    model = new_like(model)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    steps = PrivateSteps(model, optimiser, noise, clip, batch, seed)
    steps(x, y)
    steps.close()
    return flat(model)


def new_like(model):
    return copy.deepcopy(model).train().requires_grad_(True)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("clip", [0.05, 1.0, 100.0])
def test_a_step_adds_up_clipped_gradients_of_single_images(clip, tiny, tiny_model):
    """With next to no noise: the mean over the expected batch of gradients, each cut to length `clip`."""
    x, y, expected = tiny.train.x[:12], tiny.train.y[:12], 16
    total = torch.zeros_like(flat(tiny_model))
    for i in range(12):
        model = new_like(tiny_model)
        F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        total += gradient * min(1.0, clip / float(gradient.norm()))
    after = one_step(tiny_model, x, y, 1e-12, clip, expected)
    torch.testing.assert_close(after, flat(tiny_model) - total / expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("recipe", [{"model": "mlp"}, {"model": "cnn", "width": 4}, {"model": "cnn", "width": 8}])
def test_without_noise_and_without_clipping_a_private_step_is_a_plain_one(recipe, digits):
    """Of every kind of layer: all images are in each step, and so the mean of their gradients is the batch's."""
    plain = Training(**recipe, epochs=3, batch=200, lr=0.1, momentum=0.0, schedule="constant")
    rows = np.arange(200)
    private = train(plain.but(noise=1e-9, clip=1000.0), digits, rows).model
    for a, b in zip(private.state_dict().values(), train(plain, digits, rows).model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_one_image_moves_a_step_by_at_most_the_clipping_length(tiny, tiny_model):
    x, y = tiny.train.x[:12], tiny.train.y[:12]
    wrong = torch.cat([(y[:1] + 1) % 4, y[1:]])
    with_it, another, without = (
        one_step(tiny_model, *given, 1.0, 0.5, 12, seed=3) for given in ((x, y), (x, wrong), (x[1:], y[1:]))
    )
    assert 0 < float((with_it - without).norm()) <= 0.5 / 12 + 1e-6
    assert 0 < float((with_it - another).norm()) <= 2 * 0.5 / 12 + 1e-6


def test_the_noise_has_the_scale_it_says(tiny, tiny_model):
    x, y = tiny.train.x[:1], tiny.train.y[:1]
    quiet, loud = (one_step(tiny_model, x, y, noise, 0.5, 4) for noise in (1e-12, 2.0))
    assert float((loud - quiet).std()) == pytest.approx(2.0 * 0.5 / 4, rel=0.1)


def test_a_step_without_images_is_noise(tiny, tiny_model):
    after = one_step(tiny_model, tiny.train.x[:0], tiny.train.y[:0], 2.0, 0.5, 4)
    assert float((after - flat(tiny_model)).std()) == pytest.approx(2.0 * 0.5 / 4, rel=0.1)


def test_each_image_is_drawn_by_itself():
    rows = np.arange(500, 1500)
    batches = [b for epoch in range(20) for b in poisson_batches(rows, 50, 7, epoch)]
    assert len(batches) == 20 * 20
    times = np.bincount(np.concatenate(batches) - 500, minlength=1000)
    assert times.mean() == pytest.approx(20, rel=0.03)  # each in one of twenty steps
    assert times.var() == pytest.approx(400 * 0.05 * 0.95, rel=0.2)  # binomial, not once an epoch
    assert len({len(b) for b in batches}) > 5
    assert all(np.isin(b, rows).all() and len(np.unique(b)) == len(b) for b in batches)
    again = poisson_batches(rows, 50, 7, 3)
    assert all(np.array_equal(a, b) for a, b in zip(again, batches[60:80], strict=True))


def test_epsilon_of_one_step_on_everything_is_that_of_the_gaussian_mechanism():
    """Renyi divergence alpha / (2 noise^2); the classic conversion gives an upper bound, the true value is lower."""
    noise, n = 2.0, 1000
    found, delta = epsilon(noise, n, n, 1)
    classic = min(a / (2 * noise**2) + math.log(n) / (a - 1) for a in np.linspace(1.01, 200, 5000))
    assert delta == 1 / n and 0.5 * classic < found <= classic


def test_epsilon_falls_with_noise_and_grows_with_steps():
    by_noise = [epsilon(noise, 1000, 32, 300)[0] for noise in (0.5, 1.0, 2.0)]
    by_steps = [epsilon(1.0, 1000, 32, steps)[0] for steps in (10, 100, 1000)]
    assert by_noise == sorted(by_noise, reverse=True) and by_steps == sorted(by_steps)
    assert epsilon(0.0, 1000, 32, 1)[0] == math.inf


def test_groups_cost_their_size():
    assert for_a_group(0.5, 1e-6, 1) == pytest.approx((0.5, 1e-6))
    assert for_a_group(0.5, 1e-6, 3) == pytest.approx((1.5, 3 * math.exp(1.0) * 1e-6))
    assert for_a_group(5.0, 1e-3, 40) == (200.0, 1.0)


def test_a_private_model_learns_and_promises_something(tiny, tiny_training):
    private = tiny_training.but(noise=0.5, clip=1.0, epochs=20)
    trained = train(private, tiny, np.arange(300))
    right = (predict(trained.model, tiny.test).logits.argmax(1) == tiny.test.y.numpy()).mean()
    assert right > 0.7
    assert 0 < promise(private, 300)[0] < 100 and promise(tiny_training, 300) is None
    again = train(private, tiny, np.arange(300))
    assert torch.equal(flat(trained.model), flat(again.model))
    assert not torch.equal(flat(trained.model), flat(train(private.but(seed=1), tiny, np.arange(300)).model))
    assert all(np.isfinite(v).all() for v in trained.trajectory.values())
    assert all(not p.__dict__.get("grad_sample") for p in trained.model.parameters())


def test_private_models_go_one_after_the_other(tiny, tiny_training):
    assert goes_stacked(tiny_training, tiny) and not goes_stacked(tiny_training.but(noise=1.0), tiny)


def test_batchnorm_is_refused(tiny):
    big = torch.nn.functional.interpolate(tiny.train.x[:8].float(), 16).to(torch.uint8)
    images = replace(tiny, train=Images(big, tiny.train.y[:8]))
    with pytest.raises(BadValue, match="without BatchNorm"):
        train(Training(model="resnet9", width=2, noise=1.0, epochs=1), images, np.arange(8))


def test_another_precision_is_refused(tiny, tiny_training):
    with pytest.raises(BadValue, match="in float32"):
        train(tiny_training.but(noise=1.0, precision="bfloat16"), tiny, np.arange(300))


def test_without_opacus_it_says_what_to_install(monkeypatch, tiny, tiny_training):
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(BadValue, match=r"\[dp\]"):
        train(tiny_training.but(noise=1.0), tiny, np.arange(300))


def test_ordinary_training_is_what_it_was():
    """The fields that came later are written only where they say something, so stored results keep their keys."""
    assert "noise" not in canonical(Training()) and "clip" not in canonical(Training())
    private = Training(noise=1.5)
    assert plain(private)["noise"] == 1.5 and "clip" not in plain(private)
    assert build(plain(private)) == private and build(plain(Training())) == Training()
    assert trainings.promise(Training(), 10) is None
