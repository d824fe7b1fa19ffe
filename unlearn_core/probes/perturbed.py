"""Slightly perturbed forget images, on which `evaluation.degree_of_unlearning` asks how much was forgotten.

The forget images come from where the others come from, so a model that forgot them may still get them right. Near them
it is less sure. What is perturbed, and how far, is settled with the original model alone: nothing here ever sees an
unlearned one. The same images then go to every model that is compared.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from unlearn_core.data import Images
from unlearn_core.device import ready_for
from unlearn_core.evaluation.closeness import accuracy
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent
from unlearn_core.rows import others
from unlearn_core.training import ASKED, embed, epoch_order, predict

STREAM = 123  # of epoch_order
EPSILON = 8 / 255  # the farthest a pixel of the generator moves, of pixels in [0, 1]
DROP = 0.05  # accuracy on the forget images that the original may lose
ROUNDING = 1e-12
LARGEST = 5000  # retained images whose mean features are taken
LEVELS = 20  # steps from no corruption to the strongest that is tried
BLUR, NOISE, TURN, SHIFT = 1.0, 0.2, 20.0, 0.1  # at full strength: pixels, of [0, 1], degrees, of the side


@dataclass(frozen=True)
class Perturbed:
    """Perturbed forget images, uint8 with their labels, in the order of the rows.

    `used` says what made them: "generator" or "corruption"; `why` the generator was not used, where it was not.
    `strength` is a generator's farthest move of a pixel in [0, 1], or a corruption's share of the strongest one.
    `before` and `after` are the original's accuracies on the forget images and on these.
    """

    images: Images
    used: str
    strength: float
    before: float
    after: float
    why: str = ""


def perturb(
    original: Classifier, images: Images, forget: np.ndarray, seed: int = 0, drop: float = DROP, tell: Tell = silent
) -> Perturbed:
    """The rows `forget` changed by a generator taught for them, or, where it fails, by a corruption.

    It fails where its loss is not finite or the original loses more than `drop` of its accuracy on them; `why` says
    which. The answer is a pure function of the original, the images and the seed. Raises BadValue without forget images
    or images to keep.
    Source: after Zuo et al. (2024), arXiv:2401.04385, our operational definition.
    """
    forget = np.asarray(forget)
    asked = images.take(forget)
    if not len(forget) or len(forget) == len(images.y):
        raise BadValue("Forget images are perturbed with both images to forget and images to keep.")
    before = _accuracy(original, asked)
    try:
        generator = taught_generator(original, images, forget, seed, tell=tell)
    except Diverged:
        return replace(corrupt(original, asked, seed, drop), why="the loss of the generator was not finite")
    changed = Images(generator.perturbed(asked.x), asked.y)
    after = _accuracy(original, changed)
    if before - after > drop + ROUNDING:
        lost = f"the original lost {before - after:.1%} of accuracy on generated images"
        return replace(corrupt(original, asked, seed, drop), why=lost)
    return Perturbed(changed, "generator", generator.epsilon, before, after)


# -- the fixed corruption ----------------------------------------------------------------------------------------------


def corrupt(original: Classifier, images: Images, seed: int = 0, drop: float = DROP) -> Perturbed:
    """Images blurred, turned, shifted and made noisy, as far as the original loses at most `drop` of its accuracy.

    Each image has its own turn, shift and noise, drawn once; the strength scales them all. The strongest of 20 levels
    is taken up to which no level costs more; it is 0, and the images are as they were, where even the first does.
    Raises BadValue without images.
    Source: this project, for the degree of unlearning after Zuo et al. (2024), arXiv:2401.04385.
    """
    if not len(images.y):
        raise BadValue("Without forget images there is nothing to perturb.")
    change = corruption(images.x, seed)
    before = _accuracy(original, images)
    best, strength, after = images, 0.0, before
    for level in range(1, LEVELS + 1):
        changed = Images(change(level / LEVELS), images.y)
        lost = _accuracy(original, changed)
        if before - lost > drop + ROUNDING:
            break
        best, strength, after = changed, level / LEVELS, lost
    return Perturbed(best, "corruption", strength, before, after)


def corruption(x: torch.Tensor, seed: int = 0) -> Callable[[float], torch.Tensor]:
    """The corruption of these images (N, C, H, W) uint8 as a function of its strength, 0 (none) to 1; uint8 again."""
    rng = np.random.Generator(np.random.Philox(key=[seed, STREAM << 32]))
    draws = torch.from_numpy(rng.uniform(-1, 1, (len(x), 3)))
    noise = torch.from_numpy(rng.standard_normal(tuple(x.shape)))
    pixels = x.cpu().double() / 255

    def at(strength: float) -> torch.Tensor:
        if strength == 0:
            return x.clone()
        moved = _moved(pixels, *(draws * strength).unbind(1))
        return _bytes(_blurred(moved, strength * BLUR) + strength * NOISE * noise).to(x.device)

    return at


def _moved(pixels: torch.Tensor, turn: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    angle = torch.deg2rad(turn * TURN)
    # Coordinates run from -1 to 1, so a share of the side counts twice.
    rows = [angle.cos(), -angle.sin(), 2 * SHIFT * right], [angle.sin(), angle.cos(), 2 * SHIFT * down]
    grid = F.affine_grid(torch.stack([torch.stack(r, 1) for r in rows], 1), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _blurred(pixels: torch.Tensor, sigma: float) -> torch.Tensor:
    """Each channel after a Gaussian of so many pixels, cut at two pixels or where the image ends."""
    for axis in (2, 3):
        reach = min(2, pixels.shape[axis] - 1)
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).double() / sigma) ** 2)
        line = (weights / weights.sum()).view(1, 1, *((-1, 1) if axis == 2 else (1, -1)))
        around = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        padded = F.pad(pixels, around, mode="replicate")
        pixels = F.conv2d(padded, line.expand(pixels.shape[1], 1, *line.shape[2:]), groups=pixels.shape[1])
    return pixels


# -- the generator -----------------------------------------------------------------------------------------------------


class SPDGenerator(nn.Module):
    """Images to slightly other images: clip(x + epsilon tanh g(x), 0, 1), g a small encoder and decoder.

    (N, C, H, W) floats in [0, 1] in and out; no pixel moves farther than epsilon.
    """

    def __init__(self, channels: int, epsilon: float = EPSILON, width: int = 16):
        super().__init__()
        self.epsilon = epsilon
        self.fine = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU())
        self.coarse = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.out = nn.Conv2d(2 * width, channels, 3, padding=1)

    def forward(self, x):
        fine = self.fine(x)
        coarse = F.interpolate(self.coarse(fine), size=x.shape[2:])
        return (x + self.epsilon * self.out(torch.cat([fine, coarse], 1)).tanh()).clamp(0, 1)

    @torch.no_grad()
    def perturbed(self, x: torch.Tensor) -> torch.Tensor:
        """uint8 images (N, C, H, W) perturbed, uint8 again, on the device they came from."""
        device = self.out.weight.device
        parts = [_bytes(self(part.to(device).float() / 255)).to(x.device) for part in x.split(ASKED)]
        return torch.cat(parts)


class Diverged(Exception):
    """The loss of the generator was not finite."""


def taught_generator(
    original: Classifier,
    images: Images,
    forget: np.ndarray,
    seed: int = 0,
    steps: int = 200,
    batch: int = 64,
    lr: float = 2e-3,
    likeness: float = 1.0,
    nearness: float = 10.0,
    keeping: float = 1.0,
    shift: float = 1.0,
    epsilon: float = EPSILON,
    tell: Tell = silent,
) -> SPDGenerator:
    """A generator taught on the rows `forget` and frozen. Raises Diverged where a loss is not finite.

    It goes down likeness * CE(a discriminator, "a forget image") + nearness * mean squared move + keeping *
    CE(the original, label) - shift * log(1 + d), d the squared distance of the mean features from those of the retained
    images, in units of the spread of these. The discriminator learns beside it.
    Source: after Zuo et al. (2024), arXiv:2401.04385, whose losses were not available: this project's.
    """
    ready_for(original)
    judge = copy.deepcopy(original).eval().requires_grad_(False)
    device = judge.mean.device
    x, y = (part.to(device) for part in images.take(forget))
    x = x.float() / 255
    kept = epoch_order(others(forget, len(images.y)), seed, 0, STREAM)[:LARGEST]
    features = embed(judge, images.take(kept))
    middle = torch.from_numpy(features.mean(axis=0)).to(device)
    spread = max(float(features.var(axis=0, dtype=np.float64).sum()), 1e-12)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, critic = SPDGenerator(x.shape[1], epsilon), _critic(x.shape[1])
    generator, critic = generator.to(device), critic.to(device)
    ours, its = (torch.optim.Adam(net.parameters(), lr=lr) for net in (generator, critic))
    rng = np.random.Generator(np.random.Philox(key=[seed, (STREAM << 32) | 1]))
    for step in range(steps):
        rows = torch.from_numpy(rng.choice(len(y), min(batch, len(y)), replace=False)).to(device)
        real, fake = x[rows], generator(x[rows])
        said = torch.cat([critic(real), critic(fake.detach())])
        truth = torch.cat([torch.ones(len(rows), 1), torch.zeros(len(rows), 1)]).to(device)
        _descend(its, F.binary_cross_entropy_with_logits(said, truth))
        found = judge.embed(fake)
        away = (found.mean(0) - middle).square().sum() / spread
        loss = (
            likeness * F.binary_cross_entropy_with_logits(critic(fake), truth[: len(rows)])
            + nearness * (fake - real).square().mean()
            + keeping * F.cross_entropy(judge.head(found), y[rows])
            - shift * away.log1p()
        )
        _descend(ours, loss)
        tell("generator", step + 1, steps)
    return generator.eval().requires_grad_(False)


def _critic(channels: int, width: int = 16) -> nn.Module:
    """One logit for each image: whether it is a forget image as it was."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 1),
    )  # fmt: skip


def _descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    if not math.isfinite(loss.item()):
        raise Diverged
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _bytes(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * 255).round().clamp(0, 255).to(torch.uint8)


def _accuracy(model: Classifier, images: Images) -> float:
    outputs = predict(copy.deepcopy(model), images)
    return accuracy(outputs.logits, outputs.labels)
