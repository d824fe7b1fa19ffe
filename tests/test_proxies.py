"""Cheaper scores: known answers, which way they point, and what they must not touch."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

from unlearn_core.data import Data, Dataset, Images
from unlearn_core.experiment import fulfil, proxy_scores, trained_models
from unlearn_core.experiment.proxy_scores import Curvature, Holdout
from unlearn_core.models import Classifier, new_model
from unlearn_core.params import BadValue
from unlearn_core.proxies import PROXIES, from_trajectory, loss_curvature, retrain_on, symmetric_kl
from unlearn_core.store import Store
from unlearn_core.training import TRAJECTORY, Training

NOISY = Training(data=Data(name="digits-noisy", train=500, test=60), epochs=30)
SMALL = Training(data=Data(train=150, test=60), width=8, epochs=3)


# -- which way they point ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A store with a model that fits wrong labels, which it can only know by heart."""
    store = Store(tmp_path_factory.mktemp("noisy"))
    fulfil(store, NOISY)
    return store


@pytest.mark.parametrize("name", PROXIES)
def test_images_with_wrong_labels_score_higher(name, noisy):
    wrong = trained_models.dataset(noisy, NOISY.data).mislabelled
    scores = proxy_scores.proxy_scores(noisy, NOISY, name)
    assert scores.shape == wrong.shape and scores.dtype == np.float64 and np.isfinite(scores).all()
    assert np.median(scores[wrong]) > np.median(scores[~wrong])


def test_a_recorded_score_is_what_training_recorded(noisy):
    recorded = {p.recorded for p in PROXIES.values()} - {""}
    assert recorded == set(TRAJECTORY)
    kept = fulfil(noisy, NOISY).arrays("trajectory")
    np.testing.assert_array_equal(
        proxy_scores.proxy_scores(noisy, NOISY, "confidence"), -kept["confidence"].astype(float)
    )
    # Entropy is kept negative, so the score is the entropy itself.
    entropy = from_trajectory("entropy", kept)
    assert entropy.min() >= 0 and entropy.max() <= math.log(10) + 1e-6


@pytest.mark.parametrize(("lr", "held_out"), [(0.01, 0.01), (0.5, 0.1)])
def test_held_out_images_are_trained_on_no_faster_than_the_model_was(lr, held_out):
    stage = proxy_scores.stage(SMALL.but(lr=lr), "holdout_retraining")
    assert stage == Holdout(training=SMALL.but(lr=lr), lr=held_out)


def test_every_proxy_names_its_source():
    for proxy in PROXIES.values():
        assert "arXiv:" in proxy.source
        assert all(getattr(proxy, f.name) for f in fields(proxy) if f.name != "recorded")


# -- divergence --------------------------------------------------------------------------------------------------------


def test_divergence_by_hand():
    p, q = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.9, 0.1], [0.0, 1.0]])
    # 1/2 (0.4 ln(0.9/0.5) + 0.4 ln(0.5/0.1)) = 0.2 ln 9; and where nothing is shared, the clamp: ln(1e10).
    expected = [0.2 * math.log(9), 10 * math.log(10)]
    np.testing.assert_allclose(symmetric_kl(p, q), expected, rtol=1e-9)
    np.testing.assert_allclose(symmetric_kl(q, p), expected, rtol=1e-9)
    assert symmetric_kl(p, p).tolist() == [0, 0]


# -- retraining on validation images ----------------------------------------------------------------------------------


