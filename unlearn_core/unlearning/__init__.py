"""The unlearning algorithms: one file each. This is the contents page; adding one is a new file and a row here."""

from __future__ import annotations

from collections import defaultdict

from unlearn_core.unlearning.base import Cost, GradientUnlearner, Request, Unlearned, Unlearner
from unlearn_core.unlearning.fine_tune import FineTune
from unlearn_core.unlearning.l1_sparse import L1Sparse
from unlearn_core.unlearning.neggrad import NegGrad
from unlearn_core.unlearning.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.original import Original
from unlearn_core.unlearning.random_label import RandomLabel
from unlearn_core.unlearning.retrain import Retrain
from unlearn_core.unlearning.salun import SalUn
from unlearn_core.unlearning.scrub import Scrub
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
}


def unlearn_together(unlearners, originals, requests) -> list[Unlearned]:
    """Run algorithms on several models, in order: those that are alike side by side where that is possible and pays,
    the others one after the other.
    """
    groups, done = defaultdict(list), {}
    for i, (unlearner, request) in enumerate(zip(unlearners, requests, strict=True)):
        groups[alike(unlearner, request)].append(i)
    for members in groups.values():
        chosen = [[values[i] for i in members] for values in (unlearners, originals, requests)]
        if stacks(*(values[0] for values in chosen)):
            done |= zip(members, run_stacked(*chosen), strict=True)
        else:
            done |= {i: unlearners[i](originals[i], requests[i]) for i in members}
    return [done[i] for i in range(len(unlearners))]


__all__ = ["ALGORITHMS", "Cost", "GradientUnlearner", "Request", "Unlearned", "Unlearner", "unlearn_together"]
