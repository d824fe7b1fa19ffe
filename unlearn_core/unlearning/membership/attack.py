"""An attack on membership that a model can be trained against: a small net that reads single answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

ATTACK_STEPS = 100  # full-batch steps of Adam that train the attack before each epoch
TOP = 10  # of the sorted probabilities


@dataclass
class Attack:
    """What guesses members, and the confidence (mean, variance) of validation images."""

    net: nn.Module
    mean: torch.Tensor | None = None
    variance: torch.Tensor | None = None


def margin(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B,) log p_y - log(1 - p_y)."""
    own = logits.gather(1, y[:, None])
    return (own - logits.scatter(1, y[:, None], -torch.inf).logsumexp(1, keepdim=True)).squeeze(1)


def gaussian_kl(mean, variance, to_mean, tovariance) -> torch.Tensor:
    """KL(N(mean, variance) || N(to_mean, tovariance))."""
    ratio = variance / tovariance
    return ((mean - to_mean) ** 2 / tovariance + ratio - ratio.log() - 1) / 2


def variance(values: torch.Tensor) -> torch.Tensor:
    return values.var(unbiased=False) + 0.1  # a batch may hold a single image


def traces(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B, F) what the attack reads of answers: sorted probabilities, log(1 + loss), correctness."""
    p = logits.softmax(1).sort(1, descending=True).values[:, :TOP]
    right = (logits.argmax(1) == y).to(p)
    return torch.cat([p, F.cross_entropy(logits, y, reduction="none").log1p()[:, None], right[:, None]], 1)


def train_attack(net: nn.Module, members: torch.Tensor, others: torch.Tensor) -> None:
    """Train a net to say which traces (B, F) are of members; both kinds weigh the same."""
    net.requires_grad_(True)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(ATTACK_STEPS):
        optimiser.zero_grad()
        (F.softplus(-net(members)).mean() + F.softplus(net(others)).mean()).backward()
        optimiser.step()
    net.requires_grad_(False)
