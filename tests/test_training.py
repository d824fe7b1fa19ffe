"""Training is a pure function of recipe, rows and seed, and what it records is what it says."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from unlearn_core import training
from unlearn_core.data import DATASETS, Data, Dataset, Images
from unlearn_core.device import pick_device
from unlearn_core.ensembles import train_members
from unlearn_core.models import MODELS, new_model
from unlearn_core.progress import Cancelled
from unlearn_core.training import (
    TRAJECTORY,
    Training,
    as_trajectory,
    embed,
    epoch_order,
    learning_rate,
    predict,
    recipe,
    train,
    train_each,
)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def with_rows(dataset, rows, x=None, y=None):
    """The dataset with other pixels or labels on these training rows, but the same normalisation."""
    train_x, train_y = dataset.train.x.clone(), dataset.train.y.clone()
    if x is not None:
        train_x[rows] = x
    if y is not None:
        train_y[rows] = y
    changed = Dataset(dataset.name, dataset.classes, Images(train_x, train_y), dataset.validation, dataset.test)
    changed.__dict__["_moments"] = dataset._moments
    return changed


# -- order and learning rate -------------------------------------------------------------------------------------------


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**20), st.integers(0, 200))
def test_an_epoch_is_a_shuffle_that_can_be_repeated(seed, epoch, stream):
    rows = np.arange(5, 65, 2)
    order = epoch_order(rows, seed, epoch, stream)
    assert sorted(order) == rows.tolist() and (order == epoch_order(rows, seed, epoch, stream)).all()


def test_epochs_seeds_and_streams_have_orders_of_their_own():
    rows = np.arange(50)
    cases = [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (0, 0, 101), (0, 0, 102)]
    assert len({tuple(epoch_order(rows, *case)) for case in cases}) == len(cases)


def test_the_cosine_falls_from_the_start_to_nearly_nothing():
    rates = [learning_rate(0.3, "cosine", s, 100) for s in range(100)]
    assert rates[0] == 0.3 and rates[50] == pytest.approx(0.15) and 0 < rates[-1] < 1e-3
    assert all(a > b for a, b in zip(rates, rates[1:], strict=False))
    assert {learning_rate(0.3, "constant", s, 100) for s in range(100)} == {0.3}


# -- the loop ----------------------------------------------------------------------------------------------------------


def test_it_learns(tiny, tiny_model):
    accuracy = [
        (o.logits.argmax(1) == o.labels).mean() for o in (predict(tiny_model, i) for i in (tiny.train, tiny.test))
    ]
    assert accuracy[0] > 0.95 and accuracy[1] > 0.8


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_one_step_is_one_step_of_gradient_descent(tiny, decay):
    """With one batch of everything: w - lr (dCE/dw + decay w), by autograd."""
    rows = np.arange(0, 300, 3)
    training = Training(width=8, epochs=1, batch=1000, lr=0.5, momentum=0.9, weight_decay=decay, seed=7)
    found = train(training, tiny, rows).model
    model = new_model("mlp", tiny, 7, 8)
    F.cross_entropy(model(tiny.train.x[rows]), tiny.train.y[rows]).backward()
    for p, after in zip(model.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(after, p - 0.5 * (p.grad + decay * p), rtol=1e-4, atol=1e-6)


def test_the_same_seed_gives_the_same_bits(tiny, tiny_training, tiny_model):
    torch.manual_seed(123)  # plays no part
    rows = np.arange(300)
    assert same(train(tiny_training, tiny, rows).model, tiny_model)
    assert not same(train(tiny_training.but(seed=1), tiny, rows).model, tiny_model)


def test_rows_that_are_left_out_are_not_touched(tiny, tiny_training):
    gone = np.arange(40, 80)
    rows = np.setdiff1d(np.arange(300), gone)
    other = with_rows(tiny, gone, x=255 - tiny.train.x[gone], y=(tiny.train.y[gone] + 1) % 4)
    a, b = train(tiny_training, tiny, rows), train(tiny_training, other, rows)
    assert same(a.model, b.model)
    for name in TRAJECTORY:
        np.testing.assert_array_equal(np.isnan(a.trajectory[name]), np.isin(np.arange(300), gone))
        np.testing.assert_array_equal(a.trajectory[name], b.trajectory[name])


def test_the_model_is_handed_over_in_eval_mode(tiny_model):
    assert not tiny_model.training


def test_progress_is_told_at_every_step_and_can_stop_it(tiny, tiny_training):
    told = []
    train(tiny_training, tiny, np.arange(300), lambda *what: told.append(what))
    steps = 8 * 10  # 300 images in batches of 32 are 10 steps
    assert told == [("train", s, steps) for s in range(1, steps + 1)]

    def stop(stage, done, total):
        if done == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(tiny_training, tiny, np.arange(300), stop)


# -- what is recorded on the way ---------------------------------------------------------------------------------------


def test_the_trajectory_is_measured_before_the_step(tiny):
    """In one epoch of one batch it is what the untrained model says."""
    rows = np.arange(0, 300, 2)
    found = train(Training(width=8, epochs=1, batch=1000, seed=3), tiny, rows).trajectory
    with torch.no_grad():
        p = new_model("mlp", tiny, 3, 8)(tiny.train.x).softmax(1).double().numpy()
    y = tiny.train.y.numpy()
    expected = {
        "confidence": p[np.arange(300), y],
        "max_confidence": p.max(1),
        "negative_entropy": (p * np.log(p)).sum(1),
        "correctness": (p.argmax(1) == y).astype(float),
    }
    assert tuple(found) == TRAJECTORY
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][rows], values[rows], atol=1e-5)
        assert np.isnan(found[name][1::2]).all() and found[name].dtype == np.float32


def test_the_trajectory_is_the_mean_over_epochs(tiny):
    """Two epochs at a rate too small to move anything see the same model twice; at a real one they do not."""
    rows = np.arange(300)
    still = Training(width=8, epochs=1, batch=1000, lr=1e-6, seed=3)
    once, twice = (train(still.but(epochs=e), tiny, rows).trajectory for e in (1, 2))
    np.testing.assert_allclose(once["confidence"], twice["confidence"], atol=1e-5)
    moved = train(still.but(epochs=2, lr=0.5, schedule="constant"), tiny, rows).trajectory
    after_one = train(still.but(lr=0.5, schedule="constant"), tiny, rows).model
    p = torch.from_numpy(predict(after_one, tiny.train).logits).softmax(1)[torch.arange(300), tiny.train.y].numpy()
    np.testing.assert_allclose(moved["confidence"], (once["confidence"] + p) / 2, atol=1e-5)


def test_rows_without_a_trajectory_are_blank():
    named = as_trajectory(np.arange(12.0).reshape(3, 4), np.array([0, 2]))
    assert named["max_confidence"][[0, 2]].tolist() == [1, 9] and np.isnan(named["max_confidence"][1])


def test_the_entropy_of_certainty_is_zero():
    from unlearn_core.training import trajectory_of

    values = trajectory_of(torch.tensor([[200.0, -200.0, 0.0]]), torch.tensor([1]))
    assert values.tolist() == [[0, 1, 0, 0]]


# -- asking a model ----------------------------------------------------------------------------------------------------


def test_the_batch_size_of_a_question_changes_nothing(tiny, tiny_model, monkeypatch):
    whole, features = predict(tiny_model, tiny.train), embed(tiny_model, tiny.train)
    monkeypatch.setattr(training, "ASKED", 7)
    np.testing.assert_allclose(predict(tiny_model, tiny.train).logits, whole.logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(embed(tiny_model, tiny.train), features, rtol=1e-5, atol=1e-5)
    assert whole.logits.shape == (300, 4) and whole.logits.dtype == np.float32
    assert (whole.labels == tiny.train.y.numpy()).all()


def test_rows_stay_in_their_order(tiny, tiny_model):
    order = np.random.default_rng(0).permutation(120)
    turned = predict(tiny_model, tiny.test.take(order))
    np.testing.assert_allclose(turned.logits, predict(tiny_model, tiny.test).logits[order], rtol=1e-5, atol=1e-5)


def test_asking_about_nothing(tiny, tiny_model):
    assert predict(tiny_model, tiny.test.take(np.zeros(0, np.int64))).logits.shape == (0, 4)


# -- choices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_recipe_whose_model_takes_its_images(name):
    training = recipe(Data(name=name))
    assert training.data.name == name
    assert min(DATASETS[name].shape[1:]) >= MODELS[training.model].smallest


@pytest.mark.parametrize("side", [8, 12, 15, 16, 32, 64])
def test_own_images_get_a_model_of_their_size(side):
    assert MODELS[recipe(Data(name="mine"), side).model].smallest <= side


def test_the_device_can_be_said(monkeypatch):
    monkeypatch.setenv("UNLEARN_DEVICE", "meta")
    assert pick_device() == torch.device("meta")
    monkeypatch.delenv("UNLEARN_DEVICE")
    assert pick_device().type in ("cuda", "mps", "cpu")


# -- large nets --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def squares():
    """64 images of 16x16 pixels: a bright square on the left or on the right, with noise."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 60, (64, 3, 16, 16)), np.arange(64) % 2
    for image, label in zip(x, y, strict=True):
        image[:, 4:12, 8 * label + 1 : 8 * label + 7] += 150
    part = Images(torch.from_numpy(x.astype(np.uint8)), torch.from_numpy(y))
    return Dataset("squares", ("left", "right"), part, part, part)


