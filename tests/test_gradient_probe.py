"""Lengths of gradients at single images: against a loop, a closed form and bounds; models with BatchNorm included."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from unlearn_core.data import Images
from unlearn_core.evaluation import efficacy, efficacy_upper_bound, information_score
from unlearn_core.models import Classifier, Ensemble, new_model
from unlearn_core.params import BadValue
from unlearn_core.probes import gradients
from unlearn_core.training import predict


def by_loop(model, images):
    model = copy.deepcopy(model).eval().requires_grad_(True)
    lengths = []
    for x, y in zip(images.x, images.y, strict=True):
        found = torch.autograd.grad(nn.functional.cross_entropy(model(x[None]), y[None]), list(model.parameters()))
        lengths.append(torch.cat([g.flatten() for g in found]).norm().item())
    return np.array(lengths)


@pytest.fixture(scope="module")
def models(tiny, tiny_model):
    settled = new_model("resnet20", tiny, 0, 4).train()
    with torch.no_grad():
        for _ in range(10):  # running statistics that are not those of a fresh net
            settled(tiny.train.x[:64])
    return {
        "mlp": tiny_model,
        "cnn": new_model("cnn", tiny, 0, 4),
        "BatchNorm": settled,
        "ensemble": Ensemble([tiny_model, new_model("mlp", tiny, 1, 16)]),
    }


@pytest.mark.parametrize("kind", ["mlp", "cnn", "BatchNorm", "ensemble"])
def test_each_images_gradient_is_that_of_a_loop(models, tiny, kind):
    images = tiny.train.take(np.arange(20))
    model, before = models[kind], copy.deepcopy(models[kind].state_dict())
    mode = model.training
    norms = gradients.gradient_norms(model, images)
    assert norms.dtype == np.float64
    assert norms == pytest.approx(by_loop(model, images), rel=1e-4)
    assert model.training == mode
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    # Alone or among others, an image's gradient is the same.
    assert gradients.gradient_norms(model, tiny.train.take(np.arange(7, 8))) == pytest.approx(norms[7:8], rel=1e-4)
    assert gradients.mean_gradient_norm(model, images) ** 2 <= information_score(norms) * (1 + 1e-6)


def test_softmax_regression_has_a_closed_form(tiny):
    """|e_y - p|^2 (|x|^2 + 1), by hand."""
    torch.manual_seed(0)
    model = Classifier(nn.Flatten(), nn.Linear(64, 4), [0.0], [1.0])
    images = tiny.train.take(np.arange(30))
    x = images.x.numpy().reshape(30, -1) / 255
    p = predict(model, images).logits.astype(float)
    p = np.exp(p) / np.exp(p).sum(1, keepdims=True)
    off = np.eye(4)[images.y.numpy()] - p
    norms = gradients.gradient_norms(model, images)
    assert np.square(norms) == pytest.approx(np.square(off).sum(1) * (np.square(x).sum(1) + 1), rel=1e-4)
    whole = np.sqrt(np.square(off.T @ np.c_[x, np.ones(30)] / 30).sum())
    assert gradients.mean_gradient_norm(model, images) == pytest.approx(whole, rel=1e-4)
    assert efficacy(norms) <= efficacy_upper_bound(gradients.mean_gradient_norm(model, images))


def test_more_images_than_fit_at_once(tiny, tiny_model):
    many = Images(tiny.train.x.repeat(2, 1, 1, 1), tiny.train.y.repeat(2))
    norms = gradients.gradient_norms(tiny_model, many)
    assert norms[300:] == pytest.approx(norms[:300], rel=1e-4)
    once, twice = (gradients.mean_gradient_norm(tiny_model, images) for images in (tiny.train, many))
    assert once == pytest.approx(twice, rel=1e-4)


class Stubborn(nn.Module):
    """Asks for a number of a tensor, which no pass over many images at once can answer."""

    def forward(self, x):
        return x if x.sum().item() > -1e9 else -x


def test_a_layer_that_takes_one_image_at_a_time(tiny):
    torch.manual_seed(0)
    model = Classifier(nn.Sequential(nn.Flatten(), Stubborn()), nn.Linear(64, 4), [0.5], [0.2])
    images = tiny.train.take(np.arange(9))
    assert gradients.gradient_norms(model, images) == pytest.approx(by_loop(model, images), rel=1e-5)


def test_frozen_weights_count_and_stay_frozen(tiny, tiny_model):
    frozen = copy.deepcopy(tiny_model).requires_grad_(False)
    images = tiny.train.take(np.arange(5))
    assert gradients.gradient_norms(frozen, images) == pytest.approx(gradients.gradient_norms(tiny_model, images))
    assert gradients.mean_gradient_norm(frozen, images) > 0
    assert not any(p.requires_grad for p in frozen.parameters())


def test_no_images_and_no_numbers(tiny, tiny_model):
    none = tiny.train.take(np.arange(0))
    assert gradients.gradient_norms(tiny_model, none).shape == (0,)
    assert gradients.mean_gradient_norm(tiny_model, none) is None
    broken = copy.deepcopy(tiny_model)
    with torch.no_grad():
        broken.head.bias[0] = torch.nan
    for ask in (gradients.gradient_norms, gradients.mean_gradient_norm):
        with pytest.raises(BadValue):
            ask(broken, tiny.train)


def test_an_image_that_is_fitted_to_the_last_digit_has_no_gradient():
    head = nn.Linear(1, 2)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([500.0, -500.0]))
    model = Classifier(nn.Flatten(), head, [0.0], [1.0])
    images = Images(torch.ones(2, 1, 1, 1, dtype=torch.uint8), torch.tensor([0, 1]))
    sure, wrong = gradients.gradient_norms(model, images)
    assert sure == 0
    # Both rows of the layer: (1, -1) times the pixel and 1.
    assert wrong == pytest.approx(np.sqrt(2 * (1 + 1 / 255**2)))
