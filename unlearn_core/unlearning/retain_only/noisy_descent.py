"""Noisy gradient descent on a convex head, and how close to a model that never saw some points it is certified to be.

Source: Chien et al. (2024), "Langevin Unlearning: A New Perspective of Noisy Gradient Descent for Machine Unlearning",
arXiv:2401.10371.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from unlearn_core.unlearning.request import fetch

M = math.sqrt(2)  # no image's gradient is longer: |p - onehot(y)| <= sqrt(2), and features are no longer than 1
CURVATURE = 0.5  # of softmax cross-entropy with such features, at most
SETTLED = 1e-6  # what is left of the start after learning
ORDERS = 1 + np.geomspace(0.01, 1e5, 2000)  # of the Renyi divergence


class Walk(NamedTuple):
    """Noisy descent: n points of which `gone` are replaced, strong convexity m, step size eta, noise sigma."""

    n: int
    gone: int
    m: float
    eta: float
    sigma: float

    def start(self) -> np.ndarray:
        """The Renyi divergence between two walks that have settled on sets that differ so, for each of ORDERS."""
        return 4 * ORDERS * (self.gone * M) ** 2 / (self.m * (self.sigma * self.n) ** 2)

    def epsilon(self, steps: int, delta: float) -> float:
        """Of a model after so many steps without the points, against one that never saw them."""
        renyi = np.exp(-steps * self.m * self.eta / ORDERS) * self.start()
        return float((renyi + math.log(1 / delta) / (ORDERS - 1)).min())

    def steps(self, epsilon: float, delta: float) -> int:
        """The fewest steps that reach epsilon."""
        left = epsilon - math.log(1 / delta) / (ORDERS - 1)
        start, left, orders = self.start()[left > 0], left[left > 0], ORDERS[left > 0]
        return max(math.ceil((orders / (self.m * self.eta) * np.log(start / left)).min()), 0)

    def step(self, weight, x, y, draws: torch.Generator) -> torch.Tensor:
        """The weights (C, D) after one step on features x (n, D) with labels y (C, n), one 1 in each column: a softmax
        over few classes is many times faster along images.
        """
        gradient = ((weight @ x.T).softmax(0) - y) @ x / self.n + self.m * weight
        noise = torch.randn(weight.shape, generator=draws).to(weight)
        return weight - self.eta * gradient + math.sqrt(2 * self.eta) * self.sigma * noise


@torch.no_grad()
def features(model, request, rows: np.ndarray, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, D) what the head reads, no longer than 1; and the length that became 1, the median of the first `kept`."""
    model.eval()
    batches = np.array_split(rows, -(-len(rows) // 256))
    x = torch.cat([model.embed(fetch(request.x, request.y, batch).x) for batch in batches])
    scale = x[:kept].norm(dim=1).median().clamp_min(1e-12)
    return x / scale / (x / scale).norm(dim=1, keepdim=True).clamp_min(1.0), scale
