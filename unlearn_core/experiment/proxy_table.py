"""What cheaper scores are worth on the images of a finished study: how they rank the images beside exact memorization,
what they cost, and what RUM becomes when its parts are cut by them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from unlearn_core import evaluation
from unlearn_core.device import numerics
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.proxy_scores import proxy_scores, stage
from unlearn_core.experiment.study import Study, searches
from unlearn_core.experiment.tuning import best_settings, within
from unlearn_core.experiment.unlearned_models import Run, run_all
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.memorization import top_overlap
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.proxies import PROXIES
from unlearn_core.result import Draft, Result
from unlearn_core.rows import pack
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store

EXACT = "memorization"
LEVEL = 0.95
# How many times as long as one of the study's models a model takes whose curvature is measured at each step: three
# passes in the place of one, and it is trained alone, where those of the study may have gone side by side.
ALONE = 6


@spec
class ProxyTable(Spec):
    """Every proxy beside the exact scores of a study's bank, with the study's first plan cut by each."""

    version = 2  # where scores are tied, the overlap no longer goes by row number

    name: str = param("Cheaper scores", help="what the comparison is called")
    study: Study = param(help="the finished study")


@dataclass(frozen=True)
class Agreement:
    """How two scores of the same n images agree. `correlation` is Spearman's, `low` and `high` its 95 % interval; NaN
    where a score is the same for all. `overlap` is the share of the k images with the highest exact score that are also
    among the k with the highest other score, as in memorization.top_overlap; by chance it is k/n.
    """

    correlation: float
    low: float
    high: float
    overlap: float


def agreement(exact: np.ndarray, scores: np.ndarray, k: int) -> Agreement:
    """How scores (n,) agree with exact ones (n,), over the images that have both.

    Source: Bonett and Wright (2000), "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations" (the interval, on Fisher's scale).
    """
    from scipy.stats import spearmanr  # a large library, which a page need not wait for

    both = np.isfinite(exact) & np.isfinite(scores)
    exact, scores = exact[both], scores[both]
    overlap = top_overlap(exact, scores, k)
    if len(exact) < 4 or np.ptp(exact) == 0 or np.ptp(scores) == 0:
        return Agreement(math.nan, math.nan, math.nan, overlap)
    r = float(spearmanr(exact, scores).statistic)
    half = ndtri((1 + LEVEL) / 2) * math.sqrt((1 + r * r / 2) / (len(exact) - 3))
    middle = math.atanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    return Agreement(r, math.tanh(middle - half), math.tanh(middle + half), overlap)


def finished(study: OpenStudy) -> tuple[pd.DataFrame, dict] | None:
    """The whole table of a study, best first, and what stands beside it; None while it was not made. Without a bank it
    has no exact line, and nothing is held against one.

    Indexed by score, "memorization" for the exact one: `title`; `correlation` with its interval `low` to `high` and
    `overlap`, as in Agreement; `seconds` that the score takes beyond the training of the model, and as `share_of_bank`;
    `group_tow` of RUM with its parts cut by the score, `difference` to exact scores on the same seeds, and the half
    widths of their 95 % intervals over seeds; NaN where something cannot be measured. Beside it: `part_size`, how many
    of the most memorized were looked for, and `halves`, see there.
    """
    result = study.store.find(ProxyTable(study=study.spec))
    return None if result is None else (result.table(), result.json("about"))


def ready(study: OpenStudy) -> pd.DataFrame:
    """The agreement of every proxy whose scores are there, best first, indexed by its name: `title` and the fields of
    Agreement. Computes nothing slow.
    """
    return _ranked([_agreeing(study, name) for name in PROXIES if study.is_ready(name)])


def able(study: OpenStudy) -> list[str]:
    """The proxies that the study's images allow: retraining on validation images needs validation images."""
    return [name for name in PROXIES if name != "holdout_retraining" or len(study.data.validation.y)]


def _agreeing(study: OpenStudy, name: str) -> dict:
    # Without a bank the scores of the study are a proxy themselves, and nothing exact is there to agree with.
    found = Agreement(*[math.nan] * 4)
    if study.spec.models:
        found = agreement(study.memorization.scores, study.proxy(name), part_size(study))
    return {"score": name, "title": PROXIES[name].title} | vars(found)


def _ranked(lines: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(lines).set_index("score")
    return table.sort_values("correlation", ascending=False, kind="stable", na_position="last")


def part_size(study: OpenStudy) -> int:
    """How many of the most memorized images are looked for: as many as the largest part of the forget set holds."""
    return max(len(rows) for rows in study.parts.values())


def halves(study: OpenStudy) -> float | None:
    """The rank correlation of the exact scores from one half of the bank with those from the other: about what noise
    leaves to be agreed with, or a little less, for the whole bank is less noisy than its halves. None where it cannot
    be told, as without a bank.
    """
    found = math.nan if study.stability is None else float(study.stability["spearman"].iloc[-1])
    return found if math.isfinite(found) else None


def cost(study: OpenStudy) -> tuple[int, float]:
    """(unlearning runs, seconds) that the whole table takes, going by what the study's own models took; less where some
    of it is stored already.
    """
    table, spec = study.table, study.spec
    trained = table.loc[table["method"] == "retrained", "seconds"].mean()
    seconds = 0.0 if study.is_ready("loss_curvature") else ALONE * float(trained)
    runs = len(able(study)) * spec.seeds if spec.plans else 0
    if runs:
        seconds += runs * float(table.loc[table["kind"] == "plan", "seconds"].mean())
    return runs, seconds


# -- RUM by each score -------------------------------------------------------------------------------------------------


def same_cuts(study: OpenStudy) -> Plan:
    """The study's first plan with the settings the study chose, cutting parts of the sizes it has there by rank, so
    that plans by different scores differ in the score alone.
    """
    plan = study.spec.plans[0]
    if plan.cut_by == "value":
        low, medium, _ = (len(rows) for rows in study.refine(plan, study.forget).values())
        n = len(study.forget)
        plan = plan.but(cut_by="rank", low_cut=low / n, high_cut=(low + medium) / n)
    best = best_settings(study.store, searches(study.store, study.spec, study.forget))
    return plan.but(control="none", **{part: best.get(getattr(plan, part), getattr(plan, part)) for part in PARTS})


def closeness(study: OpenStudy, plans: Sequence[Plan], tell: Tell) -> list[list[float | None]]:
    """Group ToW of each plan on the study's forget set for each of its seeds, on the study's own parts and against its
    own retrained models.
    """
    rums, forget = [plan.resolve(study.refine(plan, study.forget)) for plan in plans], pack(study.forget)
    training, seeds = study.spec.training, study.spec.seeds
    runs = [
        Run(training=training.but(seed=s), forget=forget, unlearner=rum, seed=s) for rum in rums for s in range(seeds)
    ]
    found = []
    for run, result in zip(runs, run_all(study.store, runs, tell), strict=True):
        pair = result.arrays("logits"), study.logits("retrained", run.seed)
        whole, by_part = [study.target.accuracies(x) for x in pair], [study.target.part_accuracies(x) for x in pair]
        found.append(evaluation.group_tow(*whole, *by_part))
    return [found[i : i + seeds] for i in range(0, len(found), seeds)]


def _proxy_table(store: Store, asked: ProxyTable, tell: Tell) -> Result:
    study = OpenStudy(store, fulfil(store, asked.study, tell))
    training = asked.study.training
    lines, bank_seconds, proxies = [], math.nan, able(study)
    if asked.study.models:
        bank_seconds = store.find(asked.study.bank).manifest()["seconds"]
        itself = dict.fromkeys(("correlation", "low", "high", "overlap"), 1.0)
        lines.append({"score": EXACT, "title": "Exact memorization", "seconds": bank_seconds} | itself)
    for i, name in enumerate(proxies):
        proxy_scores(store, training, name, within(tell, "cheaper scores", i, len(proxies)))
        seconds = 0.0 if PROXIES[name].recorded else store.find(stage(training, name)).manifest()["seconds"]
        lines.append(_agreeing(study, name) | {"seconds": seconds})
    table = _ranked(lines).assign(share_of_bank=lambda t: t["seconds"] / bank_seconds)
    if asked.study.plans:
        plan = same_cuts(study)
        names = list(table.index)
        tows = closeness(study, [plan.but(by=name) for name in names], within(tell, "plans", 0, 1))
        tow = dict(zip(names, tows, strict=True))
        for column, estimates in {
            "group_tow": {name: evaluation.over_seeds(tow[name]) for name in names},
            "difference": {
                name: evaluation.paired_difference(tow[name], tow.get(EXACT, [None] * len(tow[name]))) for name in names
            },
        }.items():
            table[column] = [estimates[name].mean for name in names]
            table[f"{column}_half_width"] = [estimates[name].half_width for name in names]
    else:
        table[["group_tow", "group_tow_half_width", "difference", "difference_half_width"]] = None

    def make(draft: Draft) -> None:
        draft.table(table.astype({c: float for c in table.columns if c != "title"}))
        draft.json("about", {"halves": halves(study), "part_size": part_size(study)})

    return store.remember(asked, make, device=numerics)


MAKERS[ProxyTable] = _proxy_table
