from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from unlearn_core.params import BadValue, param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.condensed.buckets import AT_ONCE, buckets, condensed
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.request import fetch
from unlearn_core.unlearning.retain_only.fine_tune import FineTune


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
            features = torch.cat([model.embed(part) for part in x.split(AT_ONCE)])
        if not torch.isfinite(features).all():
            raise BadValue("The original's features of some images are not finite, so they cannot be grouped.")
        bucket = buckets(features, y, self.images, generator(request))
        gone = np.isin(rows, request.forget)
        whole = ~np.isin(bucket, bucket[gone])
        _, first, member = np.unique(bucket[whole], return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))  # buckets stand in the order of their first members
        at, member = torch.from_numpy(np.flatnonzero(whole)).to(x.device), torch.from_numpy(order[member]).to(x.device)
        new = condensed(model, x[at], features[at], member, len(first), self.fit)
        cost.retain_gradients += self.fit * len(first)
        labels = y[at][torch.from_numpy(np.sort(first)).to(x.device)]
        retain = np.r_[rows[~whole & ~gone], len(request.y) + np.arange(len(first))]
        smaller = replace(request, x=torch.cat([request.x, new]), y=torch.cat([request.y, labels]), retain=retain)
        unlearned = self.inner(original, smaller)
        cost.add(unlearned.cost)
        cost.notes["share of the retain set"] = len(retain) / len(request.retain)
        return unlearned.model
