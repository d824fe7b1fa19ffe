"""Algorithms that teach other labels, against the formulas of their sources."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.nn import functional as F

from tests.unlearning.common import FORGET, SHARED, same
from unlearn_core import unlearning
from unlearn_core.unlearning import Request
from unlearn_core.unlearning.gradient import random_labels
from unlearn_core.unlearning.relabel.random_label import RandomLabel
from unlearn_core.unlearning.relabel.salun import SalUn

IDENTITIES = {
    "SalUn that may change all weights is random labels": (SalUn(share=1.0, **SHARED), RandomLabel(**SHARED)),
    "the same, with wrong labels only": (
        SalUn(share=1.0, exclude_true=True, **SHARED),
        RandomLabel(exclude_true=True, **SHARED),
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
