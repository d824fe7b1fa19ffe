"""What an audit of the same method adds to the three statements of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from unlearn_core.evaluation import METRICS
from unlearn_core.experiment.measured_groups import filled, third
from unlearn_core.experiment.tiers.others import nearness
from unlearn_core.experiment.tiers.overview import tells
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.report.words import Statement, listed
from unlearn_core.words import spread


def in_the_audit(said: Sequence[Statement], study: OpenStudy, table: pd.DataFrame) -> list[Statement]:
    """The statements, with what an audit of the same method (its overview) calls different where accuracy leaves it
    open: the audit asks less of a number, and without a word the two would contradict each other.
    """
    forgotten, *rest = said
    lines = table[(table["metric"] == "forget_accuracy") & table["side"].isin([1, -1])].set_index("on")["says"]
    read = zip(filled(study), forgotten.readings[1:], strict=True)
    each = [f"the {third(p)} {_is(lines[p])}" for p, reading in read if not reading.side and p in lines.index]
    if each:
        told = f"{forgotten.says} The audit below asks less of the same accuracy and finds that {listed(each)}."
        forgotten = replace(forgotten, says=told)
    return [forgotten, *rest]


def shadow_models(said: Sequence[Statement], table: pd.DataFrame) -> list[Statement]:
    """The statements, with what an attacker finds who has shadow models, and so knows each image by itself, where an
    audit of the same method (its overview) asked one: what he can tell, no rule for all images takes back.
    """
    *rest, attacked = said
    asked = (table["metric"] == "u_lira_efficacy_auc") & (table["on"] == "forget") & (table["by"] == "per example")
    if not asked.any() or pd.isna((line := table[asked].iloc[0])["side"]):
        return list(said)
    reads = f"AUC {spread(line['unlearned'])}, and {spread(line['retrained'])} between models that never saw them"
    if not line["side"]:
        says = f"{attacked.says} An attacker with shadow models, who knows each image by itself, cannot tell: {reads}."
        return [*rest, replace(attacked, says=says)]
    verdict = attacked.verdict if attacked.mark == "bad" else "Not from shadow models"
    says = f"{attacked.says} An attacker with shadow models, who knows each image by itself, can tell: {reads}."
    return [*rest, replace(attacked, mark="bad", verdict=verdict, says=says)]


def many_models(said: Sequence[Statement], table: pd.DataFrame) -> list[Statement]:
    """The statements, with whether many models of each kind are told apart by what they say of the forgotten images,
    where an audit of the same method (its overview) asked them and nothing else told: not even retraining reads 0
    there.
    """
    *rest, attacked = said
    asked = (table["metric"] == "told_apart") & (table["on"] == "forget")
    if attacked.mark == "bad" or not asked.any() or (apart := tells(line := table[asked].iloc[0])) is None:
        return list(said)
    says = (
        f"{attacked.says} Many models of each kind tell {line['unlearned']:.0%} of the images apart, retrained ones "
        f"among themselves {line['retrained_low']:.0%} to {line['retrained_high']:.0%}."
    )
    found = {"mark": "bad", "verdict": "Not from many models"} if apart else {}
    return [*rest, replace(attacked, says=says, **found)]


def neighbours(said: Sequence[Statement], near: pd.DataFrame) -> list[Statement]:
    """The statements, with what kept images paid for lying near forgotten ones where an audit of the same method (its
    table of neighbours) finds that it is more than the others paid: accuracy over all of them does not show it.
    """
    forgotten, kept, attacked = said
    if nearness(near) != "more":
        return list(said)
    lines = near[near["measure"] == "confidence"].set_index(["images", "kind"])
    ours, noise = (
        spread(*lines.loc[("difference", kind), ["gap", "half_width"]], signed=True)
        for kind in ("unlearned", "retrained")
    )
    count = int(lines.loc[("neighbours", "unlearned"), "count"])
    says = (
        f"{kept.says} The {count:,} kept images nearest to forgotten ones paid more than the others: {ours} in "
        f"confidence, where a second retrained model reads {noise}."
    )
    found = {} if kept.mark == "bad" else {"mark": "bad", "verdict": "Not beside forgotten ones"}
    return [forgotten, replace(kept, says=says, **found), attacked]


def _is(says: str) -> str:
    """What an audit says of a number, as the end of a sentence."""
    return says if says.startswith("remembers") else f"is {says}"


def closeness(table: pd.DataFrame) -> str:
    """What an audit (its overview) reads for closeness to retraining, in a sentence; empty where it has none."""
    lines = table.drop_duplicates("metric").set_index("metric")["unlearned"].dropna()
    names = {metric: METRICS[metric].short for metric in ("group_tow", "tow") if metric in lines.index}
    read = listed([f"{name} {spread(lines[metric])}" for metric, name in names.items()])
    return read and f"The audit below reads {read}, as it compares with a second retrained model; see there."
