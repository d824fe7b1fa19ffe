"""Unlearning inversion as an audit: what does someone read who has the model before and after a deletion?

Deletions of one image each are read three ways: the class from the biases of the last layer, the class from images that
the original is sure of, and the image, among candidates, from the features that the last layer gives away. Every audit
is worth as much as its two controls: `one_step_up` must be read, `further_training` must not.

Source: Hu, Wang, Dong, Xue (2024), "Learn What You Want to Unlearn: Unlearning Inversion Attacks against Machine
Unlearning", arXiv:2404.03233.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, vmap
from torch.nn import functional as F

from unlearn_core.attacks import inversion as attack
from unlearn_core.attacks import signals
from unlearn_core.data import Images
from unlearn_core.device import ready_for
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.progress import Tell, silent
from unlearn_core.training import embed, epoch_order, predict

STREAM = 124  # of epoch_order
ENOUGH = 0.9995  # confidence from which on a probe is one

Unlearn = Callable[[Classifier, int], Classifier]


# -- probes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassProbes:
    """Images that the original is sure of: x (P, C, H, W) float in [0, 1], `classes` (P,) and its `confidence` (P,)."""

    x: torch.Tensor
    classes: np.ndarray
    confidence: np.ndarray

    @property
    def sure(self) -> float:
        """Share of the probes that reached a confidence of 0.9995; below 1 the reading of labels is weaker."""
        return float((self.confidence >= ENOUGH).mean())


def class_probes(
    original: Classifier,
    shape: tuple[int, int, int],
    each: int = 10,
    steps: int = 500,
    lr: float = 0.05,
    seed: int = 0,
    tell: Tell = silent,
) -> ClassProbes:
    """So many probes for `each` class, of this shape (C, H, W), from noise: the surest that Adam found on their way.

    Source: Hu et al. (2024), arXiv:2404.03233. Departs from the released code: it is given the gradients.
    """
    ready_for(original)
    model = copy.deepcopy(original).eval().requires_grad_(False)
    device = model.mean.device
    classes = torch.arange(model.head.out_features).repeat_interleave(each)
    noise = np.random.Generator(np.random.Philox(key=[seed, STREAM << 32])).random((len(classes), *shape))
    x = torch.from_numpy(noise).float().to(device).requires_grad_()
    y, best, lowest = classes.to(device), x.detach().clone(), torch.full((len(classes),), torch.inf, device=device)
    optimiser = torch.optim.Adam([x], lr=lr)
    for step in range(steps + 1):
        losses = F.cross_entropy(model(x), y, reduction="none")
        better = losses.detach() < lowest
        best[better], lowest[better] = x.detach()[better], losses.detach()[better]
        if step == steps or bool((lowest < 1 - ENOUGH).all()):
            break
        optimiser.zero_grad(set_to_none=True)
        # Those that are there already would go on for nothing.
        losses[lowest >= 1 - ENOUGH].sum().backward()
        optimiser.step()
        with torch.no_grad():
            x.clamp_(0, 1)
        tell("probes", step + 1, steps)
    found = ClassProbes(best.cpu(), classes.numpy(), np.zeros(len(classes)))
    return ClassProbes(found.x, found.classes, probed(model, found)[np.arange(len(classes)), found.classes])


def probed(model: Classifier, probes: ClassProbes) -> np.ndarray:
    """(P, C) probabilities of a model on probes."""
    images = Images(probes.x, torch.from_numpy(probes.classes))
    return signals.probabilities(predict(copy.deepcopy(model), images).logits)


# -- the audit ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InversionAudit:
    """What was read from K deletions of the `labels` (K,): guesses of the class, None where nothing could be read, and
    the deleted image's place among candidates by its features.

    `ranks` (K,) are among so many `candidates` (K,), itself included. `own_ranks` and `own_candidates` are the same
    within the image's class, where knowing the class is no help; there may be no candidate but itself.
    """

    labels: np.ndarray
    bias_guesses: Sequence[int | None]
    probe_guesses: Sequence[int | None]
    ranks: np.ndarray
    candidates: np.ndarray
    own_ranks: np.ndarray
    own_candidates: np.ndarray


def audit(
    original: Classifier,
    images: Images,
    rows: np.ndarray,
    unlearn: Unlearn,
    probes: ClassProbes | None = None,
    candidates: int = 1000,
    seed: int = 0,
    tell: Tell = silent,
) -> InversionAudit:
    """Delete one image after the other with `unlearn(original, row)`, each from the original, and read each deletion.

    At least 100 rows make intervals that say something. Perfect: what the same audit reads from `further_training`.
    Candidates are drawn from all training images. Raises BadValue for models whose last layer is not one linear layer
    with biases, such as ensembles, without rows, and where a weight is not finite.
    """
    if not len(rows):
        raise BadValue("An audit needs at least one deletion.")
    original, labels = copy.deepcopy(original).eval(), images.y.numpy()
    probes = probes or class_probes(original, tuple(images.x.shape[1:]), seed=seed)
    before, said = _last_layer(original), probed(original, probes)
    pool = np.sort(epoch_order(np.arange(len(labels)), seed, 0, STREAM)[:candidates])
    known = np.union1d(pool, rows)
    features = embed(original, images.take(known)).astype(np.float64)
    bias_guesses, probe_guesses, places = [], [], []
    for done, row in enumerate(rows):
        unlearned = unlearn(copy.deepcopy(original), int(row))
        weight, bias = attack.ascent_target(before, _last_layer(unlearned))
        guess = attack.bias_label(bias)
        read = None if guess is None else attack.head_features(weight, bias, guess)
        read = np.zeros(features.shape[1]) if read is None else read
        bias_guesses.append(guess)
        probe_guesses.append(attack.probe_label(said, probed(unlearned, probes), probes.classes))
        compared = np.r_[row, pool[pool != row]]
        alike = compared[labels[compared] == labels[row]]
        for some in (compared, alike):
            places.append((attack.retrieval_rank(read, features[np.searchsorted(known, some)], 0), len(some)))
        tell("deletions", done + 1, len(rows))
    ranks = np.array(places, float).reshape(-1, 2, 2)
    return InversionAudit(labels[rows], bias_guesses, probe_guesses, *ranks[:, 0].T, *ranks[:, 1].T)


def one_step_up(images: Images, rate: float = 0.1) -> Unlearn:
    """The control that must be read: one step of that length up the loss of the image."""

    def unlearn(model: Classifier, row: int) -> Classifier:
        model.eval()
        x, y = (part.to(model.mean.device) for part in images.take(np.array([row])))
        parameters = list(model.parameters())
        slopes = torch.autograd.grad(F.cross_entropy(model(x), y), parameters)
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes, strict=True):
                parameter.add_(slope, alpha=rate)
        return model

    return unlearn


def further_training(images: Images, steps: int = 20, batch: int = 32, rate: float = 0.01, seed: int = 0) -> Unlearn:
    """The control that must not be read: some steps of SGD on all images, nothing deleted; each row draws its own."""

    def unlearn(model: Classifier, row: int) -> Classifier:
        model.train()
        rng = np.random.Generator(np.random.Philox(key=[seed, (STREAM << 32) | (row + 1)]))
        optimiser = torch.optim.SGD(model.parameters(), lr=rate)
        for _ in range(steps):
            drawn = images.take(rng.integers(0, len(images.y), batch))
            x, y = (part.to(model.mean.device) for part in drawn)
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
        return model.eval()

    return unlearn


def weights(model: Classifier) -> list[np.ndarray]:
    """Every parameter of a model as a float64 array, in its order: what `attacks.inversion` makes targets of."""
    return [p.detach().cpu().double().numpy() for p in model.parameters()]


def _last_layer(model: Classifier) -> list[np.ndarray]:
    if not isinstance(model.head, nn.Linear) or model.head.bias is None:
        raise BadValue("Deletions are read from the last layer of a single model, which must have biases.")
    return weights(model.head)


# -- gradient matching -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reconstruction:
    """An image (C, H, W) in [0, 1] whose gradient lies along a target, and the lowest cost of every restart (R,)."""

    image: np.ndarray
    costs: np.ndarray


@dataclass(frozen=True)
class Likeness:
    """How like a reconstruction is to the true image: mean squared error, its signal-to-noise ratio in decibels, and
    the place of the true image among the candidates by squared error, 1 = the nearest (ties share their mean place).
    """

    squared_error: float
    signal_to_noise: float
    rank: float


def reconstruct(
    original: Classifier,
    target: Sequence[np.ndarray],
    label: int,
    shape: tuple[int, int, int],
    steps: int = 10_000,
    restarts: int = 5,
    lr: float = 0.04,
    smoothness: float = 1e-2,
    seed: int = 0,
    tell: Tell = silent,
) -> Reconstruction:
    """The image of class `label` whose gradient at the original lies most along a target, over all weights.

    Goes down 1 - the cosine of the angle between that gradient and the target + `smoothness` times the image's mean
    step between neighbours, by AdamW on the sign of its gradient, from restarts side by side; the rate is halved at
    3/8, 5/8 and 7/8 of the way. Differentiates the gradient: seconds for small nets. The model is in
    eval mode, so targets of steps with BatchNorm in training mode are matched less well. Raises BadValue for a target
    that does not match the model or is 0 everywhere.
    Source: Hu et al. (2024), arXiv:2404.03233; Geiping et al. (2020), arXiv:2003.14053.
    """
    ready_for(original)
    model = copy.deepcopy(original).eval().requires_grad_(False)
    device = model.mean.device
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    if [np.shape(t) for t in target] != [tuple(p.shape) for p in parameters.values()]:
        raise BadValue("A target has an array for each of the model's parameters.")
    aims = [torch.from_numpy(np.asarray(t, np.float64)) for t in target]
    length = torch.stack([aim.square().sum() for aim in aims]).sum().sqrt()
    if not 0 < float(length) < np.inf:
        raise BadValue("A target that is 0 everywhere, or not finite, leads to no image.")
    aims = [(aim / length).float().to(device) for aim in aims]
    y = torch.tensor([label], device=device)

    def loss(parameters, x):
        return F.cross_entropy(functional_call(model, parameters, (x[None],)), y)

    def cost(x):
        slopes = list(grad(loss)(parameters, x).values())
        along = sum((slope * aim).sum() for slope, aim in zip(slopes, aims, strict=True))
        size = sum(slope.square().sum() for slope in slopes)
        steps = [x.diff(dim=axis).abs() for axis in (-1, -2) if x.shape[axis] > 1]
        # An image whose gradient vanishes points nowhere; the root of 0 has no slope.
        return 1 - along / (size + 1e-24).sqrt() + smoothness * sum(step.mean() for step in steps)

    noise = np.random.Generator(np.random.Philox(key=[seed, (STREAM << 32) | 1])).standard_normal((restarts, *shape))
    x = torch.from_numpy(noise).float().to(device)
    best, lowest = x.clone(), torch.full((restarts,), torch.inf, device=device)
    optimiser = torch.optim.AdamW([x], lr=lr)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [steps * k // 8 for k in (3, 5, 7)], gamma=0.5)
    each = vmap(grad_and_value(cost))
    for step in range(steps):
        x.clamp_(0, 1)
        slopes, costs = each(x)
        better = costs < lowest
        best[better], lowest[better] = x[better], costs[better]
        x.grad = slopes.sign()
        optimiser.step()
        schedule.step()
        tell("reconstruction", step + 1, steps)
    return Reconstruction(best[lowest.argmin()].cpu().numpy(), lowest.cpu().double().numpy())


def likeness(image: np.ndarray, candidates: np.ndarray, own: int) -> Likeness:
    """A reconstruction (C, H, W) beside candidates (N, C, H, W), in [0, 1], of which `own` is the true image.

    Raises BadValue for shapes that do not match.
    """
    image, candidates = np.asarray(image, np.float64), np.asarray(candidates, np.float64)
    if candidates.shape[1:] != image.shape or not 0 <= own < len(candidates):
        raise BadValue("A reconstruction is compared with candidates of its shape, the true image among them.")
    errors = np.square(candidates - image).reshape(len(candidates), -1).mean(axis=1)
    rank = (errors < errors[own]).sum() + ((errors == errors[own]).sum() + 1) / 2
    return Likeness(float(errors[own]), attack.peak_signal_to_noise(errors[own]), float(rank))
