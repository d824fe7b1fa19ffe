"""Classifiers: their own normalisation, features before the head, the same seed the same weights."""

import numpy as np
import pytest
import torch

from unlearn_core.data import Dataset, Images
from unlearn_core.models import MODELS, Classifier, new_model
from unlearn_core.params import BadValue


def images_of(side, channels=3, n=4, classes=5, seed=0):
    """A dataset of random images."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.integers(0, 256, (n, channels, side, side)).astype(np.uint8))
    part = Images(x, torch.arange(n) % classes)
    return Dataset("random", tuple("abcde"[:classes]), part, part, part)


SMALL = {
    "mlp": (8, 1),
    "cnn": (8, 1),
    "resnet9": (16, 3),
    "resnet20": (16, 3),
    "resnet18": (32, 3),
    "resnet50": (32, 1),
    "vgg16": (32, 1),
}
WIDTH = {"mlp": 16, "cnn": 4, "resnet9": 4, "resnet20": 4}


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """(name, its dataset, a new model in eval mode) for each architecture."""
    images = images_of(*SMALL[request.param])
    return request.param, images, new_model(request.param, images, 0, WIDTH.get(request.param, 0)).eval()


@torch.no_grad()
def test_the_head_reads_the_embedding(case):
    _, images, model = case
    logits, features = model(images.train.x), model.embed(images.train.x)
    assert logits.shape == (4, 5) and logits.dtype == torch.float32 and torch.isfinite(logits).all()
    assert features.shape == (4, model.head.in_features)
    assert torch.equal(model.head(features), logits)


@torch.no_grad()
def test_bytes_and_shares_of_one_are_the_same_image(case):
    _, images, model = case
    assert torch.equal(model(images.train.x), model(images.train.x.float() / 255))


@torch.no_grad()
def test_an_image_is_seen_alone(case):
    """In eval mode a row's logits do not depend on the rows beside it."""
    _, images, model = case
    alone = torch.cat([model(x[None]) for x in images.train.x])
    torch.testing.assert_close(model(images.train.x), alone, rtol=1e-4, atol=1e-5)


def test_the_seed_is_all_that_decides_the_weights(case):
    name, images, model = case
    width = WIDTH.get(name, 0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    same, other = new_model(name, images, 0, width), new_model(name, images, 1, width)
    assert torch.equal(torch.get_rng_state(), before)  # torch's own seed is left alone
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_too_small_images_are_refused():
    for name, row in MODELS.items():
        if row.smallest > 1:
            with pytest.raises(BadValue, match=f"at least {row.smallest}x{row.smallest}; these are"):
                new_model(name, images_of(row.smallest - 1), 0)


def test_a_fixed_width_is_not_ignored():
    with pytest.raises(BadValue, match="width of ResNet-18 .* fixed at 64"):
        new_model("resnet18", images_of(32), 0, 32)
    assert new_model("mlp", images_of(8), 0, 7).head.in_features == 7
    assert new_model("mlp", images_of(8), 0).head.in_features == MODELS["mlp"].width


def test_pixels_are_normalised_by_the_training_images():
    images = images_of(8, n=200)
    model = new_model("mlp", images, 0)
    seen = Classifier(torch.nn.Identity(), torch.nn.Identity(), images.mean, images.std).embed(images.train.x)
    values = seen.view(200, 3, 64).permute(1, 0, 2).reshape(3, -1)
    torch.testing.assert_close(values.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std(1, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert model.mean.flatten().tolist() == pytest.approx(images.mean)


def test_a_channel_that_never_varies_does_no_harm():
    images = images_of(8)
    images.train.x[:, 1] = 7
    assert torch.isfinite(new_model("mlp", images, 0)(images.train.x)).all()


def test_the_cnn_takes_images_of_odd_sides():
    for side in (8, 9, 11, 28):
        assert new_model("cnn", images_of(side, 1), 0)(images_of(side, 1).train.x).shape == (4, 5)
