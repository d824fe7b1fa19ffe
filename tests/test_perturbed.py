"""Perturbed forget images: how far they may go, what they must not cost the original, and the fallback that says so."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from unlearn_core.data import Dataset, Images
from unlearn_core.models import Classifier, new_model
from unlearn_core.params import BadValue
from unlearn_core.probes import perturbed
from unlearn_core.training import predict

FORGET = np.arange(0, 300, 5)


def accuracy(model, images):
    said = predict(copy.deepcopy(model), images)
    return float((said.logits.argmax(1) == said.labels).mean())


# -- the corruption ----------------------------------------------------------------------------------------------------


def test_no_strength_changes_nothing_and_more_moves_farther(tiny):
    change = perturbed.corruption(tiny.train.x[:50])
    assert torch.equal(change(0), tiny.train.x[:50])
    moves = [(change(s).float() - tiny.train.x[:50]).abs().mean().item() for s in (0.05, 0.2, 0.5, 1.0)]
    assert 0 < moves[0] < moves[1] < moves[2] < moves[3]
    assert change(0.3).dtype == torch.uint8
    assert torch.equal(change(0.3), perturbed.corruption(tiny.train.x[:50])(0.3))
    assert not torch.equal(change(0.3), perturbed.corruption(tiny.train.x[:50], seed=1)(0.3))


def test_an_even_image_is_changed_by_noise_alone(monkeypatch):
    even = torch.full((3, 3, 8, 8), 100, dtype=torch.uint8)
    assert not torch.equal(perturbed.corruption(even)(1.0), even)
    monkeypatch.setattr(perturbed, "NOISE", 0.0)
    assert torch.equal(perturbed.corruption(even)(1.0), even)


def test_shifts_and_blurs_go_where_they_should(monkeypatch):
    """One bright pixel: without noise its light stays in the image, spread over its neighbours."""
    monkeypatch.setattr(perturbed, "NOISE", 0.0)
    x = torch.zeros(4, 1, 9, 9, dtype=torch.uint8)
    x[:, 0, 4, 4] = 255
    for sides in ("BLUR", "TURN", "SHIFT"):
        with monkeypatch.context() as patch:
            for name in {"BLUR", "TURN", "SHIFT"} - {sides}:
                patch.setattr(perturbed, name, 1e-9)
            changed = perturbed.corruption(x)(1.0)
        if sides == "TURN":  # the middle of the image stays where it is
            assert torch.equal(changed[:, 0, 4, 4], x[:, 0, 4, 4])
        if sides == "BLUR":  # the same for every image, and in both directions
            assert (changed == changed[0]).all() and torch.equal(changed, changed.transpose(2, 3))
            assert changed[0, 0, 4, 4] < 100 < 10 * changed[0, 0, 4, 5]
            assert abs(int(changed[0].int().sum()) - 255) < 10
        if sides == "SHIFT":  # each image its own way, less than one pixel of nine
            assert not (changed == changed[0]).all()
            assert changed[:, 0, 3:6, 3:6].int().sum((1, 2)).min() > 245


def test_the_strongest_that_costs_at_most_so_much(tiny, tiny_model):
    asked = tiny.train.take(FORGET)
    found = perturbed.corrupt(tiny_model, asked, drop=0.05)
    assert found.used == "corruption" and not found.why
    assert found.before == accuracy(tiny_model, asked) and found.after == accuracy(tiny_model, found.images)
    assert found.before - found.after <= 0.05 + 1e-9
    assert 0 < found.strength < 1
    next_level = perturbed.corruption(asked.x)(found.strength + 1 / perturbed.LEVELS)
    assert found.before - accuracy(tiny_model, Images(next_level, asked.y)) > 0.05
    assert perturbed.corrupt(tiny_model, asked, drop=1.0).strength == 1
    assert perturbed.corrupt(tiny_model, asked, drop=0.0).strength <= found.strength
    assert torch.equal(found.images.y, asked.y)


def test_levels_after_one_that_costs_too_much_do_not_count(tiny, tiny_model, monkeypatch):
    accuracies = iter([1.0, 1.0, 0.96, 0.9, 1.0, 1.0])
    monkeypatch.setattr(perturbed, "_accuracy", lambda *_: next(accuracies))
    found = perturbed.corrupt(tiny_model, tiny.train.take(FORGET))
    assert (found.strength, found.after) == (2 / perturbed.LEVELS, 0.96)


def test_a_model_that_nothing_can_be_taken_from():
    """It goes by one pixel being exactly as it was: any corruption costs everything, so there is none."""
    trunk = nn.Flatten()
    head = nn.Linear(4, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.0, 0, 0, 0], [-1e4, 0, 0, 0]]))
        head.bias.copy_(torch.tensor([0.0, 1e4 * 128 / 255 + 1]))
    model = Classifier(trunk, head, [0.0], [1.0])
    images = Images(torch.full((40, 1, 2, 2), 128, dtype=torch.uint8), torch.ones(40, dtype=torch.int64))
    found = perturbed.corrupt(model, images)
    assert found.strength == 0 and found.before == found.after == 1
    assert torch.equal(found.images.x, images.x)


# -- the generator -----------------------------------------------------------------------------------------------------


def test_generated_images_are_near_kept_by_the_original_and_always_the_same(tiny, tiny_model):
    asked = tiny.train.take(FORGET)
    before = copy.deepcopy(tiny_model.state_dict())
    state = torch.random.get_rng_state()
    found = perturbed.perturb(tiny_model, tiny.train, FORGET)
    assert torch.equal(state, torch.random.get_rng_state())
    assert found.used == "generator" and found.why == "" and found.strength == 8 / 255
    moves = (found.images.x.int() - asked.x.int()).abs()
    assert 0 < moves.max() <= 8 and moves.float().mean() > 0.5
    assert found.before - found.after <= perturbed.DROP
    assert found.after == accuracy(tiny_model, found.images)
    again = perturbed.perturb(tiny_model, tiny.train, FORGET)
    assert torch.equal(again.images.x, found.images.x)
    assert not torch.equal(perturbed.perturb(tiny_model, tiny.train, FORGET, seed=1).images.x, found.images.x)
    assert all(torch.equal(v, before[k]) for k, v in tiny_model.state_dict().items())


def test_the_shift_term_moves_the_features_away(tiny, tiny_model):
    def distance(shift):
        made = perturbed.taught_generator(tiny_model, tiny.train, FORGET, shift=shift, steps=100)
        with torch.no_grad():
            moved = tiny_model.embed(made.perturbed(tiny.train.x[FORGET])).mean(0)
            kept = tiny_model.embed(tiny.train.x[np.setdiff1d(np.arange(300), FORGET)]).mean(0)
        return (moved - kept).norm().item()

    assert distance(20.0) > distance(0.0) * 1.05


def test_a_frozen_generator_in_the_box():
    torch.manual_seed(0)
    for shape in ((1, 8, 8), (3, 32, 32), (2, 5, 7), (1, 1, 1)):
        generator = perturbed.SPDGenerator(shape[0], epsilon=0.1)
        x = torch.rand(3, *shape).round()  # at the ends of the range
        made = generator(x)
        assert made.shape == x.shape and made.min() >= 0 and made.max() <= 1
        assert 0 < (made - x).abs().max() <= 0.1 + 1e-6


def test_colour_images_and_batchnorm(tiny):
    rng = np.random.default_rng(0)
    images = Images(
        torch.from_numpy(rng.integers(0, 256, (24, 3, 32, 32)).astype(np.uint8)), torch.from_numpy(np.arange(24) % 4)
    )
    model = new_model("resnet20", Dataset("noise", tiny.classes, images, images, images), 0, 4).train()
    before = copy.deepcopy(model.state_dict())
    made = perturbed.taught_generator(model, images, np.arange(8), steps=3)
    assert not any(p.requires_grad for p in made.parameters())
    assert 0 < (made.perturbed(images.x).int() - images.x.int()).abs().max() <= 8
    assert perturbed.corrupt(model, images, drop=1.0).images.x.shape == (24, 3, 32, 32)
    assert model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_generator_that_fails_is_replaced_and_named(tiny, tiny_model, monkeypatch):
    asked = tiny.train.take(FORGET)
    corrupted = perturbed.corrupt(tiny_model, asked)

    class Vandal:
        epsilon = 1.0

        def perturbed(self, x):
            return 255 - x

    with monkeypatch.context() as patch:
        patch.setattr(perturbed, "taught_generator", lambda *_, **__: Vandal())
        found = perturbed.perturb(tiny_model, tiny.train, FORGET)
    assert found.used == "corruption" and "lost" in found.why
    assert torch.equal(found.images.x, corrupted.images.x)
    broken = copy.deepcopy(tiny_model)
    with torch.no_grad():
        broken.head.bias[0] = torch.inf
    found = perturbed.perturb(broken, tiny.train, FORGET)
    assert found.used == "corruption" and "not finite" in found.why


def test_nothing_to_perturb_or_to_keep(tiny, tiny_model):
    for forget in (np.arange(0), np.arange(300)):
        with pytest.raises(BadValue):
            perturbed.perturb(tiny_model, tiny.train, forget)
    with pytest.raises(BadValue):
        perturbed.corrupt(tiny_model, tiny.train.take(np.arange(0)))
