"""Numbers of one model from its kept outputs, beside those of the models it is compared with.

A line says what was measured (a name of METRICS), `on` which images (forget, retain, test or a part), `by` which attack
where there are several, and the value, or None with `why`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unlearn_core import evaluation
from unlearn_core.attacks import ATTACKS, auc, best_threshold, signals, tpr_at_fpr
from unlearn_core.attacks.signals import margin, probabilities
from unlearn_core.attacks.simple import simple_mia
from unlearn_core.experiment.measures import Target

Logits = dict[str, np.ndarray]
# Attacks that score an image by what the audited model says of it alone.
BY_ONE_MODEL = [name for name, row in ATTACKS.items() if row.gives == "scores" and row.needs == ("logits", "labels")]
BY_TAUGHT = [name for name, row in ATTACKS.items() if row.gives == "efficacy"]
RATES = {"tpr_at_01_fpr": 0.001, "tpr_at_1_fpr": 0.01, "tpr_at_10_fpr": 0.1}


def line(metric: str, value: float | None, on: str = "", by: str = "", why: str = "") -> dict:
    return {"metric": metric, "on": on, "by": by, "value": value, "why": why}


@dataclass(frozen=True)
class Seen:
    """What one model says: logits of each split, split into the groups of a target."""

    target: Target
    logits: Logits
    seconds: float

    @cached_property
    def groups(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Name -> (logits, labels) of the forget set, each of its parts, the kept and the test images."""
        rows = {"forget": self.target.forget} | self.target.parts | {"retain": self.target.retain}
        groups = {name: (self.logits["train"][own], self.target.labels[own]) for name, own in rows.items()}
        return groups | {"test": (self.logits["test"], self.target.test_labels)}

    @cached_property
    def unseen(self) -> tuple[np.ndarray, np.ndarray]:
        """(logits, labels) of the test images of the forget set's classes."""
        return self.logits["test"][self.target.unseen], self.target.test_labels[self.target.unseen]

    @property
    def forgotten(self) -> list[str]:
        """The groups that are to be forgotten."""
        return ["forget", *self.target.parts]

    @cached_property
    def probs(self) -> dict[str, np.ndarray]:
        return {name: probabilities(logits) for name, (logits, _) in self.groups.items()}

    @cached_property
    def accuracies(self) -> dict[str, float | None]:
        return {name: evaluation.accuracy(*pair) for name, pair in self.groups.items()}


def lines(own: Seen, judge: Seen, original: Seen, untrained: np.ndarray) -> Iterator[dict]:
    """All lines of a model. `judge` is the retrained model it is compared with, `original` the model before,
    `untrained` (R, k, K) the probabilities of models that never learned for the forget images.
    """
    yield from _right(own, original)
    yield from _close(own, judge, original)
    yield from _apart(own, judge, untrained)
    yield from _attacked(own)
    yield from _by_threshold(own, original)


def _right(own: Seen, original: Seen) -> Iterator[dict]:
    for name, value in own.accuracies.items():
        metric = {"retain": "retain_accuracy", "test": "test_accuracy"}.get(name, "forget_accuracy")
        yield line(metric, value, name)
    for name in own.forgotten:
        rate = evaluation.forgetting_rate(original.accuracies[name], own.accuracies[name])
        yield line("forgetting_rate", rate, name, why="" if rate is not None else "the original knew none of them")
    for name in ("retain", "test"):
        rate = evaluation.memory_retention_rate(original.accuracies[name], own.accuracies[name])
        yield line("memory_retention_rate", rate, name)


def _close(own: Seen, judge: Seen, original: Seen) -> Iterator[dict]:
    mine, theirs = own.accuracies, judge.accuracies
    mia = [seen.target.efficacy(seen.logits) for seen in (own, judge)]
    parts = own.target.parts or {"forget": own.target.forget}
    yield line("group_tow", evaluation.group_tow(mine, theirs, *({p: a[p] for p in parts} for a in (mine, theirs))))
    yield line("tow", evaluation.tow(mine, theirs))
    yield line("tow_mia", evaluation.tow_mia(mine, theirs, *mia))
    yield line("average_gap", evaluation.average_gap(mine, theirs, *mia))
    if own is not original:  # which is there without any work
        yield line("speedup", evaluation.speedup(judge.seconds, own.seconds))


def _apart(own: Seen, judge: Seen, untrained: np.ndarray) -> Iterator[dict]:
    for name, (logits, _) in own.groups.items():
        yield line("agreement", evaluation.agreement(logits, judge.groups[name][0]), name)
        yield line("js_divergence", evaluation.js_divergence(own.probs[name], judge.probs[name]), name)
        yield line("activation_distance", evaluation.activation_distance(own.probs[name], judge.probs[name]), name)
    yield line("zrf", evaluation.zrf(own.probs["forget"], untrained), "forget")


def _attacked(own: Seen) -> Iterator[dict]:
    for by in BY_ONE_MODEL:
        attack = ATTACKS[by].function
        others = attack(*own.unseen)
        for name in own.forgotten:
            members = attack(*own.groups[name])
            area = auc(members, others)
            yield line("auc", area, name, by, "" if area is not None else "there is no test image of these classes")
    members, others = (margin(*pair) for pair in (own.groups["forget"], own.unseen))
    for metric, alpha in RATES.items():
        found = tpr_at_fpr(members, others, alpha)
        yield line(metric, found.value, "forget", "confidence", "" if found.value is not None else found.why)
    found = simple_mia(signals.loss(*own.groups["forget"]), signals.loss(*own.unseen))
    yield line("simple_mia", found, "forget", why="" if found is not None else "there are too few images to split")
    yield line("calibration_error", evaluation.calibration_error(*own.groups["forget"]), "forget")
    for by in BY_TAUGHT:
        share = ATTACKS[by].function(own.groups["retain"], own.groups["test"], own.groups["forget"])
        yield line("mia_efficacy", share, "forget", by)
    # Who was kept is a secret too: forgetting some may expose others.
    yield line("retain_leakage", auc(margin(*own.groups["retain"]), signals.margin(*own.groups["test"])), "retain")


def _by_threshold(own: Seen, original: Seen) -> Iterator[dict]:
    """What one threshold on the confidence finds, taught on kept and test images, or on half of the images asked."""
    called = []
    for seen in (original, own):
        cut, _ = best_threshold(margin(*seen.groups["retain"]), margin(*seen.groups["test"]))
        called.append(margin(*seen.groups["forget"]) >= cut)
    rate = evaluation.membership_forgetting_rate(*called)
    yield line("membership_forgetting_rate", rate, "forget", why="" if rate is not None else "it called none a member")
    members, others = margin(*own.groups["forget"]), margin(*own.unseen)
    if min(len(members), len(others)) < 2:
        yield line("attack_epsilon", None, "forget", why="there are too few images to set a threshold on half of them")
        return
    cut, _ = best_threshold(members[::2], others[::2])
    hits, alarms = (int((half >= cut).sum()) for half in (members[1::2], others[1::2]))
    proved = evaluation.epsilon_from_attack(hits, len(members[1::2]), alarms, len(others[1::2]))
    yield line("attack_epsilon", proved, "forget", "confidence")
