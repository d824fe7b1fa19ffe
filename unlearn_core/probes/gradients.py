"""How long the gradients at some images are: what `evaluation.epistemic` reads."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.data import Images
from unlearn_core.device import ready_for
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.training import ASKED
from unlearn_core.unlearning.gradients import batch_gradients, flat, image_gradients
from unlearn_core.unlearning.request import Batch


def gradient_norms(model: Classifier, images: Images) -> np.ndarray:
    """(N,) Euclidean length of each image's gradient of its cross-entropy in all weights, at least 0.

    In evaluation mode, so that BatchNorm goes by its running statistics and no image depends on another; without weight
    decay. Perfect: the lengths at a retrained model, which are seldom the longest. Raises BadValue where a gradient is
    not finite.
    Source: Becker, Liebig (2022), "Evaluating Machine Unlearning via Epistemic Uncertainty", arXiv:2208.10836.
    """
    model, x, y = _ready(model, images)
    try:
        lengths = [_lengths(rows) for rows in image_gradients(model, _cross_entropy, x, y)]
    except RuntimeError:  # a layer that cannot be asked for many gradients at once
        lengths = [_lengths(flat(g)[None]) for _, g in batch_gradients(model, _batches(x, y, 1))]
    return _checked(np.concatenate(lengths) if lengths else np.zeros(0))


def mean_gradient_norm(model: Classifier, images: Images) -> float | None:
    """Euclidean length of the gradient of the MEAN cross-entropy of the images in all weights; None without images.

    At most the root of the mean of the squares of `gradient_norms`. Raises BadValue like it.
    Source: Becker, Liebig (2022), arXiv:2208.10836.
    """
    model, x, y = _ready(model, images)
    if not len(y):
        return None
    total = sum(size * flat(g) for size, g in batch_gradients(model, _batches(x, y, ASKED)))
    return float(_checked(_lengths(total[None] / len(y)))[0])


def _ready(model: Classifier, images: Images) -> tuple[Classifier, torch.Tensor, torch.Tensor]:
    ready_for(model)
    device = model.mean.device
    return copy.deepcopy(model).eval(), images.x.to(device), images.y.to(device)


def _batches(x: torch.Tensor, y: torch.Tensor, size: int) -> list[Batch]:
    return [Batch(*pair) for pair in zip(x.split(size), y.split(size), strict=True)] if len(y) else []


def _cross_entropy(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, label[None])


def _lengths(rows: torch.Tensor) -> np.ndarray:
    # In float32 the square of a small number may be lost.
    largest = rows.detach().abs().amax(1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    return (largest[:, 0] * torch.linalg.vector_norm(rows.detach() / largest, dim=1)).cpu().numpy().astype(np.float64)


def _checked(lengths: np.ndarray) -> np.ndarray:
    if not np.isfinite(lengths).all():
        raise BadValue("A gradient is not finite, so the model cannot be judged by its gradients.")
    return lengths
