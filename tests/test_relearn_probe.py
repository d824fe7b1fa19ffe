"""Relearning curves: what was measured and nothing else, the same orders for every model, the model left as it was."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from unlearn_core.data import Images
from unlearn_core.evaluation import anamnesis_index, relearn_time
from unlearn_core.models import Classifier, Ensemble, new_model
from unlearn_core.params import BadValue
from unlearn_core.probes import relearn
from unlearn_core.rows import others
from unlearn_core.training import epoch_order, train

FORGET = np.arange(0, 300, 4)  # class 0 of the small data


@pytest.fixture(scope="module")
def retrained(tiny, tiny_training):
    return train(tiny_training, tiny, others(FORGET, 300)).model


@pytest.mark.parametrize("kind", ["mlp", "BatchNorm"])
def test_the_steps_are_adams(tiny, tiny_model, kind):
    """By hand: the mini-batches of the first order, and the accuracy after each."""
    asked = np.arange(60)
    model, lr = {"mlp": (tiny_model, 0.3), "BatchNorm": (new_model("resnet20", tiny, 0, 4), 0.05)}[kind]
    curves = relearn.accuracy_curves(model, tiny.train, asked, orders=2, seed=3, batch=64, epochs=1, lr=lr)
    assert curves.after.shape == (2, 5)
    hand = copy.deepcopy(model)
    optimiser = torch.optim.Adam(hand.parameters(), lr=lr)
    said = []
    for part in np.split(epoch_order(np.arange(300), 3, 0, relearn.ORDER), range(64, 300, 64)):
        x, y = tiny.train.take(part)
        optimiser.zero_grad()
        nn.functional.cross_entropy(hand.train()(x), y).backward()
        optimiser.step()
        with torch.no_grad():
            right = hand.eval()(tiny.train.x[asked]).argmax(1) == tiny.train.y[asked]
        said.append(float(right.double().mean()))
    assert curves.after[0] == pytest.approx(said)
    assert len(set(said)) > 1


def test_before_is_the_accuracy_of_the_model_as_it_is(tiny, tiny_model, retrained):
    assert relearn.accuracy_curves(tiny_model, tiny.train, FORGET, 1, epochs=1).before > 0.9
    assert relearn.accuracy_curves(retrained, tiny.train, FORGET, 1, epochs=1).before == 0


def test_a_retrained_model_relearns_later_than_the_original_remembers(tiny, tiny_model, retrained):
    whole = relearn.accuracy_curves(retrained, tiny.train, FORGET, batch=32, lr=5e-3)
    assert whole.after.shape == (5, 100)
    times = [relearn_time(curve, 0.9).value for curve in whole.after]
    assert min(times) > 5 and max(times) < 100
    assert len({tuple(curve) for curve in whole.after}) == 5  # orders differ
    known = relearn.accuracy_curves(tiny_model, tiny.train, FORGET, batch=32, lr=5e-3)
    for ours, its in zip(known.after, whole.after, strict=True):
        assert anamnesis_index(known.before, ours, its).value < 0.5


def test_stopping_early_changes_no_time_and_fills_nothing_in(tiny, retrained):
    settings = {"batch": 32, "lr": 5e-3}
    whole = relearn.accuracy_curves(retrained, tiny.train, FORGET, **settings)
    short = relearn.accuracy_curves(retrained, tiny.train, FORGET, target=0.9, **settings)
    last = max(relearn_time(curve, 0.9).value for curve in whole.after)
    assert short.after.shape == (5, last)
    assert np.array_equal(short.after, whole.after[:, : int(last)])
    capped = relearn.accuracy_curves(retrained, tiny.train, FORGET, target=1.0, epochs=1, **settings)
    assert capped.after.shape == (5, 10)
    assert all(relearn_time(curve, 1.0).why for curve in capped.after)


def test_an_order_depends_on_the_seed_and_its_number_alone(tiny, retrained):
    two, three = (
        relearn.accuracy_curves(retrained, tiny.train, FORGET, n, batch=32, lr=0.02, epochs=2) for n in (2, 3)
    )
    assert np.array_equal(two.after, three.after[:2])
    other = relearn.accuracy_curves(retrained, tiny.train, FORGET, 2, seed=1, batch=32, lr=0.02, epochs=2)
    assert not np.array_equal(two.after, other.after)
    longer = relearn.accuracy_curves(retrained, tiny.train, FORGET, 2, batch=32, lr=0.02, epochs=3)
    assert np.array_equal(two.after, longer.after[:, :20])


def test_losses_before_each_epoch(tiny, tiny_model, retrained):
    losses = relearn.loss_curves(retrained, tiny.train, FORGET, orders=3, epochs=20)
    assert losses.shape == (3, 20)
    with torch.no_grad():
        start = nn.functional.cross_entropy(retrained(tiny.train.x[FORGET]), tiny.train.y[FORGET])
    assert losses[:, 0] == pytest.approx(float(start), rel=1e-5)
    assert (losses[:, -1] < losses[:, 0] / 4).all()
    assert len(np.unique(losses[:, 1])) == 3
    short = relearn.loss_curves(retrained, tiny.train, FORGET, orders=3, epochs=20, threshold=0.5)
    assert short.shape[1] == max(relearn_time(curve, 0.5, falling=True).value for curve in losses) < 20
    assert np.array_equal(short, losses[:, : short.shape[1]])
    # The original is below the threshold before it is taught anything: its time is 1.
    assert relearn.loss_curves(tiny_model, tiny.train, FORGET, threshold=0.5).shape == (5, 1)


def test_the_model_stays_as_it_was(tiny):
    model = new_model("resnet20", tiny, 0, 4).train().requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    relearn.accuracy_curves(model, tiny.train, FORGET, 1, batch=150, epochs=1)
    relearn.loss_curves(model, tiny.train, FORGET, 1, drawn=64, epochs=2)
    assert model.training and not any(p.requires_grad for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_an_ensemble_relearns_as_one_model(tiny, retrained):
    ensemble = Ensemble([copy.deepcopy(retrained), copy.deepcopy(retrained)])
    curves = relearn.accuracy_curves(ensemble, tiny.train, FORGET, 2, batch=32, lr=5e-3)
    assert curves.before == 0 and curves.after[:, -1].min() > 0.9
    assert relearn.loss_curves(ensemble, tiny.train, FORGET, 2, epochs=10)[:, -1].max() < 1


def test_what_cannot_be_relearned_is_refused(tiny, tiny_model):
    for forget, orders in ((FORGET[:0], 1), (FORGET, 0)):
        with pytest.raises(BadValue):
            relearn.accuracy_curves(tiny_model, tiny.train, forget, orders)
        with pytest.raises(BadValue):
            relearn.loss_curves(tiny_model, tiny.train, forget, orders)
    with pytest.raises(BadValue, match="diverged"):
        relearn.loss_curves(tiny_model, tiny.train, FORGET, 1, lr=1e30)


def test_only_the_forget_rows_are_asked():
    """A model that says class 1 always: right on rows of class 1 alone."""
    head = nn.Linear(4, 2)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, 9.0]))
    model = Classifier(nn.Flatten(), head, [0.5], [0.5])
    images = Images(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 0, 1, 1, 1]))
    for rows, share in (([0, 1], 0), ([3, 5], 1), ([0, 4], 0.5)):
        assert relearn.accuracy_curves(model, images, np.array(rows), 1, epochs=1, lr=1e-6).before == share
