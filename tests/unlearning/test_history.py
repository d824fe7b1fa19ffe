"""Algorithms that go back through the training, against training again and against numpy."""

import copy
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.unlearning.common import quick, same, weights
from unlearn_core.models import Classifier, new_model
from unlearn_core.training import Training, train
from unlearn_core.unlearning import Cost, Request
from unlearn_core.unlearning.history.amnesiac import Amnesiac
from unlearn_core.unlearning.history.mini_unlearning import MiniUnlearning
from unlearn_core.unlearning.request import Batch, History
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

BOTH = pytest.mark.parametrize("cls", [MiniUnlearning, Amnesiac])
N, STEPS, SIZE = 240, 300, 40


def flat(model):
    return torch.cat([p.flatten().double() for p in weights(model)])


# -- a convex training whose history is known --------------------------------------------------------------------------


class Convex:
    """Logistic regression by SGD in float64 on `tiny`."""

    def __init__(self, tiny, momentum=0.0, weight_decay=0.01, lr=0.1, forget=range(20, 60)):
        self.x, self.y = tiny.train.x[:N].double() / 255, tiny.train.y[:N]
        self.momentum, self.weight_decay, self.lr = momentum, weight_decay, lr
        self.batches = [np.random.default_rng(t).choice(N, SIZE, replace=False) for t in range(STEPS)]
        forget = np.array(forget)
        history = History(STEPS, momentum, weight_decay, lambda step: lr, self.run)
        self.request = Request(self.x, self.y, forget, np.setdiff1d(np.arange(N), forget), 4, history=history)

    def run(self, watch=lambda *_: None, without=()):
        model = Classifier(nn.Sequential(nn.Flatten()), nn.Linear(64, 4), [0.4], [0.25]).double()
        with torch.no_grad():
            for p in model.parameters():
                p.zero_()
        sgd = torch.optim.SGD(model.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay)
        for step, rows in enumerate(self.batches):
            watch(step, model, Batch(self.x[rows], self.y[rows]), rows)
            kept = np.setdiff1d(rows, without)
            sgd.zero_grad()
            F.cross_entropy(model(self.x[kept]), self.y[kept]).backward()
            sgd.step()
        return model.eval()

    def distance(self, unlearner):
        """To the retrained weights; that of the original is 1."""
        original, retrained = flat(self.run()), flat(self.run(without=self.request.forget))
        found = flat(unlearner(self.run(), self.request).model)
        return float((found - retrained).norm() / (original - retrained).norm())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_on_a_convex_loss_the_distance_to_retraining_falls_with_the_steps(momentum, tiny):
    training = Convex(tiny, momentum, lr=0.1 * (1 - momentum))
    shares = (0.05, 0.2, 0.5, 1.0)
    found = [training.distance(MiniUnlearning(share=share, epochs=0)) for share in shares]
    assert found == sorted(found, reverse=True) and found[0] < 1 and found[-1] < 0.25


def test_the_scalar_variant_comes_closer_too(tiny):
    training = Convex(tiny)
    assert training.distance(MiniUnlearning(share=0.2, variant="scalar", rho=0.98, epochs=0)) < 0.95
    assert training.distance(MiniUnlearning(share=0.2, variant="scalar", rho=0.0, epochs=0)) > 0.95


@pytest.mark.parametrize("variant", ["hessian", "scalar"])
def test_the_recursion_is_that_of_numpy(variant, tiny):
    """Softmax regression with closed-form gradients and Hessian, momentum and decay; some batches hold nothing to keep
    or nothing to forget.
    """
    training = Convex(tiny, momentum=0.7, weight_decay=0.02, lr=0.05)
    forget = training.request.forget
    training.batches[-3] = forget[:SIZE]  # nothing to keep
    training.batches[-4] = np.arange(100, 100 + SIZE)  # nothing to forget
    states = []
    training.run(lambda step, model, *_: states.append(flat(model).numpy()))
    features = (training.x.reshape(N, -1).numpy() - 0.4) / 0.25

    def logistic(theta, rows):
        f = np.concatenate([np.stack([np.kron(np.eye(4)[c], features[rows][i]) for c in range(4)])[None] for i in
                            range(len(rows))])  # fmt: skip
        j = np.concatenate([f, np.repeat(np.eye(4)[None], len(rows), 0)], 2)  # (B, 4, 260) logits by parameters
        z = j @ theta
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        g = np.einsum("bkp,bk->p", j, p - np.eye(4)[training.y[rows]]) / len(rows)
        s = np.einsum("bk,kl->bkl", p, np.eye(4)) - np.einsum("bk,bl->bkl", p, p)
        return g, np.einsum("bkp,bkl,blq->pq", j, s, j, optimize=True) / len(rows)

    k, u, delta = 9, np.zeros(260), np.zeros(260)
    for step in range(STEPS - k, STEPS):
        rows = training.batches[step]
        kept = np.setdiff1d(rows, forget)
        u = 0.7 * u
        if len(kept):
            (g, h), (g_all, _) = logistic(states[step], kept), logistic(states[step], rows)
            u = u + g - g_all + (h @ delta if variant == "hessian" else 0)
        if variant == "hessian":
            u, delta = u + 0.02 * delta, delta - 0.05 * (u + 0.02 * delta)
        else:
            delta = 0.9 * delta - 0.05 * u
    unlearner = MiniUnlearning(share=k / STEPS, variant=variant, rho=0.9, epochs=0)
    found = flat(unlearner(training.run(), training.request).model) - flat(training.run())
    np.testing.assert_allclose(found.numpy(), delta, rtol=1e-5, atol=1e-9)


