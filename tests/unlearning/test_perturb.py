"""Algorithms that edit weights at one go, against the formulas of their sources."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.unlearning.common import FORGET, SHARED, same, weights
from unlearn_core.params import BadValue
from unlearn_core.training import epoch_order, predict
from unlearn_core.unlearning import Cost
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.perturb.fisher import Fisher
from unlearn_core.unlearning.perturb.lfssd import LFSSD
from unlearn_core.unlearning.perturb.lra_npp import LraNpp
from unlearn_core.unlearning.perturb.random_k import RandomK
from unlearn_core.unlearning.perturb.ssd import SSD
from unlearn_core.unlearning.perturb.top_k import TopK
from unlearn_core.unlearning.perturb.woodfisher import WoodFisher
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.request import Batch

BOTH = pytest.mark.parametrize("cls", [TopK, RandomK])


def gradient(model, x, y, loss=F.cross_entropy):
    """(P,) float64, by autograd, in eval mode."""
    model = copy.deepcopy(model).eval().requires_grad_(True).double()
    loss(model(x.double() / 255), y).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def vector(model):
    return torch.cat([p.flatten().double() for p in weights(model)])


def accuracies(images, model, request):
    said = predict(model, images.train)
    right = said.logits.argmax(1) == images.train.y.numpy()
    return right[request.forget].mean(), right[request.retain].mean()


# -- noise on a share of the weights -----------------------------------------------------------------------------------


@BOTH
def test_no_weights_and_no_repair_is_the_original(cls, tiny_model, asked):
    assert same(cls(share=0.0, epochs=0)(tiny_model, asked()).model, tiny_model)
    assert same(cls(sigma=0.0, epochs=0)(tiny_model, asked()).model, tiny_model)


@BOTH
def test_without_noise_the_repair_is_fine_tuning_beside_the_forget_set(cls, tiny_model, asked):
    one = cls(share=0.0, hold=0.0, **SHARED)(tiny_model, asked(seed=3)).model
    assert same(one, NegGradPlus(alpha=1.0, **SHARED)(tiny_model, asked(seed=3)).model)


@BOTH
@pytest.mark.parametrize("share", [0.003, 0.1, 1.0])
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("among", ["model", "layer"])
def test_outside_the_mask_weights_stay_to_the_bit(cls, share, biases, among, tiny_model, asked):
    unlearner = cls(share=share, biases=biases, among=among, epochs=0)
    chosen = unlearner.chosen(copy.deepcopy(tiny_model).eval(), asked(), Cost())
    after = dict(unlearner(tiny_model, asked()).model.named_parameters())
    groups = []
    for name, before in tiny_model.named_parameters():
        mask = chosen.get(name, torch.zeros_like(before, dtype=torch.bool))
        assert torch.equal(after[name] != before, mask)
        if biases or before.dim() > 1:
            groups.append((int(mask.sum()), mask.numel()))
        else:
            assert not mask.any()
    groups = groups if among == "layer" else [tuple(map(sum, zip(*groups, strict=True)))]
    assert all(found == round(share * of) for found, of in groups)


def test_the_mask_compares_scores_not_weights(tiny_model, asked):
    """A weight's own value plays no part: large weights are not chosen for that."""
    model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        model.trunk[1].weight[3] = 100.0  # a unit that the head does not read
        model.head.weight[:, 3] = 0.0
    request, unlearner = asked(), TopK(share=0.05, batch=16)
    scores = unlearner.scores(model.eval(), request, Cost())
    chosen = unlearner.chosen(model, request, Cost())
    values, inside = (torch.cat([d[n].flatten() for n in chosen]) for d in (scores, chosen))
    assert inside.sum() == round(0.05 * len(values))
    assert values[inside].min() >= values[~inside].max()
    assert not chosen["trunk.1.weight"][3].any()


def test_the_score_is_the_mean_over_all_forget_batches_of_the_squared_gradient(tiny_model, asked, tiny):
    request = asked()
    unlearner = TopK(batch=16)
    cost = Cost()
    scores = unlearner.scores(copy.deepcopy(tiny_model).eval(), request, cost)
    rows = unlearner.batches(request.forget, request.seed, 0, 102)
    assert sorted(np.concatenate(rows)) == request.forget.tolist() and len(rows) == 3
    squares = [gradient(tiny_model, tiny.train.x[r], tiny.train.y[r]) ** 2 for r in rows]
    expected = torch.stack(squares).mean(0)
    found = torch.cat([s.flatten() for s in scores.values()]).double()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-8)
    assert cost.forget_gradients == FORGET


@pytest.mark.parametrize("unit", ["layer", "absolute"])
def test_noise_has_the_size_that_was_asked_for(unit, tiny_model, asked):
    after = dict(RandomK(share=1.0, sigma=0.5, unit=unit, epochs=0)(tiny_model, asked()).model.named_parameters())
    for name, before in tiny_model.named_parameters():
        if before.dim() > 1 and before.numel() > 500:
            noise = (after[name] - before).detach()
            size = 0.5 * float(before.detach().std()) if unit == "layer" else 0.5
            assert abs(float(noise.std()) / size - 1) < 0.1 and abs(float(noise.mean())) < 0.15 * size


