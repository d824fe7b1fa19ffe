"""A study's table: what the lines are called that each has, and in which order its methods stand.

Its summary, lists of studies and the pages ask here, so that none of them names another best one.
"""

from __future__ import annotations

from itertools import count

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


def owners(table: pd.DataFrame) -> dict[str, str]:
    """Each control with its plan, in the study's order: the plan that it follows there. Names do not tell, for a name
    that is taken is numbered, and a plan may be called as another's control is.
    """
    found, plan = {}, None
    for name, kind in table.drop_duplicates("method")[["method", "kind"]].itertuples(index=False):
        if kind == "plan":
            plan = name
        elif kind == "control" and plan is not None:
            found[name] = plan
    return found


def told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The table with titles by which methods can be told apart where it has several plans: plans of one name are
    numbered, and each control begins with the name of its plan, for all plans may have the same controls.
    """
    plans = list(table.loc[table["kind"] == "plan", "method"].unique())
    if len(plans) < 2:
        return table
    given = dict(table.drop_duplicates("method")[["method", "title"]].itertuples(index=False))
    own, titles = owners(table), {}
    for method in sorted(given, key=lambda name: name in plans):  # plans make way for all others
        if method not in own:
            numbered = (given[method] if n == 1 else f"{given[method]} no {n}" for n in count(1))
            titles[method] = next(title for title in numbered if title not in titles.values())
    for control, plan in own.items():
        is_shuffled = given[control] == f"{given[plan]}, shuffled"
        titles[control] = titles[plan] + (", shuffled" if is_shuffled else f": {given[control]}")
    return table.assign(title=table["method"].map(titles))
