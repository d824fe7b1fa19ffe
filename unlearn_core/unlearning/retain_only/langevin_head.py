from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.draws import generator
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
        """The weights (C, D) after one step on features x (n, D) with labels y (n, C), one 1 in each row."""
        gradient = ((x @ weight.T).softmax(1) - y).T @ x / self.n + self.m * weight
        noise = torch.randn(weight.shape, generator=draws).to(weight)
        return weight - self.eta * gradient + math.sqrt(2 * self.eta) * self.sigma * noise


@spec
class LangevinHead(Unlearner):
    """Learn the head anew by noisy gradient descent, then go on without the forget set until the head is certified to
    be (epsilon, delta)-close to one that never saw it: W <- W - eta grad + sqrt(2 eta) sigma N(0, 1).

    The gradient is that of the mean CE over all images on frozen features, plus m / 2 |W|^2. Learning takes
    ln(1e6) / (m eta) steps; then the features of the forget set are replaced by random directions with random labels
    and K more steps follow, the fewest with epsilon >= min over a > 1 of
    e^(-K m eta / a) 4 a S^2 M^2 / (m sigma^2 n^2) + ln(1 / delta) / (a - 1); S = images to forget, delta = 1 / n. The
    cost notes what was reached.

    Source: Chien et al. (2024), "Langevin Unlearning: A New Perspective of Noisy Gradient Descent for Machine
    Unlearning", arXiv:2401.10371.
    Departs from the paper: softmax instead of one classifier for each class; features are cut to the median length of
    the retain set, so that M = sqrt(2) holds without clipping gradients; no bias. The learning that the paper
    puts before the request is part of the run, for the original was not trained so.
    """

    title = "Langevin head"
    group = "retain set only"
    caution = "The certificate covers the head only: the features below it were learned with the forgotten images."
    grid = {"m": (1e-2, 3e-2), "sigma": (0.01, 0.03)}

    epsilon: float = param(1.0, 0.01, 100.0, log=True, help="target of the certificate; smaller takes more steps")
    sigma: float = param(0.01, 1e-4, 1.0, log=True, help="size of the noise; more forgets faster and fits less")
    m: float = param(0.01, 1e-5, 1.0, log=True, help="L2 penalty of the head; larger forgets faster and fits less")

    def run(self, model, original, request, cost):
        rows, kept = np.r_[request.retain, request.forget], len(request.retain)
        n, draws = len(rows), generator(request)
        x, scale = features(model, request, rows, kept)
        y = F.one_hot(request.y[torch.from_numpy(rows).to(request.y.device)], request.classes).to(x)
        walk = Walk(n, n - kept, self.m, 1 / (CURVATURE + self.m), self.sigma)
        learning = math.ceil(math.log(1 / SETTLED) / (walk.m * walk.eta))
        after = walk.steps(self.epsilon, 1 / n)
        weight = x.new_zeros(request.classes, x.shape[1])
        for step in range(learning + after):
            if step == learning:
                stand_in = F.normalize(torch.randn(n - kept, x.shape[1], generator=draws)).to(x)
                labels = torch.randint(request.classes, (n - kept,), generator=draws)
                x, y = torch.cat([x[:kept], stand_in]), torch.cat([y[:kept], F.one_hot(labels, request.classes).to(y)])
            weight = walk.step(weight, x, y, draws)
            request.tell("unlearn", step + 1, learning + after)
        with torch.no_grad():
            model.head.weight.copy_(weight / scale)
            if model.head.bias is not None:
                model.head.bias.zero_()
        cost.steps, cost.retain_gradients = learning + after, (learning + after) * kept
        cost.forget_gradients = learning * (n - kept)
        cost.notes = {
            "epsilon of the head": walk.epsilon(after, 1 / n),
            "delta of the head": 1 / n,
            "steps of learning": learning,
            "steps of unlearning": after,
        }
        return model


@torch.no_grad()
def features(model, request, rows: np.ndarray, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, D) what the head reads, no longer than 1; and the length that became 1, the median of the first `kept`."""
    model.eval()
    batches = np.array_split(rows, -(-len(rows) // 256))
    x = torch.cat([model.embed(fetch(request.x, request.y, batch).x) for batch in batches])
    scale = x[:kept].norm(dim=1).median().clamp_min(1e-12)
    return x / scale / (x / scale).norm(dim=1, keepdim=True).clamp_min(1.0), scale