@BOTH
@pytest.mark.parametrize("hold", [0.7, -0.7])
def test_the_repair_holds_or_pushes_the_forget_set(cls, hold, tiny_model, tiny):
    forget, retain = (Batch(tiny.train.x[a:b], tiny.train.y[a:b]) for a, b in ((0, 20), (20, 60)))
    model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        model.head.weight.mul_(0.5)
    loss = cls(hold=hold).loss(model, tiny_model, Step(forget, retain, 0, 0.0))
    p, q = (m(forget.x).double().softmax(-1).detach() for m in (tiny_model, model))
    j = 0.5 * ((p * (p / q).log()).sum(1).mean() + (q * (q / p).log()).sum(1).mean())
    assert loss.item() == pytest.approx(F.cross_entropy(model(retain.x), retain.y).item() + hold * j.item(), rel=1e-4)


# -- Fisher ------------------------------------------------------------------------------------------------------------


def test_fisher_information_is_exact(tiny_model, asked, tiny):
    """Against single backward passes in float64, for each image and class."""
    request = asked(retain=np.arange(100, 106))
    cost = Cost()
    found = Fisher().information(copy.deepcopy(tiny_model), request, cost)
    expected = 0.0
    for row in request.retain:
        x = tiny.train.x[row : row + 1]
        p = tiny_model.double()(x.double() / 255).softmax(-1).detach()[0]
        tiny_model.float()
        expected = expected + sum(p[y] * gradient(tiny_model, x, torch.tensor([y])) ** 2 for y in range(4)) / 6
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-9)
    assert cost.retain_gradients == 6 * 4


def test_fisher_noise_follows_the_information(tiny_model, asked):
    """The formula for each tensor, with the same draws; nothing but the noise changes."""
    request, alpha = asked(), 1e-4
    model = copy.deepcopy(tiny_model)
    information = Fisher().information(model, request, Cost())
    after = Fisher(alpha=alpha)(tiny_model, request).model
    parts = information.split([p.numel() for p in model.parameters()])
    for (name, before), now, f in zip(model.named_parameters(), weights(after), parts, strict=True):
        head = name.startswith("head")
        v = alpha * np.minimum(1 / (f.double().numpy() + 1e-8), 1e2 if head else 1e3).reshape(before.shape)
        v = v * 10 if head or before.dim() == 1 else v
        v = np.broadcast_to(v.mean(1, keepdims=True), v.shape) if before.dim() > 1 else v
        z = ((now - before).detach().double().numpy()) / np.sqrt(v)
        if z.size > 50:
            assert abs(z.std() - 1) < 0.15 and abs(z.mean()) < 0.3
        assert np.abs(z).max() < 6


def test_fisher_can_measure_some_images_only(tiny_model, asked):
    cost = Fisher(images=30)(tiny_model, asked()).cost
    assert cost.retain_gradients == 30 * 4 and cost.forget_gradients == 0


# -- influence by WoodFisher -------------------------------------------------------------------------------------------


def test_the_influence_step_is_the_recursion_in_float64(tiny_model, asked, tiny):
    request = asked(retain=np.arange(100, 140))
    unlearner = WoodFisher(alpha=3.0, images=12)
    found = unlearner(tiny_model, request)
    x, y = tiny.train.x, tiny.train.y
    forget, retain = (gradient(tiny_model, x[r], y[r]).numpy() for r in (request.forget, request.retain))
    k, o = (forget - retain) * 40 / 80, None
    for row in epoch_order(request.retain, request.seed, 0, 101)[:13]:
        g = gradient(tiny_model, x[row : row + 1], y[row : row + 1]).numpy()
        if o is None:
            o = g
            continue
        k = k - (k @ g) / (12 + o @ g) * o
        o = o - (o @ g) / (12 + o @ g) * o
    moved = (vector(found.model) - vector(tiny_model)).numpy()
    np.testing.assert_allclose(moved, 3.0 * k, rtol=1e-2, atol=1e-6)
    assert (found.cost.forget_gradients, found.cost.retain_gradients) == (40, 40 + 13)


# -- SSD and LFSSD -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [SSD, LFSSD])
def test_an_infinite_threshold_is_the_original(cls, tiny_model, asked):
    assert same(cls(alpha=1e9)(tiny_model, asked()).model, tiny_model)


