from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from unlearn_core.params import BadValue, param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.request import fetch
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

ASKED = 256  # images that the model is asked of at once


@spec
class Condensed(Unlearner):
    """Run an algorithm on a smaller retain set: groups of alike images that lost none are replaced by one image each.

    k-means on the original's features puts the images of each class into buckets. The image of a bucket is
    x = sum w_i x_i, its weights (1 / m at first) fitted by Adam, at rate 0.001, so that |f(x) - mean f(x_i)|^2 is
    small. What is retained are the images of buckets without forgotten members, and the real remaining members of the
    others.

    Source: Khan (2024), "Dataset Condensation Driven Machine Unlearning", arXiv:2402.00195.
    Departs from the paper: the reduced set is handed to any algorithm; its own schedule, which trains parts of the net
    in turns, is not here. Condensed images are rounded to 8 bits. There the condensing is done once, before any
    request; here it is part of the run and counted, each pass of a condensed image as one of a retain image.
    """

    title = "Condensed retain set"
    group = "condensed data"
    caution = "Pays where few groups of alike images lose one: for classes or clusters, not for a random tenth."
    grid = {"images": (3, 5, 10)}

    inner: Unlearner = param(FineTune(), help="the algorithm that is given the smaller retain set")
    images: int = param(10, 1, 1000, help="images in a bucket, on average")
    fit: int = param(100, 0, 10000, help="steps that fit a condensed image")

    def __post_init__(self):
        super().__post_init__()
        if {"recipe", "history"} & set(self.inner.needs):
            raise BadValue(
                f"{self.inner.title} trains as the original was trained, so condensed images are no use to it."
            )
        object.__setattr__(self, "needs", tuple(sorted({"retain", "forget", "labels"} | set(self.inner.needs))))

    def refuse(self, request):
        super().refuse(request)
        self.inner.refuse(request)

    def run(self, model, original, request, cost):
        model.eval().requires_grad_(False)
        rows = np.sort(np.r_[request.forget, request.retain])
        x, y = fetch(request.x, request.y, rows)
        with torch.no_grad():
            features = torch.cat([model.embed(part) for part in x.split(ASKED)])
        if not torch.isfinite(features).all():
            raise BadValue("The original's features of some images are not finite, so they cannot be grouped.")
        bucket = self._buckets(features, y, request)
        gone = np.isin(rows, request.forget)
        whole = ~np.isin(bucket, bucket[gone])
        _, first, member = np.unique(bucket[whole], return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))  # buckets stand in the order of their first members
        at, member = torch.from_numpy(np.flatnonzero(whole)).to(x.device), torch.from_numpy(order[member]).to(x.device)
        new = self._condense(model, x[at], features[at], member, len(first), cost)
        labels = y[at][torch.from_numpy(np.sort(first)).to(x.device)]
        retain = np.r_[rows[~whole & ~gone], len(request.y) + np.arange(len(first))]
        smaller = replace(request, x=torch.cat([request.x, new]), y=torch.cat([request.y, labels]), retain=retain)
        unlearned = self.inner(original, smaller)
        cost.add(unlearned.cost)
        cost.notes["share of the retain set"] = len(retain) / len(request.retain)
        return unlearned.model

    def _buckets(self, features, y, request) -> np.ndarray:
        """(k,) the bucket of each image; those of each class have their own."""
        from sklearn.cluster import KMeans  # a second, for this algorithm only

        features, y = features.cpu().numpy(), y.cpu().numpy()
        seed = int(torch.randint(2**31, (), generator=generator(request)))
        bucket, count = np.zeros(len(y), np.int64), 0
        for label in np.unique(y):
            its = np.flatnonzero(y == label)
            k = -(-len(its) // self.images)
            bucket[its] = count + KMeans(k, n_init=1, random_state=seed).fit_predict(features[its])
            count += k
        return bucket

    def _condense(self, model, x, features, member, count, cost) -> torch.Tensor:
        """(count, C, H, W) one image for each bucket, of the same kind as x (k, C, H, W); member (k,) is its bucket."""
        made = [x[:0]]
        for start in range(0, count, ASKED):
            here = min(ASKED, count - start)
            some = (member >= start) & (member < start + here)
            made.append(self._fitted(model, x[some], features[some], member[some] - start, here))
            cost.retain_gradients += self.fit * here
        return torch.cat(made)

    def _fitted(self, model, x, features, member, count) -> torch.Tensor:
        pixels = x.float() / 255 if x.dtype == torch.uint8 else x
        size = member.bincount(minlength=count).to(features)
        target = features.new_zeros(count, features.shape[1]).index_add_(0, member, features) / size[:, None]
        weights = (1 / size)[member].requires_grad_()

        def images():
            parts = weights.view(-1, 1, 1, 1) * pixels
            return torch.zeros_like(pixels[:count]).index_add(0, member, parts).clamp(0, 1)

        adam = torch.optim.Adam([weights], lr=1e-3)
        for _ in range(self.fit):
            adam.zero_grad()
            # The sum over buckets: each has weights of its own, so together they go as each would go alone.
            ((model.embed(images()) - target) ** 2).sum().backward()
            adam.step()
        made = images().detach()
        return (255 * made).round().to(torch.uint8) if x.dtype == torch.uint8 else made
