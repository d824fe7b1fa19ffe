"""The unlearning algorithms: one file each. This is the contents page; adding one is a new file and a row here."""

from __future__ import annotations

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
from unlearn_core.unlearning.stacked import run_stacked, stacks

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
    """Run one kind of algorithm on several models: side by side where that is possible and pays, else one after the
    other.
    """
    if isinstance(unlearners[0], GradientUnlearner) and stacks(unlearners, originals, requests):
        return run_stacked(unlearners, originals, requests)
    return [u(o, r) for u, o, r in zip(unlearners, originals, requests, strict=True)]


__all__ = ["ALGORITHMS", "Cost", "GradientUnlearner", "Request", "Unlearned", "Unlearner", "unlearn_together"]
