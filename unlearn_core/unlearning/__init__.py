"""The unlearning algorithms: a folder for each group, a file for each algorithm. This is the contents page; adding one
is a new file and a row here.

Beside the groups lies what they share: what is asked (request.py), what every algorithm is (base.py), those that go
down a loss (gradient.py) and how many of them run side by side (stacked.py); gradients.py, distances.py and layers.py
are their tools.
"""

from __future__ import annotations

from collections import defaultdict

from unlearn_core.unlearning.base import Cost, Unlearned, Unlearner
from unlearn_core.unlearning.distil.scrub import Scrub
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain
from unlearn_core.unlearning.gradient import GradientUnlearner
from unlearn_core.unlearning.push_away.neggrad import NegGrad
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.relabel.random_label import RandomLabel
from unlearn_core.unlearning.relabel.salun import SalUn
from unlearn_core.unlearning.request import Request
from unlearn_core.unlearning.retain_only.fine_tune import FineTune
from unlearn_core.unlearning.retain_only.l1_sparse import L1Sparse
from unlearn_core.unlearning.stacked import alike, run_stacked, stacks

ALGORITHMS: dict[str, type[Unlearner]] = {
    # ends of the scale
    "original": Original,
    "retrain": Retrain,
    # retain set only
    "fine-tune": FineTune,
    "l1-sparse": L1Sparse,
    # push away
    "neggrad": NegGrad,
    "neggrad-plus": NegGradPlus,
    # relabel
    "random-label": RandomLabel,
    "salun": SalUn,
    # distil
    "scrub": Scrub,
    # perturb weights
    # membership
    # gradient history
    # influence
    # condensed data
    # game
    # challenge
    # wrappers
}


def unlearn_together(unlearners, originals, requests) -> list[Unlearned]:
    """Run algorithms on several models, in order: those that are alike side by side where that is possible and pays,
    the others one after the other.
    """
    groups, done = defaultdict(list), {}
    for i, (unlearner, request) in enumerate(zip(unlearners, requests, strict=True)):
        groups[alike(unlearner, request)].append(i)
    for unlearner, request in zip(unlearners, requests, strict=True):
        unlearner.refuse(request)  # before the first of them runs
    for members in groups.values():
        chosen = [[values[i] for i in members] for values in (unlearners, originals, requests)]
        if stacks(*(values[0] for values in chosen)):
            done |= zip(members, run_stacked(*chosen), strict=True)
        else:
            done |= {i: unlearners[i](originals[i], requests[i]) for i in members}
    return [done[i] for i in range(len(unlearners))]


__all__ = ["ALGORITHMS", "Cost", "GradientUnlearner", "Request", "Unlearned", "Unlearner", "unlearn_together"]
