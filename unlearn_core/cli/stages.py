"""train, bank, map: what is known of the images before any is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearn_core.cli.frame import StoreOption, answer, obtain, open_store, say
from unlearn_core.cli.options import training, with_recipe, write_csv


@with_recipe
def train(recipe: dict, store: StoreOption = None) -> None:
    """Train one model by the dataset's recipe, or by yours."""
    from unlearn_core.evaluation import accuracy
    from unlearn_core.experiment.trained_models import SPLITS, outputs
    from unlearn_core.training import promise

    root = open_store(store)
    spec = training(root, recipe)
    result, cached = obtain(root, spec)
    found = {split: outputs(root, spec.data, result, split) for split in SPLITS}
    accuracies = {f"{split}_accuracy": accuracy(o.logits, o.labels) for split, o in found.items()}
    promised = promise(spec, len(found["train"].labels))
    private = {} if promised is None else dict(zip(("epsilon", "delta"), promised, strict=True))
    answer({"key": result.key, **accuracies, **private, "seconds": result.manifest()["seconds"], "cached": cached})


@with_recipe
def bank(
    recipe: dict,
    models: Annotated[int, typer.Option(help="Members of the bank; 64 are a preview.")] = 256,
    stop_at: Annotated[
        float, typer.Option(help="Stop early once memorization scores are as reliable as this; 0 = train all.")
    ] = 0.0,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the scores here too.")] = None,
    store: StoreOption = None,
) -> None:
    """Train models on subsets of the images: from them come memorization scores and the likelihood-ratio attack."""
    from unlearn_core.ensembles import Bank
    from unlearn_core.experiment.bank import bank_memorization, bank_stability

    root = open_store(store)
    spec = training(root, recipe)
    result, cached = obtain(root, Bank(training=spec, models=models, seed=spec.seed, stop_at=stop_at))
    scores, seconds, reached = bank_memorization(result), result.manifest()["seconds"], bank_stability(result).iloc[-1]
    trained = int(reached["members"])
    if trained < models:
        say(f"Training stopped early, as asked, after {trained} of {models} models.")
    if scores.warning:
        say(scores.warning)
    if out is not None:
        columns = {"memorization": scores.scores, "standard_error": scores.standard_error}
        write_csv({"row": range(len(scores.scores)), **columns}, out)
    answer(
        {
            "key": result.key,
            "models": trained,
            "asked": models,
            "stopped_early": trained < models,
            "seconds": seconds,
            "models_per_second": trained / seconds,
            "test_accuracy": float(reached["test_accuracy"]),
            "fitted": scores.fitted,
            "split_half_spearman": float(reached["spearman"]),
            "split_half_pearson": float(reached["pearson"]),
            "reliability": float(reached["reliability"]),
            "cached": cached,
        }
    )


@with_recipe
def map_(
    recipe: dict,
    neighbours: Annotated[int, typer.Option(help="How many neighbours shape a point's place.")] = 15,
    min_dist: Annotated[float, typer.Option(help="How closely points may lie.")] = 0.5,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the coordinates here too.")] = None,
    store: StoreOption = None,
) -> None:
    """Lay the images out on a plane by the model's embedding of them (UMAP, and PCA beside it)."""
    from unlearn_core.experiment import Map

    root = open_store(store)
    result, cached = obtain(root, Map(training=training(root, recipe), neighbours=neighbours, min_dist=min_dist))
    places = {kind: result.arrays(kind) for kind in ("umap", "pca")}
    counts = {split: len(xy) for split, xy in places["umap"].items()}
    if out is not None:
        import numpy as np

        columns = {"split": np.repeat(list(counts), list(counts.values()))}
        columns["row"] = np.concatenate([np.arange(n) for n in counts.values()])
        for kind, splits in places.items():
            both = np.concatenate([splits[split] for split in counts])
            columns |= {f"{kind}_x": both[:, 0], f"{kind}_y": both[:, 1]}
        write_csv(columns, out)
    answer({"key": result.key, "points": counts, "seconds": result.manifest()["seconds"], "cached": cached})
