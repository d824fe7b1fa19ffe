"""Collateral damage: what forgetting did to the kept images that look most like the forgotten ones.

Neighbours are exact, in the embedding space of a model, by Euclidean distance (as entanglement measures it) or by the
angle. All is measured against a retrained model, which loses something around the forgotten images too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unlearn_core.attacks.signals import confidence, correctness
from unlearn_core.evaluation.seeds import over_seeds
from unlearn_core.params import BadValue

DISTANCES = ("euclidean", "cosine")
MEASURES = {"accuracy": correctness, "confidence": confidence}
# Numbers in one table of distances: 64 MB, however many images there are.
TABLE = 2**23
# Relative rounding of a distance from a matrix product; whatever lies this near to the k-th is measured again directly.
ROUNDING = 1e-11


def nearest(
    embeddings: np.ndarray, queries: np.ndarray, among: np.ndarray, k: int = 10, distance: str = "euclidean"
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of `among` nearest to each row of `queries`, the nearest first: (q, k) rows and (q, k) distances.

    `embeddings` (n, D) of all images; equal distances go by row number. Euclidean distances are at least 0; cosine
    distances are 1 - cos of the angle, 0 to 2. Exact, in pieces: a table of all distances never exists. Raises BadValue
    where there are fewer than k to choose from, for features that are no numbers, and for an image without a direction.
    """
    if distance not in DISTANCES:
        raise BadValue(f"A distance is one of {', '.join(DISTANCES)}, not {str(distance)[:40]!r}.")
    among = np.unique(np.asarray(among, np.int64))
    if not 1 <= k <= len(among):
        raise BadValue(f"There are {len(among):,} images to choose neighbours from, so {k:,} cannot be found.")
    points = np.asarray(embeddings)
    x, pool = points[queries].astype(np.float64), points[among].astype(np.float64)
    if not (np.isfinite(x).all() and np.isfinite(pool).all()):
        raise BadValue("A feature is not a finite number, so no distance can be measured.")
    if distance == "cosine":
        x, pool = _unit(x), _unit(pool)
    else:  # products of uncentred features would cancel badly
        center = pool.mean(axis=0)
        x, pool = x - center, pool - center
    squares = np.einsum("ij,ij->i", pool, pool)
    rows, distances = np.empty((len(x), k), np.int64), np.empty((len(x), k))
    step = max(1, TABLE // len(pool))
    for start in range(0, len(x), step):
        block = x[start : start + step]
        table = squares - 2 * (block @ pool.T)  # squared distance, less the query's own square
        kth = np.partition(table, k - 1, axis=1)[:, k - 1]
        slack = ROUNDING * (np.einsum("ij,ij->i", block, block) + squares.max())
        for i, (query, line) in enumerate(zip(block, table, strict=True), start):
            near = np.flatnonzero(line <= kth[i - start] + slack[i - start])
            exact = np.square(pool[near] - query).sum(axis=1)
            first = np.lexsort((near, exact))[:k]
            rows[i], distances[i] = among[near[first]], exact[first]
    return rows, distances / 2 if distance == "cosine" else np.sqrt(distances)


def collateral(
    unlearned: np.ndarray | Sequence[np.ndarray],
    retrained: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray,
    neighbours: np.ndarray,
    retain: np.ndarray,
) -> pd.DataFrame:
    """How the neighbours of the forgotten images fared, against a retrained model and against the other kept images.

    Logits (N, K), or (S, N, K) for S seeds, of all training images with labels (N,); `neighbours` are rows of `retain`,
    named once or more often. A line for each `measure` (accuracy, confidence in the label) and `images`: "neighbours",
    "others" (kept, and no neighbours) and "difference" (neighbours less others). `unlearned` and `retrained` are means
    over images and seeds; `gap` is unlearned - retrained, below 0 = damage, with the `half_width` of its 95 % interval
    over seeds. The gap of the line "difference" is the damage that is there because of nearness; a perfect run reads 0
    in all gaps, up to what a second retrained model reads in the place of the unlearned one. None where there are no
    such images, and for the half width of a single seed. Raises BadValue for rows that are not kept and other shapes.
    Source: this project; a difference in differences, with the pairs of models of one seed as units.
    """
    retain, near = np.unique(retain), np.unique(neighbours)
    if len(np.setdiff1d(near, retain)):
        raise BadValue("A neighbour is an image that is kept.")
    sets = {"neighbours": near, "others": np.setdiff1d(retain, near)}
    lines = []
    for measure in MEASURES:
        ours, theirs = (_each(logits, labels, measure) for logits in (unlearned, retrained))
        if ours.shape != theirs.shape:
            raise BadValue("Unlearned and retrained models are compared seed by seed, so there must be as many.")
        by_set = {}
        for name, rows in sets.items():
            if len(rows):
                by_set[name] = np.stack([ours[:, rows].mean(axis=1), theirs[:, rows].mean(axis=1)])
        if len(by_set) == 2:
            by_set["difference"] = by_set["neighbours"] - by_set["others"]
        for name in (*sets, "difference"):
            line = {"measure": measure, "images": name, "count": len(sets[name]) if name in sets else None}
            lines.append(line | (_compared(*by_set[name]) if name in by_set else _NOTHING))
    return pd.DataFrame(lines, dtype=object)  # as objects, so that None stays what it is


def worst_hit(
    unlearned: np.ndarray | Sequence[np.ndarray],
    retrained: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray,
    embeddings: np.ndarray,
    forget: np.ndarray,
    retain: np.ndarray,
    count: int = 24,
    distance: str = "euclidean",
) -> pd.DataFrame:
    """The kept images whose confidence in the label fell furthest below a retrained model's, the worst first.

    A line for each of at most `count` images: `row`, mean confidences `unlearned` and `retrained` over seeds, `change`
    (-1 to 1) with its `half_width`, `right_unlearned` and `right_retrained` (shares of seeds), the `nearest` forgotten
    image and its `distance`. Images that did not fall are left out; of equal falls the lower row comes first. The worst
    of many always look bad: beside it belongs the same list of a second retrained model. Raises BadValue like
    `collateral` and `nearest`.
    """
    retain = np.unique(retain)
    ours, theirs = (_each(logits, labels, "confidence")[:, retain] for logits in (unlearned, retrained))
    if ours.shape != theirs.shape:
        raise BadValue("Unlearned and retrained models are compared seed by seed, so there must be as many.")
    change = (ours - theirs).mean(axis=0)
    worst = np.lexsort((retain, change))[:count]
    worst = worst[change[worst] < 0]
    rows = retain[worst]
    right = [_each(logits, labels, "accuracy")[:, rows].mean(axis=0) for logits in (unlearned, retrained)]
    closest, apart = nearest(embeddings, rows, forget, 1, distance)
    return pd.DataFrame(
        {
            "row": rows,
            "unlearned": ours[:, worst].mean(axis=0),
            "retrained": theirs[:, worst].mean(axis=0),
            "change": change[worst],
            "half_width": np.array([over_seeds(d).half_width for d in (ours - theirs)[:, worst].T], object),
            "right_unlearned": right[0],
            "right_retrained": right[1],
            "nearest": closest[:, 0],
            "distance": apart[:, 0],
        }
    )


_NOTHING = dict.fromkeys(("unlearned", "retrained", "gap", "half_width", "seeds"))


def _compared(ours: np.ndarray, theirs: np.ndarray) -> dict:
    gap = over_seeds(ours - theirs)
    means = {"unlearned": float(ours.mean()), "retrained": float(theirs.mean())}
    return means | {"gap": gap.mean, "half_width": gap.half_width, "seeds": gap.n}


def _each(logits, labels: np.ndarray, measure: str) -> np.ndarray:
    """(S, N) a measure of every image under every model."""
    models = np.asarray(logits)
    models = models[None] if models.ndim == 2 else models
    if models.ndim != 3 or not len(models) or models.shape[1] != len(labels):
        raise BadValue("Logits are tables of images by classes, one for each seed, of the images that have labels.")
    if np.isnan(models).any():
        raise BadValue("A logit is not a number, so models cannot be compared.")
    return np.stack([MEASURES[measure](one, labels) for one in models])


def _unit(x: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    if not lengths.all():
        raise BadValue("An image whose features are all 0 has no direction; measure Euclidean distances instead.")
    return x / lengths
