"""What forgetting cost in accuracy, method by method of a finished study, and which of them no other one beats."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unlearn_core.evaluation import over_seeds, paired_difference
from unlearn_core.evaluation.seeds import ROUNDING
from unlearn_core.experiment.comparison import by_seed, retraining_seconds, side_of_zero, work_of
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, RETRAINED
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue
from unlearn_core.rum import PARTS

# What forgetting can be measured by in a trade-off, beside "parts", and on which images what it cost.
PRIVACY = ("tpr_at_1_fpr", "lira_auc", "attack_auc")
KEPT = ("test", "retain")
# Who is extreme in one thing is beaten by nobody in both: a model left nearly as it is forgets nothing and keeps all,
# a wrecked one may look forgotten. So nobody is called unbeaten who lost more accuracy than this against retraining,
# or left more than this share of the original's distance to it (more than a second retrained model lies off it, too).
MOST_LOST, MOST_LEFT = 0.05, 0.5


def pareto(costs: np.ndarray) -> np.ndarray:
    """(n,) bool: which of n points no other one beats. `costs` (n, d), lower = better in every column; a point beats
    another where it is as low in all of them and lower in one. Equal points stand together; a row with a NaN is False.
    """
    costs = np.asarray(costs, np.float64)
    if costs.ndim != 2:
        raise BadValue("Points of a trade-off are a table with a line for each.")
    known = ~np.isnan(costs).any(axis=1)
    beaten = [((costs <= own).all(axis=1) & (costs < own).any(axis=1)).any() for own in costs]
    return known & ~np.array(beaten, bool)


def default_forgetting(study: OpenStudy) -> str:
    """What a trade-off measures forgetting by unless told otherwise: attack success at 1 % false alarms where there are
    images enough to measure it, else the accuracy on the parts.
    """
    return PRIVACY[0] if by_seed(study, PRIVACY[0])[RETRAINED].notna().any() else "parts"


def rarest(study: OpenStudy) -> float:
    """Half of the smallest share above 0 that a mean over seeds of the forgotten images can be, 0 to 1: where a share
    of none stands on an axis of powers of ten.
    """
    return 1 / (2 * len(study.forget) * study.spec.seeds)


def trade_off(study: OpenStudy, by: str = "parts", on: str = "test") -> pd.DataFrame:
    """What forgetting cost in accuracy `on` one of KEPT images, against how far it is from retraining. A line per
    method.

    `title`, `kind`; `x`, accuracy less the retrained model's of the same seed (above 0 = more accurate); `y`, the
    mean over seeds of the distance to it: over the parts in accuracy ("parts"), or in one of PRIVACY, of which
    `success` is the attack's own reading, 0 to 1 (NaN for "parts"); `x_half`, `y_half`, `success_half` of their 95 %
    intervals; `seconds` a run, and `work`, as in `everything`. NaN where not measurable. `verdict` is "reference";
    "front" where no other method is better in the mean at both; "lost" or "left" where none is either, but it lies
    outside the usable range, of accuracy or else of forgetting (`usable`); "worse" where another one is as good in the
    mean at both and better at one beyond the spread of seeds; "inside" where that cannot be told; "unknown" without
    values. `beaten_by` is the title of one that makes it worse, or None. Of "front", `pays_x` and `pays_y` are how much
    less accurate and how much further from retraining it is than the best of them.
    """
    if by not in ("parts", *PRIVACY):
        raise BadValue(f"Forgetting is measured by parts or one of {', '.join(PRIVACY)}, not {by!r}.")
    if on not in KEPT:
        raise BadValue(f"Accuracy is measured on one of {', '.join(KEPT)}, not {on!r}.")
    kept, apart, success = by_seed(study, f"{on}_accuracy"), _apart_on_parts(study), None
    kept = kept.sub(kept[RETRAINED], axis=0)
    if by != "parts":
        success = by_seed(study, by)
        apart = success.sub(success[RETRAINED], axis=0).abs()
    frame = study.table.drop_duplicates("method").set_index("method")[["title", "kind"]]
    for column, values in (("x", kept), ("y", apart), ("success", success)):
        found = {name: over_seeds([] if values is None else values[name].tolist()) for name in frame.index}
        frame[column] = pd.Series({name: one.mean for name, one in found.items()}, dtype=float)
        frame[f"{column}_half"] = pd.Series({name: one.half_width for name, one in found.items()}, dtype=float)
    frame["seconds"] = study.table.groupby("method", sort=False)["seconds"].mean()
    frame.loc[[RETRAINED, CEILING], "seconds"] = retraining_seconds(study)
    frame["work"] = pd.Series({name: work_of(study, name) for name in frame.index}, dtype=float)
    frame["verdict"], frame["beaten_by"] = "reference", None
    run = frame.index[frame["kind"] != "reference"]
    costs = np.column_stack([-frame.loc[run, "x"], frame.loc[run, "y"]])
    front = dict(zip(run, pareto(costs), strict=True))
    for i, name in enumerate(run):
        verdict = "front" if front[name] else "inside"
        if np.isnan(costs[i]).any():
            verdict = "unknown"
        elif not front[name]:
            for other in run[(costs <= costs[i]).all(axis=1)]:
                told = (
                    side_of_zero(paired_difference(kept[other].tolist(), kept[name].tolist())) == 1,
                    side_of_zero(paired_difference(apart[other].tolist(), apart[name].tolist())) == -1,
                )
                if any(told):
                    verdict, frame.loc[name, "beaten_by"] = "worse", frame.loc[other, "title"]
                    break
        frame.loc[name, "verdict"] = verdict
    ahead = frame["verdict"] == "front"
    frame.loc[ahead & (frame["y"] > usable(frame)), "verdict"] = "left"
    frame.loc[ahead & (frame["x"] < -MOST_LOST), "verdict"] = "lost"
    front = frame[frame["verdict"] == "front"]
    frame["pays_x"], frame["pays_y"] = front["x"].max() - front["x"], front["y"] - front["y"].min()
    return frame


def usable(points: pd.DataFrame) -> float:
    """How far from retraining a method of a `trade_off` may lie and still be called unbeaten."""
    return max(MOST_LEFT * points.loc[ORIGINAL, "y"], points.loc[CEILING, "y"]) + ROUNDING


def _apart_on_parts(study: OpenStudy) -> pd.DataFrame:
    """Per seed and method the mean over the parts of the distance to retraining in accuracy."""
    parts = [by_seed(study, f"{part}_accuracy") for part in PARTS if len(study.parts[part])]
    return sum(part.sub(part[RETRAINED], axis=0).abs() for part in parts) / len(parts)


def far_out(values: pd.Series) -> pd.Series:
    """Which values lie more than three interquartile ranges outside the quartiles, so that a chart with them shows
    little else. NaN is not."""
    low, high = values.quantile(0.25), values.quantile(0.75)
    reach = 3 * (high - low)
    return (values < low - reach) | (values > high + reach)
