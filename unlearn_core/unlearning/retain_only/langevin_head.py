from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.retain_only.noisy_descent import CURVATURE, SETTLED, Walk, features


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
    large_products = True
    grid = {"m": (1e-2, 3e-2), "sigma": (0.01, 0.03)}

    epsilon: float = param(1.0, 0.01, 100.0, log=True, help="target of the certificate; smaller takes more steps")
    sigma: float = param(0.01, 1e-4, 1.0, log=True, help="size of the noise; more forgets faster and fits less")
    m: float = param(0.01, 1e-5, 1.0, log=True, help="L2 penalty of the head; larger forgets faster and fits less")

    def run(self, model, original, request, cost):
        rows, kept = np.r_[request.retain, request.forget], len(request.retain)
        n, draws = len(rows), generator(request)
        x, scale = features(model, request, rows, kept)
        one_hot = lambda labels: F.one_hot(labels, request.classes).T  # noqa: E731
        y = one_hot(request.y[torch.from_numpy(rows).to(request.y.device)]).to(x)
        walk = Walk(n, n - kept, self.m, 1 / (CURVATURE + self.m), self.sigma)
        learning = math.ceil(math.log(1 / SETTLED) / (walk.m * walk.eta))
        after = walk.steps(self.epsilon, 1 / n)
        weight = x.new_zeros(request.classes, x.shape[1])
        for step in range(learning + after):
            if step == learning:
                stand_in = F.normalize(torch.randn(n - kept, x.shape[1], generator=draws)).to(x)
                labels = torch.randint(request.classes, (n - kept,), generator=draws)
                x, y = torch.cat([x[:kept], stand_in]), torch.cat([y[:, :kept], one_hot(labels).to(y)], 1)
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
