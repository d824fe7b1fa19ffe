from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner, Rows
from unlearn_core.unlearning.draws import RETAIN, generator
from unlearn_core.unlearning.request import Batch


@spec
class Unsir(GradientUnlearner):
    """Overwrite classes with noise that is the opposite of them, without looking at their images: for each class noise
    N is found by descent on -CE(original(N), class) + 0.1 |N|^2; the first epochs learn some of the retain set beside
    this noise labelled with its class, the others that part of the retain set alone.

    Source: Tarun et al. (2021), "Fast Yet Effective Machine Unlearning", arXiv:2111.08947.
    Departs from the paper: every step of the first epochs sees all the noise, where the paper mixes copies of it
    with the images; noise of several classes is labelled each with its own (the released code labels all with 0).
    """

    title = "UNSIR"
    group = "relabel"
    scope = "classes"
    needs = ("retain", "labels", "classes")
    adam = True
    grid = {"lr": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), "noise": (16, 32, 64)}

    epochs: int = param(4, 1, 200, help="passes over the data")
    impair: int = param(2, 0, 200, help="first epochs, in which the noise is learned too")
    lr: float = param(3e-3, 1e-7, 1.0, log=True, help="learning rate of the first epochs; half of it later")
    each: int = param(500, 1, 100_000, help="images of each class that it looks at")
    noise: int = param(16, 1, 1024, help="noise images for each class to forget")
    noise_steps: int = param(40, 1, 1000, help="steps that find the noise")

    def context(self, model, original, request, cost):
        """The noise for all classes together; none depends on another."""
        y = torch.tensor(request.forgotten_classes, device=request.x.device).repeat_interleave(self.noise)
        # In deviations of the pixels: as the net sees images.
        noise = torch.randn(len(y), *request.x.shape[1:], generator=generator(request)).to(original.mean)
        noise.requires_grad_(True)
        optimiser = torch.optim.Adam([noise], lr=0.1)
        for _ in range(self.noise_steps):
            ce = F.cross_entropy(original(_pixels(original, noise)), y, reduction="sum")
            (noise.grad,) = torch.autograd.grad((0.1 * noise.square().sum() - ce) / self.noise, noise)
            optimiser.step()
        cost.notes["gradients of noise images"] = self.noise_steps * len(y)
        return Batch(_pixels(original, noise.detach()), y)

    def loss(self, model, original, step):
        x, y = step.retain
        if step.phase == "impair":
            x = x.float() / 255 if x.dtype == torch.uint8 else x
            x, y = torch.cat([x, step.context.x]), torch.cat([y, step.context.y])
        return F.cross_entropy(model(x), y)

    def rate(self, phase, number, total):
        return self.lr if phase == "impair" else self.lr / 2

    def epoch_rows(self, request, epoch):
        for retain in self.batches(self.seen(request), request.seed, epoch, RETAIN):
            yield Rows(None, retain, phase="impair" if epoch < self.impair else "repair")

    def steps_in(self, request):
        return self.epochs * -(-len(self.seen(request)) // self.batch)

    def seen(self, request) -> np.ndarray:
        """The part of the retain set that is looked at: `each` random images of each class, all of a smaller one."""
        rows = request.retain[torch.randperm(len(request.retain), generator=generator(request, 1)).numpy()]
        y = request.y[torch.from_numpy(rows).to(request.y.device)].cpu().numpy()
        return np.sort(np.concatenate([rows[y == c][: self.each] for c in np.unique(y)]))


def _pixels(model, seen: torch.Tensor) -> torch.Tensor:
    """Images as they are before the net normalises them."""
    return seen * model.std + model.mean
