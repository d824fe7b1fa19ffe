"""How a study and its audit were measured: who attacks, on how many models, in what numbers, and what was left out."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from unlearn_core.evaluation import stands_out
from unlearn_core.experiment import audit, verdicts
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.tiers import Audit
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.report.words import listed
from unlearn_core.words import MISSING, interval, missing, spread

RATES = {"TPR@1%FPR": 0.01, "TPR@10%FPR": 0.1}  # shares of false alarms at which it is asked what an attack finds
GROUPS = {"retain": "kept", "test": "test", "forget": "forgotten"}

# What nobody measures here, whatever an audit asked; and what only an audit does, by the metric that answers it.
NEVER = (
    "copies and near copies of forgotten images among the kept ones",
    "a control that was over-unlearned on purpose or never trained",
    "calibration on kept and test images",
    "another split of the images, another architecture",
)
BY_AUDIT = {
    "calibration_error": "calibration on the forgotten images",
    "retain_leakage": "what the model gives away of kept images",
    "attack_epsilon": "a bound on what an attack proves (ε)",
    "relearn_time": "how soon the forgotten images are learned again",
    "u_lira_efficacy_auc": "an attacker with shadow models that unlearned, too",
    "inversion_retrieval": "what someone reads who has the model before and after a deletion",
    "klom": "the distributions of many unlearned and many retrained models",
}


def answered(table: pd.DataFrame | None) -> set[str]:
    """The metrics that an audit (its overview) has a number for; none without one."""
    return set() if table is None else set(table.loc[table["unlearned"].notna(), "metric"])


def not_measured(found: Collection[str]) -> list[str]:
    """What a reader may look for and does not find, where an audit has numbers for the metrics `found`."""
    return [words for metric, words in BY_AUDIT.items() if metric not in found] + list(NEVER)


def threat_model(study: OpenStudy, rule: str, asked: Audit | None, found: Collection[str]) -> list[str]:
    """Who chose the images (by `rule`), what the attacker of the report has in hand, what else it knows, and what an
    audit that was `asked`, with numbers for the metrics `found`, adds to that; a sentence or two each.
    """
    statistic, bank = audit.default_statistic(study), study.spec.bank
    beside = f"{study.target.unseen.sum():,} test images of the same classes to compare with"
    said = [
        f"The forget set was chosen by whoever ran the study, {rule}, and not by an attacker.",
        "The attacker has one model, after unlearning, and asks it for its scores on any image: it has neither the "
        "model from before nor any weights.",
    ]
    if audit.compares_same_images(statistic):
        said.append(
            "It knows the images, their labels and the way models are trained, and has "
            f"{study.summary['bank_models']:,} reference models, each trained on {100 * bank.share:.0f} % of the same "
            "training images, of which it knows which saw what. It sets its scores against those of the same images in "
            "a retrained model."
        )
        said.append(f"The attack by confidence does without them: it has {beside}.")
    else:
        said.append(f"It knows the images and their labels and has no reference models: it has {beside}.")
    if asked is None:
        return said
    more = ["the weights of the models, the original's beside them, which are measured and not attacked"]
    if "u_lira_efficacy_auc" in found:
        more.append(f"an attacker with {asked.shadows:,} shadow models that unlearned, too")
    if "inversion_retrieval" in found:
        more.append("one who has the weights before and after the deletion of a single image")
    if "klom" in found:
        more.append(f"one who has {asked.models:,} models of each kind")
    return [*said, f"The audit below has more in hand: {'; '.join(more)}."]


def models(study: OpenStudy, title: str, asked: Audit | None, found: Collection[str]) -> list[str]:
    """How many models of each kind the numbers rest on, and what was varied; `title` is the method's."""
    spec, seeds = study.spec, study.spec.seeds
    others = len(core.ranked(study, "group_tow")) - 1
    if spec.training.weights:
        originals = "1 original, trained elsewhere, which all runs start from"
    else:
        originals = f"{seeds} original"
    each = f"; each of the {others} other methods as many" if others else ""
    said = [
        f"{originals}; {seeds} retrained without the forgotten images and {seeds} retrained again; {seeds} unlearned "
        f"by {title}{each}."
    ]
    of = " of the retrained models" if spec.training.weights else ""
    vary = f"the initial weights{of}, the order of the images and what unlearning draws"
    said.append(
        f"From seed to seed vary {vary}; the data, their split and the forget set are the same."
        if seeds > 1
        else f"Nothing was varied: there is one seed of {vary}."
    )
    if study.summary["bank_models"]:
        said.append(f"{study.summary['bank_models']:,} models rank the images and serve the attack as references.")
    if spec.tuning_seeds and len(core.learning_rates(study)):
        said.append(f"Learning rates were chosen on models of further seeds: {spec.tuning_seeds}.")
    if asked is None:
        return said
    audited = [f"{asked.seeds if asked.tier else 1} of each kind"]
    if "u_lira_efficacy_auc" in found:
        audited.append(f"{asked.shadows:,} shadow models")
    if "inversion_retrieval" in found:
        audited.append(f"up to {asked.deletions:,} deletions of one image each")
    if "klom" in found:
        audited.append(f"{asked.models:,} of each kind for what takes many")
    return [*said, f"The audit: {listed(audited)}."]


def attacks(study: OpenStudy, method: str, title: str) -> dict:
    """The attack of the report and the one by confidence in numbers, a line for each kind of model; `why` says of the
    numbers that are not measurable what they need.
    """
    lines, why = [], []
    for statistic in dict.fromkeys((audit.default_statistic(study), "confidence")):
        label, judged = audit.STATISTICS[statistic].label, verdicts.judge(study, method, statistic)
        kinds = {
            "original": judged.original,
            title: judged.audited,
            "retrained": judged.retrained,
            "retrained again": judged.again,
        }
        for name, model in kinds.items():
            read = [model.found_at(alpha) for alpha in RATES.values()]
            cells = [interval(each) if each.value is not None else MISSING for each in read]
            lines.append({"attack": label, "model": name, "cells": [interval(model.success), *cells]})
        for head, alpha in RATES.items():
            if (lacking := judged.audited.found_at(alpha)).value is None:
                why.append(f"{head} under “{label}” is {missing(lacking.why)}.")
    seeds = study.spec.seeds
    unit = f"over {seeds} seeds" if seeds > 1 else "over images (DeLong), so they speak of these models only"
    return {"heads": ["AUC", *RATES], "lines": lines, "unit": unit, "why": why}


def classes(study: OpenStudy, method: str) -> list[dict]:
    """Of each group of images how many classes lie beyond what any class of a second retrained model may differ by, as
    on Compare, and the widest gap in accuracy of the method and of that model.
    """
    table, lines = core.class_gaps(study, method), []
    for on, name in GROUPS.items():
        of = table[(table["on"] == on) & (table["images"] > 0)]
        ours, again = (of[of["kind"] == kind].set_index("group") for kind in ("unlearned", "retrained"))
        if ours.empty:
            continue
        out = int(stands_out(ours["gap"], ours["half_width"], again["gap"], again["half_width"]).sum())
        lines.append(
            {
                "images": name,
                "out": "cannot be told" if ours["half_width"].isna().all() else f"{out} of {len(ours)}",
                "widest": [_widest(ours), _widest(again)],
            }
        )
    return lines


def _widest(lines: pd.DataFrame) -> str:
    name = lines["gap"].abs().idxmax()
    return f"{spread(*lines.loc[name, ['gap', 'half_width']], signed=True)} (class {name})"
