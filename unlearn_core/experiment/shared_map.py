"""Several models on one map: where images lie under the original and where they moved, beside what retraining moves.

The map is fitted once, on the original's features. Those of the other models are first laid over it by a rotation,
found on the kept images (projection.align). How far an image moved is measured in the full space, not on the map.

Unlearned and retrained models have the first weights of their original, so movements from it compare with each other:
what retraining moves the kept images by is what comes with any model that never saw the forgotten ones. Two retrained
models began from different weights and lie further apart than that, so their distance is no measure of chance here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unlearn_core import projection
from unlearn_core.device import numerics
from unlearn_core.evaluation import Estimate, over_seeds
from unlearn_core.experiment.comparison import CEILING, ORIGINAL, RETRAINED
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.trained_models import load_model
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.training import embed

# An image moved where it moved further than this share of the kept images do by retraining.
BEYOND = 0.95
# Highlight modes: which images, by what the models of the map's seed make of them.
SHOWN = ("all", "forget", "forgotten", "recognised", "damage")


@spec
class SharedMap(Spec):
    """All training images under the original, one method and retraining, on one map."""

    name: str = param("One map", help="what the map is called")
    study: Study = param(help="the finished study")
    method: str = param(help="the method, as the study's table names it")
    kind: str = param("pca", choices=("pca", "umap"), help="how the map is made")
    neighbours: int = param(15, 2, 200, help="UMAP: how many neighbours shape a point's place")
    min_dist: float = param(0.5, 0.0, 1.0, help="UMAP: how closely points may lie")


@dataclass(frozen=True)
class Moved:
    """A finished map of one study and method; all arrays are by row of the training images.

    `places` (n, 2): "original", "unlearned", "retrained" and "again" of the first seed. `moved` (S, n), at least 0, in
    units of the original's features: "unlearned" and "retrained" from the original of the same seed and the same first
    weights, and "floor", a second retrained model, of other first weights, from the first.
    """

    study: OpenStudy
    method: str
    places: dict[str, np.ndarray]
    moved: dict[str, np.ndarray]

    def times_kept(self, model: str, group: str) -> Estimate:
        """Median movement of the "forget" or "retain" images under "unlearned", "retrained" or "floor", as a multiple
        of the median movement of the kept images under retraining from the same first weights, over seeds.
        """
        rows, kept = getattr(self.study.target, group), self.study.target.retain
        own, usual = np.median(self.moved[model][:, rows], axis=1), np.median(self.moved["retrained"][:, kept], axis=1)
        return over_seeds([float(a / b) if b > 0 else None for a, b in zip(own, usual, strict=True)])

    def beyond(self, model: str = "unlearned") -> np.ndarray:
        """(n,) bool: which images "unlearned" or "retrained" moved further in the first seed than retraining moves 95 %
        of the kept images. By construction 5 % of the kept ones are beyond it under "retrained".
        """
        usual = self.moved["retrained"][0, self.study.target.retain]
        return self.moved[model][0] > np.quantile(usual, BEYOND)

    def furthest(self, rows: np.ndarray, model: str, most: int) -> np.ndarray:
        """Of these rows those that are `beyond` it, the one that moved furthest first, ties by row; at most so many."""
        own = np.sort(rows[self.beyond(model)[rows]])
        return own[np.argsort(-self.moved[model][0, own], kind="stable")[:most]]

    def share_beyond(self, model: str, group: str) -> float:
        """The share, 0 to 1, of the "forget" or "retain" images that are `beyond` it."""
        return float(self.beyond(model)[getattr(self.study.target, group)].mean())

    @cached_property
    def shown(self) -> dict[str, np.ndarray]:
        """Rows of each of SHOWN: all; those to forget; of these the ones the unlearned model of the first seed gets
        wrong ("forgotten") and right ("recognised"); and kept ones it gets wrong and the original right ("damage").
        """
        right = [
            self.study.logits(name, 0)["train"].argmax(axis=1) == self.study.labels for name in (ORIGINAL, self.method)
        ]
        forget, retain = self.study.target.forget, self.study.target.retain
        return {
            "all": np.arange(len(self.study.labels)),
            "forget": forget,
            "forgotten": forget[~right[1][forget]],
            "recognised": forget[right[1][forget]],
            "damage": retain[(right[0] & ~right[1])[retain]],
        }


def asked(study: OpenStudy, method: str, kind: str) -> SharedMap:
    """The map of a method of a study. Raises BadValue where the study has no such method."""
    if method not in set(study.table.loc[study.table["kind"] != "reference", "method"]):
        raise BadValue(f"This study has no method {method[:40]!r}.")
    return SharedMap(study=study.spec, method=method, kind=kind)


def finished(study: OpenStudy, method: str, kind: str) -> Moved | None:
    """The map where it was made, else None."""
    result = study.store.find(asked(study, method, kind))
    return None if result is None else Moved(study, method, result.arrays("places"), result.arrays("moved"))


def _shared_map(store: Store, wanted: SharedMap, tell: Tell) -> Result:
    study, began = OpenStudy(store, fulfil(store, wanted.study, tell)), time.perf_counter()
    asked(study, wanted.method, wanted.kind)
    moved, places = {"unlearned": [], "retrained": [], "floor": []}, {}
    for seed in range(wanted.study.seeds):
        training = wanted.study.training.but(seed=seed)

        def seen(method: str, training=training, seed=seed) -> np.ndarray:
            return embed(load_model(store, training, study.run_result(method, seed)), study.data.train)

        keep = study.target.retain
        original, retrained, again = (seen(name) for name in (ORIGINAL, RETRAINED, CEILING))
        laid = {
            name: projection.align(features, original, keep)
            for name, features in (("unlearned", seen(wanted.method)), ("retrained", retrained), ("again", again))
        }
        for name in ("unlearned", "retrained"):
            moved[name].append(np.linalg.norm(laid[name] - original, axis=1))
        moved["floor"].append(np.linalg.norm(projection.align(again, retrained, keep) - retrained, axis=1))
        if seed == 0:
            how = wanted.neighbours, wanted.min_dist
            own, others = projection.shared(wanted.kind, original, laid, *how)
            places = {"original": own} | others
        tell("map", seed + 1, wanted.study.seeds)

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - began
        draft.arrays("places", **places)
        draft.arrays("moved", **{name: np.stack(each).astype(np.float32) for name, each in moved.items()})

    return store.remember(wanted, make, device=numerics)


MAKERS[SharedMap] = _shared_map
