"""The layers of a stack, and dense steps written out: the same numbers as each member alone."""

import copy

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from unlearn_core.dense import DenseSteps, flat, layers_of
from unlearn_core.models import new_model
from unlearn_core.stacking import StackedLosses, bytes_per_member, call, skeleton, stacked_state

NETS = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 8 * 8, 5), nn.Tanh(), nn.Linear(5, 3)),
    "no bias": lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 8 * 8, 5, bias=False), nn.Linear(5, 3)),
    "conv": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)),
    "stride and groups": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2, bias=False), nn.Flatten(), nn.Linear(64, 3)
    ),
    "pool": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten(), nn.Linear(27, 3)
    ),
    "circular padding": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.Linear(256, 3)
    ),
    "features of single pixels": lambda: nn.Sequential(nn.Linear(8, 6), nn.Flatten(), nn.Linear(2 * 8 * 6, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_a_stack_gives_the_logits_and_gradients_of_each_member(name):
    torch.manual_seed(0)
    nets = [NETS[name]().double() for _ in range(3)]
    x, y = torch.rand(3, 7, 2, 8, 8, dtype=torch.float64), torch.randint(0, 3, (3, 7))
    params, buffers = stacked_state(nets)
    net = skeleton(nets[0])
    logits = vmap(lambda p, b, xb: call(net, p, b, xb))(params, buffers, x)
    gradients = torch.autograd.grad(F.cross_entropy(logits.transpose(1, 2), y, reduction="sum"), list(params.values()))
    for m, single in enumerate(nets):
        alone = single(x[m])
        torch.testing.assert_close(logits[m], alone)
        expected = torch.autograd.grad(F.cross_entropy(alone, y[m], reduction="sum"), list(single.parameters()))
        for found, wanted in zip(gradients, expected, strict=True):
            torch.testing.assert_close(found[m], wanted)


def test_images_that_all_members_share_are_not_copied_by_the_caller():
    torch.manual_seed(0)
    nets, x = [NETS["conv"]() for _ in range(2)], torch.rand(4, 2, 8, 8)
    params, buffers = stacked_state(nets)
    net = skeleton(nets[0])
    logits = vmap(lambda p, b, xb: call(net, p, b, xb), in_dims=(0, 0, None))(params, buffers, x)
    for found, single in zip(logits, nets, strict=True):
        torch.testing.assert_close(found, single(x))


def test_a_skeleton_leaves_the_model_alone():
    model = NETS["conv"]()
    skeleton(model)
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear]


LOSSES = {
    "mean": F.cross_entropy,
    "doubled, of a temperature": lambda z, y: 2 * F.cross_entropy(z / 2, y),
    "weighted": lambda z, y: F.cross_entropy(z, y, weight=torch.tensor([1.0, 2.0, 0.5]).to(z)),
    "weighted, by place": lambda z, y: F.cross_entropy(z, y, torch.tensor([1.0, 2.0, 0.5]).to(z)),
    "each image": lambda z, y: F.cross_entropy(z, y, reduction="none").square().sum(),
    "smoothed": lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1),
    "some images unlooked at": lambda z, y: F.cross_entropy(z, torch.where(y == 1, -100, y)),
    "one class unlooked at": lambda z, y: F.cross_entropy(z, y, ignore_index=1),
    "soft": lambda z, y: F.cross_entropy(z, F.one_hot(y, 3).to(z) * 0.7 + 0.1),
    "shared labels": lambda z, y: F.cross_entropy(z, torch.arange(7) % 3),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_a_stack_are_those_of_each_member(name):
    torch.manual_seed(0)
    z, y = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True), torch.randint(0, 3, (4, 7))
    with StackedLosses():
        found = vmap(LOSSES[name])(z, y)
    alone = torch.stack([LOSSES[name](*one) for one in zip(z, y, strict=True)])
    torch.testing.assert_close(found, alone)
    torch.testing.assert_close(*(torch.autograd.grad(losses.sum(), z)[0] for losses in (found, alone)))


def test_memory_grows_with_the_batch(digits):
    model = new_model("cnn", digits, 0)
    small, large = (bytes_per_member(model, digits.train.x[:n]) for n in (8, 64))
    weights = 4 * 4 * sum(p.numel() for p in model.parameters())
    assert weights < small < large


# -- dense steps -------------------------------------------------------------------------------------------------------

RULES = {"plain": (0.0, 0.0), "momentum": (0.9, 0.0), "decay": (0.0, 0.1), "both": (0.9, 0.1)}


@pytest.mark.parametrize("rule", RULES)
def test_dense_steps_are_those_of_automatic_differentiation(digits, rule):
    """Three steps of SGD on two members, against torch's own gradients and optimiser."""
    momentum, decay = RULES[rule]
    models = [new_model("mlp", digits, seed, 16).double() for seed in (0, 1)]
    twins = copy.deepcopy(models)
    params, _ = stacked_state(models)
    step = DenseSteps(params, layers_of(models[0]), momentum, decay)
    optimisers = [torch.optim.SGD(t.parameters(), lr=0.1, momentum=momentum, weight_decay=decay) for t in twins]
    for number in range(3):
        rows = torch.arange(12).view(2, 6) + 12 * number
        images = digits.train.x.double() / 255
        logits = step(flat(models[0], images)[rows], digits.train.y[rows], [0.1])
        for m, (twin, optimiser) in enumerate(zip(twins, optimisers, strict=True)):
            alone = twin(images[rows[m]])
            torch.testing.assert_close(logits[m], alone)
            optimiser.zero_grad()
            F.cross_entropy(alone, digits.train.y[rows[m]]).backward()
            optimiser.step()
    for m, twin in enumerate(twins):
        for name, value in twin.named_parameters():
            torch.testing.assert_close(params[name][m], value, msg=name)


def test_only_nets_of_linear_layers_are_dense(digits):
    assert layers_of(new_model("mlp", digits, 0)) == ["trunk.1", "head"]
    assert layers_of(new_model("cnn", digits, 0)) is None
