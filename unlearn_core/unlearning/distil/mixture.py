"""Algorithms for which the forget set and a part of the retain set are shuffled together, each step knowing which is
which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from unlearn_core.unlearning.descent import GradientUnlearner, Rows
from unlearn_core.unlearning.draws import ALL, generator
from unlearn_core.unlearning.request import Request


@dataclass(frozen=True, kw_only=True)
class Mixture(GradientUnlearner):
    """An epoch is one pass over the forget set and what is `seen` of the retain set. A step in which one of them does
    not occur has None for it.
    """

    def kept(self, request: Request) -> int:
        """How many images of the retain set are looked at."""
        raise NotImplementedError

    def seen(self, request: Request) -> np.ndarray:
        """(kept,) random rows of the retain set, the same in all epochs."""
        order = torch.randperm(len(request.retain), generator=generator(request, 1)).numpy()
        return request.retain[order[: self.kept(request)]]

    def epoch_rows(self, request, epoch):
        both = np.sort(np.r_[request.forget, self.seen(request)])
        for batch in self.batches(both, request.seed, epoch, ALL):
            gone = np.isin(batch, request.forget)
            yield Rows(*(rows if len(rows) else None for rows in (batch[gone], batch[~gone])))

    def steps_in(self, request):
        return self.epochs * -(-(len(request.forget) + self.kept(request)) // self.batch)
