from __future__ import annotations

import time

import numpy as np
import torch

from unlearn_core.models import Ensemble
from unlearn_core.params import param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.draws import generator

BEFORE = "seconds of training before the request"


@spec
class SISA(Unlearner):
    """Train several models on shards of the data, slice by slice, so that forgetting means to train again only from the
    first slice that held a forgotten image. Exact.

    All rows are dealt into S `shards` of R `slices`, whatever is to be forgotten. The model of a shard goes on from
    slice to slice, each time on all slices so far, for e' = 2 e / (R + 1) epochs. A touched shard starts again from its
    state before its first touched slice, without the forgotten images. The models vote: p = mean of their softmax.

    Such a system trains and keeps all states before any request. Here they are trained within the run; the cost counts
    only what a request makes necessary, its steps, gradients and seconds, and the time of the rest is a note beside it.

    Source: Bourtoule et al. (2021), "Machine Unlearning", arXiv:1912.03817.
    Departs from the paper: each e' is rounded to whole epochs, at least one, and each slice's training goes through the
    whole schedule of the learning rate.
    """

    title = "SISA"
    group = "ends of the scale"
    needs = ("retain", "labels", "recipe")
    ensemble = True
    caution = (
        "Never looks at the given model: the result is an ensemble trained on shards, exact but often less accurate."
    )
    grid = {"shards": (2, 3, 5), "slices": (1, 3)}

    shards: int = param(2, 1, 100, help="models that vote, each trained on its own part of the images")
    slices: int = param(3, 1, 100, help="parts of a shard, after each of which its model is kept")
    epochs: int = param(30, 1, 1000, help="epochs whose work the training of a shard equals")

    def places(self, request) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the shard and the slice of every row: what is forgotten plays no part."""
        dealt = torch.randperm(len(request.y), generator=generator(request)).numpy()
        return dealt % self.shards, dealt // self.shards % self.slices

    def run(self, model, original, request, cost):
        shard_of, slice_of = self.places(request)
        epochs = max(1, round(2 * self.epochs / (self.slices + 1)))
        cost.notes[BEFORE], models = 0.0, []
        for shard in range(self.shards):
            kept, gone = (rows[shard_of[rows] == shard] for rows in (request.retain, request.forget))
            first = slice_of[gone].min(initial=self.slices)
            state = None
            for upto in range(self.slices):
                rows, started = kept[slice_of[kept] <= upto], time.perf_counter()
                if not len(rows):
                    continue
                seed = int(np.random.SeedSequence([request.seed, shard, upto]).generate_state(1)[0] >> 1)
                (trained,) = request.recipe(rows, [seed], request.tell, start=state, epochs=epochs)
                state = trained.model
                if upto < first:
                    cost.notes[BEFORE] += time.perf_counter() - started
                else:
                    cost.steps += trained.steps
                    cost.retain_gradients += trained.gradients
            models += [state] if state is not None else []
        return Ensemble(models)

    def __call__(self, original, request):
        unlearned = super().__call__(original, request)
        unlearned.cost.seconds -= unlearned.cost.notes[BEFORE]
        return unlearned
