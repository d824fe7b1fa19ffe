from __future__ import annotations

from unlearn_core.params import param, spec
from unlearn_core.unlearning.distil.scrubbing import Scrubbing


@spec
class Scrub(Scrubbing):
    """A student that obeys the original on the retain set and disobeys it on the forget set.

    Each of the first `max_epochs` epochs starts with a pass over the forget set, loss = -KL_T; every epoch has a pass
    over the retain set, loss = gamma CE + alpha KL_T; KL_T = T^2 KL(softmax(original / T) || softmax(student / T)),
    batch mean.

    Source: Kurmanji et al. (2023), "Towards Unbounded Machine Unlearning", arXiv:2302.09880.
    Departs from the paper: one constant learning rate and no weight smoothing. Epochs count from 1, as there: with
    `max_epochs` below `epochs` the run ends with retain passes only.
    """

    title = "SCRUB"
    group = "distil"

    lr: float = param(0.1, 1e-7, 10.0, log=True, help="learning rate")
