from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from unlearn_core.params import param, spec
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import start_afresh
from unlearn_core.unlearning.membership import attack
from unlearn_core.unlearning.request import fetch


@spec
class Remi(GradientUnlearner):
    """Learn the retain set while the forget set is made to look like images that were never seen: loss = CE(retain) +
    lam_mi mean -log(1 - A(forget)) + lam_kl KL(N(forget) || N(validation)).

    A is an attack, a small net that reads the sorted probabilities, the loss and the correctness of an answer; before
    each epoch a fresh one learns to tell retain from validation images in the answers of the present model. N are
    Gaussians fitted to log p_y - log(1 - p_y) of a forget batch and of the validation images. Where the forget set is
    of one class, validation images of this class are compared with, if there are any.

    Source: Sula et al. (2024), "Silver Linings in the Shadows: Harnessing Membership Inference for Machine Unlearning",
    arXiv:2407.00866.
    Departs from the paper: its abstract names these terms; the attack, what the Gaussians are fitted to and the weights
    are assumed here.
    """

    title = "ReMI"
    group = "membership"
    scope = "samples"
    walk = "paired"
    needs = ("retain", "forget", "labels", "validation")
    reconstruction = "Reconstruction: the exact loss, the form of the attack and the weights of the terms are assumed."
    caution = "It trains against an attack on membership, so judge it by another one."
    grid = GradientUnlearner.grid | {"lam_kl": (0.1, 1.0), "lam_mi": (0.1, 1.0)}

    epochs: int = param(5, 1, 200, help="passes over the data")
    lr: float = param(0.3, 1e-7, 10.0, log=True, help="learning rate")
    lam_mi: float = param(0.1, 0.0, 100.0, help="weight of not being taken for members")
    lam_kl: float = param(0.1, 0.0, 100.0, help="weight of being as confident as on validation images")

    def context(self, model, original, request, cost):
        inputs = min(attack.TOP, request.classes) + 2
        with torch.random.fork_rng(devices=[]):  # torch draws weights here that are not used
            net = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
        return attack.Attack(net.to(request.x.device))

    def between(self, model, request, epoch, context):
        now = copy.deepcopy(model).eval()
        unseen, y = _answers(now, *request.validation), request.validation.y
        draws = generator(request, epoch)
        order = torch.randperm(len(request.retain), generator=draws).numpy()
        kept = fetch(request.x, request.y, request.retain[order[: len(y)]])
        start_afresh(context.net, draws)  # one that has died, as nets of ReLU can, would not come back
        attack.train_attack(context.net, attack.traces(_answers(now, *kept), kept.y), attack.traces(unseen, y))
        own = torch.isin(y, torch.tensor(request.forgotten_classes, device=y.device))
        alike = own if len(request.forgotten_classes) == 1 and own.any() else torch.ones_like(own)
        confidence = attack.margin(unseen[alike], y[alike])
        context.mean, context.variance = confidence.mean(), attack.variance(confidence)

    def loss(self, model, original, step):
        loss = F.cross_entropy(model(step.retain.x), step.retain.y)
        said, y = model(step.forget.x), step.forget.y
        taken = F.softplus(step.context.net(attack.traces(said, y))).mean()  # -log(1 - sigmoid(z))
        confidence = attack.margin(said, y)
        apart = attack.gaussian_kl(
            confidence.mean(), attack.variance(confidence), step.context.mean, step.context.variance
        )
        return loss + self.lam_mi * taken + self.lam_kl * apart


@torch.no_grad()
def _answers(model, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B, C) logits."""
    return torch.cat([model(part) for part in x.split(256)])
