"""Influence of features and labels, and its tools for curvature, against closed forms and retraining."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.unlearning.common import same, weights
from unlearn_core.data import Images
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.training import Training, predict, train
from unlearn_core.unlearning import Cost, Request
from unlearn_core.unlearning.curvature import MeanLoss, conjugate_gradients, lissa
from unlearn_core.unlearning.influence.first_order import FirstOrder
from unlearn_core.unlearning.influence.second_order import SecondOrder
from unlearn_core.unlearning.request import Batch

BOTH = pytest.mark.parametrize("cls", [FirstOrder, SecondOrder])


def flat(model):
    return torch.cat([p.flatten() for p in weights(model)])


# -- curvature ---------------------------------------------------------------------------------------------------------


def batch_of(tiny, rows):
    return Batch(tiny.train.x[rows].double() / 255, tiny.train.y[rows])


@pytest.mark.parametrize("net", ["mlp", "with BatchNorm"])
def test_a_product_is_that_of_the_hessian(net, tiny_model, with_batch_norm, tiny):
    """Against autograd's gradient of gradient times vector, in float64; some parameters or all."""
    model = copy.deepcopy(tiny_model if net == "mlp" else with_batch_norm).double().eval()
    batch = batch_of(tiny, slice(0, 30))
    for names in ([n for n, _ in model.named_parameters()], ["head.weight", "head.bias"]):
        loss = MeanLoss(model, names)
        chosen = [p for n, p in model.named_parameters() if n in names]
        v = torch.randn(sum(p.numel() for p in chosen), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        slope = torch.autograd.grad(F.cross_entropy(model(batch.x), batch.y), chosen, create_graph=True)
        slope = torch.cat([g.flatten() for g in slope])
        expected = torch.cat([g.flatten() for g in torch.autograd.grad(slope @ v, chosen)])
        torch.testing.assert_close(loss.product(batch, v), expected, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(loss.gradient(batch), slope.detach(), rtol=1e-7, atol=1e-9)


def symmetric(eigenvalues):
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(len(eigenvalues),) * 2))
    return torch.from_numpy(q @ np.diag(eigenvalues) @ q.T)


def test_conjugate_gradients_solve():
    a = symmetric(np.linspace(0.5, 20, 12))
    b = torch.arange(1.0, 13, dtype=torch.float64)
    calls = []
    found = conjugate_gradients(lambda v: calls.append(1) or a @ v, b, 50, 1e-10)
    torch.testing.assert_close(found, torch.linalg.solve(a, b), rtol=1e-6, atol=1e-9)
    assert len(calls) <= 14
    assert not conjugate_gradients(lambda v: a @ v, torch.zeros(12, dtype=torch.float64), 5).any()


def test_conjugate_gradients_never_follow_a_negative_curvature():
    a = symmetric([-3.0, 1, 2, 5, 9])
    b = torch.ones(5, dtype=torch.float64)
    found = conjugate_gradients(lambda v: a @ v, b, 50)
    assert torch.isfinite(found).all() and 0.5 * found @ a @ found - b @ found <= 0
    assert not conjugate_gradients(lambda v: -v, b, 50).any()


def test_the_fixed_point_of_lissa():
    """(H + scale * damping * I)^-1 v."""
    h, v = symmetric(np.linspace(0.1, 8, 10)), torch.linspace(1, 2, 10, dtype=torch.float64)
    found = lissa(lambda u: h @ u, v, 20_000, scale=10.0, damping=0.05)
    expected = torch.linalg.solve(h + 0.5 * torch.eye(10, dtype=torch.float64), v)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_lissa_rejects_what_is_not_finite_and_loses_patience():
    h, v = 50.0 * torch.eye(3), torch.ones(3)
    calls = []
    found = lissa(lambda u: calls.append(1) or h @ u, v, 10_000, scale=1.0, damping=0.0, patience=20)
    assert torch.isfinite(found).all() and len(calls) <= 25
    assert torch.isfinite(lissa(lambda u: h @ u, v, 10_000, 1.0, 0.0, patience=10**6)).all()


# -- known answers -----------------------------------------------------------------------------------------------------

PENALTY = 0.3


