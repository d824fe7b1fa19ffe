"""What the shadow models of tier 2 tell: an attack with a distribution for every image beside one for all images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from unlearn_core.attacks import auc, summarise
from unlearn_core.attacks.blocks import Trials, example_aucs, per_example, population, tpr_over_blocks
from unlearn_core.attacks.u_lira import p_member, u_lira
from unlearn_core.experiment.tiers.overview import BLOCKS
from unlearn_core.experiment.tiers.per_example import Observed
from unlearn_core.experiment.tiers.subject import JUDGE, KINDS, Subject
from unlearn_core.result import Result
from unlearn_core.store import Store

ATTACKERS = {"per example": per_example, "population": population}


def trials(seen: Observed, question: str, by: str) -> Trials:
    """The attack on the shadows, on all images that they share out.

    "efficacy": unlearned models beside models that never saw the image and unlearned nothing; "privacy": beside models
    that never saw it and unlearned others; "power": the models before they unlearned, which any attack should find.
    """
    sides = {
        "efficacy": (seen.unlearned, seen.never_seen),
        "privacy": (seen.unlearned, seen.bystanders),
        "power": (seen.remembered, seen.never_seen),
        # Two halves of the models that never saw it: nothing to be found.
        "ceiling": (seen.never_seen[::2][: len(seen.never_seen) // 2], seen.never_seen[1::2]),
    }
    return ATTACKERS[by](*sides[question])


# Question -> the kind of model whose lines it fills.
KIND = {"efficacy": "unlearned", "privacy": "unlearned", "power": "original", "ceiling": "retrained"}


def lines(seen: Observed) -> Iterator[dict]:
    """AUC of both attackers, block by block: on the forget images and on all images that the shadows share out."""
    groups = {"forget": slice(0, seen.forget), "shadows": slice(None)}
    for by in ATTACKERS:
        found = {question: trials(seen, question, by) for question in KIND}
        for metric, asked in (("u_lira_efficacy_auc", "efficacy"), ("u_lira_privacy_auc", "privacy")):
            for question in (asked, "power", "ceiling"):
                for on, columns in groups.items():
                    both = zip(found[question].members[:, columns], found[question].others[:, columns], strict=True)
                    if on == "shadows":
                        yield _found_at(metric, question, found[question], by)
                    for block, (members, others) in enumerate(both):
                        line = {"metric": metric, "on": on, "by": by, "kind": KIND[question], "seed": block}
                        yield line | {"value": auc(members, others), "why": "", "unit": BLOCKS}


def unknown(why: str) -> Iterator[dict]:
    """The lines where there can be no shadow models, and why."""
    for metric in ("u_lira_efficacy_auc", "u_lira_privacy_auc", "u_lira_auc"):
        for by in ATTACKERS if metric != "u_lira_auc" else ["per example"]:
            line = {"metric": metric, "on": "forget", "by": by, "kind": "unlearned", "seed": 0}
            yield line | {"value": None, "why": why, "unit": "seeds"}


def _found_at(metric: str, question: str, found: Trials, by: str) -> dict:
    """The share of images found at 1 % false alarms, over all images that the shadows share out."""
    share = tpr_over_blocks(found, 0.01)
    line = {"metric": metric.replace("_auc", "_tpr"), "on": "shadows", "by": by, "kind": KIND[question], "seed": 0}
    ends = {"value": share.value, "low": share.low, "high": share.high, "unit": "blocks, drawn again"}
    return line | ends | {"why": "" if share.value is not None else share.why}


def audited(seen: Observed, margins: dict[str, list[np.ndarray]]) -> Iterator[dict]:
    """The attack on the audited models themselves: AUC of each against the model that it is judged by, seed by seed.

    `margins`: kind of model -> margins (k,) of the forget images for every seed.
    """
    scores = {kind: [score(seen, phi) for phi in each] for kind, each in margins.items()}
    for kind in KINDS:
        for seed, (own, judge) in enumerate(zip(scores[kind], scores[JUDGE[kind]], strict=True)):
            line = {"metric": "u_lira_auc", "on": "forget", "by": "per example", "kind": kind, "seed": seed}
            yield line | {"value": auc(own, judge), "why": "", "unit": "seeds"}


def score(seen: Observed, phi: np.ndarray) -> np.ndarray:
    """(k,) log-likelihood ratio of "unlearned" to "never seen" for the forget images under a model with margins phi."""
    own = slice(0, seen.forget)
    everyone = np.ones((len(seen.unlearned), seen.forget), bool)
    sides = (summarise(table[:, own], everyone) for table in (seen.unlearned, seen.never_seen))
    return u_lira(phi, *sides)


def each_image(seen: Observed, parts: dict[str, np.ndarray], margins: dict[str, list[np.ndarray]]) -> pd.DataFrame:
    """One line per forget image, the most exposed first: `row`, `part`; `auc`, how well the
    shadows' unlearned models are told from those that never saw the image (0.5 = a guess); `p_member` of the audited
    models, their mean over seeds, and of the `retrained` ones; mean margins `remembered` (before), `unlearned` and
    `never_seen`.
    """
    own, rows = slice(0, seen.forget), seen.rows[: seen.forget]
    part_of = {row: name for name, numbers in parts.items() for row in numbers}
    table = pd.DataFrame({"row": rows, "part": [part_of.get(row, "") for row in rows]})
    table["auc"] = example_aucs(seen.unlearned[:, own], seen.never_seen[:, own])
    for name, kind in (("p_member", "unlearned"), ("retrained_p_member", "retrained")):
        table[name] = np.mean([p_member(score(seen, phi)) for phi in margins[kind]], axis=0)
    for name in ("remembered", "unlearned", "never_seen"):
        table[name] = getattr(seen, name).mean(axis=0)[own]
    return table.sort_values(["p_member", "row"], ascending=[False, True], ignore_index=True)


def margins(store: Store, subject: Subject, found: dict[str, list[Result]]) -> dict[str, list[np.ndarray]]:
    """Kind of model -> margins (k,) of the forget images under the model of every seed."""
    target = subject.target(store)
    return {kind: [target.forget_margins(r.arrays("logits")) for r in each] for kind, each in found.items()}
