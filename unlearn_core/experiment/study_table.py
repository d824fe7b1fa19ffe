"""A study's table: what the lines are called that each has, and in which order its methods stand.

Its summary, lists of studies and the pages ask here, so that none of them names another best one.
"""

from __future__ import annotations

import pandas as pd

from unlearn_core.evaluation import METRICS, over_seeds, values_of

# The references that every study has, with their titles; so no plan may be called so. The second retrained model, held
# against the first, is the ceiling.
ORIGINAL, RETRAINED, CEILING = "original", "retrained", "retrained-again"
REFERENCES = {ORIGINAL: "Original", RETRAINED: "Retrained", CEILING: "Retrained again"}


def best_first(table: pd.DataFrame, metric: str, direction: str = METRICS["group_tow"].direction) -> list[str]:
    """The methods that were run, without the references, by the mean of a column over seeds, the best first.

    Best is what the direction of a metric says; where that is "closer_to_retrain", the smallest distance to the mean of
    the retrained models. Of equals the one that the study lists first; those without a value come last.
    """
    means = table.groupby("method", sort=False)[metric].agg(lambda column: over_seeds(values_of(column)).mean)
    values = pd.to_numeric(means)
    if direction == "closer_to_retrain":
        costs = (values - values[RETRAINED]).abs()
    else:
        costs = {"better": -values, "worse": values}[direction]
    run = table.loc[table["kind"] != "reference", "method"].unique()
    return list(costs[run].sort_values(kind="stable", na_position="last").index)


def best_single(table: pd.DataFrame) -> str | None:
    """The single algorithm with the best mean group ToW; None where the study has none."""
    singles = set(table.loc[table["kind"] == "single", "method"])
    return next((name for name in best_first(table, "group_tow") if name in singles), None)