@pytest.mark.parametrize("cls", [SSD, LFSSD])
@pytest.mark.parametrize("dampening", [0.0, 0.5, 1.0, 3.0])
def test_dampening_is_the_formula(cls, dampening, tiny_model, asked, tiny):
    """Importances from autograd in float64, batch for batch in the order of the seed."""
    request, alpha = asked(seed=7), 1.2
    found = cls(alpha=alpha, dampening=dampening, batch=50)(tiny_model, request).model

    def importance(rows, stream):
        order = epoch_order(rows, 7, 0, stream)
        batches = [order[i : i + 50] for i in range(0, len(order), 50)]
        if cls is SSD:
            all_squares = [gradient(tiny_model, tiny.train.x[r], tiny.train.y[r]) ** 2 for r in batches]
        else:
            norm = lambda z, _: (z**2).sum(1).mean()  # noqa: E731
            all_squares = [gradient(tiny_model, tiny.train.x[r], None, norm).abs() for r in batches]
        return torch.stack(all_squares).mean(0)

    forget, both = importance(request.forget, 102), importance(np.arange(300), 103)
    before, now = vector(tiny_model), vector(found)
    near = (forget / (alpha * both) - 1).abs() < 1e-3  # rounding decides there
    factor = torch.where(forget > alpha * both, (dampening * both / forget).clamp(max=1), 1.0)
    factor[(forget == 0) & (both == 0)] = 1.0
    torch.testing.assert_close(now[~near], (before * factor)[~near], rtol=1e-3, atol=1e-6)
    assert 0.02 < (factor < 1).double().mean() < 0.98 or dampening == 3.0
    assert (now.abs() <= before.abs()).all()  # weights shrink, none grows


def test_ssd_forgets_a_class_and_lfssd_needs_no_labels_for_it(on_digits):
    images, model, request = on_digits
    y = images.train.y.numpy()
    gone = replace(request, forget=np.flatnonzero(y == 3), retain=np.flatnonzero(y != 3))
    blind = replace(gone, y=torch.full_like(gone.y, -100_000))
    for unlearner, asked_for in ((SSD(), gone), (LFSSD(), blind)):
        forget, retain = accuracies(images, unlearner(model, asked_for).model, gone)
        assert forget < 0.1 and retain > 0.9


# -- LRA-NPP -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ["class", "all"])
@pytest.mark.parametrize("change", ["zero", "gaussian", "laplace"])
def test_only_the_read_out_of_the_path_changes(rows, change, tiny_model, asked):
    """Indices of features stay indices of features: the changed weights are those that read the ranked ones."""
    request = asked("lra-npp")
    unlearner = LraNpp(rows=rows, change=change, images=10)
    path = unlearner.path(copy.deepcopy(tiny_model).eval(), request, 1)
    after = unlearner(tiny_model, request).model
    expected = torch.zeros_like(tiny_model.head.weight, dtype=torch.bool)
    expected[1 if rows == "class" else slice(None), path] = True
    moved = after.head.weight != tiny_model.head.weight
    assert torch.equal(moved, expected) and expected.any()
    if change == "zero":
        assert (after.head.weight[expected] == 0).all()
    ours, theirs = after.state_dict(), tiny_model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name != "head.weight")


def test_the_path_is_found_by_the_epsilon_rule(tiny_model, asked):
    """Against numpy in float64, image by image; ties go to the first feature."""
    request = asked("lra-npp")
    path = LraNpp(images=1000, analysed=0.25, cut=0.3).path(copy.deepcopy(tiny_model).eval(), request, 1)
    head = tiny_model.head
    w, b = (p.detach().double().numpy() for p in (head.weight, head.bias))
    often = np.zeros(16)
    for x in request.validation.x[request.validation.y == 1]:
        a = tiny_model.embed(x[None]).detach().double().numpy()[0]
        z = w @ a + b
        k = z.argmax()
        relevance = a * w[k] / (z[k] + (0.1 if z[k] > 0 else -0.1))
        often[np.argsort(-relevance, kind="stable")[:4]] += 1
    order = np.argsort(-often, kind="stable")[:5]
    assert path.tolist() == sorted(f for f in order if often[f] > 0)


def test_the_unseen_images_are_drawn_from_the_seed(tiny_model, asked):
    model = copy.deepcopy(tiny_model).eval()
    images = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    unseen = Batch(images, torch.ones(40, dtype=torch.int64))
    requests = [asked("lra-npp", validation=unseen, seed=seed) for seed in range(12)]
    paths = {tuple(LraNpp(images=1, analysed=0.5).path(model, request, 1).tolist()) for request in requests}
    assert len(paths) > 1


def test_a_class_without_unseen_images_is_refused(tiny_model, asked):
    unseen = asked().validation
    others = Batch(unseen.x[unseen.y != 1], unseen.y[unseen.y != 1])
    with pytest.raises(BadValue, match=r"^LRA-NPP needs validation images of class 1, and there are none\.$"):
        LraNpp()(tiny_model, asked("lra-npp", validation=others))


def test_lra_npp_forgets_a_class_and_keeps_the_others(on_digits):
    images, model, request = on_digits
    y = images.train.y.numpy()
    gone = replace(request, forget=np.flatnonzero(y == 3), retain=np.flatnonzero(y != 3))
    forget, retain = accuracies(images, LraNpp()(model, gone).model, gone)
    assert forget < 0.1 and retain > 0.95
