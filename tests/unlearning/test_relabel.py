"""Algorithms that teach other labels, against the formulas of their sources."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.nn import functional as F

from tests.unlearning.common import FORGET, SHARED, same, weights
from unlearn_core import unlearning
from unlearn_core.unlearning import Request
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.draws import generator, random_labels
from unlearn_core.unlearning.relabel.boundary_expand import BoundaryExpand
from unlearn_core.unlearning.relabel.boundary_shrink import BoundaryShrink, nearest_wrong
from unlearn_core.unlearning.relabel.delete import Delete
from unlearn_core.unlearning.relabel.random_label import RandomLabel
from unlearn_core.unlearning.relabel.salun import SalUn
from unlearn_core.unlearning.relabel.unsir import Unsir
from unlearn_core.unlearning.request import Batch

IDENTITIES = {
    "SalUn that may change all weights is random labels": (SalUn(share=1.0, **SHARED), RandomLabel(**SHARED)),
    "the same, with wrong labels only": (
        SalUn(share=1.0, exclude_true=True, **SHARED),
        RandomLabel(exclude_true=True, **SHARED),
    ),
    "the same, with the true labels": (
        SalUn(share=1.0, relabel=False, **SHARED),
        RandomLabel(relabel=False, **SHARED),
    ),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities_hold_bit_for_bit(case, tiny_model, asked):
    one, other = IDENTITIES[case]
    assert same(one(tiny_model, asked(seed=3)).model, other(tiny_model, asked(seed=3)).model)
    assert not same(one(tiny_model, asked(seed=3)).model, tiny_model)


def test_salun_that_may_change_nothing_changes_nothing(tiny_model, asked):
    unlearned = SalUn(share=0.0, **SHARED)(tiny_model, asked())
    assert same(unlearned.model, tiny_model) and unlearned.cost.steps > 0


# -- random labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
@pytest.mark.parametrize("exclude_true", [False, True])
def test_random_labels_are_uniform(classes, exclude_true):
    """Over all classes, the true one included, or over the wrong ones; for any number of classes."""
    n = 400 * classes
    y = torch.arange(n + 50) % classes
    request = Request(torch.zeros(n + 50, 1), y, np.arange(n), np.arange(n, n + 50), classes)
    drawn = random_labels(request, 0, exclude_true)
    shift = (drawn[:n] - y[:n]).numpy() % classes
    counts = np.bincount(shift, minlength=classes)
    if exclude_true:
        assert counts[0] == 0
        counts = counts[1:]
    assert len(counts) < 2 or chisquare(counts).pvalue > 1e-3
    values = np.bincount(drawn[:n], minlength=classes)
    assert len(values) == classes and chisquare(values).pvalue > 1e-3
    assert torch.equal(drawn[n:], y[n:])  # the others keep theirs
    assert torch.equal(request.y, y)


def test_random_labels_are_drawn_anew_each_epoch_and_seed(asked):
    draws = [random_labels(asked(seed=s), e, False) for s in (0, 1) for e in (0, 1)]
    assert len({tuple(d.tolist()) for d in draws}) == 4
    assert torch.equal(draws[0], random_labels(asked(seed=0), 0, False))


@pytest.mark.parametrize("cls", [RandomLabel, SalUn])
@pytest.mark.parametrize("exclude_true", [False, True])
def test_an_epoch_of_relabelling_is_the_mixture(cls, exclude_true, asked):
    """Each image once, shuffled together; the retain set with its labels, the forget set with the drawn ones."""
    request = asked(x=torch.arange(300)[:, None], seed=4)
    steps = list(cls(epochs=2, batch=32, exclude_true=exclude_true).steps(request))
    for epoch in (0, 1):
        batches = [s.retain for s in steps if s.epoch == epoch]
        rows, labels = torch.cat([b.x for b in batches]).flatten(), torch.cat([b.y for b in batches])
        assert sorted(rows.tolist()) == [*range(300)] and rows.tolist() != [*range(300)]
        assert torch.equal(labels, random_labels(request, epoch, exclude_true)[rows])
        assert any(len(np.intersect1d(b.x, request.forget)) not in (0, len(b.x)) for b in batches)  # truly mixed


@pytest.mark.parametrize("cls", [RandomLabel, SalUn])
def test_without_relabelling_the_true_labels_are_taught(cls, asked):
    """An error of released code, but for CIFAR-10 and SVHN: the same images in the same order, true labels."""
    request = asked(x=torch.arange(300)[:, None], seed=4)
    wrong, right = (list(cls(epochs=2, batch=32, relabel=r).steps(request)) for r in (False, True))
    rows = torch.cat([s.retain.x for s in wrong]).flatten()
    assert torch.equal(rows, torch.cat([s.retain.x for s in right]).flatten())
    labels = torch.cat([s.retain.y for s in wrong])
    assert torch.equal(labels, request.y[rows]) and not torch.equal(labels, torch.cat([s.retain.y for s in right]))


# -- SalUn's mask ------------------------------------------------------------------------------------------------------


def saliency(model, x, y):
    """|gradient of the mean loss| per weight, by autograd: name -> tensor."""
    model = copy.deepcopy(model).eval()
    F.cross_entropy(model(x), y).backward()
    return {name: p.grad.abs() for name, p in model.named_parameters()}


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("keep", ["top", "bottom"])
@pytest.mark.parametrize("batch", [40, 20])
def test_the_mask_holds_the_share_with_the_largest_gradients(share, keep, batch, tiny_model, asked, tiny):
    """Over all weights together. In batches of equal size the sum of their gradients is a multiple of the whole one."""
    request = asked()
    cost = unlearning.Cost()
    mask = SalUn(share=share, keep=keep, batch=batch).mask(copy.deepcopy(tiny_model), request, cost)
    sizes = saliency(tiny_model, tiny.train.x[request.forget], tiny.train.y[request.forget])
    assert list(mask) == [name for name, _ in tiny_model.named_parameters()]
    chosen, values = (torch.cat([d[n].flatten() for n in mask]) for d in (mask, sizes))
    assert int(chosen.sum()) == round(share * len(values))
    inside, outside = values[chosen], values[~chosen]
    slack = 1e-6 * float(values.max())
    if keep == "top":
        assert float(inside.min()) >= float(outside.max()) - slack
    else:
        assert float(inside.max()) <= float(outside.min()) + slack
    assert cost.forget_gradients == FORGET


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_weights_outside_the_mask_stay_to_the_bit(share, tiny_model, asked):
    """Momentum and weight decay would move them, were only their gradients masked."""
    unlearner = SalUn(share=share, epochs=3, lr=0.1, batch=32, momentum=0.9, weight_decay=0.05)
    request = asked()
    mask = unlearner.mask(copy.deepcopy(tiny_model), request, unlearning.Cost())
    after = dict(unlearner(tiny_model, request).model.named_parameters())
    for name, before in tiny_model.named_parameters():
        moved = after[name] != before
        assert not (moved & ~mask[name]).any()
        assert moved[mask[name]].float().mean() > 0.95 or not mask[name].any()  # and the others do move


def test_finding_the_mask_leaves_the_model_alone(tiny_model, asked):
    model = copy.deepcopy(tiny_model).requires_grad_(False)
    SalUn().mask(model, asked(), unlearning.Cost())
    assert same(model, tiny_model) and all(p.grad is None and not p.requires_grad for p in model.parameters())


# -- Boundary Shrink and Expand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [0.0, 0.1, 0.5])
def test_the_nearest_wrong_class_is_found_by_one_step_uphill(bound, tiny_model, tiny):
    """By hand in float64 for a net of one hidden layer; never the true class, though a bound of 0 stays with it."""
    x, y = tiny.train.x[:80], tiny.train.y[:80]
    found = nearest_wrong(tiny_model, x, y, bound)
    first, head = tiny_model.trunk[1], tiny_model.head
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in (first.weight, first.bias, head.weight, head.bias))
    mean, std = (float(t) for t in (tiny_model.mean, tiny_model.std))
    pixels = x.flatten(1).double().numpy() / 255

    def ask(pixels):
        hidden = (pixels - mean) / std @ w1.T + b1
        return hidden, np.maximum(hidden, 0) @ w2.T + b2

    hidden, z = ask(pixels)
    p = np.exp(z - z.max(1, keepdims=True))
    p = p / p.sum(1, keepdims=True) - np.eye(4)[y]
    uphill = ((p @ w2) * (hidden > 0)) @ w1
    _, z = ask(np.clip(pixels + bound * np.sign(uphill), 0, 1))
    crossed = (z.argmax(1) != y.numpy()).mean()
    z[np.arange(80), y] = -np.inf
    assert (found.numpy() == z.argmax(1)).mean() > 0.98 and (found != y).all()  # a pixel may lie at a tie
    assert (crossed > 0.5) == (bound == 0.5)


def test_boundary_shrink_learns_the_nearest_wrong_classes(tiny_model, asked):
    request = asked()
    rows = torch.from_numpy(request.forget)
    wrong = request.y.clone()
    wrong[rows] = nearest_wrong(tiny_model, request.x[rows], request.y[rows], 0.1)
    ours = BoundaryShrink(epochs=1, batch=64, lr=0.1)(tiny_model, request).model
    model = copy.deepcopy(tiny_model)
    F.cross_entropy(model(request.x[rows]), wrong[rows]).backward()
    for p, after in zip(model.parameters(), weights(ours), strict=True):
        torch.testing.assert_close(after, p.detach() - 0.1 * p.grad, rtol=1e-4, atol=1e-6)


def test_boundary_expand_adds_an_output_and_cuts_it_back(tiny_model, asked):
    """The first outputs keep their weights when one is added; the model that comes out has as many as the original."""
    unlearner, request = BoundaryExpand(epochs=2, batch=32), asked()
    model = copy.deepcopy(tiny_model)
    unlearner.begin(model, tiny_model, request, unlearning.Cost())
    assert model.head.out_features == 5 and model.head.weight.shape == (5, 16) and model.head.bias.shape == (5,)
    assert torch.equal(model.head.weight[:4], tiny_model.head.weight) and model.head.weight[4].std() > 0.05
    torch.testing.assert_close(model(request.x)[:, :4], tiny_model(request.x))
    labels = unlearner.labels(request, 0)
    assert (labels[request.forget] == 4).all() and torch.equal(labels[request.retain], request.y[request.retain])
    unlearned = unlearner(tiny_model, request).model
    assert unlearned.head.out_features == 4 and unlearned(request.x).shape == (300, 4)
    assert {k: v.shape for k, v in unlearned.state_dict().items()} == {
        k: v.shape for k, v in tiny_model.state_dict().items()
    }


def test_boundary_expand_lowers_the_true_class(tiny_model, asked):
    request = asked(forget=np.flatnonzero(asked().y.numpy() == 2))
    x = request.x[request.forget]
    before, after = (
        m(x).softmax(1)[:, 2].mean() for m in (tiny_model, BoundaryExpand(lr=0.003)(tiny_model, request).model)
    )
    assert after < before / 2


# -- DELETE ------------------------------------------------------------------------------------------------------------


def test_delete_learns_the_original_without_the_true_class(tiny_model, asked, tiny):
    """By hand in float64: sum q (log q - log p) over the wrong classes, q renormalised over them."""
    student = RandomLabel(epochs=1, lr=0.1)(tiny_model, asked()).model
    batch = Batch(tiny.train.x[:50], tiny.train.y[:50])
    q, z = (m(batch.x).detach().double().numpy() for m in (tiny_model, student))
    wrong = ~np.eye(4, dtype=bool)[batch.y]
    q = np.exp(q) * wrong
    q /= q.sum(1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    expected = (q[wrong] * (np.log(q[wrong]) - log_p[wrong])).sum() / 50
    loss = Delete().loss(student, tiny_model, Step(batch, None, 0, 0.0))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4) and expected > 0.1


def test_delete_ranks_the_wrong_classes_as_the_original_does(tiny_model, asked):
    request = asked(forget=np.flatnonzero(asked().y.numpy() == 2))
    x = request.x[request.forget]
    wanted = tiny_model(x)[:, [0, 1, 3]].argmax(1)
    after = Delete(lr=0.03)(tiny_model, request).model(x)
    assert (after.argmax(1) != 2).float().mean() > 0.95
    assert (after[:, [0, 1, 3]].argmax(1) == wanted).float().mean() > 0.8


# -- UNSIR -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_classes(asked):
    """A request to forget classes 1 and 3 of four."""
    return asked(forget=np.flatnonzero(np.isin(asked().y, [1, 3])), retain=np.flatnonzero(np.isin(asked().y, [0, 2])))


def test_each_noise_image_is_labelled_with_its_own_class(tiny_model, two_classes):
    cost = unlearning.Cost()
    found = Unsir(noise=16).context(None, copy.deepcopy(tiny_model).requires_grad_(False), two_classes, cost)
    assert found.y.tolist() == [1] * 16 + [3] * 16 and found.x.shape == (32, 1, 8, 8)
    assert cost.notes == {"gradients of noise images": 40 * 32} and cost.forget_gradients == 0
    unlikely = F.cross_entropy(tiny_model(found.x), found.y, reduction="none")
    assert (unlikely > 3).all()  # what its class is least: a guess has log 4
    swapped = F.cross_entropy(tiny_model(found.x), found.y.flip(0), reduction="none")
    assert swapped.mean() < unlikely.mean() - 2


def test_the_noise_of_a_class_is_found_by_descent(tiny_model, two_classes):
    """-CE + 0.1 times the squared length, by Adam; a class at a time gives what both give together."""
    original = copy.deepcopy(tiny_model).requires_grad_(False)
    together = Unsir(noise=16, noise_steps=5).context(None, original, two_classes, unlearning.Cost()).x
    draws = torch.randn(32, 1, 8, 8, generator=generator(two_classes))
    for start, label in ((0, 1), (16, 3)):
        noise = draws[start : start + 16].clone().requires_grad_(True)
        optimiser = torch.optim.Adam([noise], lr=0.1)
        for _ in range(5):
            optimiser.zero_grad()
            ce = F.cross_entropy(original(noise * original.std + original.mean), torch.full((16,), label))
            (0.1 * noise.square().sum((1, 2, 3)).mean() - ce).backward()
            optimiser.step()
        found = (together[start : start + 16] - original.mean) / original.std
        torch.testing.assert_close(found, noise.detach(), rtol=1e-3, atol=1e-3)


def test_unsir_impairs_with_noise_then_repairs_without(tiny_model, two_classes):
    unlearner = Unsir(epochs=3, impair=2, batch=32, each=30, lr=0.01)
    steps = list(unlearner.steps(two_classes))
    assert [s.phase for s in steps] == ["impair"] * 4 + ["repair"] * 2 and len(steps) == unlearner.steps_in(two_classes)
    assert unlearner.rate("impair", 0, 6) == 0.01 and unlearner.rate("repair", 5, 6) == 0.005
    seen = unlearner.seen(two_classes)
    assert np.bincount(two_classes.y[seen]).tolist() == [30, 0, 30] and set(seen) <= set(two_classes.retain)
    noise = Batch(torch.rand(8, 1, 8, 8), torch.full((8,), 3))
    batch = steps[0].retain
    said = [tiny_model(x) for x in (batch.x, noise.x)]
    for phase, expected in (
        ("impair", F.cross_entropy(torch.cat(said), torch.cat([batch.y, noise.y]))),
        ("repair", F.cross_entropy(said[0], batch.y)),
    ):
        loss = unlearner.loss(tiny_model, None, Step(None, batch, 0, 0.0, phase=phase, context=noise))
        assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_unsir_forgets_the_classes_and_keeps_the_rest(tiny_model, two_classes):
    model = Unsir(epochs=8, impair=4, lr=0.01)(tiny_model, two_classes).model
    right = model(two_classes.x).argmax(1) == two_classes.y
    assert right[two_classes.forget].float().mean() < 0.2 and right[two_classes.retain].float().mean() > 0.9
