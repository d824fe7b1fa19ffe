"""Image by image: how sure the original, the unlearned and the retrained models are of its label, over seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unlearn_core.attacks.signals import confidence, correctness
from unlearn_core.evaluation.collateral import nearest
from unlearn_core.experiment.comparison import CEILING, ORIGINAL, RETRAINED
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.embedded_images import Embedding
from unlearn_core.experiment.predictions import over_seeds
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue

GROUPS = ("forget", "retain")
SIDES = ("worse", "better", "all")


def images(study: OpenStudy, method: str, group: str = "forget") -> pd.DataFrame:
    """A line for each forgotten ("forget") or kept ("retain") training image, the furthest from retraining first.

    `row`, `class` (its name), `part` ("low", "medium", "high" or "" for kept images); `original`, `unlearned` and
    `retrained`, the probability of its label, means over seeds; `gap`, unlearned - retrained of the same seed, with the
    `half_width` of its 95 % interval (NaN with one seed); `noise`, the same difference for a second retrained model;
    `stands_out`: the interval misses 0 and |gap| is larger than that of any image of the group between two retrained
    models, as means over seeds. `still_right` is the share of seeds in which the unlearned model gets it right. Equal
    gaps go by row. Raises BadValue for another group and for a method that the study does not have.
    """
    if group not in GROUPS:
        raise BadValue(f"Images are one of {', '.join(GROUPS)}.")
    rows = getattr(study.target, group)
    labels = study.labels[rows]
    seeds = sorted(int(seed) for seed in study.table["seed"].unique())
    logits = {
        name: [study.logits(name, seed)["train"][rows] for seed in seeds]
        for name in (ORIGINAL, method, RETRAINED, CEILING)
    }
    sure = {name: np.stack([confidence(one, labels) for one in each]) for name, each in logits.items()}
    gap, half = over_seeds(sure[method] - sure[RETRAINED])
    noise = (sure[CEILING] - sure[RETRAINED]).mean(axis=0)
    part = np.full(len(study.labels), "", dtype=object)
    for name, own in study.parts.items():
        part[own] = name
    size = np.abs(gap)
    table = pd.DataFrame(
        {
            "row": rows,
            "class": np.array(study.classes, dtype=object)[labels],
            "part": part[rows],
            "original": sure[ORIGINAL].mean(axis=0),
            "unlearned": sure[method].mean(axis=0),
            "retrained": sure[RETRAINED].mean(axis=0),
            "gap": gap,
            "half_width": half,
            "noise": noise,
            # Comparisons with NaN are False: with one seed nothing stands out.
            "stands_out": (size > half) & (size > np.abs(noise).max(initial=0)),
            "still_right": np.stack([correctness(one, labels) for one in logits[method]]).mean(axis=0),
        }
    )
    return table.iloc[np.lexsort((rows, -size))].reset_index(drop=True)


def on_side(table: pd.DataFrame, side: str) -> pd.DataFrame:
    """The lines of `images` whose label the unlearned models are less sure of than retrained ones ("worse"), surer of
    ("better"), or all, in the same order. Raises BadValue for another side.
    """
    if side not in SIDES:
        raise BadValue(f"A side is one of {', '.join(SIDES)}.")
    return table if side == "all" else table[table["gap"] < 0 if side == "worse" else table["gap"] > 0]


def nearest_forgotten(study: OpenStudy, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k,) row of the forgotten image nearest to each of these rows in the embedding of the study's original model, and
    (k,) its Euclidean distance.
    """
    embedding = fulfil(study.store, Embedding(training=study.spec.training)).arrays()["train"]
    found, distances = nearest(embedding, rows, study.forget, 1)
    return found[:, 0], distances[:, 0]
