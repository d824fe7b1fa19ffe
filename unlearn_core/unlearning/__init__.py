"""The unlearning algorithms: a folder for each group, a file for each algorithm. This is the contents page; adding one
is a new file and a row here.

Beside the groups lies what they share: what is asked (request.py), what every algorithm is (base.py), those that go
down a loss (descent.py) and how many of them run side by side (stacked.py, with stacked_loss.py and
cross_entropies.py); gradients.py, distances.py and layers.py are their tools. own.py adds files from a folder of one's
own where the environment names one, and check.py holds such a file to what every algorithm promises.
"""

from __future__ import annotations

from collections import defaultdict

from unlearn_core.unlearning.base import Cost, Unlearned, Unlearner
from unlearn_core.unlearning.challenge.cfw import CFW
from unlearn_core.unlearning.challenge.ct import CT
from unlearn_core.unlearning.challenge.fcs import FCS
from unlearn_core.unlearning.challenge.kde import KDE
from unlearn_core.unlearning.challenge.msg import MSG
from unlearn_core.unlearning.challenge.prmq import PRMQ
from unlearn_core.unlearning.challenge.rni import RNI
from unlearn_core.unlearning.condensed.condensation import Condensed
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.distil.bad_teacher import BadTeacher
from unlearn_core.unlearning.distil.oracle_matching import OracleMatching
from unlearn_core.unlearning.distil.scrub import Scrub
from unlearn_core.unlearning.distil.scrub_rewind import ScrubRewind
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain
from unlearn_core.unlearning.ends.sisa import SISA
from unlearn_core.unlearning.game.munba import Munba
from unlearn_core.unlearning.history.amnesiac import Amnesiac
from unlearn_core.unlearning.history.mini_unlearning import MiniUnlearning
from unlearn_core.unlearning.influence.first_order import FirstOrder
from unlearn_core.unlearning.influence.second_order import SecondOrder
from unlearn_core.unlearning.membership.remi import Remi
from unlearn_core.unlearning.own import load_folder
from unlearn_core.unlearning.perturb.fisher import Fisher
from unlearn_core.unlearning.perturb.lfssd import LFSSD
from unlearn_core.unlearning.perturb.lra_npp import LraNpp
from unlearn_core.unlearning.perturb.random_k import RandomK
from unlearn_core.unlearning.perturb.ssd import SSD
from unlearn_core.unlearning.perturb.top_k import TopK
from unlearn_core.unlearning.perturb.woodfisher import WoodFisher
from unlearn_core.unlearning.push_away.neggrad import NegGrad
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.relabel.boundary_expand import BoundaryExpand
from unlearn_core.unlearning.relabel.boundary_shrink import BoundaryShrink
from unlearn_core.unlearning.relabel.delete import Delete
from unlearn_core.unlearning.relabel.random_label import RandomLabel
from unlearn_core.unlearning.relabel.salun import SalUn
from unlearn_core.unlearning.relabel.unsir import Unsir
from unlearn_core.unlearning.request import Request
from unlearn_core.unlearning.retain_only.cf_k import CFk
from unlearn_core.unlearning.retain_only.eu_k import EUk
from unlearn_core.unlearning.retain_only.fine_tune import FineTune
from unlearn_core.unlearning.retain_only.l1_sparse import L1Sparse
from unlearn_core.unlearning.retain_only.langevin_head import LangevinHead
from unlearn_core.unlearning.retain_only.noisy_fine_tune import NoisyFineTune
from unlearn_core.unlearning.stacked import alike, run_stacked, stacks
from unlearn_core.unlearning.wrappers.uwc import UWC

ALGORITHMS: dict[str, type[Unlearner]] = {
    # ends of the scale
    "original": Original,
    "retrain": Retrain,
    "sisa": SISA,
    # retain set only
    "fine-tune": FineTune,
    "l1-sparse": L1Sparse,
    "cf-k": CFk,
    "eu-k": EUk,
    "noisy-fine-tune": NoisyFineTune,
    "langevin-head": LangevinHead,
    # push away
    "neggrad": NegGrad,
    "neggrad-plus": NegGradPlus,
    # relabel
    "random-label": RandomLabel,
    "salun": SalUn,
    "boundary-shrink": BoundaryShrink,
    "boundary-expand": BoundaryExpand,
    "delete": Delete,
    "unsir": Unsir,
    # distil
    "scrub": Scrub,
    "scrub-r": ScrubRewind,
    "bad-teacher": BadTeacher,
    "oracle-matching": OracleMatching,
    # perturb weights
    "top-k": TopK,
    "random-k": RandomK,
    "fisher": Fisher,
    "influence": WoodFisher,
    "ssd": SSD,
    "lfssd": LFSSD,
    "lra-npp": LraNpp,
    # membership
    "remi": Remi,
    # gradient history
    "mini-unlearning": MiniUnlearning,
    "amnesiac": Amnesiac,
    # influence
    "first-order": FirstOrder,
    "second-order": SecondOrder,
    # condensed data
    "condensed": Condensed,
    # game
    "munba": Munba,
    # challenge
    "fcs": FCS,
    "msg": MSG,
    "cfw": CFW,
    "prmq": PRMQ,
    "ct": CT,
    "kde": KDE,
    "rni": RNI,
    # wrappers
    "uwc": UWC,
}
BUILT_IN = tuple(ALGORITHMS)
# The files of UNLEARN_ALGORITHMS, loaded in every process that knows the algorithms, workers included.
OWN, OWN_FAULT = load_folder(ALGORITHMS)
ALGORITHMS |= {own.name: own.algorithm for own in OWN if own.algorithm is not None}


def short_name(unlearner: Unlearner) -> str:
    """The name of an algorithm in ALGORITHMS; of one that is not there, such as a whole plan, that of its class."""
    return next((name for name, cls in ALGORITHMS.items() if cls is type(unlearner)), type(unlearner).__name__.lower())


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


__all__ = [
    "ALGORITHMS",
    "BUILT_IN",
    "OWN",
    "OWN_FAULT",
    "Cost",
    "GradientUnlearner",
    "Request",
    "Unlearned",
    "Unlearner",
    "short_name",
    "unlearn_together",
]