def fit(x, y, rows):
    """Logistic regression, exactly: the least of sum over rows of CE / 300 + PENALTY / 2 |theta|^2, by Newton's method
    in float64.
    """
    model = Classifier(nn.Sequential(nn.Flatten()), nn.Linear(64, 4), [0.4], [0.25]).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    batch = Batch(x[rows], y[rows])
    for _ in range(12):
        loss = MeanLoss(model, ["head.weight", "head.bias"])
        theta = flat(model)
        h = torch.stack([loss.product(batch, e) for e in torch.eye(260, dtype=torch.float64)])
        share = len(rows) / 300
        step = torch.linalg.solve(share * h + PENALTY * torch.eye(260), share * loss.gradient(batch) + PENALTY * theta)
        with torch.no_grad():
            for p, part in zip(model.parameters(), loss.parts(step).values(), strict=True):
                p.sub_(part)
        if float(step.norm()) < 1e-9:
            return model
    raise AssertionError("Newton's method did not come to rest")


@pytest.fixture(scope="module")
def convex(tiny):
    """(model, request, x, y) of a logistic regression fitted exactly."""
    x, y = tiny.train.x.double() / 255, tiny.train.y
    forget = np.arange(10, 25)
    request = Request(x, y, forget, np.setdiff1d(np.arange(300), forget), 4)
    return fit(x, y, np.arange(300)), request, x, y


@pytest.fixture(scope="module")
def without_forget(convex):
    """The same regression fitted exactly to what is kept."""
    _, request, x, y = convex
    return fit(x, y, request.retain)


def distances(convex, unlearner, target, request=None):
    model, asked_for, *_ = convex
    found = flat(unlearner(model, request or asked_for).model)
    return float((found - flat(target)).norm() / (flat(model) - flat(target)).norm())


@pytest.mark.parametrize("solver", ["conjugate gradients", "LiSSA"])
def test_deletion_by_second_order_is_retraining_up_to_curvature(solver, convex, without_forget):
    unlearner = SecondOrder(damping=PENALTY, length=1.0, solver=solver, iterations=3000, scale=20.0)
    assert distances(convex, unlearner, without_forget) < 0.15
    assert distances(convex, unlearner.but(length=0.0, iterations=30), without_forget) == pytest.approx(1)
    assert distances(convex, FirstOrder(tau=1.0), without_forget) > 0.3


def test_correcting_labels_by_second_order_is_retraining_with_them(convex, tiny):
    model, request, x, y = convex
    right = y.clone()
    right[request.forget[:5]] = (y[request.forget[:5]] + 1) % 4
    target = fit(x, right, np.arange(300))
    change = SecondOrder(change="correct labels", damping=PENALTY, length=1.0, iterations=300)
    assert distances(convex, change, target, replace(request, corrected=right)) < 0.1


def test_the_second_order_step_is_the_formula(convex):
    """Against a dense Hessian and numpy's solver."""
    model, request, x, y = convex
    found = flat(SecondOrder(damping=0.3, length=2.0, iterations=500)(model, request).model) - flat(model)
    theta = flat(model).numpy()
    w, b = theta[:256].reshape(4, 64), theta[256:]
    features = ((x.reshape(300, -1) - model.mean.item()) / model.std.item()).numpy()
    z = features @ w.T + b
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    gradients = np.concatenate(
        [((p - np.eye(4)[y])[:, :, None] * features[:, None]).reshape(300, -1), p - np.eye(4)[y]], 1
    )
    g = -gradients[request.forget].sum(0) / 300
    hessian = np.zeros((260, 260))
    for f, q in zip(features, p, strict=True):
        s = np.diag(q) - np.outer(q, q)
        j = np.concatenate([np.kron(np.eye(4), f), np.eye(4)], 1)  # logits by parameters
        hessian += j.T @ s @ j / 300
    expected = -2.0 * np.linalg.solve(hessian + 0.3 * np.eye(260), g)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)
    first = flat(FirstOrder(tau=5.0)(model, request).model) - flat(model)
    np.testing.assert_allclose(first, -5.0 * g, rtol=1e-6, atol=1e-10)


# -- what changes ------------------------------------------------------------------------------------------------------


