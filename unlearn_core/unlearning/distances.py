"""How far apart two models' answers are. Logits are (B, K); each distance is the mean over the batch."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def kl(teacher: torch.Tensor, student: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), in nats, at least 0."""
    log_q, log_p = F.log_softmax(teacher / temperature, -1), F.log_softmax(student / temperature, -1)
    return temperature**2 * (log_q.exp() * (log_q - log_p)).sum(-1).mean()


def symmetric_kl(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(KL(a || b) + KL(b || a)) / 2, in nats."""
    return (kl(a, b) + kl(b, a)) / 2
