"""Where all images lie under a trained model: its features, and a map of them."""

from __future__ import annotations

import numpy as np

from unlearn_core import projection
from unlearn_core.device import numerics
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.trained_models import dataset, load_model
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.training import Training, embed


@spec
class Embedding(Spec):
    """Features of all images before the last layer of a trained model."""

    training: Training = param(Training(), help="the model")


@spec
class Map(Spec):
    """Training and test images as points on one plane, from the embeddings of a trained model."""

    training: Training = param(Training(), help="the model")
    neighbours: int = param(15, 2, 200, help="UMAP: how many neighbours shape a point's place")
    min_dist: float = param(0.5, 0.0, 1.0, help="UMAP: how closely points may lie")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the layout")


def _embedding(store: Store, spec: Embedding, tell: Tell) -> Result:
    trained = fulfil(store, spec.training, tell)

    def make(draft: Draft) -> None:
        model, images = load_model(store, spec.training, trained), dataset(store, spec.training.data)
        draft.arrays(train=embed(model, images.train), test=embed(model, images.test))

    return store.remember(spec, make, device=numerics)


def embedding_sums(store: Store, training: Training, tell: Tell = silent) -> EmbeddingSums:
    """What entanglement needs of the training images' embeddings under a trained model."""
    return EmbeddingSums(fulfil(store, Embedding(training=training), tell).arrays()["train"])


def map_of(store: Store, training: Training) -> Map:
    """The map of a study's images. Studies that were made when points lay closer keep the one that they have."""
    now, before = Map(training=training), Map(training=training, min_dist=0.1)
    return now if store.find(now) is not None or store.find(before) is None else before


def _map(store: Store, spec: Map, tell: Tell) -> Result:
    embeddings = fulfil(store, Embedding(training=spec.training), tell).arrays()
    tell("map", 0, 1)

    def make(draft: Draft) -> None:
        both = np.concatenate([embeddings["train"], embeddings["test"]])
        n = len(embeddings["train"])
        for name, xy in (
            ("umap", projection.umap(both, spec.neighbours, spec.min_dist, spec.seed)),
            ("pca", projection.pca(both)),
        ):
            draft.arrays(name, train=xy[:n], test=xy[n:])

    result = store.remember(spec, make, device=numerics)
    tell("map", 1, 1)
    return result


MAKERS |= {Embedding: _embedding, Map: _map}