@BOTH
def test_a_change_that_changes_nothing_is_the_original(cls, tiny_model, asked):
    request = asked()
    assert same(cls(change="correct labels")(tiny_model, replace(request, corrected=request.y)).model, tiny_model)
    assert same(cls(change="mask features", region=0.0)(tiny_model, request).model, tiny_model)
    assert not same(cls(change="mask features", region=0.5)(tiny_model, request).model, tiny_model)


@BOTH
def test_without_corrected_labels_none_are_made_up(cls, tiny_model, asked):
    with pytest.raises(BadValue, match=rf"^{cls.title} needs corrected labels, and there is none here\.$"):
        cls(change="correct labels")(tiny_model, asked())
    cls(change="delete").refuse(asked())


def test_a_masked_image_has_its_mean_colour_in_the_middle():
    x = torch.randint(0, 256, (3, 2, 8, 10), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    colour = torch.tensor([0.25, 0.75]).view(2, 1, 1)
    masked = FirstOrder(region=0.5).masked(x, colour)
    inside = torch.zeros(8, 10, dtype=torch.bool)
    inside[2:6, 2:7] = True
    assert (masked[:, 0][:, inside] == 0.25).all() and (masked[:, 1][:, inside] == 0.75).all()
    assert torch.equal(masked[:, :, ~inside], (x.float() / 255)[:, :, ~inside])
    assert torch.equal(FirstOrder(region=1.0).masked(x, colour), colour.expand(3, 2, 8, 10))


@BOTH
def test_only_the_last_layer_moves_where_that_is_asked(cls, tiny_model, asked):
    after = cls(weights="last layer")(tiny_model, asked()).model
    moved = {name for (name, p), q in zip(tiny_model.named_parameters(), weights(after), strict=True) if (p != q).any()}
    assert moved == {"head.weight", "head.bias"}


@BOTH
@pytest.mark.parametrize("change, passes", [("delete", 1), ("correct labels", 2), ("mask features", 2)])
def test_passes_over_old_and_new_images_are_counted(cls, change, passes, tiny_model, asked):
    request, cost = replace(asked(), corrected=asked().y), Cost()
    unlearner = cls(change=change)
    unlearner.gradient_change(unlearner.mean_loss(copy.deepcopy(tiny_model)), request, cost)
    assert cost.forget_gradients == passes * 40


def test_each_further_first_order_step_starts_where_the_last_one_led(tiny_model, asked):
    once = FirstOrder(tau=2.0)(tiny_model, asked()).model
    twice = FirstOrder(tau=2.0)(once, asked()).model
    assert same(FirstOrder(tau=2.0, steps=2)(tiny_model, asked()).model, twice)


# -- what it is for ----------------------------------------------------------------------------------------------------


def right(model, images, rows, y):
    return (
        predict(model, Images(images.train.x[rows], images.train.y[rows])).logits.argmax(1) == y[rows].numpy()
    ).mean()


@pytest.mark.parametrize(
    "unlearner, gain",
    [(FirstOrder(change="correct labels", tau=1.0), 0.1), (SecondOrder(change="correct labels", length=1.0), 0.2)],
    ids=["first order", "second order"],
)
def test_wrong_labels_are_repaired(unlearner, gain, on_digits):
    images, _, request = on_digits
    y, rows = images.train.y, request.forget
    wrong = y.clone()
    wrong[rows] = (y[rows] + 1 + torch.from_numpy(np.random.default_rng(1).integers(0, 9, len(rows)))) % 10
    spoilt = replace(images, train=Images(images.train.x, wrong))
    model = train(Training(epochs=20), spoilt, np.arange(len(y))).model
    unlearned = unlearner(model, replace(request, y=wrong, corrected=y)).model
    assert right(unlearned, images, rows, y) > right(model, images, rows, y) + gain
    assert right(unlearned, images, request.retain, y) > 0.97


@pytest.mark.parametrize("cls", [FirstOrder, SecondOrder])
def test_deletion_lowers_the_forget_set_below_the_rest(cls, on_digits):
    images, model, request = on_digits
    unlearned = cls(**({"length": 10.0} if cls is SecondOrder else {}))(model, request).model
    y = images.train.y
    forget, retain = (right(unlearned, images, rows, y) for rows in (request.forget, request.retain))
    assert forget < 0.97 and retain > 0.96 and forget < retain
