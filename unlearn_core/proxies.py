"""Scores that stand in for memorization where a bank of models is too dear: one number per training image.

Every score is given as higher = more memorized, so those that fall with memorization are turned round here, once. They
rank images; their values mean nothing beside a memorization score.

Source: Zhao and Triantafillou (2024), "Scalability of memorization-based machine unlearning", arXiv:2410.16516, which
compares these proxies; each row of PROXIES names where its score comes from.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.data import Images
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent
from unlearn_core.training import epoch_order

HELD_OUT = 105  # a stream of epoch_order of its own
SMALLEST = 1e-10  # below this a probability counts as this


@dataclass(frozen=True)
class Proxy:
    """One row of PROXIES. `title`, `axis`, `help` and `cost` are words for the screen.

    `recorded` names the running mean that training keeps anyway (Trained.trajectory); it is "" where the score needs
    work of its own.
    """

    title: str
    axis: str
    help: str
    cost: str
    source: str
    recorded: str = ""


PROXIES: dict[str, Proxy] = {
    # Recorded while the model is trained, so they are there already.
    "confidence": Proxy(
        "Confidence during training",
        "minus the mean confidence in the label during training (right = learned later)",
        "How unsure of its label the model was on average over the epochs of training.",
        "nothing, it is recorded during training",
        "Zhao et al. 2024, arXiv:2406.01257 (C-proxy)",
        "confidence",
    ),
    "max_confidence": Proxy(
        "Largest confidence during training",
        "minus the mean largest confidence during training (right = less sure of any class)",
        "How unsure the model was of whichever class it found likeliest, on average over the epochs.",
        "nothing, it is recorded during training",
        "Zhao and Triantafillou 2024, arXiv:2410.16516",
        "max_confidence",
    ),
    "entropy": Proxy(
        "Entropy during training",
        "mean entropy of the predictions during training (right = more undecided)",
        "How undecided between the classes the model was on average over the epochs.",
        "nothing, it is recorded during training",
        "Zhao and Triantafillou 2024, arXiv:2410.16516",
        "negative_entropy",
    ),
    "binary_accuracy": Proxy(
        "Wrong answers during training",
        "minus the share of epochs with the right answer (right = wrong more often)",
        "In which share of the epochs the model got the image wrong.",
        "nothing, it is recorded during training",
        "Jiang et al. 2021, arXiv:2002.03206; Zhao and Triantafillou 2024, arXiv:2410.16516",
        "correctness",
    ),
    # Worked out afterwards.
    "holdout_retraining": Proxy(
        "Retraining on validation images",
        "divergence after retraining on validation images (right = the prediction changes more)",
        "How far the prediction moves when the model is trained on with validation images only.",
        "a few epochs on the validation images",
        "Carlini et al. 2019, arXiv:1910.13427",
    ),
    "loss_curvature": Proxy(
        "Curvature of the loss",
        "mean curvature of the loss around the image during training (right = sharper)",
        "How sharply the loss bends around the image, on average over the epochs of training.",
        "a second training of the model, with two further passes at each step",
        "Garg et al. 2024, arXiv:2307.05831",
    ),
}


def from_trajectory(name: str, trajectory: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) float64 scores of a recorded proxy, higher = more memorized; NaN for rows that were not trained on."""
    # Confidence, certainty and correctness are low where an image had to be memorized.
    return -np.asarray(trajectory[PROXIES[name].recorded], np.float64)


# -- retraining on validation images ----------------------------------------------------------------------------------


def symmetric_kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(n,) mean of the two Kullback-Leibler divergences between rows of probabilities p and q (n, K), in nats.

    1/2 sum_c (p_c - q_c)(log p_c - log q_c), probabilities below 1e-10 counted as 1e-10; 0 where p = q.
    """
    p, q = (np.clip(np.asarray(x, np.float64), SMALLEST, None) for x in (p, q))
    return 0.5 * ((p - q) * (np.log(p) - np.log(q))).sum(-1)


def retrain_on(
    model: Classifier,
    images: Images,
    *,
    lr: float = 0.1,
    epochs: int = 30,
    patience: int = 4,
    batch: int = 256,
    seed: int = 0,
    tell: Tell = silent,
) -> tuple[Classifier, list[float]]:
    """A copy of the model trained on with these images alone, in eval mode, and the mean loss of each epoch.

    SGD with momentum 0.9, weight decay 5e-4 and a constant learning rate. Stops when the loss of an epoch has not
    beaten the best for `patience` epochs, and at the last finite state where it diverges. The model itself stays as it
    is. Raises BadValue where there are no images.

    Source: Carlini et al. (2019), "Distribution Density, Tails, and Outliers in Machine Learning", arXiv:1910.13427.
    Departs from the released code of arXiv:2410.16516: there the images are the test set, which would choose the forget
    set with the images that judge it; here they are the validation images.
    """
    if not len(images.y):
        raise BadValue("Retraining on validation images needs some, and none are set apart.")
    student = copy.deepcopy(model).train()
    device = student.mean.device
    x, y = images.x.to(device), images.y.to(device)
    optimiser = torch.optim.SGD(student.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    losses: list[float] = []
    for epoch in range(epochs):
        before, total = copy.deepcopy(student.state_dict()), 0.0
        for rows in torch.from_numpy(epoch_order(np.arange(len(y)), seed, epoch, HELD_OUT)).to(device).split(batch):
            loss = F.cross_entropy(student(x[rows]), y[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.item() * len(rows)
        if not math.isfinite(total) or not all(torch.isfinite(v).all() for v in student.state_dict().values()):
            student.load_state_dict(before)
            break
        losses.append(total / len(y))
        tell("validation images", epoch + 1, epochs)
        if len(losses) - 1 - int(np.argmin(losses)) >= patience:
            break
    return student.eval(), losses


# -- curvature of the loss ---------------------------------------------------------------------------------------------


def loss_curvature(model: Classifier, x: torch.Tensor, y: torch.Tensor, h: float = 0.01) -> torch.Tensor:
    """(B,) float32 curvature of the loss around each image x (B, C, H, W), a float in [0, 1], with labels y (B,).

    ||grad_x [CE(x + z, y) - CE(x, y)]||_2 with z = h sign(g) / ||sign(g)||_2 and g = grad_x CE(x, y), in eval mode, so
    that an image's value does not depend on the others. Gradients and h are on the scale of pixels in [0, 1], before
    the model's own normalisation. The model is left as it was, gradients included.

    Source: Garg, Ravikumar and Roy (2024), "Memorization through the lens of curvature of loss function around
    samples", arXiv:2307.05831, in the form of arXiv:2410.16516.
    """
    training = model.training
    model.eval()
    try:
        g = _gradient(model, x, y)
        direction = g.sign()
        length = direction.flatten(1).norm(dim=1).clamp_min(1.0)  # 0 only where the gradient is 0; there z is 0 too
        z = h * direction / length.view(-1, *[1] * (x.dim() - 1))
        return (_gradient(model, x + z, y) - g).flatten(1).norm(dim=1)
    finally:
        model.train(training)


def _gradient(model: Classifier, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x = x.detach().requires_grad_()
    # The sum over images: the gradient of each pixel is that of its own image's loss.
    with torch.enable_grad():
        return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]