LARGE = Training(model="resnet9", width=4, epochs=4, batch=24, lr=0.02, momentum=0.9)


def test_half_precision_is_training_with_rounding(squares):
    """bfloat16 has three digits: other weights, the same lesson; the model itself stays in float32."""
    exact, half = (train(LARGE.but(precision=p), squares, np.arange(64)) for p in ("float32", "bfloat16"))
    assert not same(exact.model, half.model)
    assert all(v.dtype == torch.float32 for v in half.model.state_dict().values() if v.is_floating_point())
    logits = [predict(t.model, squares.test).logits for t in (exact, half)]
    assert (logits[0].argmax(1) == logits[1].argmax(1)).mean() > 0.9
    assert same(half.model, train(LARGE.but(precision="bfloat16"), squares, np.arange(64)).model)


def test_augmentation_is_part_of_the_recipe(squares):
    plain, changed = (train(LARGE.but(augment=a), squares, np.arange(64)).model for a in ("none", "flip-crop"))
    assert not same(plain, changed)
    assert same(changed, train(LARGE.but(augment="flip-crop"), squares, np.arange(64)).model)


def test_a_watcher_sees_each_batch_before_its_step(squares):
    """Every row once an epoch, with its pixels and label; the first time with the weights of the start."""
    seen, first = [], []

    def watch(model, x, y, rows):
        if not first:
            first.append({k: v.clone() for k, v in model.state_dict().items()})
        assert torch.equal(x, squares.train.x[rows]) and torch.equal(y, squares.train.y[rows])
        seen.extend(rows.tolist())

    watched = train(LARGE, squares, np.arange(3, 63), watch=watch)
    assert [sorted(seen[60 * e : 60 * e + 60]) for e in range(4)] == [list(range(3, 63))] * 4
    fresh = new_model("resnet9", squares, LARGE.seed, 4).state_dict()
    assert all(torch.equal(first[0][name], value) for name, value in fresh.items())
    assert same(watched.model, train(LARGE, squares, np.arange(3, 63)).model)


