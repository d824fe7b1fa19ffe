"""What forgetting did to those who stay: every class, the kept images that resemble forgotten ones, and who was hit
worst.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unlearn_core.evaluation.collateral import collateral, nearest, worst_hit
from unlearn_core.evaluation.groups import fairness
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.embedded_images import Embedding
from unlearn_core.experiment.tiers.from_outputs import Seen
from unlearn_core.experiment.tiers.subject import JUDGE, Subject
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.store import Store

NEIGHBOURS = 10  # kept images for each forgotten one


def tables(store: Store, subject: Subject, seen: dict[str, Sequence[Seen]]) -> dict[str, pd.DataFrame]:
    """Name -> a table with a column `kind`: unlearned, and retrained for what a second retrained model reads.

    "classes": as evaluation.fairness has it, `images` kept, test or forget. "neighbours": as evaluation.collateral, in
    the embedding of the first original. "worst_hit": as evaluation.worst_hit.
    """
    images, target = dataset(store, subject.training.data), seen["unlearned"][0].target
    embedding = fulfil(store, Embedding(training=subject.training)).arrays()["train"]
    near = nearest(embedding, target.forget, target.retain, min(NEIGHBOURS, len(target.retain)))[0]
    found = {"classes": [], "neighbours": [], "worst_hit": []}
    for kind in ("unlearned", "retrained"):
        sides = [_logits(seen[k], "train") for k in (kind, JUDGE[kind])]
        found["classes"] += [_classes(seen, kind, group, images.classes) for group in ("retain", "test", "forget")]
        found["neighbours"].append(collateral(*sides, target.labels, near, target.retain).assign(kind=kind))
        hit = worst_hit(*sides, target.labels, embedding, target.forget, target.retain)
        found["worst_hit"].append(hit.assign(kind=kind))
    joined = {name: pd.concat(frames, ignore_index=True) for name, frames in found.items()}
    return {name: _storable(table) for name, table in joined.items()}


def nearness(near: pd.DataFrame) -> str | None:
    """What it cost kept images to be near forgotten ones, in confidence, by the table "neighbours": "more" than it cost
    the others, "less", or "untold" where the difference does not exceed its own half width and all that a second
    retrained model reads, its half width included. None where every kept image is near.
    """
    lines = near[(near["measure"] == "confidence") & (near["images"] == "difference")].set_index("kind")
    gap, half = lines.loc["unlearned", ["gap", "half_width"]].astype(float)
    noise = lines.loc["retrained", ["gap", "half_width"]].astype(float).abs().sum(skipna=False)
    if not np.isfinite(gap):
        return None
    if not abs(gap) > np.max([half, noise]):  # what is not known tells nothing
        return "untold"
    return "more" if gap < 0 else "less"


def _classes(seen: dict[str, Sequence[Seen]], kind: str, group: str, names: tuple[str, ...]) -> pd.DataFrame:
    own, judge = (np.stack([each.groups[group][0] for each in seen[k]]) for k in (kind, JUDGE[kind]))
    labels = seen[kind][0].groups[group][1]
    table = fairness(own, judge, labels, count=len(names)).table
    return table.assign(group=list(names), on=group, kind=kind)


def _logits(seen: Sequence[Seen], split: str) -> np.ndarray:
    return np.stack([each.logits[split] for each in seen])


def _storable(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers and None as numbers and NaN, for a parquet file."""
    words = ("group", "on", "kind", "measure", "images")
    numbers = [name for name in table if not (name in words and table[name].map(type).eq(str).any())]
    return table.astype({name: float for name in numbers if table[name].dtype == object})
