"""Random flips and shifts of training images, drawn for a whole epoch at once and applied on the device.

The draws of an epoch are a pure function of (seed, epoch), so a model trained in a stack sees what it would see alone.
"""

from __future__ import annotations

import numpy as np
import torch

AUGMENTATIONS = ("none", "flip-crop")
PAD = 4  # pixels an image may be shifted by, either way; what comes in is black
STREAM = 7  # of counter-based draws, beside the order of the images


def epoch_draws(count: int, seed: int, epoch: int) -> np.ndarray:
    """(count, 3) int64: for each place in the epoch's order the shift down, the shift right (0 to 8), and 0 or 1 for a
    flip.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, (STREAM << 32) | epoch]))
    return np.stack([*rng.integers(0, 2 * PAD + 1, (2, count)), rng.integers(0, 2, count)], axis=1)


def flip_and_crop(x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Images (B, C, H, W) shifted and flipped by draws (B, 3); the same type and shape, channels last in memory."""
    height, width = x.shape[2:]
    down, right, flip = draws.unbind(1)
    column = torch.arange(width, device=x.device)
    column = torch.where(flip[:, None].bool(), column.flip(0), column) + right[:, None]
    row = torch.arange(height, device=x.device) + down[:, None]
    padded = torch.nn.functional.pad(x, (PAD, PAD, PAD, PAD)).permute(0, 2, 3, 1)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return padded[image, row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2)
