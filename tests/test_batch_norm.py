"""Batch norm with what follows it is batch norm: nearer to exact arithmetic than torch's, and only where it may be."""

import numpy as np
import pytest
import torch
from torch import nn

from unlearn_core import batch_norm, norm_passes
from unlearn_core.batch_norm import _edges, _spread, fits, normed
from unlearn_core.models import MODELS, Layers, Residual


def images(*shape, seed=0, mean=0.0):
    draws = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + mean
    return draws.to(memory_format=torch.channels_last).bfloat16()


def layer(channels, dtype=torch.float32):
    made = nn.BatchNorm2d(channels, momentum=0.3).to(dtype)
    with torch.no_grad():
        made.weight.copy_(torch.linspace(-1, 2, channels))
        made.bias.copy_(torch.linspace(1, -1, channels))
    return made


def all_of(function, norm, x, plus, grad):
    """What comes out, its slopes by everything that goes in, and what the layer keeps."""
    x, plus = x.clone().requires_grad_(), None if plus is None else plus.clone().requires_grad_()
    out = function(norm, x, plus)
    by = [x, norm.weight, norm.bias] + ([] if plus is None else [plus])
    return [out.detach(), *torch.autograd.grad(out, by, grad), norm.running_mean, norm.running_var]


def off(found, exact):
    return [((a.double() - b).abs().max() / b.abs().max()).item() for a, b in zip(found, exact, strict=True)]


@pytest.mark.parametrize("shape", [(8, 16, 32, 32), (5, 32, 4, 6), (3, 64, 3, 5), (4, 128, 7, 2), (16, 8, 1, 2)])
@pytest.mark.parametrize("mean", [0.0, 40.0])
@pytest.mark.parametrize(("relu", "join"), [(False, False), (True, False), (True, True)])
def test_it_is_nearer_to_exact_arithmetic_than_three_layers(shape, mean, relu, join):
    def three(norm, x, plus):
        out = norm(x) if plus is None else norm(x) + plus
        return out.relu() if relu else out

    x, grad = images(*shape, seed=1, mean=mean), images(*shape, seed=2)
    plus = images(*shape, seed=3) if join else None
    assert fits(x, layer(shape[1]))
    ours = all_of(lambda norm, x, plus: normed(x, norm, relu, plus), layer(shape[1]), x, plus, grad)
    torchs = all_of(three, layer(shape[1]), x, plus, grad)
    as64 = [None if each is None else each.double() for each in (x, plus, grad)]
    exact = all_of(three, layer(shape[1], torch.float64), *as64)
    assert ours[0].dtype == ours[1].dtype == torch.bfloat16
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in ours[:2])
    rounding = 2**-8  # of one number to bfloat16
    for one, other in zip(off(ours, exact), off(torchs, exact), strict=True):
        assert one <= max(1.2 * other, 1e-5) and one <= 1.5 * rounding


def test_the_kept_moments_move_as_they_do_alone():
    ours, torchs = layer(16), layer(16)
    for seed in range(3):
        x = images(4, 16, 3, 3, seed=seed, mean=seed)
        normed(x, ours), torchs(x)
    assert int(ours.num_batches_tracked) == int(torchs.num_batches_tracked) == 3
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(ours, name), getattr(torchs, name), rtol=1e-4, atol=1e-4)


