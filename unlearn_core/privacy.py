"""Training with differential privacy (DP-SGD): steps that hide any single image, and the epsilon they come to.

Source: Abadi et al. (2016), "Deep Learning with Differential Privacy", arXiv:1607.00133. The clipping, the noise and
the accountant are Opacus's (extra `dp`); the draws are counter-based like all others here. The constants that images
are normalised by, and settings that were chosen on the data, count as public: epsilon does not cover them.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import BadValue

DRAWS, NOISE = 201, 202  # streams of random numbers


def _opacus():
    try:
        import opacus
    except ImportError:
        raise BadValue(
            "Training with differential privacy needs one package more: python -m pip install -e '.[dp]'."
        ) from None
    return opacus


def epsilon(noise: float, images: int, batch: int, steps: int) -> tuple[float, float]:
    """(epsilon, delta): what is known of any single image of so many, with delta = 1 / images.

    `noise` is the noise's scale as a multiple of the clipping norm; 0 promises nothing, so epsilon is infinite. By
    Renyi accounting of Poisson-sampled steps; each image is in a step with probability batch / images.
    """
    delta = 1 / images
    if noise == 0:
        return math.inf, delta
    _opacus()
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(noise, min(1.0, batch / images), steps)]
    return float(accountant.get_epsilon(delta)), delta


def for_a_group(eps: float, delta: float, images: int) -> tuple[float, float]:
    """(epsilon, delta) for so many images at once: a model is that near to one trained without any of them.

    Source: group privacy, Dwork & Roth (2014), "The Algorithmic Foundations of Differential Privacy", theorem 2.2 and
    what follows: k epsilon, and k exp((k - 1) epsilon) delta, which is no promise once it reaches 1.
    """
    grown = math.log(images) + (images - 1) * eps + math.log(delta)
    return images * eps, 1.0 if grown >= 0 else math.exp(grown)


def poisson_batches(rows: np.ndarray, batch: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one epoch: each row is in each with probability batch / len(rows), by itself. A pure function of
    its arguments.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, (DRAWS << 32) | epoch]))
    share = min(1.0, batch / len(rows))
    return [rows[rng.random(len(rows)) < share] for _ in range(math.ceil(len(rows) / batch))]


class PrivateSteps:
    """Steps of DP-SGD on a model: each image's gradient is cut to the length `clip`, and noise * clip * N(0, 1) is
    added to their sum before it is divided by the expected batch size.

    Raises BadValue for a model with BatchNorm, in which images see each other.
    """

    def __init__(self, model: torch.nn.Module, optimiser, noise: float, clip: float, batch: int, seed: int):
        _opacus()
        from opacus import GradSampleModule
        from opacus.optimizers import DPOptimizer

        if any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules()):
            raise BadValue(
                "Training with differential privacy needs a model without BatchNorm: choose One hidden layer or the "
                "small CNN."
            )
        # Its first layer is given images, which need no gradient; torch says so at every start.
        warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
        self.model = GradSampleModule(model)
        device = next(model.parameters()).device
        draw = int(np.random.SeedSequence([seed, NOISE]).generate_state(1, np.uint64)[0] >> 1)
        self.optimiser = DPOptimizer(
            optimiser,
            noise_multiplier=noise,
            max_grad_norm=clip,
            expected_batch_size=batch,
            generator=torch.Generator(device).manual_seed(draw),
        )

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """One step; (B, K) float32 logits, detached, from before it. A batch may be empty: then the step is noise."""
        self.optimiser.zero_grad()
        if len(y):
            logits = self.model(x.clone(memory_format=torch.contiguous_format))  # see train_each
            F.cross_entropy(logits, y).backward()
        else:
            logits = torch.zeros(0, self.model.head.out_features, device=y.device)
            for p in self.model.parameters():
                p.grad_sample = p.new_zeros(0, *p.shape)
        self.optimiser.step()
        return logits.detach().float()

    def close(self) -> None:
        """Take the hooks off the model again."""
        self.model.remove_hooks()
