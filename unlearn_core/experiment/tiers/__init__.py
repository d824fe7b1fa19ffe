"""How deep an audit goes.

subject.py       what is audited: one way of forgetting one set, and the models that belong to it
from_outputs.py  numbers of one model from its kept outputs
instant.py       tier 0, one seed: all numbers of the models of one seed; tier 1, all numbers, is this over seeds
thirds.py        who has which role in the shadow models of tier 2
per_example.py   tier 2, single images: the shadow models themselves
shadow_attack.py what their attacker reads at every rate of false alarms, on all images or some
distribution.py  tier 3, many models: many models of each kind; exposed.py what its single images come to
audit.py         the tiers together, as one stored result
overview.py      all its lines as one table
cost.py          what a tier will cost before it is begun
"""

from unlearn_core.experiment.tiers.audit import TIERS, Audit, Tier, deepest
from unlearn_core.experiment.tiers.distribution import Distribution
from unlearn_core.experiment.tiers.instant import Instant
from unlearn_core.experiment.tiers.per_example import PerExample
from unlearn_core.experiment.tiers.subject import Subject

__all__ = ["TIERS", "Audit", "Distribution", "Instant", "PerExample", "Subject", "Tier", "deepest"]