# -- on a GPU ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_gpu(monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("recipe", [LARGE, LARGE.but(model="cnn", momentum=0.0), LARGE.but(augment="flip-crop")])
def test_a_gpu_trains_what_the_cpu_trains(squares, on_gpu, monkeypatch, recipe):
    """The recorded passes too: whole batches are replayed, the last one of an epoch is not."""
    rows = np.arange(60)
    there = train(recipe.but(epochs=2), squares, rows)
    monkeypatch.setenv("UNLEARN_DEVICE", "cpu")
    here = train(recipe.but(epochs=2), squares, rows)
    for a, b in zip(there.model.state_dict().values(), here.model.state_dict().values(), strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-2, atol=1e-3)
    for name, values in here.trajectory.items():
        np.testing.assert_allclose(there.trajectory[name], values, atol=1e-2)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_models_that_share_a_recording_are_those_of_their_own(squares, on_gpu, precision):
    recipe, rows = LARGE.but(precision=precision), [np.arange(50), np.arange(10, 60)]
    together = list(train_each(recipe, squares, rows, [3, 4]))
    for trained, r, seed in zip(together, rows, (3, 4), strict=True):
        alone = train(recipe.but(seed=seed), squares, r)
        for a, b in zip(trained.model.state_dict().values(), alone.model.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_stack_on_a_gpu_is_one_by_one(digits, on_gpu, model):
    recipe, rows = Training(model=model, width=8, epochs=2, lr=0.1), np.stack([np.arange(m, 300 + m) for m in range(4)])
    for trained, r, seed in zip(train_members(recipe, digits, rows, [*range(4)]), rows, range(4), strict=True):
        alone = train(recipe.but(seed=seed), digits, r)
        for a, b in zip(trained.model.state_dict().values(), alone.model.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)
