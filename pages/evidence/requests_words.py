"""What a stream of requests shows, in sentences and lines made from its numbers."""

from __future__ import annotations

import pandas as pd

from pages.shared import numbers
from pages.shared.text import duration, escape
from unlearn_core.experiment.comparison import COLUMNS
from unlearn_core.experiment.stream import Finished

# Metric -> what its button says, what a sentence calls it, and what stands at the axis of a small chart.
MEASURES = {
    "forget_accuracy": ("Accuracy", "accuracy", "Accuracy"),
    "attack_auc": ("Confidence attack", "confidence attack", COLUMNS["attack_auc"].short),
    "lira_auc": ("Likelihood ratio", "likelihood ratio", COLUMNS["lira_auc"].short),
}


def forgotten(title: str, drifts: dict[str, pd.DataFrame]) -> str:
    """Whether earlier sets stay forgotten, by every measure; `drifts` are tables of Finished.drift by metric."""
    earlier, name = next(iter(drifts.values()))["set"].nunique(), f"**{escape(title)}**"
    sets = "earlier set" if earlier == 1 else "earlier sets"
    told = [MEASURES[metric][1] for metric, table in drifts.items() if table["resurges"].notna().any()]
    if not told:
        return f"Under {name} no set reads unlike the original once it is forgotten, so none can come back."
    back, kept = ({MEASURES[m][1]: _sets(t, which) for m, t in drifts.items()} for which in ("resurges", "remembered"))
    if any(back.values()):
        found = [f"{count} of {earlier} by {measure}" for measure, count in back.items() if count]
        said = f"Under {name} {sets} **come back** as later ones are forgotten: {', '.join(found)}."
    else:
        said = f"Under {name} no {sets if earlier == 1 else 'earlier set'} **comes back** by {_or(told)}."
    if any(kept.values()):
        found = [f"{count} of {earlier} by {measure}" for measure, count in kept.items() if count]
        return f"{said} After some request more like the original than retrained models are: {', '.join(found)}."
    over = ": what came back makes up for having been forgotten too much" if any(back.values()) else ""
    return f"{said} None reads more like the original than retrained models do{over}."


def _sets(drift: pd.DataFrame, which: str) -> int:
    """Of how many sets this is true after some later request."""
    return drift.loc[drift[which].eq(True), "set"].nunique()


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def conclusion(title: str, drift: pd.DataFrame, seeds: int) -> str:
    """What one measure says of the earlier sets, in a line."""
    earlier, back = drift["set"].nunique(), _sets(drift, "resurges")
    if back:
        return f"{title}: {back} of {earlier} earlier sets come back towards the original"
    if drift["resurges"].isna().all():
        return f"{title}: no earlier set reads unlike the original, so none can come back"
    away = _sets(drift, "drifts")
    if away:
        return f"{title}: none comes back, {away} of {earlier} earlier sets move further away"
    return f"{title}: no drift of an earlier set that {seeds} seeds could tell"


def says(line: dict) -> str:
    """A line of Finished.drift in words."""
    if line["drifts"] is None or (line["back"] is None and not line["drifts"]):
        return "cannot be told"
    if line["resurges"]:
        said = "comes back"
    elif line["drifts"]:
        said = "moves" if line["back"] is None else "moves away"
    else:
        said = "stays"
    return f"{said}, remembered" if line["remembered"] else said


def onion(found: Finished) -> str:
    """Who else is exposed when all requests are met, in a sentence."""
    ours, target, beyond = (_whole(found, models) for models in ("unlearned", "retrained", "beyond-retraining"))
    return (
        f"Of {ours['tested']:,} images nobody asked to forget **{ours['exposed']}** are newly exposed at the end, by "
        f"retraining {target['exposed']}; the score of {beyond['exposed']} rises more than by retraining."
    )


def _whole(found: Finished, models: str) -> dict:
    """The line of counts from the original to the last request."""
    last = len(found.spec.requests)
    lines = found.summary["onion"]
    return next(x for x in lines if x["models"] == models and (x["since"], x["request"]) == (0, last))


def exposed_by_request(found: Finished) -> pd.DataFrame:
    """A line per request and one for all: how many are newly exposed by unlearning, by retraining, and beyond it."""
    lines = {(x["since"], x["request"], x["models"]): x for x in found.summary["onion"]}
    last = len(found.spec.requests)
    steps = {f"request {k}": (k - 1, k) for k in range(1, last + 1)} | {f"all {last} together": (0, last)}
    heads = {"unlearned": "By unlearning", "retrained": "By retraining", "beyond-retraining": "More than by retraining"}
    rows = []
    for name, step in steps.items():
        own = {models: lines[*step, models] for models in heads}
        row = {"After": name} | {head: _counted(own[models]) for models, head in list(heads.items())[:2]}
        row |= {"By both": own["unlearned"]["also_retrained"]}
        row |= {"Median rise": _rise(own["unlearned"]), "Median rise, retraining": _rise(own["retrained"])}
        rows.append(row | {heads["beyond-retraining"]: own["beyond-retraining"]["exposed"]})
    return pd.DataFrame(rows)


def _counted(line: dict) -> str:
    return f"{line['exposed']}" + ("" if line["crossed"] is None else f" ({line['crossed']})")


def _rise(line: dict) -> str:
    return numbers.spread(line["median_rise"], None, signed=True)


def newly_exposed(found: Finished) -> pd.DataFrame:
    """The images newly exposed by unlearning when all requests are met, the largest rise first; `beyond` says which
    are exposed more than by retraining.
    """
    table = found.exposed
    whole = table[(table["since"] == 0) & (table["request"] == len(found.spec.requests))]
    beyond = whole.loc[whole["models"] == "beyond-retraining", "row"]
    ours = whole[whole["models"] == "unlearned"]
    return ours.assign(beyond=ours["row"].isin(beyond)).sort_values(["rise", "row"], ascending=[False, True])


def speed(found: Finished) -> str:
    """The cost against retraining each time, in a sentence."""
    spent = found.summary["cost"]
    each = spent["retraining_all"] / len(spent["retraining"])
    times = "" if spent["speedup"] is None else f", {spent['speedup']:.2g} times as long"
    return f"A request takes {seconds(spent['unlearning'])}, retraining instead {seconds(each)}{times}."


def seconds(spent: float) -> str:
    return duration(spent) if spent >= 1 else f"{spent:.2g} s"


def mean_of(line: pd.Series) -> str:
    return numbers.spread(line["mean"], line["half_width"])