class Stubborn(Classifier):
    """Says the same whatever it is taught."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 4), [0.5], [0.2])

    def forward(self, x):
        return 0 * super().forward(x)


def test_it_stops_when_the_loss_no_longer_falls(tiny):
    losses = retrain_on(Stubborn(), tiny.validation, patience=4)[1]
    assert losses == pytest.approx([math.log(4)] * 5)  # the best, and four that do not beat it
    assert len(retrain_on(Stubborn(), tiny.validation, patience=2)[1]) == 3
    assert len(retrain_on(Stubborn(), tiny.validation, epochs=2)[1]) == 2


def test_it_goes_on_while_the_loss_falls(tiny):
    losses = retrain_on(new_model("mlp", tiny, 0, 16), tiny.validation, lr=0.01, epochs=9)[1]
    assert len(losses) == 9 and losses[-1] < losses[0]


def test_the_model_itself_stays_as_it_is(tiny, tiny_model):
    before = {k: v.clone() for k, v in tiny_model.state_dict().items()}
    moved, _ = retrain_on(tiny_model, tiny.validation, epochs=2)
    assert not moved.training
    assert all(torch.equal(v, before[k]) for k, v in tiny_model.state_dict().items())
    assert not torch.equal(moved.head.weight, tiny_model.head.weight)


def test_a_diverging_run_ends_at_its_last_finite_state(tiny, tiny_model):
    moved, losses = retrain_on(tiny_model, tiny.validation, lr=1e30)
    assert all(map(math.isfinite, losses)) and all(torch.isfinite(p).all() for p in moved.parameters())


def test_without_held_out_images_there_is_no_score(store):
    training = SMALL.but(data=SMALL.data.but(validation=0.0))
    with pytest.raises(BadValue, match="on validation images needs some"):
        fulfil(store, Holdout(training=training))


# -- curvature of the loss ---------------------------------------------------------------------------------------------


def linear(weight):
    """Two classes with logits 0 and w x, on pixels as they are."""
    weight = torch.as_tensor(weight, dtype=torch.float64)
    head = nn.Linear(len(weight), 2, bias=False, dtype=torch.float64)
    head.weight.data = torch.stack([torch.zeros_like(weight), weight])
    model = Classifier(nn.Flatten(), head, [0.0], [1.0])
    return model.double().train()


def test_curvature_where_it_is_known():
    """softplus(-w x) has the Hessian w w' s(1 - s); with z along the signs of w: |w|_1 |w|_2 s(1 - s) h / sqrt(d)."""
    w = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    x = torch.rand(5, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    s, h = torch.sigmoid(x.flatten(1) @ w), 1e-5
    found = loss_curvature(linear(w), x, torch.ones(5, dtype=torch.int64), h)
    torch.testing.assert_close(found / h, w.abs().sum() * w.norm() * s * (1 - s) / 2, rtol=1e-4, atol=0)


def test_curvature_is_the_change_of_the_gradient(tiny, tiny_model):
    """Against gradients by finite differences, at a step that is not small."""
    model, h, step = tiny_model.double(), 0.3, 1e-5
    x, y = tiny.train.x[:3].double() / 255, tiny.train.y[:3]

    @torch.no_grad()
    def gradient(x):
        columns = []
        for pixel in torch.eye(64, dtype=torch.float64).view(64, 1, 8, 8) * step:
            up, down = (nn.functional.cross_entropy(model(x + d), y, reduction="none") for d in (pixel, -pixel))
            columns.append((up - down) / (2 * step))
        return torch.stack(columns, 1)

    try:
        g = gradient(x)
        z = h * g.sign() / g.sign().norm(dim=1, keepdim=True)
        expected = (gradient(x + z.view_as(x)) - g).norm(dim=1)
        torch.testing.assert_close(loss_curvature(model, x, y, h), expected, rtol=1e-4, atol=1e-6)
    finally:
        tiny_model.float()


def test_an_image_has_one_curvature_whatever_lies_beside_it(tiny):
    trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    model = Classifier(trunk, nn.Linear(4 * 36, 4), tiny.mean, tiny.std).train()
    x, y = tiny.train.x[:12].float() / 255, tiny.train.y[:12]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    together = loss_curvature(model, x, y)
    assert model.training and all(p.grad is None for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    torch.testing.assert_close(together[4:8], loss_curvature(model, x[4:8], y[4:8]), rtol=1e-3, atol=1e-6)


def test_a_flat_loss_has_no_curvature():
    assert loss_curvature(linear([0.0] * 4), torch.rand(2, 1, 2, 2).double(), torch.tensor([0, 1])).tolist() == [0, 0]


def test_the_mean_is_over_epochs_and_before_the_steps(store):
    """One epoch of one step: the curvature of the fresh model."""
    training = SMALL.but(epochs=1, batch=1000, without="3,7-9")
    scores = fulfil(store, Curvature(training=training)).arrays()["scores"]
    images = trained_models.dataset(store, training.data)
    rows = trained_models.training_rows(training, len(images.train.y))
    fresh = new_model(training.model, images, training.seed, training.width)
    expected = loss_curvature(fresh, images.train.x[rows].float() / 255, images.train.y[rows])
    np.testing.assert_allclose(scores[rows], expected, rtol=1e-4, atol=1e-7)
    assert np.isnan(scores[[3, 7, 8, 9]]).all()


# -- stages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROXIES)
def test_rows_that_were_not_trained_on_have_no_score(name, store):
    training = SMALL.but(without="3,7-9")
    scores = proxy_scores.proxy_scores(store, training, name)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [3, 7, 8, 9]
    assert proxy_scores.is_ready(store, training, name) and not proxy_scores.is_ready(store, SMALL, name)


def test_no_score_looks_at_the_test_images(store, monkeypatch):
    """They judge what the scores choose, so a score that saw them would flatter itself."""
    fulfil(store, SMALL)
    whole = trained_models.dataset(store, SMALL.data)

    class Guarded(Dataset):
        def __getattribute__(self, name):
            assert name != "test", "the test images were asked for"
            return super().__getattribute__(name)

    nothing = Images(whole.test.x[:0], whole.test.y[:0])
    guarded = Guarded(whole.name, whole.classes, whole.train, whole.validation, nothing)
    for module in (trained_models, proxy_scores):
        monkeypatch.setattr(module, "dataset", lambda *args: guarded)
    with pytest.raises(AssertionError, match="asked for"):
        trained_models.all_logits(new_model("mlp", guarded, 0, 8), guarded)
    for name in PROXIES:
        assert np.isfinite(proxy_scores.proxy_scores(store, SMALL, name)).all()
