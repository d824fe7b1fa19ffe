"""Flips and shifts: known answers, what every draw is, the same draws alone and in a stack."""

import numpy as np
import torch

from unlearn_core.augmentation import PAD, epoch_draws, flip_and_crop

IMAGES = torch.arange(2 * 3 * 6 * 5, dtype=torch.uint8).reshape(2, 3, 6, 5)


def test_no_shift_and_no_flip_leave_an_image_as_it_is():
    assert torch.equal(flip_and_crop(IMAGES, torch.tensor([[PAD, PAD, 0]] * 2)), IMAGES)


def test_a_flip_is_a_mirror():
    assert torch.equal(flip_and_crop(IMAGES, torch.tensor([[PAD, PAD, 1]] * 2)), IMAGES.flip(3))


def test_a_shift_moves_and_fills_with_black():
    """The window begins two rows further down and one column further left, in the first image only."""
    found = flip_and_crop(IMAGES, torch.tensor([[PAD + 2, PAD - 1, 0], [PAD, PAD, 0]]))
    assert torch.equal(found[0, :, :4, 1:], IMAGES[0, :, 2:, :4])
    assert not found[0, :, 4:].any() and not found[0, :, :, 0].any()
    assert torch.equal(found[1], IMAGES[1])
    assert found.dtype == torch.uint8 and found.shape == IMAGES.shape


def test_draws_are_a_function_of_seed_and_epoch():
    draws = epoch_draws(1000, 3, 5)
    assert (draws == epoch_draws(1000, 3, 5)).all()
    assert (draws != epoch_draws(1000, 3, 6)).any() and (draws != epoch_draws(1000, 4, 5)).any()
    assert draws.shape == (1000, 3) and draws.dtype == np.int64


def test_every_shift_and_both_sides_are_drawn():
    down, right, flip = epoch_draws(5000, 0, 0).T
    assert set(down) == set(right) == set(range(2 * PAD + 1)) and set(flip) == {0, 1}
    assert 0.45 < flip.mean() < 0.55 and abs(np.corrcoef(down, right)[0, 1]) < 0.05