def test_at_least_one_epoch_is_gone_through(tiny):
    training = Convex(tiny)
    assert N // SIZE == 6
    one, six, seven = (
        training.distance(MiniUnlearning(share=steps / STEPS, epochs=0)) for steps in (1, 6, 7)
    )  # fmt: skip
    assert one == six != seven


# -- Amnesiac ----------------------------------------------------------------------------------------------------------


def test_taking_every_step_back_leads_to_the_start(tiny, tiny_model, tiny_training, asked):
    """Every batch of 32 holds one of 200 of 300 images."""
    fresh = new_model(tiny_training.model, tiny, tiny_training.seed, tiny_training.width)
    found = Amnesiac(epochs=0)(tiny_model, asked(forget=np.arange(200), retain=np.arange(200, 300))).model
    torch.testing.assert_close(flat(found), flat(fresh), rtol=1e-4, atol=1e-5)


def test_only_steps_that_held_a_forget_image_are_taken_back(tiny_model, asked):
    request = asked(forget=np.array([7]))
    states, held = [], []

    def watch(step, model, batch, rows):
        states.append(flat(model))
        held.append(7 in rows)

    states.append(flat(request.history.replay(watch)))
    assert sum(held) == 8  # once in each epoch
    expected = flat(tiny_model) - sum(states[t + 1] - states[t] for t in range(80) if held[t])
    found = Amnesiac(epochs=0)(tiny_model, request).model
    torch.testing.assert_close(flat(found), expected, rtol=1e-4, atol=1e-5)


# -- both --------------------------------------------------------------------------------------------------------------


@BOTH
def test_without_a_trace_in_the_history_only_the_repair_is_left(cls, tiny_model, asked):
    """Images that the original was not trained on: nothing to take back, so what is done is fine-tuning."""
    history = asked().history
    shared = {"epochs": 2, "lr": 0.02, "batch": 32}

    def replay(watch):
        return history.replay(lambda step, model, batch, rows: watch(step, model, batch, rows + 1000))

    untouched = History(history.steps, history.momentum, history.weight_decay, history.rate, replay)
    assert same(cls(epochs=0)(tiny_model, asked(history=untouched)).model, tiny_model)
    assert same(
        cls(**shared)(tiny_model, asked(history=untouched)).model, FineTune(**shared)(tiny_model, asked()).model
    )


@BOTH
def test_going_through_the_training_again_does_not_change_it(cls, tiny, tiny_training, with_batch_norm):
    """With BatchNorm too: gradients on the way leave its running statistics alone, and the result keeps them."""
    training = Training(model="resnet20", width=4, epochs=1, lr=0.05, batch=50)
    rows, ends = np.arange(300), []

    def replay(watch):
        number = count()
        ends.append(train(training, tiny, rows, watch=lambda m, x, y, r: watch(next(number), m, Batch(x, y), r)).model)
        return ends[-1]

    history = History(6, 0.0, 0.0, lambda step: 0.05, replay)
    request = Request(tiny.train.x, tiny.train.y, rows[:40], rows[40:], 4, history=history)
    model = train(training, tiny, rows).model
    before = copy.deepcopy(model.state_dict())
    unlearned = cls(epochs=0)(model, request)
    assert unlearned.cost.diverged_at is None and not same(unlearned.model, model)
    assert all(torch.equal(v, before[k]) for k, v in ends[0].state_dict().items())
    buffers = dict(unlearned.model.named_buffers())
    assert all(torch.equal(v, before[k]) for k, v in buffers.items())


def test_parts_that_were_forgotten_before_are_not_taken_back_again(asked):
    """Rows in neither set do not count as forgotten."""
    later = asked(retain=np.arange(60, 300))
    assert torch.equal(Amnesiac().moved(later, Cost())[0], Amnesiac().moved(asked(), Cost())[0])


def test_how_far_the_replay_ends_from_the_original_is_noted(tiny_model, asked):
    """Nothing where the training was gone through alone, as here; then the last weights are the original's."""
    assert quick("amnesiac")(tiny_model, asked()).cost.notes == {"replayed training ends apart by": 0.0}
    other = copy.deepcopy(tiny_model)
    with torch.no_grad():
        other.head.bias.add_(1.0)
    assert quick("amnesiac")(other, asked()).cost.notes["replayed training ends apart by"] > 0.01