def test_threads_change_no_bit():
    x, grad, before = images(64, 16, 32, 32), images(64, 16, 32, 32, seed=1), torch.get_num_threads()
    assert len(_edges(x.numel() // 64)) > 4
    said = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            said.append(all_of(lambda norm, x, plus: normed(x, norm, True, plus), layer(16), x, grad, grad))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in said[1:] for a, b in zip(said[0], other, strict=True))


def test_parts_hold_each_row_once():
    assert batch_norm.LANES == norm_passes.LANES
    for rows in (1, 4096, 8191, 8192, 99_999, 10**7):
        edges = _edges(rows)
        assert edges[0] == 0 and edges[-1] == rows and (np.diff(edges) > 0).all()


def test_shares_of_threads_hold_each_part_once(monkeypatch):
    for threads, parts in ((1, 5), (2, 5), (3, 16), (16, 3)):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        done: set[int] = set()
        _spread(lambda first, last, done=done: done.update(range(first, last)), parts)
        assert done == set(range(parts))


def test_what_is_no_number_stays_none():
    x, grad = images(4, 16, 2, 2), images(4, 16, 2, 2, seed=1)
    x[1, 3, 0, 1] = float("nan")
    out, by_x, *_ = all_of(lambda norm, x, plus: normed(x, norm, True, plus), layer(16), x, grad, grad)
    assert out[:, 3].isnan().all() and by_x[:, 3].isnan().all() and not out[:, 4].isnan().any()


def test_slopes_of_slopes_are_refused():
    x, norm = images(4, 16, 2, 2).requires_grad_(), layer(16)
    (slope,) = torch.autograd.grad(normed(x, norm, True).float().square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.float().sum().backward()


@pytest.mark.parametrize(
    ("x", "norm"),
    [
        (images(4, 16, 2, 2).float(), layer(16)),
        (images(4, 16, 2, 2).contiguous(), layer(16)),
        (images(4, 24, 2, 2), layer(24)),
        (images(1, 16, 1, 1), layer(16)),
        (images(4, 16, 2, 2), layer(16).eval()),
        (images(4, 16, 2, 2), nn.BatchNorm2d(16, affine=False)),
        (images(4, 16, 2, 2), nn.BatchNorm2d(16, momentum=None)),
        (images(4, 16, 2, 2), nn.ReLU()),
    ],
)
def test_elsewhere_layers_are_asked_one_by_one(x, norm):
    assert not fits(x, norm)


def test_without_slopes_layers_are_asked_one_by_one():
    with torch.no_grad():
        assert not fits(images(4, 16, 2, 2), layer(16))


def a_net(name):
    """A small one of this kind, on images of 32 x 32."""
    torch.manual_seed(0)
    trunk, head = MODELS[name].make(10, (3, 32, 32), 16)
    return nn.Sequential(trunk, nn.Flatten(), head).to(memory_format=torch.channels_last).train()


@pytest.mark.parametrize("name", ["resnet9", "resnet20"])
def test_a_net_learns_the_same(name, monkeypatch):
    """Every batch norm of it is done with what follows, and all slopes are as near to those of float32 as those of
    single layers in bfloat16 are.
    """
    x, y = torch.randn(32, 3, 32, 32).to(memory_format=torch.channels_last), torch.arange(32) % 10
    done = []

    def count(*args):
        done.append(args[2:])
        return normed(*args)

    def slopes(fitting, half=True):
        monkeypatch.setattr("unlearn_core.models.fits", fitting)
        net = a_net(name)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = net(x)
        nn.functional.cross_entropy(logits.float(), y).backward()
        return {who: p.grad for who, p in net.named_parameters()} | dict(net.named_buffers())

    monkeypatch.setattr("unlearn_core.models.normed", count)
    ours = slopes(fits)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in a_net(name).modules())
    assert len(done) == norms and sum(len(rest) == 2 for rest in done) == {"resnet9": 0, "resnet20": 9}[name]
    alone, exact = slopes(lambda x, layer: False), slopes(fits, half=False)
    assert len(done) == norms

    def far(found):
        return np.array(
            [((found[who] - value).float().norm() / (value.float().norm() + 1e-9)) for who, value in exact.items()]
        )

    assert far(ours).mean() <= 1.15 * far(alone).mean() and (far(ours) <= 2 * far(alone) + 0.05).all()


def test_layers_are_a_sequence_where_nothing_fits():
    """The same bits, and the same names of weights."""
    inner = lambda kind: kind(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))  # noqa: E731
    ours = Layers(Residual(inner(Layers)), nn.ReLU(), nn.Flatten())
    plain = nn.Sequential(Residual(inner(nn.Sequential)), nn.ReLU(), nn.Flatten())
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(3, 4, 5, 5)
    assert torch.equal(ours(x), plain(x)) and torch.equal(ours.eval()(x), plain.eval()(x))
    half = x.bfloat16()
    assert torch.equal(ours.bfloat16()(half), plain.bfloat16()(half))  # eval: the sum and its ReLU together
