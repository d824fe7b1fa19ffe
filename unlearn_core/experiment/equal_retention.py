"""The methods of a finished study at one level of retention: each is mixed with its original until it keeps the same
share of accuracy, so that what is left to compare is what it forgot.

Source: Wang et al. (2025), "Towards Effective Evaluations and Comparisons for LLM Unlearning Methods",
arXiv:2406.09179; see the algorithm UWC.
"""

from __future__ import annotations

import time

import pandas as pd

from unlearn_core import evaluation
from unlearn_core.device import numerics
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.measures import measure
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.trained_models import all_logits, load_model
from unlearn_core.experiment.unlearned_models import request_of
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.unlearning.wrappers.uwc import UWC

RETENTIONS = (0.9, 0.95, 0.98, 0.99, 1.0)


@spec
class EqualRetention(Spec):
    """Every method of a study mixed back to each of these shares of the original's accuracy on validation images."""

    name: str = param("Equal retention", help="what the comparison is called")
    study: Study = param(help="the finished study")
    retentions: tuple = param(RETENTIONS, help="shares of the original's accuracy to be kept")

    def __post_init__(self):
        super().__post_init__()
        if not self.retentions or not all(isinstance(t, (int, float)) and 0 < t <= 1 for t in self.retentions):
            raise BadValue("Shares of accuracy to be kept lie above 0 and at most at 1, and there is at least one.")
        object.__setattr__(self, "retentions", tuple(map(float, self.retentions)))  # 1 and 1.0 have one key


def finished(study: OpenStudy) -> pd.DataFrame | None:
    """The table of a study, a line for each method, seed and share: `retention`, the `alpha` that reaches it (1 = the
    unlearned model, 0 = the original), `mixes` (False: the models do not mix, so alpha stays 1), and all that a study
    measures. None while it was not made.
    """
    result = study.store.find(EqualRetention(study=study.spec))
    return None if result is None else result.table()


def means(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean of a metric over seeds with the half width of its 95 % interval, by method (in the table's order) and share;
    `alpha` is the mean too, `mixes` the share of seeds whose models mix.
    """
    lines = []
    for (method, retention), group in table.groupby(["method", "retention"], sort=False):
        found = evaluation.over_seeds(evaluation.values_of(group[metric]))
        lines.append(
            {
                "method": method,
                "title": group["title"].iloc[0],
                "retention": retention,
                "mean": found.mean,
                "half_width": found.half_width,
                "alpha": group["alpha"].mean(),
                "mixes": group["mixes"].mean(),
            }
        )
    return pd.DataFrame(lines)


def _equal_retention(store: Store, asked: EqualRetention, tell: Tell) -> Result:
    study, began = OpenStudy(store, fulfil(store, asked.study, tell)), time.perf_counter()
    if not len(study.data.validation.y):
        raise BadValue("Equal retention is found on validation images, and this dataset has none.")
    methods = study.table.loc[study.table["kind"] != "reference", ["method", "title"]].drop_duplicates()
    work, lines = asked.study.seeds * len(methods), []
    for seed in range(asked.study.seeds):
        training = asked.study.training.but(seed=seed)
        original = load_model(store, training, fulfil(store, training))
        retrained, again = (study.logits(name, seed) for name in ("retrained", "retrained-again"))
        for method, title in methods.itertuples(index=False):
            result = study.run_result(method, seed)
            unlearned, request = load_model(store, training, result), request_of(store, result.spec())
            for share in asked.retentions:
                model, alpha = UWC(retention=float(share)).blend(original, unlearned, request)
                head = {"method": method, "title": title, "seed": seed, "retention": float(share)}
                head |= {"alpha": 1.0 if alpha is None else alpha, "mixes": alpha is not None}
                lines.append(
                    head | measure(study.target, all_logits(model, study.data), retrained, again, study.shadows)
                )
            tell("mixing", len(lines) // len(asked.retentions), work)

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - began
        draft.table(pd.DataFrame(lines))

    return store.remember(asked, make, device=numerics)


MAKERS[EqualRetention] = _equal_retention
